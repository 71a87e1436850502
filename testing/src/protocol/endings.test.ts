/** Rules 9 to 11 of docs/advance.md, and cancels. */
import type { Reconciled, Signal } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { describe, expect, it } from 'vitest'
import { turns } from '../turn-engine/hostility.ts'
import { byHandOn, code, held } from './by-hand.ts'

const byHand = byHandOn((clock) => nodeRuntime({ clock }))

describe('rule 9: poison', () => {
  it('after five deaths the run fails with CRASH_LOOP', async () => {
    let runs = 0
    const engine = byHand((durable) => durable.step(code('a'), () => ++runs))
    await engine.step(engine.host())
    expect(await engine.ask(engine.host(), { delivery: 5 })).toMatchObject({ entries: [{ key: 'a' }] })
    const { outcome } = (await engine.finish(engine.host(), { delivery: 6 })) as { outcome?: unknown }
    expect(outcome).toMatchObject({ error: { code: 'CRASH_LOOP', details: { step: 'a' } } })
    expect(runs).toBe(1)
  })

  it('an effect `once` is unknown after five deaths, without being asked about again', async () => {
    let asked = 0
    const reconcile = (): Reconciled<number> => {
      asked++
      return { done: false }
    }
    const engine = byHand((durable) => durable.step(code('a', 'once'), () => 1, { reconcile }))
    await engine.step(engine.host())
    await engine.step(engine.host())
    const progress = await engine.step(engine.host(), { delivery: 6 })
    expect(progress.entries[0]).toMatchObject({ outcome: { unknown: expect.any(String) } })
    expect(asked).toBe(0)
  })
})

describe('rules 10 and 11', () => {
  it('a step inside a step is a plain call', async () => {
    const engine = byHand((durable) =>
      durable.step(code('outer'), () => durable.step(code('inner'), (at) => `${at.key} ${durable.current()?.key}`)),
    )
    expect(await engine.finish(engine.host())).toMatchObject({ outcome: { ok: 'outer outer' } })
    expect(engine.story).toEqual(['start', 'step outer', 'end'])
  })

  it('two steps with one key at once are refused', async () => {
    const engine = byHand((durable) =>
      Promise.all([durable.step(code('a'), () => 1), durable.step(code('a'), () => 2)]),
    )
    const { outcome } = (await engine.finish(engine.host())) as { outcome?: unknown }
    expect(outcome).toMatchObject({ error: { code: 'KEY_IN_USE' } })
  })

  it('a child tells its parent before it says that it is done', async () => {
    const engine = byHand(async () => 'result', { start: { parent: { runId: 'parent', key: 'c' } } })
    const host = engine.host()
    await engine.step(host)
    const reply = await engine.ask(host)
    expect(reply).toMatchObject({ kind: 'done' })
    expect(engine.told).toMatchObject([{ runId: 'parent', signal: { id: 'child:r', payload: { ok: 'result' } } }])
  })
})

describe('I7: a cancel', () => {
  const cancel = [{ id: '$cancel', name: '$cancel', payload: 'enough' }]

  it('is an AbortError at every pending step and wait; shielded steps go on', async () => {
    const slow = held()
    const seen: string[] = []
    const engine = byHand(async (durable) => {
      const pending = [durable.step(code('slow'), slow.body), durable.wait('w', 'never')]
      const ends = await Promise.allSettled(pending)
      for (const end of ends) if (end.status === 'rejected') seen.push((end.reason as Error).name)
      await durable.step(code('refused'), () => seen.push('ran')).catch((error) => seen.push(error.name))
      await durable.shielded().step(code('undo'), () => seen.push('undone'))
      throw (ends[0] as PromiseRejectedResult).reason
    })
    const host = engine.host()
    await engine.step(host)
    const reply = engine.step(host)
    await turns(2)
    host.offer('r', cancel[0] as Signal)
    await reply
    const end = engine.finish(host)
    await turns(5)
    slow.end()
    expect(await end).toMatchObject({ kind: 'done', outcome: { cancelled: 'enough' } })
    expect(seen).toEqual(['AbortError', 'AbortError', 'AbortError', 'undone'])
  })

  it('fires the abortSignal of a step in flight', async () => {
    let reason: unknown
    const engine = byHand((durable) =>
      durable.step(code('slow'), async ({ abortSignal }) => {
        await new Promise<void>((resolve) => abortSignal.addEventListener('abort', () => resolve()))
        reason = abortSignal.reason
        abortSignal.throwIfAborted()
      }),
    )
    const host = engine.host()
    await engine.step(host)
    const reply = engine.step(host)
    await turns(2)
    host.offer('r', cancel[0] as Signal)
    await reply
    expect(await engine.finish(host)).toMatchObject({ outcome: { cancelled: 'enough' } })
    expect(reason).toMatchObject({ name: 'AbortError', code: 'RUN_CANCELLED' })
  })

  it('takes the next attempt from a step that failed while the cancel was on its way', async () => {
    const slow = held()
    const engine = byHand((durable) => durable.step(code('slow'), slow.body, { retryAfterMs: () => 0 }), {
      manifest: { journal: 'store' },
    })
    const host = engine.host()
    const end = engine.ask(host)
    await turns(5)
    engine.beforeAppend = (entries) => {
      // The cancel is being written when the attempt fails.
      if (entries.some(({ type }) => type === 'signal')) slow.fail(new Error('no luck'))
    }
    host.offer('r', cancel[0] as Signal)
    expect(await end).toMatchObject({ outcome: { cancelled: 'enough' } })
    expect(engine.story).toContain('retry slow')
    expect(slow.begun).toHaveLength(1)
  })

  it('ends the run after its grace, whatever the code does', async () => {
    const engine = byHand(
      async (durable) => {
        await durable.wait('w', 'never').catch(() => {})
        await durable.shielded().wait('for ever', 'never')
      },
      { host: { cancelGraceMs: 1_000 } },
    )
    const host = engine.host()
    await engine.finish(host)
    const at = engine.clock.now()
    expect(await engine.finish(host, { signals: cancel })).toMatchObject({ kind: 'wait', until: at + 1_000 })
    await engine.clock.advance(1_001)
    expect(await engine.finish(host)).toMatchObject({ kind: 'done', outcome: { cancelled: 'enough' } })
  })
})
