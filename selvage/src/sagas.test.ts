/** What a run leaves to people when it could not undo everything, on a real database. */
import { expect, test } from 'vitest'
import { openSelvage } from './index.ts'

/** A charge whose refund fails while the bank is closed. */
async function leftOpen(bank: { isOpen: boolean }, refunds: string[]) {
  const selvage = await openSelvage({ url: 'sqlite::memory:' })
  const order = selvage.workflow('order', async (ctx) => {
    await ctx.step('book', () => 'booked', { compensate: () => void refunds.push('book') })
    await ctx.step('charge', () => 'ch_1', {
      compensate: {
        run: ({ result }) => {
          if (!bank.isOpen) throw new Error('the bank is closed')
          refunds.push(`${result}`)
        },
        retry: { maxAttempts: 1 },
      },
    })
    throw new Error('out of stock')
  })
  const run = await order.start()
  await expect(run.result()).rejects.toMatchObject({ code: 'RUN_FAILED', cause: { message: 'out of stock' } })
  return { selvage, run }
}

const items = async ({ selvage, run }: Awaited<ReturnType<typeof leftOpen>>) =>
  (await selvage.approvals({ runId: run.id, kind: 'compensation', status: 'any' })).items

test('a compensation that gives up leaves the run failed, with an open item for a person', async () => {
  const refunds: string[] = []
  const left = await leftOpen({ isOpen: false }, refunds)
  const { selvage, run } = left
  expect((await run.status()).status).toBe('failed')
  expect(refunds).toEqual(['book'])
  expect((await selvage.approvals()).items).toMatchObject([
    {
      runId: run.id,
      kind: 'compensation',
      name: 'charge',
      status: 'open',
      reason: { step: 'charge', result: 'ch_1', error: { message: 'the bank is closed' } },
    },
  ])
  const { items: effects } = await selvage.effects({ runId: run.id })
  expect(effects.map(({ step, state, undone, undoes }) => [step, state, undone ?? undoes])).toEqual([
    ['book', 'done', 'done'],
    ['charge', 'done', 'failed'],
    ['charge/undo', 'failed', 'charge'],
    ['book/undo', 'done', 'book'],
  ])
  await expect(run.result()).rejects.toMatchObject({
    code: 'RUN_FAILED',
    hint: expect.stringMatching(/^What it did was undone.*fork/),
  })
  await expect(run.retry()).rejects.toMatchObject({ code: 'RUN_UNDONE' })
  await expect(run.cancel()).rejects.toMatchObject({ code: 'RUN_ENDED' })
  await selvage.close()
})

test('its answer lets the run go on, and it ends as before', async () => {
  const bank = { isOpen: false }
  const refunds: string[] = []
  const left = await leftOpen(bank, refunds)
  const { selvage, run } = left
  bank.isOpen = true
  const [item] = await items(left)
  await run.reject(item?.id ?? '', { reason: 'retry', by: 'ann' })
  await expect(run.result()).rejects.toMatchObject({ cause: { message: 'out of stock' } })
  expect(refunds).toEqual(['book', 'ch_1'])
  expect(await items(left)).toMatchObject([{ status: 'answered', answer: { by: 'ann' } }])
  await expect(run.approve(item?.id ?? '')).rejects.toMatchObject({ code: 'ALREADY_ANSWERED' })
  expect((await run.journal()).filter(({ type }) => type === 'end')).toHaveLength(2)
  await selvage.close()
})

test('fifty answers to one open item refund once', async () => {
  const bank = { isOpen: false }
  const refunds: string[] = []
  const left = await leftOpen(bank, refunds)
  bank.isOpen = true
  const [item] = await items(left)
  const answered = await Promise.allSettled(
    Array.from({ length: 50 }, (_, n) => left.run.reject(item?.id ?? '', { reason: 'retry', by: `p${n}` })),
  )
  expect(answered.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  await expect(left.run.result()).rejects.toMatchObject({ code: 'RUN_FAILED' })
  expect(refunds).toEqual(['book', 'ch_1'])
  await left.selvage.close()
})

test('a stage of a pipeline that was undone is made anew by its next attempt', async () => {
  const selvage = await openSelvage({ url: 'sqlite::memory:' })
  const made: string[] = []
  const pay = selvage.workflow('pay', async (ctx) => {
    await ctx.step('charge', () => made.push('charge'), { compensate: () => void made.push('refund') })
    if (made.length < 2) throw new Error('not yet')
    return 'paid'
  })
  const shop = selvage.pipeline('shop', [pay], { retry: { maxAttempts: 2, initial: 1, jitter: 'none' } })
  const run = await shop.start(undefined, { runId: 's' })
  expect(await run.result()).toBe('paid')
  expect(made).toEqual(['charge', 'refund', 'charge'])
  expect((await selvage.runs({ parent: 's' })).items.map(({ id }) => id).sort()).toEqual(['s/pay', 's/pay~2'])
  await selvage.close()
})

// The step that can be undone waits for its mark, and the others once waited for it.
test.each(['before', 'behind'])('steps that are asked for %s one that can be undone begin at once', async (place) => {
  await using selvage = await openSelvage({ url: 'sqlite::memory:' })
  const trip = selvage.workflow('trip', async (ctx) => {
    const never = () => ctx.step('book', () => new Promise<string>(() => {}), { compensate: () => {} })
    const quick = () => ctx.step('look', () => 'seen')
    return await Promise.race(place === 'before' ? [quick(), never()] : [never(), quick()])
  })
  expect(await (await trip.start()).result()).toBe('seen')
})

test('a charge that goes on behind its time-out is waited for, and refunded', async () => {
  const bank: string[] = []
  await using selvage = await openSelvage({ url: 'sqlite::memory:' })
  const order = selvage.workflow('order', async (ctx) => {
    const charge = async ({ idempotencyKey }: { idempotencyKey: string }): Promise<string> => {
      await new Promise((resolve) => setTimeout(resolve, 200))
      bank.push(idempotencyKey)
      return 'ch_1'
    }
    await ctx.step('charge', charge, {
      effect: 'once',
      timeout: 20,
      onUnknown: 'fail',
      reconcile: ({ idempotencyKey }) =>
        bank.includes(idempotencyKey) ? { done: true, result: 'ch_1' } : { done: false },
      compensate: ({ result }) => void bank.push(`refund of ${result}`),
    })
  })
  const run = await order.start()
  await expect(run.result()).rejects.toMatchObject({ code: 'RUN_FAILED' })
  expect(bank).toEqual([expect.any(String), 'refund of ch_1'])
})
