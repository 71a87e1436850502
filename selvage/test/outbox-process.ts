/** A worker that sends and delivers messages, and writes down the beginning and the end of each delivery. */
import { join } from 'node:path'
import { LineFile } from '@selvage/testing'
import { openSelvage } from 'selvage/core'
import { mortal } from './mortal.ts'

export interface Delivery {
  readonly what: 'begin' | 'end'
  readonly id: string
  readonly runId: string
  readonly payload: number
  readonly pid: number
}

const { folder, url } = mortal()

const ledger = new LineFile<Delivery>(join(folder, 'ledger'))
const note = (what: Delivery['what'], id: string, runId: string, payload: number): void =>
  ledger.append({ what, id, runId, payload, pid: process.pid })

const selvage = await openSelvage({ url })
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
