/** Rules 1 to 3 of docs/advance.md: what may begin when, and which reply is whose. */
import type { Durable } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { describe, expect, it } from 'vitest'
import { turns } from '../turn-engine/hostility.ts'
import { byHandOn, code, held } from './by-hand.ts'

const byHand = byHandOn((clock) => nodeRuntime({ clock }))
const noAffinity = { manifest: { affinity: false } }

describe('rule 1: acknowledge, then act', () => {
  it('starts the second step only when the result of the first is acknowledged', async () => {
    const begun: string[] = []
    const engine = byHand(async (durable) => {
      await durable.step(code('a'), () => void begun.push('a'))
      await durable.step(code('b'), () => void begun.push('b'))
    })
    const host = engine.host()
    await engine.step(host)
    const reply = await engine.ask(host)
    await turns(5)
    expect(begun).toEqual(['a'])
    engine.take(reply)
    expect(await engine.finish(host)).toMatchObject({ kind: 'done' })
    expect(begun).toEqual(['a', 'b'])
  })

  it('names each step before it starts, where the engine shows them', async () => {
    const begun: string[] = []
    const engine = byHand(async (durable) => {
      await durable.step(code('a'), () => void begun.push('a'))
      await Promise.all(['b', 'c'].map((key) => durable.step(code(key), () => void begun.push(key))))
    })
    const host = engine.host()
    await engine.step(host)
    const named: string[][] = []
    let announced: string[] = []
    for (let before = 0; ; before = begun.length) {
      const { kind, next, entries } = await engine.step(host, { announced })
      if (kind === 'done') break
      announced = next.map(({ key }) => key)
      if (entries.length > 0) continue
      expect(begun.length).toBe(before)
      named.push(announced)
    }
    expect(named).toEqual([['a'], ['b', 'c']])
    expect(begun).toEqual(['a', 'b', 'c'])
  })

  it('starts nothing before the salt is durable', async () => {
    let ran = false
    const engine = byHand(async () => {
      ran = true
    })
    const host = engine.host()
    expect(await engine.ask(host)).toMatchObject({ kind: 'continue', cursor: 1, entries: [{ type: 'start' }] })
    await turns(3)
    expect(ran).toBe(false)
  })
})

describe('rule 2: same cursor, same reply', () => {
  it('a lost reply: the same request gets it again, the step is not run again', async () => {
    let runs = 0
    const engine = byHand((durable) => durable.step(code('a'), () => ++runs))
    const host = engine.host()
    await engine.step(host)
    const lost = await engine.ask(host)
    const again = await engine.ask(host, { delivery: 2 })
    expect(again).toEqual(lost)
    expect(runs).toBe(1)
    engine.take(again)
    expect(await engine.finish(host)).toMatchObject({ kind: 'done', outcome: { ok: 1 } })
  })

  it('a lost reply and a dead host: another runs the step again with the same idempotency key', async () => {
    const step = held()
    const engine = byHand((durable) => durable.step(code('a'), step.body), noAffinity)
    const [a, b] = [engine.host('a'), engine.host('b')]
    await engine.step(a)
    const lost = engine.ask(a)
    await turns(3)
    step.end('from a')
    await lost
    const reply = engine.ask(b, { delivery: 2 })
    await turns(5)
    step.end('from b')
    engine.take(await reply)
    expect(step.begun).toHaveLength(2)
    expect(new Set(step.begun).size).toBe(1)
    expect(await engine.finish(b)).toMatchObject({ outcome: { ok: 'from b' } })
  })

  it('a double delivery to one host joins the work in flight', async () => {
    const step = held()
    const engine = byHand((durable) => durable.step(code('a'), step.body))
    const host = engine.host()
    await engine.step(host)
    const both = [engine.ask(host), engine.ask(host, { delivery: 2 })]
    await turns(3)
    step.end('once')
    const [first, second] = await Promise.all(both)
    expect(first).toEqual(second)
    expect(step.begun).toHaveLength(1)
  })

  it('two requests at once to a host without a fiber make one', async () => {
    let fibers = 0
    const engine = byHand(async (durable) => {
      fibers++
      await durable.wait('w', 'never')
    })
    await engine.step(engine.host())
    fibers = 0
    const cold = engine.host()
    const [first, second] = await Promise.all([engine.ask(cold), engine.ask(cold, { delivery: 2 })])
    expect(first).toEqual(second)
    expect(fibers).toBe(1)
  })

  it('a host whose reply was not taken forgets it, though the other one had as many entries', async () => {
    const seen: unknown[] = []
    let next = 0
    const engine = byHand(async (durable) => {
      const value = await durable.step(code('a'), () => ++next)
      seen.push(value)
      await durable.step(code('b'), () => value)
    }, noAffinity)
    const [a, b] = [engine.host('a'), engine.host('b')]
    await engine.step(a)
    await engine.ask(a)
    engine.take(await engine.ask(b, { delivery: 2 }))
    await engine.finish(a)
    expect(seen).toEqual([2])
    expect(engine.entries[2]).toMatchObject({ key: 'b', outcome: { ok: 2 } })
  })

  it('refuses a request that its fiber has passed', async () => {
    const engine = byHand((durable) => durable.wait('w', 'never'))
    const host = engine.host()
    await engine.step(host)
    await engine.step(host)
    await expect(engine.ask(host, { cursor: 0 })).rejects.toMatchObject({ code: 'STALE_ADVANCE' })
  })

  it('refuses a late request on a host without a fiber: the journal has moved on', async () => {
    let runs = 0
    const engine = byHand(async (durable) => {
      await durable.step(code('a'), () => ++runs)
      await durable.wait('w', 'never')
    }, noAffinity)
    const host = engine.host('a')
    await engine.step(host)
    await engine.step(host)
    await expect(engine.ask(engine.host('b'), { cursor: 1 })).rejects.toMatchObject({ code: 'STALE_ADVANCE' })
    expect(runs).toBe(1)
  })

  it('refuses a request that another has overtaken while its fiber was made', async () => {
    const begun: string[] = []
    const engine = byHand(async (durable) => {
      for (const key of ['a', 'b']) await durable.step(code(key), () => void begun.push(key))
    }, noAffinity)
    const [a, b] = [engine.host('a'), engine.host('b')]
    await engine.step(a)
    const reading = Promise.withResolvers<void>()
    engine.beforeLoad = () => reading.promise
    const overtaken = expect(engine.ask(b)).rejects.toMatchObject({ code: 'STALE_ADVANCE' })
    await engine.step(a)
    const next = engine.ask(b)
    reading.resolve()
    await Promise.all([overtaken, next])
    expect(begun).toEqual(['a', 'b'])
  })

  it('a run that is taken away while its fiber is made begins nothing', async () => {
    const begun: string[] = []
    const engine = byHand((durable) => durable.step(code('a'), () => void begun.push('a')))
    await engine.step(engine.host())
    const host = engine.host()
    engine.beforeLoad = async () => {
      await turns(1)
      host.evict('r')
    }
    await expect(engine.ask(host)).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await turns(5)
    expect(begun).toEqual([])
    engine.beforeLoad = () => {}
    expect(await engine.finish(host)).toMatchObject({ kind: 'done' })
    expect(begun).toEqual(['a'])
  })

  it('a request that was withdrawn drops the fiber', async () => {
    const step = held()
    const caught: unknown[] = []
    const engine = byHand((durable) => durable.step(code('a'), step.body).catch((error) => caught.push(error)))
    const host = engine.host()
    await engine.step(host)
    const abort = new AbortController()
    const withdrawn = engine.ask(host, { abortSignal: abort.signal })
    await turns(3)
    abort.abort()
    await expect(withdrawn).rejects.toMatchObject({ code: 'LEASE_LOST' })
    step.end('too late')
    await turns(3)
    expect(caught).toEqual([])
  })
})

describe('rule 3: siblings', () => {
  const two = async (durable: Durable, slow: ReturnType<typeof held>): Promise<unknown> =>
    Promise.all([durable.step(code('slow'), slow.body), durable.step(code('quick'), () => 'quick')])

  it('with affinity returns early and goes on with what is in flight', async () => {
    const slow = held()
    const engine = byHand((durable) => two(durable, slow))
    const host = engine.host()
    await engine.step(host)
    expect(await engine.step(host)).toMatchObject({ kind: 'continue', entries: [{ key: 'quick' }] })
    const reply = engine.step(host)
    await turns(3)
    slow.end('slow')
    expect(await reply).toMatchObject({ entries: [{ key: 'slow' }] })
    expect(slow.begun).toHaveLength(1)
  })

  it('without affinity returns when nothing is in flight', async () => {
    const slow = held()
    const engine = byHand((durable) => two(durable, slow), noAffinity)
    const host = engine.host()
    await engine.step(host)
    const reply = engine.step(host)
    await turns(5)
    slow.end('slow')
    expect((await reply).entries.map((entry) => 'key' in entry && entry.key)).toEqual(['quick', 'slow'])
  })
})
