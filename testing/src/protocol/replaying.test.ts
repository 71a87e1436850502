/** Rules 7 and 8 of docs/advance.md: the program again, from the journal. */
import type { Durable, Op, Program, Progress, Seed } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { describe, expect, it } from 'vitest'
import { turns } from '../turn-engine/hostility.ts'
import { type Ask, type ByHand, type ByHandOptions, byHandOn, code, held } from './by-hand.ts'

const byHand = byHandOn((clock) => nodeRuntime({ clock }))
const noAffinity = { manifest: { affinity: false } }

describe('rule 7: replay finds out what changed', () => {
  const asking =
    (first: Partial<Op>): Program['run'] =>
    async (durable) => {
      await durable.step({ ...code('a'), check: '1', ...first }, () => 1)
      await durable.step(code('b'), () => 2)
      await durable.wait('w', 'go')
    }
  const original = asking({})
  // The first three differ in nothing else: only the comparison of one step can find them.
  const edits: readonly [string, Program['run']][] = [
    ['another name', asking({ name: 'z' })],
    ['another kind', asking({ kind: 'tool' })],
    ['another check', asking({ check: '2' })],
    [
      'a step removed',
      async (durable) => {
        await durable.step({ ...code('a'), check: '1' }, () => 1)
        await durable.wait('w', 'go')
        await durable.step(code('c'), () => 3)
      },
    ],
    [
      'a step in front',
      async (durable) => {
        await durable.step(code('new'), () => 0)
        await original(durable)
      },
    ],
    ['an end before its time', async () => 'done'],
  ]
  it.each(edits)('%s: the run fails with NON_DETERMINISM and records nothing else', async (_, edited) => {
    const engine = byHand(original)
    await engine.finish(engine.host())
    const before = engine.story.length
    engine.run = edited
    const signals = [{ id: 'g', name: 'go', payload: null }]
    const { outcome } = (await engine.finish(engine.host('new code'), { signals })) as { outcome?: unknown }
    expect(outcome).toMatchObject({
      error: {
        code: 'NON_DETERMINISM',
        details: { runId: 'r', seq: expect.any(Number), expected: expect.any(String), got: expect.any(String) },
      },
    })
    expect(engine.story.slice(before).filter((what) => what.startsWith('step'))).toEqual([])
  })

  describe('code that only waits where the journal has a step', () => {
    const DOUBT_MS = 10_000
    const waitsOnly = async (durable: Durable): Promise<void> => {
      await durable.wait('new', 'nobody sends this')
    }
    const replayed = async (
      edited: (durable: Durable, engine: ByHand) => Promise<unknown>,
      ask: Ask = {},
      ...options: readonly Partial<ByHandOptions>[]
    ) => {
      const engine = byHand(original, ...options)
      await engine.finish(engine.host())
      const before = engine.story.length
      engine.run = (durable) => edited(durable, engine)
      let end: Progress | undefined
      const over = engine.finish(engine.host('new code'), ask).then((progress) => {
        end = progress
      })
      // Until it rests.
      await turns(100)
      await engine.clock.advance(DOUBT_MS - 1)
      return { engine, before, over, end: () => end }
    }

    it.each([
      ['the engine keeps the journal', {}],
      ['a store keeps it', { manifest: { journal: 'store' } as const }],
    ])('is believed to be busy for ten seconds, and told then: %s', async (_, options) => {
      const { engine, before, over, end } = await replayed(waitsOnly, {}, options)
      expect(end()).toBeUndefined()
      await engine.clock.advance(1)
      await over
      expect(end()).toMatchObject({
        outcome: { error: { code: 'NON_DETERMINISM', details: { seq: 1, got: 'nothing but wait "new"' } } },
      })
      expect(engine.story.slice(before)).toEqual(['end'])
    })

    it('is not taken for changed where it asks late: it was busy with something outside of steps', async () => {
      const { over, end } = await replayed((durable, engine) => {
        const busy = new Promise<void>((resolve) => void engine.clock.timer(DOUBT_MS - 1, resolve))
        return Promise.race([durable.wait('stop', 'nobody sends this'), busy.then(() => original(durable))])
      })
      await over
      expect(end()).toMatchObject({ kind: 'wait' })
    })

    it('waits where its budget is over before that is known', async () => {
      const { over, end } = await replayed(waitsOnly, { budget: { ms: 100 } })
      await over
      expect(end()).toMatchObject({ kind: 'wait', signals: ['nobody sends this'] })
    })

    it('may wait where it was cancelled: it asks for nothing more', async () => {
      const signals = [{ id: 'c', name: '$cancel', payload: 'enough' }]
      const { over, end } = await replayed(
        async (durable) => {
          await durable
            .wait('new', 'nobody sends this')
            .catch(() => durable.shielded().wait('more', 'nor this', durable.clock() + 500))
        },
        { signals },
      )
      await over
      expect(end()).toMatchObject({ kind: 'wait', signals: ['nor this'] })
    })
  })

  it('code behind the end of the journal may change', async () => {
    const engine = byHand(original)
    await engine.finish(engine.host())
    engine.run = async (durable) => {
      await original(durable)
      return durable.step(code('new'), () => 'new')
    }
    const signals = [{ id: 'g', name: 'go', payload: null }]
    expect(await engine.finish(engine.host('new code'), { signals })).toMatchObject({ outcome: { ok: 'new' } })
  })

  it('a folding program is given its history and the answers that stand', async () => {
    const histories: number[] = []
    const engine = byHand(
      async (durable) => {
        histories.push(durable.history.length)
        const value = await durable.step({ ...code('a'), check: String(histories.length) }, () => histories.length)
        await durable.wait('w', 'go')
        return value
      },
      { resume: 'fold' },
    )
    await engine.finish(engine.host())
    const signals = [{ id: 'g', name: 'go', payload: null }]
    expect(await engine.finish(engine.host('cold'), { signals })).toMatchObject({ outcome: { ok: 1 } })
    expect(histories).toEqual([0, 2])
  })
})

describe('rule 8: rotation', () => {
  it('starts a new generation from one blob each, with an absolute cursor', async () => {
    const engine = byHand(async (durable) => {
      let sum = 0
      for (let n = 1; n <= 6; n++) sum += await durable.step(code(`s${n}`), () => n)
      return sum
    }, noAffinity)
    let progress = await engine.step(engine.host())
    let seed: Seed | undefined
    let generations = 0
    while (progress.kind !== 'done') {
      progress = await engine.step(engine.host(), {
        rotate: generations * 2 < engine.entries.length,
        ...(seed && { seed }),
      })
      if (progress.kind !== 'rotate') continue
      generations++
      seed = progress.seed
      expect(seed?.cursor).toBe(engine.entries.length)
    }
    expect(generations).toBeGreaterThan(1)
    expect(progress).toMatchObject({ outcome: { ok: 21 } })
  })

  it('waits until nothing is in flight', async () => {
    const slow = held()
    const engine = byHand(async (durable) => {
      await Promise.all([durable.step(code('slow'), slow.body), durable.step(code('quick'), () => {})])
      await durable.wait('w', 'never')
    })
    const host = engine.host()
    await engine.step(host)
    expect(await engine.step(host)).toMatchObject({ entries: [{ key: 'quick' }] })
    const reply = engine.step(host, { rotate: true })
    await turns(3)
    slow.end()
    expect(await reply).toMatchObject({ kind: 'continue', entries: [{ key: 'slow' }] })
    expect(await engine.step(host, { rotate: true })).toMatchObject({ kind: 'rotate', seed: { cursor: 3 } })
  })
})

describe('I12: a value is the same on the first pass and on replay', () => {
  it('whatever the codec knows, and a result that is changed afterwards', async () => {
    class Odd extends Error {
      override name = 'Odd'
      readonly code = 'E_ODD'
    }
    const seen: unknown[] = []
    const engine = byHand(async (durable) => {
      const value = await durable.step(code('a'), () => ({
        when: new Date(0),
        map: new Map([['k', new Set([1n])]]),
        bytes: new Uint8Array([1, 2]),
        none: undefined,
        not: Number.NaN,
      }))
      seen.push(structuredClone(value))
      value.map.clear()
      const failure = await durable
        .step(code('b'), () => {
          throw new Odd('odd', { cause: new Error('why') })
        })
        .catch((error: Error) => error)
      const cause = failure.cause as Odd
      seen.push([failure.message, cause.name, cause.code, (cause.cause as Error).message])
      await durable.wait('w', 'go')
    })
    await engine.finish(engine.host())
    const live = seen.splice(0)
    await engine.ask(engine.host('cold'), { signals: [{ id: 'g', name: 'go', payload: null }] })
    expect(seen).toEqual(live)
    expect(live[1]).toEqual([expect.stringContaining('odd'), 'Odd', 'E_ODD', 'why'])
  })

  it('a value that cannot be recorded fails the step with its path', async () => {
    const engine = byHand((durable) => durable.step(code('a'), () => ({ deep: [() => 1] })))
    const { outcome } = (await engine.finish(engine.host())) as { outcome?: unknown }
    expect(outcome).toMatchObject({ error: { message: expect.stringContaining('deep') }, step: 'a' })
  })
})
