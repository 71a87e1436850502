/**
 * A worker on runs that two of three people decide, and that then act once: `quorum-process.ts <folder> [probe hit]`. With
 * a probe it kills itself where it comes there for the n-th time.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { onProbe } from '@selvage/core'
import { openSelvage } from 'selvage/core'

const [folder = '.', probe, hits = '1'] = process.argv.slice(2)
// It ends with the process that spawned it.
process.stdin.on('end', () => process.exit()).resume()

let left = Number(hits)
onProbe((name) => {
  if (name === probe && --left === 0) process.kill(process.pid, 'SIGKILL')
})

const selvage = await openSelvage({ url: `sqlite:${join(folder, 'selvage.db')}` })
selvage.workflow('pay', async (ctx) => {
  const answer = await ctx.approval('pay', { quorum: 2, of: ['ann', 'bob', 'cy'] })
  await ctx.step('paid', () => appendFileSync(join(folder, 'paid'), `${answer.approved} ${answer.by}\n`))
  return answer.approved
})
await selvage.work()
