/** Rule 4 of docs/advance.md where the engine keeps the journal. */
import type { Program, Reconciled } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { describe, expect, it } from 'vitest'
import { turns } from '../turn-engine/hostility.ts'
import { byHandOn, code, held } from './by-hand.ts'

const byHand = byHandOn((clock) => nodeRuntime({ clock }))
const noAffinity = { manifest: { affinity: false } }
const uncounted = { manifest: { countsDeliveries: false } }

describe('rule 4: an effect `once` travels with its intent', () => {
  const charge = (
    body: (at: { idempotencyKey: string }) => unknown,
    reconcile?: () => Reconciled<unknown>,
  ): Program['run'] => {
    return (durable) =>
      durable.step(code('charge', 'once'), body, reconcile === undefined ? {} : { reconcile: () => reconcile() })
  }

  it('the intent is a reply; the effect starts in the request that acknowledges it', async () => {
    const begun: unknown[] = []
    const engine = byHand(charge((at) => begun.push(at.idempotencyKey)))
    const host = engine.host()
    await engine.step(host)
    expect(await engine.step(host)).toMatchObject({ kind: 'continue', entries: [{ type: 'intent', key: 'charge' }] })
    await turns(3)
    expect(begun).toEqual([])
    await engine.finish(host)
    expect(begun).toHaveLength(1)
    expect(engine.story).toEqual(['start', 'intent charge', 'step charge', 'end'])
  })

  it('another host may begin it in the first delivery of that request', async () => {
    let runs = 0
    const engine = byHand(
      charge(() => ++runs),
      noAffinity,
    )
    await engine.step(engine.host('a'))
    await engine.step(engine.host('a'))
    expect(await engine.finish(engine.host('b'))).toMatchObject({ outcome: { ok: 1 } })
  })

  it.each([
    ['the host that intended', 'a'],
    ['another host', 'b'],
  ])('in a later delivery nobody begins it: %s', async (_, name) => {
    let runs = 0
    const engine = byHand(
      charge(() => ++runs),
      noAffinity,
    )
    const hosts = { a: engine.host('a'), b: engine.host('b') }
    await engine.step(hosts.a)
    await engine.step(hosts.a)
    await engine.step(hosts[name as 'a' | 'b'], { delivery: 2 })
    expect(runs).toBe(0)
    expect(engine.entries.at(-1)).toMatchObject({ type: 'step', outcome: { unknown: expect.any(String) } })
  })

  it('a request after an empty reply is not the first, whatever its delivery says', async () => {
    let runs = 0
    const engine = byHand(async (durable) => {
      await Promise.race([durable.step(code('charge', 'once'), () => ++runs), durable.wait('w', 'go')])
    })
    const host = engine.host('a')
    await engine.step(host)
    await engine.step(host)
    // Rotation is asked for, yet the intent comes first; the process dies when the effect has begun.
    const dying = engine.host('dying')
    const abort = new AbortController()
    const reply = engine.ask(dying, { rotate: true, abortSignal: abort.signal })
    await turns(2)
    abort.abort()
    await reply.catch(() => {})
    const begun = runs
    engine.take({
      kind: 'rotate',
      cursor: engine.entries.length,
      entries: [],
      next: [],
      received: [],
      seed: { entries: '', cursor: 0 },
    })
    await engine.finish(engine.host('b'))
    expect(runs).toBe(begun)
  })

  it('an intent is acted on before the signals of its request', async () => {
    let runs = 0
    const engine = byHand(charge(() => ++runs))
    const host = engine.host()
    await engine.step(host)
    await engine.step(host)
    const signals = [{ id: 's', name: 'noise', payload: null }]
    await engine.step(host, { signals })
    await engine.finish(host)
    expect(engine.entries.find(({ type }) => type === 'step')).toMatchObject({ outcome: { ok: 1 } })
  })

  it('a cold program that takes its time to ask for what was intended is waited for', async () => {
    let runs = 0
    const engine = byHand(async (durable) => {
      await turns(4)
      await durable.step(code('charge', 'once'), () => ++runs)
    }, noAffinity)
    const first = engine.host('a')
    while (engine.entries.at(-1)?.type !== 'intent') await engine.step(first)
    const signals = [{ id: 's', name: 'noise', payload: null }]
    await engine.finish(engine.host('b'), { signals })
    expect(runs).toBe(1)
  })

  it('two intents of one reply both begin, and one that has begun is not begun again by the next', async () => {
    const begun: string[] = []
    const slow = held()
    const engine = byHand(async (durable) => {
      const later = async (): Promise<void> => {
        await durable.step(code('first'), () => {})
        await durable.step(code('b', 'once'), () => void begun.push('b'))
      }
      await Promise.all([durable.step(code('a', 'once'), slow.body), later()])
    })
    const host = engine.host('a')
    for (let request = 0; request < 4; request++) await engine.step(host)
    expect(engine.story).toEqual(['start', 'intent a', 'step first', 'intent b'])
    const cold = engine.host('b')
    await engine.step(cold)
    expect(slow.begun).toHaveLength(1)
    expect(begun).toEqual(['b'])
  })

  it('where the engine cannot count, only the very fiber that intended begins', async () => {
    let runs = 0
    const engine = byHand(
      charge(() => ++runs),
      uncounted,
    )
    const host = engine.host('a')
    await engine.step(host)
    await engine.step(host)
    expect(await engine.ask(engine.host('b'))).toMatchObject({
      entries: [{ outcome: { unknown: expect.any(String) } }],
    })
    expect(runs).toBe(0)
    await engine.step(host)
    expect(runs).toBe(1)
  })

  const reconciled: readonly [string, () => Reconciled<unknown>, object][] = [
    ['done', () => ({ done: true, result: 'receipt' }), { type: 'step', attempt: 1, outcome: { ok: 'receipt' } }],
    ['not done', () => ({ done: false }), { type: 'intent', attempt: 2 }],
    ['unknown', () => 'unknown', { type: 'step', outcome: { unknown: expect.any(String) } }],
    [
      'throws',
      () => {
        throw new Error('no connection')
      },
      { type: 'step', outcome: { unknown: expect.stringContaining('no connection') } },
    ],
    ...[{ id: 'ch_1' }, {}, [], true, 0, null, undefined, 'done', { done: 'false' }].map(
      (record): [string, () => Reconciled<unknown>, object] => [
        `${JSON.stringify(record)}, which is none of its answers`,
        () => record as unknown as Reconciled<unknown>,
        { type: 'step', outcome: { unknown: expect.stringContaining('none of its answers') } },
      ],
    ),
  ]
  it.each(reconciled)('reconcile says %s', async (_, answer, entry) => {
    let runs = 0
    const engine = byHand(
      charge(() => ++runs, answer),
      noAffinity,
    )
    await engine.step(engine.host('a'))
    await engine.step(engine.host('a'))
    expect((await engine.step(engine.host('b'), { delivery: 2 })).entries[0]).toMatchObject(entry)
    expect(runs).toBe(0)
  })

  it('with neither counting nor affinity "not done" is no last word', async () => {
    const engine = byHand(
      charge(
        () => 1,
        () => ({ done: false }),
      ),
      { manifest: { affinity: false, countsDeliveries: false } },
    )
    await engine.step(engine.host('a'))
    await engine.step(engine.host('a'))
    expect((await engine.step(engine.host('b'))).entries[0]).toMatchObject({ outcome: { unknown: expect.any(String) } })
  })

  it('a cancel between intent and start: it did not happen, unless somebody may have begun', async () => {
    const cancel = [{ id: '$cancel', name: '$cancel', payload: 'enough' }]
    for (const [delivery, outcome] of [
      [1, { ok: 1 }],
      [2, { unknown: expect.any(String) }],
    ] as const) {
      const engine = byHand(charge(() => 1))
      const host = engine.host()
      await engine.step(host)
      await engine.step(host)
      await engine.finish(host, { delivery, signals: cancel })
      expect(engine.entries.find(({ type }) => type === 'step')).toMatchObject({ outcome })
    }
  })
})
