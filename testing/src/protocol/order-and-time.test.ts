/** Rules 5 and 6 of docs/advance.md: in which order a program is told, and when. */
import type { Signal } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { describe, expect, it } from 'vitest'
import { turns } from '../turn-engine/hostility.ts'
import { byHandOn, code, held } from './by-hand.ts'

const byHand = byHandOn((clock) => nodeRuntime({ clock }))

describe('rule 5: settled in journal order', () => {
  it('race and shared state come out as they went in', async () => {
    const order: string[] = []
    const engine = byHand(async (durable) => {
      const takes = async (key: string, count: number): Promise<string> => {
        await durable.step(code(key), () => turns(count))
        order.push(key)
        return key
      }
      const both = [takes('slow', 6), takes('quick', 1)]
      const winner = await Promise.race(both)
      await Promise.all(both)
      await durable.wait('w', 'go')
      return winner
    })
    const host = engine.host()
    await engine.finish(host)
    expect(order.splice(0)).toEqual(['quick', 'slow'])
    const signals = [{ id: 'g', name: 'go', payload: null }]
    expect(await engine.finish(engine.host('cold'), { signals })).toMatchObject({ outcome: { ok: 'quick' } })
    expect(order).toEqual(['quick', 'slow'])
  })

  it('an entry that nobody has asked for yet is kept for who asks later', async () => {
    let runs = 0
    const engine = byHand(async (durable) => {
      await turns(5)
      const value = await durable.step(code('a'), () => ++runs)
      await durable.wait('w', 'go')
      return value
    })
    const host = engine.host()
    let progress = await engine.step(host)
    while (progress.kind !== 'wait') progress = await engine.step(host)
    const signals = [{ id: 'g', name: 'go', payload: null }]
    expect(await engine.finish(engine.host('cold'), { signals })).toMatchObject({ outcome: { ok: 1 } })
    expect(runs).toBe(1)
  })
})

describe('rule 6: time and signals', () => {
  it('the host fires a due wait while a step runs', async () => {
    const slow = held()
    const engine = byHand(async (durable) => {
      const timeout = durable.wait('timeout', 'never', durable.clock() + 50).then(() => 'too slow')
      return Promise.race([durable.step(code('slow'), slow.body), timeout])
    })
    const host = engine.host()
    await engine.step(host)
    const reply = engine.step(host)
    await turns(3)
    await engine.clock.advance(60)
    expect(await reply).toMatchObject({ kind: 'continue', entries: [{ type: 'wait', key: 'timeout' }] })
    expect(await engine.finish(host)).toMatchObject({ outcome: { ok: 'too slow' } })
  })

  it('I4: a signal counts once by its id, in a request, offered, or again', async () => {
    const engine = byHand(async (durable) => {
      const first = await durable.wait('w1', 'news')
      const second = await durable.wait('w2', 'news', durable.clock() + 10)
      return [first.ok, second.ok]
    })
    const host = engine.host()
    const news = (id: string): Signal => ({ id, name: 'news', payload: id })
    await engine.finish(host)
    const reply = engine.ask(host, { signals: [news('one'), news('one')] })
    host.offer('r', news('one'))
    const progress = engine.take(await reply)
    expect(progress.received).toContain('one')
    expect(engine.entries.filter(({ type }) => type === 'signal')).toHaveLength(1)
    await engine.finish(host, { signals: [news('one')] })
    await engine.clock.advance(20)
    expect(await engine.finish(host, { signals: [news('one')] })).toMatchObject({ outcome: { ok: [true, false] } })
  })

  it('a signal before its wait is kept, the oldest first', async () => {
    const engine = byHand(async (durable) => {
      await durable.step(code('a'), () => {})
      const values = [await durable.wait('w1', 'news'), await durable.wait('w2', 'news')]
      return values.map((each) => each.ok && each.value)
    })
    const host = engine.host()
    const signals = [1, 2].map((n) => ({ id: `s${n}`, name: 'news', payload: n }))
    expect(await engine.finish(host, { signals })).toMatchObject({ outcome: { ok: [1, 2] } })
  })

  it('reports what it waits for, and until when', async () => {
    const engine = byHand(async (durable) => {
      await Promise.race([durable.wait('a', 'x'), durable.wait('b', 'y', durable.clock() + 1_000)])
    })
    const host = engine.host()
    const at = engine.clock.now()
    expect(await engine.finish(host)).toMatchObject({ kind: 'wait', signals: ['x', 'y'], until: at + 1_000 })
  })

  it('a late ask of a suspended program wakes the engine', async () => {
    let go = (): void => {}
    const engine = byHand(async (durable) => {
      const outside = new Promise<void>((resolve) => {
        go = resolve
      })
      await Promise.race([outside, durable.wait('w', 'never')])
      return durable.step(code('late'), () => 'late')
    })
    const host = engine.host()
    expect(await engine.finish(host)).toMatchObject({ kind: 'wait' })
    expect(engine.woken).toBe(0)
    go()
    await turns(2)
    expect(engine.woken).toBeGreaterThan(0)
    expect(await engine.finish(host)).toMatchObject({ outcome: { ok: 'late' } })
  })

  it('the deadline cancels the run', async () => {
    const deadline = Date.UTC(2026, 0, 1) + 100
    const engine = byHand((durable) => durable.wait('w', 'never'), { start: { deadline } })
    const host = engine.host()
    expect(await engine.finish(host)).toMatchObject({ kind: 'wait', until: deadline })
    await engine.clock.advance(101)
    const { outcome } = (await engine.finish(host)) as { outcome?: unknown }
    expect(outcome).toMatchObject({ cancelled: expect.any(String) })
  })
})
