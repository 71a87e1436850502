/**
 * A worker that sends and delivers messages: `outbox-process.ts <folder> [probe hit]`. It writes down the beginning and
 * the end of each delivery; with a probe it kills itself where it comes there for the n-th time.
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

const note = (what: 'begin' | 'end', id: string, runId: string, payload: unknown): void =>
  appendFileSync(join(folder, 'ledger'), `${JSON.stringify({ what, id, runId, payload, pid: process.pid })}\n`)

const selvage = await openSelvage({ url: `sqlite:${join(folder, 'selvage.db')}` })
selvage.outbox<number>('mail', async ({ idempotencyKey, runId, payload }) => {
  note('begin', idempotencyKey, runId, payload)
  await new Promise((resolve) => setTimeout(resolve, 1))
  note('end', idempotencyKey, runId, payload)
})
selvage.workflow('sender', async (ctx) => {
  await ctx.send('mail', 1)
  await ctx.step('two at once', (at) => [at.send('mail', 2), at.send('mail', 3)])
  await ctx
    .step('one', (at) => at.send('mail', 4), { effect: 'once', onUnknown: 'fail' })
    .catch(() => ctx.send('mail', 4))
  await ctx.sleep(1)
  await ctx.send('mail', 5)
  await ctx.send('mail', 6)
})
await selvage.work()
