import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Approval } from '../core.ts'
import { openSelvage, type Run, type Selvage } from '../core.ts'

let selvage: Selvage

beforeEach(async () => {
  selvage = await openSelvage({ url: 'sqlite::memory:' })
})

afterEach(async () => {
  await selvage.close()
})

/** The first question of a run, as soon as it is in the journal. */
async function asked(run: Run<unknown>, kind?: Approval['kind']): Promise<Approval> {
  for await (const event of run.events()) {
    if (event.type !== 'questionOpened') continue
    const { items } = await selvage.approvals({ runId: run.id, ...(kind === undefined ? {} : { kind }) })
    if (items[0] !== undefined) return items[0]
  }
  throw new Error(`Run ${run.id} ended without asking`)
}

describe('an approval', () => {
  test('says who asked what, and is answered by id', async () => {
    const pay = selvage.workflow('pay', (ctx, amount: number) =>
      ctx.approval('pay', { details: { to: 'bob' }, tool: 'charge', input: { amount }, assignee: 'lead' }),
    )
    const run = await pay.start(12)
    const question = await asked(run)
    expect(question).toMatchObject({
      id: expect.stringMatching(/^ap_/),
      runId: run.id,
      kind: 'approval',
      status: 'open',
      tool: 'charge',
      input: { amount: 12 },
      reason: { to: 'bob' },
      assignee: 'lead',
    })
    await run.approve(question.id, { input: { amount: 10 }, by: 'ann' })
    expect(await run.result()).toMatchObject({ approved: true, input: { amount: 10 }, by: 'ann' })
    expect(await selvage.approval(question.id)).toMatchObject({ status: 'answered' })
    expect((await selvage.approvals()).items).toEqual([])
    expect((await selvage.approvals({ status: 'any' })).items.map(({ id }) => id)).toEqual([question.id])
  })

  test('a rejection brings its reason', async () => {
    const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay'))
    const run = await pay.start()
    await run.reject((await asked(run)).id, { reason: 'too much' })
    expect(await run.result()).toMatchObject({ approved: false, reason: 'too much' })
  })

  test('the second answer is told who was first, with what and when, also when the run has ended', async () => {
    const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay'))
    const run = await pay.start()
    const { id } = await asked(run)
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => run.approve(id, { by: `p${n}`, input: n })),
    )
    const first = answers.findIndex((answer) => answer.status === 'fulfilled')
    const losers = answers.filter((answer) => answer.status === 'rejected')
    expect(losers).toHaveLength(19)
    const expected = {
      code: 'ALREADY_ANSWERED',
      details: { runId: run.id, id, by: `p${first}`, at: expect.any(Number), value: { approved: true, input: first } },
    }
    for (const loser of losers) expect(loser.reason).toMatchObject(expected)
    expect(await run.result()).toMatchObject({ by: `p${first}` })
    await expect(run.reject(id)).rejects.toMatchObject(expected)
  })

  test('an unknown id, and the id of another run, are NOT_FOUND', async () => {
    const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay'))
    const [one, two] = [await pay.start(), await pay.start()]
    const { id } = await asked(two)
    await expect(one.approve('ap_nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(one.approve(id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining(two.id),
    })
    expect((await selvage.approval(id)).status).toBe('open')
    await expect(selvage.run('nobody').approve(id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('an expired one is not answered', async () => {
    const pay = selvage.workflow('pay', async (ctx) => {
      await ctx.approval('pay', { timeout: 1, onTimeout: 'reject' })
      await ctx.signal('never')
    })
    const run = await pay.start()
    for await (const event of run.events()) if (event.type === 'waitEnded') break
    const { items } = await selvage.approvals({ runId: run.id, status: 'expired' })
    await expect(run.approve(items[0]?.id ?? '')).rejects.toMatchObject({ code: 'WAIT_TIMEOUT' })
  })

  test('one whose run has ended is closed', async () => {
    const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay'))
    const run = await pay.start()
    const { id } = await asked(run)
    await run.cancel()
    await run.result().catch(() => {})
    await expect(run.approve(id)).rejects.toMatchObject({ code: 'RUN_ENDED' })
  })
})

describe('a callback', () => {
  test('is answered with any value, and is no approval', async () => {
    const hook = selvage.workflow('hook', async (ctx) => {
      const { result } = ctx.callback('paid')
      return result
    })
    const run = await hook.start()
    const { id } = await asked(run, 'callback')
    expect((await selvage.approvals()).items).toEqual([])
    await run.respond(id, { at: new Date(5) })
    expect(await run.result()).toEqual({ at: new Date(5) })
    await expect(run.respond(id, 2)).rejects.toMatchObject({
      code: 'ALREADY_ANSWERED',
      details: { value: { at: new Date(5) } },
    })
  })

  test('approving one answers true', async () => {
    const hook = selvage.workflow('hook', (ctx) => ctx.callback('paid').result)
    const run = await hook.start()
    await run.approve((await asked(run, 'callback')).id)
    expect(await run.result()).toBe(true)
  })
})

test('an approval is not answered with just any value', async () => {
  const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay'))
  const run = await pay.start()
  const { id } = await asked(run)
  await expect(run.respond(id, 'yes')).rejects.toMatchObject({ code: 'BAD_INPUT' })
  await run.respond(id, { approved: false, reason: 'no' })
  expect(await run.result()).toMatchObject({ approved: false, reason: 'no' })
})
