/** A trip that is undone: the hotel is full, so the flight and the charge are taken back, newest first. */
import { openSelvage, TerminalError } from 'selvage/core'

const bank = new Map<string, string>()
const selvage = await openSelvage({ url: 'sqlite::memory:' })

const trip = selvage.workflow('trip', async (ctx) => {
  await ctx.step('flight', () => 'seat 12A', {
    compensate: ({ result }) => console.log(`gave back ${result}`),
  })
  await ctx.step('charge', (at) => void bank.set(at.idempotencyKey, 'charged'), {
    effect: 'once',
    reconcile: ({ idempotencyKey }) => (bank.has(idempotencyKey) ? { done: true, result: undefined } : { done: false }),
    compensate: {
      run: ({ idempotencyKey, reason }) => {
        bank.set(idempotencyKey, 'refunded')
        console.log(`refunded, because ${reason}`)
      },
      retry: { maxAttempts: 10, max: '1h' },
      timeout: '30s',
    },
  })
  await ctx.step('hotel', () => {
    throw new TerminalError('the hotel is full')
  })
})

const run = await trip.start()
await run.result().catch((error: Error) => console.log(error.message))
const { items } = await selvage.effects({ runId: run.id })
for (const { step, state, undone } of items)
  console.log(step, state, undone === undefined ? '' : `(undoing it: ${undone})`)
await selvage.close()
