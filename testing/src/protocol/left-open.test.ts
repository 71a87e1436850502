/** I11: no run ends with an effect `once` of which nobody has asked what became of it, whoever still waits for it. */
import { type Durable, type Entry, type Reconciled, SelvageError, type Signal, voidedByRetry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { describe, expect, it } from 'vitest'
import { turns } from '../turn-engine/hostility.ts'
import { type ByHand, byHandOn, code, type Held, held } from './by-hand.ts'

const byHand = byHandOn((clock) => nodeRuntime({ clock }))
const STORE = { manifest: { journal: 'store' } } as const
const CANCEL: Signal = { id: '$cancel', name: '$cancel', payload: 'enough' }
const GRACE_MS = 1_000

type Ask = (() => Reconciled<unknown> | Promise<Reconciled<unknown>>) | undefined

interface Died {
  readonly engine: ByHand
  readonly charge: Held
  /** How often the target system was asked. */
  readonly asked: () => number
}

type Body = (durable: Durable, charge: () => Promise<unknown>) => Promise<unknown>

/** Its process dies while the charge is in flight and `settled` is recorded behind its intent. */
async function died(body: Body, settled: string, answer: Ask, signals: readonly Signal[] = []): Promise<Died> {
  const charge = held()
  let asked = 0
  const reconcile = async (): Promise<Reconciled<unknown>> => {
    asked++
    return (await answer?.()) ?? 'unknown'
  }
  const engine = byHand(
    (durable) =>
      body(durable, () => durable.step(code('charge', 'once'), charge.body, answer === undefined ? {} : { reconcile })),
    { ...STORE, host: { cancelGraceMs: GRACE_MS } },
  )
  const host = engine.host('a')
  const life = engine.ask(host).catch((error: unknown) => error)
  while (charge.begun.length === 0) await turns(1)
  for (const signal of signals) host.offer('r', signal)
  while (!engine.story.includes(settled)) await turns(1)
  await turns(3)
  engine.takeOver()
  host.evict('r')
  expect(SelvageError.is(await life, 'LEASE_LOST')).toBe(true)
  return { engine, charge, asked: () => asked }
}

const chargeOf = ({ engine }: Died): Entry | undefined =>
  engine.entries.find((entry) => (entry.type === 'step' || entry.type === 'retry') && entry.key === 'charge')

const race: Body = (durable, charge) => Promise.race([charge(), durable.step(code('other'), () => 'first')])

const all: Body = (durable, charge) => {
  const fail = (): never => {
    throw new Error('sold out')
  }
  return Promise.all([charge(), durable.step(code('other'), fail)])
}

describe('its program has ended without it', () => {
  const answers: readonly [string, Ask, object][] = [
    ['has happened', () => ({ done: true, result: 'receipt' }), { type: 'step', outcome: { ok: 'receipt' } }],
    ['has not', () => ({ done: false }), { type: 'retry', error: { code: 'RUN_ENDED' } }],
    ['cannot be known', undefined, { type: 'step', outcome: { unknown: expect.stringContaining('was lost') } }],
  ]
  it.each(answers)('a run that goes on elsewhere asks, and records that it %s', async (_, answer, entry) => {
    const life = await died(race, 'step other', answer)
    expect(await life.engine.ask(life.engine.host('b'), { delivery: 2 })).toMatchObject({ outcome: { ok: 'first' } })
    expect(chargeOf(life)).toMatchObject(entry)
    expect(life.engine.story.at(-1)).toBe('end')
    expect(life.asked()).toBe(answer === undefined ? 0 : 1)
    expect(life.charge.begun).toHaveLength(1)
  })

  it('a retry of the run makes what has not happened', async () => {
    const life = await died(all, 'step other', () => ({ done: false }))
    await life.engine.ask(life.engine.host('b'), { delivery: 2 })
    expect(voidedByRetry(life.engine.entries)).toEqual(expect.arrayContaining(['other', 'charge']))
  })
})

describe('its run was cancelled meanwhile', () => {
  const cancelled: Body = (_, charge) => charge()

  it('a run that goes on elsewhere asks what became of it', async () => {
    const life = await died(cancelled, 'signal', () => ({ done: true, result: 'receipt' }), [CANCEL])
    const end = await life.engine.ask(life.engine.host('b'), { delivery: 2 })
    expect(end).toMatchObject({ outcome: { cancelled: 'enough' } })
    expect(chargeOf(life)).toMatchObject({ type: 'step', outcome: { ok: 'receipt' } })
  })

  it('and does not make it where it has not happened', async () => {
    const life = await died(cancelled, 'signal', () => ({ done: false }), [CANCEL])
    await life.engine.ask(life.engine.host('b'), { delivery: 2 })
    expect(chargeOf(life)).toMatchObject({ type: 'step', outcome: { error: { code: 'RUN_CANCELLED' } } })
    expect(life.charge.begun).toHaveLength(1)
  })

  it('also long behind the grace of the cancel', async () => {
    const life = await died(cancelled, 'signal', () => ({ done: true, result: 'receipt' }), [CANCEL])
    await life.engine.clock.advance(100 * GRACE_MS)
    await life.engine.ask(life.engine.host('b'), { delivery: 2 })
    expect(chargeOf(life)).toMatchObject({ type: 'step', outcome: { ok: 'receipt' } })
  })

  it('but not for longer than a grace of its own', async () => {
    const life = await died(cancelled, 'signal', () => new Promise(() => {}), [CANCEL])
    await life.engine.clock.advance(100 * GRACE_MS)
    const end = life.engine.ask(life.engine.host('b'), { delivery: 2 })
    while (life.asked() === 0) await turns(1)
    await life.engine.clock.advance(GRACE_MS + 1)
    expect(await end).toMatchObject({ outcome: { cancelled: 'enough' } })
    expect(chargeOf(life)).toMatchObject({ outcome: { unknown: expect.stringContaining('the run ended') } })
  })

  it('a program that does not ask for it again leaves it unknown', async () => {
    const life = await died(cancelled, 'signal', () => ({ done: true, result: 'receipt' }), [CANCEL])
    life.engine.run = async () => {}
    await life.engine.ask(life.engine.host('b'), { delivery: 2 })
    expect(life.asked()).toBe(0)
    expect(chargeOf(life)).toMatchObject({ attempt: 1, outcome: { unknown: expect.any(String) } })
    expect(life.engine.story.at(-1)).toBe('end')
  })
})

it('the grace of a cancel is over while it is in flight: unknown, whatever it says later', async () => {
  const charge = held()
  const engine = byHand((durable) => durable.step(code('charge', 'once'), charge.body), {
    ...STORE,
    host: { cancelGraceMs: GRACE_MS },
  })
  const host = engine.host()
  const end = engine.ask(host)
  while (charge.begun.length === 0) await turns(1)
  host.offer('r', CANCEL)
  while (!engine.story.includes('signal')) await turns(1)
  await turns(3)
  await engine.clock.advance(GRACE_MS + 1)
  expect(await end).toMatchObject({ outcome: { cancelled: 'enough' } })
  charge.end('receipt')
  await turns(5)
  expect(engine.story).toEqual(['start', 'intent charge', 'signal', 'step charge', 'end'])
  expect(engine.entries.at(3)).toMatchObject({ outcome: { unknown: expect.stringContaining('the run ended') } })
})

it('a result that cannot be recorded does not make it one that failed', async () => {
  const engine = byHand(
    (durable) => durable.step(code('charge', 'once'), () => ({ receipt: () => 7 })).catch((error) => error.code),
    STORE,
  )
  expect(await engine.ask(engine.host())).toMatchObject({ outcome: { ok: 'OUTCOME_UNKNOWN' } })
  const [step] = engine.entries.filter(({ type }) => type === 'step')
  expect(step).toMatchObject({ outcome: { unknown: expect.stringMatching(/it was done.*receipt/s) } })
})
