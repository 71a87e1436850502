import { NOTHING_SPENT, type Pots, type Reservation, type Spend } from '@selvage/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { StorePlace } from './place.ts'

export function pots(place: () => StorePlace): void {
  let here: StorePlace
  let pots: Pots
  beforeEach(async () => {
    here = place()
    pots = (await here.open()).pots as Pots
  })
  afterEach(() => here.close())

  const calls = (modelCalls: number, tokens = 0): Spend => ({ ...NOTHING_SPENT, modelCalls, tokens })
  const spec = (id: string, modelCalls: number) =>
    ({ id, caps: { modelCalls }, onExceeded: 'stop', downgradeAt: 0.8 }) as const
  const call = (attempt: string, more: Partial<Reservation> = {}): Reservation => ({
    runId: 'r',
    key: 'model#1',
    attempt,
    pots: ['run:r'],
    amount: calls(1, 100),
    hasCheaper: false,
    ...more,
  })
  const countOf = async (id = 'run:r') => {
    const [pot] = await pots.read([id])
    return { spent: pot?.spent, reserved: pot?.reserved }
  }

  test('a call fits into all its pots or is in none', async () => {
    await pots.open([spec('run:r', 5), spec('tenant:t', 1)])
    const both = { pots: ['run:r', 'tenant:t', 'run:nobody'] }
    expect(await pots.reserve(call('a', both))).toEqual({ granted: true })
    expect(await pots.reserve(call('b', both))).toMatchObject({
      granted: false,
      lacks: 'modelCalls',
      pot: { id: 'tenant:t', reserved: { modelCalls: 1 } },
    })
    expect(await countOf()).toEqual({ spent: NOTHING_SPENT, reserved: calls(1, 100) })
  })

  test('a reservation and a settlement count once, however often they are made', async () => {
    await pots.open([spec('run:r', 5)])
    await pots.reserve(call('a'))
    await pots.reserve(call('a'))
    expect((await countOf()).reserved).toEqual(calls(1, 100))
    const settled = { runId: 'r', key: 'model#1', attempt: 'a', amount: calls(1, 60), pricesOthers: true }
    await pots.settle(settled)
    await pots.settle(settled)
    await pots.settle({ ...settled, attempt: 'never' })
    expect(await countOf()).toEqual({ spent: calls(1, 60), reserved: NOTHING_SPENT })
  })

  test('an attempt that died stays reserved, and is worth what the next one was', async () => {
    await pots.open([spec('run:r', 5)])
    await pots.reserve(call('died'))
    await pots.reserve(call('failed'))
    const failed = { runId: 'r', key: 'model#1', attempt: 'failed', amount: calls(1), pricesOthers: false }
    await pots.settle(failed)
    expect(await countOf()).toEqual({ spent: calls(1), reserved: calls(1, 100) })
    await pots.reserve(call('other', { key: 'model#2' }))
    await pots.reserve(call('done'))
    await pots.settle({ ...failed, attempt: 'done', amount: calls(1, 70), pricesOthers: true })
    expect(await countOf()).toEqual({ spent: calls(3, 140), reserved: calls(1, 100) })
    expect(await pots.reserve(call('x', { key: 'model#3', amount: calls(2) }))).toMatchObject({ granted: false })
  })

  test('a raise counts once, and a pot that is opened again keeps what was spent and raised', async () => {
    await pots.open([spec('run:r', 1)])
    await pots.reserve(call('a'))
    await pots.raise('run:r', { modelCalls: 2 }, 'one')
    expect(await pots.raise('run:r', { modelCalls: 2 }, 'one')).toMatchObject({ raised: { modelCalls: 2 } })
    await pots.raise('run:r', { modelCalls: 1, tokens: 5 }, 'two')
    await pots.open([{ ...spec('run:r', 2), onExceeded: 'ask', ask: { assignee: 'ann' } }])
    expect(await pots.read(['run:r', 'run:other'])).toMatchObject([
      { caps: { modelCalls: 2 }, raised: { modelCalls: 3 }, onExceeded: 'ask', ask: { assignee: 'ann' } },
    ])
    await expect(pots.raise('run:other', { modelCalls: 1 }, 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('time is granted as long as some is left; a cheaper call up to the cap, another up to a part of it', async () => {
    await pots.open([{ id: 'run:r', caps: { workMs: 10, tokens: 1_000 }, onExceeded: 'downgrade', downgradeAt: 0.5 }])
    const big = { amount: calls(1, 501) }
    expect(await pots.reserve(call('a', { ...big, hasCheaper: true }))).toMatchObject({
      granted: false,
      lacks: 'tokens',
    })
    expect(await pots.reserve(call('b', big))).toEqual({ granted: true })
    const settled = { runId: 'r', key: 'model#1', attempt: 'b', pricesOthers: true }
    await pots.settle({ ...settled, amount: { ...calls(1, 10), workMs: 9 } })
    expect(await pots.reserve(call('c', { key: 'k' }))).toEqual({ granted: true })
    await pots.settle({ ...settled, key: 'k', attempt: 'c', amount: { ...calls(1, 10), workMs: 1 } })
    expect(await pots.reserve(call('d', { key: 'l' }))).toMatchObject({ granted: false, lacks: 'workMs' })
  })

  test('two clients of one file grant no more than the cap', async () => {
    const other = (await here.open()).pots as Pots
    await pots.open([spec('run:r', 30)])
    const grants = await Promise.all(
      Array.from({ length: 80 }, (_, at) => (at % 2 === 0 ? pots : other).reserve(call(`a${at}`, { key: `k${at}` }))),
    )
    expect(grants.filter(({ granted }) => granted)).toHaveLength(30)
  })
}
