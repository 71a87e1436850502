/**
 * A program as somebody writes it, with the team in it: it starts the run or goes on with it, answers what it asks
 * and ends with it.
 */
import { openSelvage } from 'selvage'
import { mortal } from './mortal.ts'
import { makeTeam } from './team.ts'
import { answerOf, optionsOf } from './team-judge.ts'
import { TeamLedger } from './team-ledger.ts'

const { folder, url } = mortal()

const ledger = new TeamLedger(folder)
const selvage = await openSelvage({ url })
const team = selvage.graph('team', () => makeTeam((at) => ledger.record(at)), optionsOf(ledger))
const run = await team.start('Do all of it.', { runId: 'team' })
for await (const event of run.events()) {
  if (event.type !== 'questionOpened' || event.status !== 'open') continue
  await run.respond(event.question.id, answerOf(event.question.reason))
}
await run.result()
await selvage.close()
process.exit()
