/**
 * A program as somebody writes it, with the team in it: `node team-process.ts <folder> [writes]` starts the run or goes on
 * with it, answers what it asks and ends with it. With `writes` it dies behind so many writes to the journal.
 */
import { join } from 'node:path'
import { onProbe } from '@selvage/core'
import { openSelvage } from 'selvage'
import { makeTeam } from './team.ts'
import { answerOf, optionsOf } from './team-judge.ts'
import { TeamLedger } from './team-ledger.ts'

const [folder = '.', writes = 'Infinity'] = process.argv.slice(2)
// It ends with the process that spawned it.
process.stdin.on('end', () => process.exit()).resume()

let left = Number(writes)
onProbe((name) => {
  if (name === 'host.after-append' && --left === 0) process.kill(process.pid, 'SIGKILL')
})

const ledger = new TeamLedger(folder)
const selvage = await openSelvage({ url: `sqlite:${join(folder, 'selvage.db')}` })
const team = selvage.graph('team', () => makeTeam((at) => ledger.record(at)), optionsOf(ledger))
const run = await team.start('Do all of it.', { runId: 'team' })
for await (const event of run.events()) {
  if (event.type !== 'questionOpened' || event.status !== 'open') continue
  await run.respond(event.question.id, answerOf(event.question.reason))
}
await run.result()
await selvage.close()
process.exit()
