import { afterEach, beforeEach, expect, test } from 'vitest'
import { type EffectQuery, type EffectRecord, openSelvage, type Selvage } from '../core.ts'

let selvage: Selvage

beforeEach(async () => {
  selvage = await openSelvage({ url: 'sqlite::memory:' })
})

afterEach(() => selvage.close())

/** What the world says of a call whose connection is gone: nothing. */
const lost = (): never => {
  throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
}

const shown = ({ runId, step, state }: EffectRecord): string => `${runId} ${step} ${state}`

async function list(query: EffectQuery = {}): Promise<string[]> {
  return (await selvage.effects(query)).items.map(shown)
}

async function start(name: string, tenant?: string): Promise<void> {
  const shop = selvage.workflow(name, async (ctx) => {
    await ctx.step('look', () => 1, { effect: 'read' })
    await ctx.step('reserve', () => 1)
    await ctx.step('charge', lost, { effect: 'once', onUnknown: 'fail', input: { amount: 5 } }).catch(() => {})
    await ctx.step('ship', () => 1, { effect: 'once' })
  })
  await (await shop.start(undefined, { runId: name, ...(tenant === undefined ? {} : { tenant }) })).result()
}

test('unknown ones of all runs come first, then the others by run, newest first; in pages of any size', async () => {
  for (const name of ['a', 'b', 'c']) await start(name)
  let release = (): void => {}
  const open = selvage.workflow('open', (ctx) =>
    ctx.step('mail', () => new Promise<void>((resolve) => (release = resolve)), { effect: 'once' }),
  )
  const run = await open.start(undefined, { runId: 'd' })
  while ((await list({ state: 'intended' })).length === 0) await new Promise((resolve) => setImmediate(resolve))

  const all = [
    ...['c', 'b', 'a'].map((runId) => `${runId} charge unknown`),
    'd mail intended',
    ...['c', 'b', 'a'].flatMap((runId) => [`${runId} reserve done`, `${runId} ship done`]),
  ]
  expect(await list()).toEqual(all)
  for (let limit = 1; limit <= all.length + 1; limit++) {
    const found: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await selvage.effects({ limit, ...(after === undefined ? {} : { after }) })
      expect(page.items.length).toBeLessThanOrEqual(limit)
      found.push(...page.items.map(shown))
      after = page.next
      if (after === undefined) break
    }
    expect(found, `pages of ${limit}`).toEqual(all)
  }
  release()
  await run.result()
  expect(await list({ state: 'intended' })).toEqual([])
})

test('filters', async () => {
  await start('a', 'acme')
  await start('b')
  expect(await list({ state: 'unknown' })).toEqual(['b charge unknown', 'a charge unknown'])
  expect(await list({ state: 'done', name: 'ship' })).toEqual(['b ship done', 'a ship done'])
  expect(await list({ effect: 'read' })).toEqual(['b look done', 'a look done'])
  expect(await list({ effect: 'once', tenant: 'acme' })).toEqual(['a charge unknown', 'a ship done'])
  expect(await list({ program: 'b' })).toEqual(['b charge unknown', 'b reserve done', 'b ship done'])
  expect(await list({ program: 'none' })).toEqual([])
  expect(await list({ runId: 'a' })).toEqual(['a charge unknown', 'a reserve done', 'a ship done'])
  const first = await selvage.effects({ runId: 'a', limit: 2 })
  expect((await selvage.effects({ runId: 'a', limit: 2, after: first.next ?? '' })).items.map(shown)).toEqual([
    'a ship done',
  ])
})

test('a record says what, how often, when and who; its input is told apart by a hash', async () => {
  const twice = selvage.workflow('twice', async (ctx) => {
    for (const amount of [5, 5, 6]) await ctx.step('charge', () => 1, { effect: 'once', input: { amount } })
    await ctx.step('plain', () => 1, { input: { amount: 5 } })
  })
  await (await twice.start(undefined, { runId: 't' })).result()
  const { items } = await selvage.effects({ runId: 't' })
  expect(items[0]).toMatchObject({
    id: expect.stringMatching(/^[\w-]{43}$/),
    effect: 'once',
    attempt: 1,
    intendedAt: expect.any(Number),
    settledAt: expect.any(Number),
    input: { amount: 5 },
    inputHash: expect.stringMatching(/^[\w-]{16}$/),
    by: { pid: process.pid, host: expect.any(String), worker: expect.stringMatching(/^w_/) },
  })
  const [one, two, three, plain] = items.map(({ inputHash }) => inputHash)
  expect(two).toBe(one)
  expect(new Set([one, three, plain]).size).toBe(3)
  // No entry and no input is recorded for it.
  const entries = await selvage.run('t').journal()
  expect(entries.filter((entry) => 'key' in entry && entry.key === 'plain')).toMatchObject([{ type: 'step' }])
  expect(JSON.stringify(entries.find((entry) => 'key' in entry && entry.key === 'plain'))).not.toContain('amount')
})

test.each([
  ['it happened', { approved: true, value: 'ch_1' }, { state: 'done', answer: { happened: true } }, 'ch_1'],
  [
    'it did not: make it',
    { approved: false, reason: 'retry' },
    { state: 'failed', answer: { happened: false } },
    'made',
  ],
  [
    'it did not: give up',
    { approved: false, reason: 'no money' },
    { state: 'failed', answer: { reason: 'no money' } },
    'gave up',
  ],
])('what somebody says of an unknown outcome settles it: %s', async (_, value, settled, result) => {
  let calls = 0
  const seen: unknown[] = []
  const shop = selvage.workflow('shop', (ctx) =>
    ctx
      .step('charge', () => (calls++ === 0 ? lost() : 'made'), {
        effect: 'once',
        input: { amount: 5 },
        reconcile: ({ input, idempotencyKey, intendedAt }) => {
          seen.push(input, idempotencyKey, intendedAt)
          return 'unknown'
        },
      })
      .catch(() => 'gave up'),
  )
  const run = await shop.start(undefined, { runId: 'shop' })
  for await (const event of run.events()) if (event.type === 'questionOpened') break
  const [record] = (await selvage.effects({ state: 'unknown' })).items
  expect(seen).toEqual([{ amount: 5 }, record?.id, record?.intendedAt])
  const [question] = (await selvage.approvals()).items
  expect(question).toMatchObject({ kind: 'unknown', name: 'charge', input: { amount: 5 } })
  expect(question?.reason).toMatchObject({ step: 'charge', idempotencyKey: record?.id, attempt: 1 })
  await run.respond(question?.id ?? '', value, { by: 'ann' })
  expect(await run.result()).toBe(result)
  expect(await list({ state: 'unknown' })).toEqual([])
  const [first] = (await selvage.effects({ runId: 'shop' })).items
  expect(first).toMatchObject({ ...settled, step: 'charge', reason: expect.stringMatching(/reconcile could not tell/) })
  expect(first?.answer).toMatchObject({ by: 'ann', at: expect.any(Number) })
})

test('what makes no sense is refused', async () => {
  await expect(selvage.effects({ limit: 0 })).rejects.toThrow(/cannot have 0 items/)
  await expect(selvage.effects({ state: 'lost' as never })).rejects.toThrow(/no state "lost"/)
  await expect(selvage.effects({ effect: 'twice' as never })).rejects.toThrow(/"twice" is not an effect/)
  await expect(selvage.effects({ after: 'x' })).rejects.toThrow(/no cursor of this list/)
  await expect(selvage.effects({ runId: 'a', program: 'p' })).rejects.toThrow(/filter of runs/)
  await expect(selvage.effects({ runId: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
