/** docs/advance.md where a store keeps the journal: appends in the middle of an advance, fences, and what fails. */
import { EngineError, type Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { describe, expect, it } from 'vitest'
import { turns } from '../turn-engine/hostility.ts'
import { byHandOn, code, held } from './by-hand.ts'

const byHand = byHandOn((clock) => nodeRuntime({ clock }))
const store = { manifest: { journal: 'store', affinity: false } } as const

const unavailable = (): EngineError => new EngineError('UNAVAILABLE', 'The store is away.')
const isOf = (type: Entry['type']) => (entry: Entry) => entry.type === type

describe('one advance', () => {
  it('runs until the program ends, and replies without entries', async () => {
    const engine = byHand(async (durable) => {
      let sum = 0
      for (let n = 1; n <= 5; n++) sum += await durable.step(code(`s${n}`), () => n)
      return sum
    }, store)
    expect(await engine.ask(engine.host())).toMatchObject({ kind: 'done', entries: [], cursor: 7, outcome: { ok: 15 } })
  })

  it('I2: what a step depends on is appended before it begins; so is the intent of an effect `once`', async () => {
    const durable: (readonly string[])[] = []
    const engine = byHand(async (gate) => {
      await gate.step(code('a'), () => void durable.push(engine.story))
      await gate.step(code('b', 'once'), () => void durable.push(engine.story))
    }, store)
    await engine.ask(engine.host())
    expect(durable).toEqual([['start'], ['start', 'step a', 'intent b']])
  })

  it('numbers entries in their order, also those that are made while an append is under way', async () => {
    const engine = byHand(
      (gate) => Promise.all([1, 2, 3, 4].map((n) => gate.step(code(`s${n}`), () => turns(n)))),
      store,
    )
    await engine.ask(engine.host())
    expect(engine.entries.map(({ seq }) => seq)).toEqual(engine.entries.map((_, index) => index))
  })

  it('ends its slice with nothing in flight: the next may come to another host', async () => {
    const slow = held()
    const engine = byHand(
      (gate) => Promise.all([gate.step(code('slow'), slow.body), gate.step(code('quick'), () => {})]),
      store,
    )
    const reply = engine.ask(engine.host('a'), { budget: { entries: 2 } })
    await turns(8)
    slow.end()
    await reply
    expect((await engine.finish(engine.host('b'))).kind).toBe('done')
    expect(slow.begun).toHaveLength(1)
  })

  it('ends when the program does, whatever is still in flight', async () => {
    const slow = held()
    const engine = byHand(
      (gate) => Promise.race([gate.step(code('slow'), slow.body), gate.step(code('quick'), () => 'quick')]),
      store,
    )
    expect(await engine.ask(engine.host())).toMatchObject({ kind: 'done', outcome: { ok: 'quick' } })
    expect(slow.begun).toHaveLength(1)
  })

  it('goes on where another process left off', async () => {
    const engine = byHand(async (gate) => {
      const value = await gate.step(code('a'), () => 'a')
      await gate.wait('w', 'go')
      return value
    }, store)
    expect(await engine.ask(engine.host())).toMatchObject({ kind: 'wait', signals: ['go'] })
    const signals = [{ id: 'g', name: 'go', payload: null }]
    expect(await engine.ask(engine.host('cold'), { signals })).toMatchObject({ kind: 'done', outcome: { ok: 'a' } })
  })
})

describe('I3: a moved worker', () => {
  it('learns it from the append that fails, and settles nothing of the author’s', async () => {
    const told: unknown[] = []
    const slow = held()
    const engine = byHand(async (gate) => {
      try {
        told.push(await gate.step(code('a'), slow.body))
      } catch (error) {
        told.push(error)
      }
    }, store)
    const stopped = engine.ask(engine.host('a'))
    await turns(5)
    engine.takeOver()
    slow.end('too late')
    await expect(stopped).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await turns(5)
    expect(told).toEqual([])
    expect(engine.story).toEqual(['start'])
  })

  it('an effect `once` that was in flight there is asked about here', async () => {
    const slow = held()
    const engine = byHand(
      (gate) => gate.step(code('charge', 'once'), slow.body, { reconcile: () => ({ done: true, result: 'receipt' }) }),
      store,
    )
    const stopped = engine.ask(engine.host('a')).catch((error: unknown) => error)
    await turns(8)
    expect(slow.begun).toHaveLength(1)
    expect(await engine.ask(engine.host('b'))).toMatchObject({ outcome: { ok: 'receipt' } })
    slow.end('too late')
    expect(await stopped).toMatchObject({ code: 'LEASE_LOST' })
    expect(engine.story).toEqual(['start', 'intent charge', 'step charge', 'end'])
    expect(slow.begun).toHaveLength(1)
  })
})

describe('an append that fails', () => {
  it('costs no answer that was paid for: it is appended by the next advance', async () => {
    let runs = 0
    const engine = byHand((gate) => gate.step(code('a'), () => ++runs), store)
    const host = engine.host()
    engine.beforeAppend = (entries) => {
      if (entries.some(isOf('step'))) throw unavailable()
    }
    await expect(engine.ask(host)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    engine.beforeAppend = () => {}
    expect(await engine.ask(host)).toMatchObject({ kind: 'done', outcome: { ok: 1 } })
    expect(runs).toBe(1)
  })

  it('leaves nothing behind the end', async () => {
    const slow = held()
    const engine = byHand(
      (gate) => Promise.race([gate.step(code('slow'), slow.body), gate.step(code('quick'), () => 'quick')]),
      store,
    )
    const host = engine.host()
    engine.beforeAppend = (entries) => {
      if (entries.some(isOf('end'))) throw unavailable()
    }
    await expect(engine.ask(host)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    slow.end()
    await turns(3)
    engine.beforeAppend = () => {}
    expect(await engine.ask(host)).toMatchObject({ kind: 'done', outcome: { ok: 'quick' } })
    expect(engine.story.at(-1)).toBe('end')
  })
})

describe('rule 9: poison', () => {
  it('a run whose process died five times at one place fails there; whoever got further is not counted', async () => {
    let runs = 0
    const engine = byHand(async (gate) => {
      await gate.step(code('a'), () => ++runs)
      await gate.step(code('b'), () => ++runs)
    }, store)
    await engine.finish(engine.host(), { delivery: 5 })
    expect(runs).toBe(2)
    const poisoned = byHand((gate) => gate.step(code('a'), () => ++runs), store)
    await poisoned.ask(poisoned.host(), { budget: { entries: 1 } })
    expect(poisoned.story).toEqual(['start'])
    expect(await poisoned.ask(poisoned.host(), { delivery: 6 })).toMatchObject({
      kind: 'done',
      outcome: { error: { code: 'CRASH_LOOP' } },
    })
    expect(runs).toBe(2)
  })

  it('an effect `once` that kills each process behind its intent is unknown after five, although it never happened', async () => {
    let asked = 0
    const begun: (() => void)[] = []
    const reconcile = () => {
      asked++
      return { done: false } as const
    }
    const engine = byHand(
      (gate) => gate.step(code('a', 'once'), () => new Promise((end) => void begun.push(() => end(1))), { reconcile }),
      store,
    )
    const stopped: Promise<unknown>[] = []
    for (let host = 1; host <= 5; host++) {
      stopped.push(engine.ask(engine.host(`${host}`)).catch((error: unknown) => error))
      await turns(12)
      expect(begun).toHaveLength(host)
    }
    expect(await engine.ask(engine.host('6'))).toMatchObject({
      kind: 'done',
      outcome: { error: { code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('5 times in a row') } },
    })
    expect(asked).toBe(5)
    expect(engine.story).toEqual(['start', ...Array(5).fill('intent a'), 'step a', 'end'])
    for (const end of begun) end()
    await Promise.all(stopped)
  })
})
