import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createHost,
  type Durable,
  type Engine,
  EngineError,
  type Host,
  LeaseLostError,
  type Program,
  type RunStatus,
  type Store,
} from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { sqliteStore } from '@selvage/store-sqlite'
import { type FakeClock, fakeClock } from '@selvage/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { embeddedEngine } from './index.ts'

interface Place {
  readonly engine: Engine
  readonly host: Host
  readonly store: Store
  readonly errors: unknown[]
}

const STOP_GRACE_MS = 100

let folder: string
const opened: Engine[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-'))
})
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all(opened.splice(0).map((engine) => engine.close()))
  rmSync(folder, { recursive: true })
})

async function place(programs: readonly Program[], clock?: FakeClock, leaseMs = 15_000): Promise<Place> {
  const runtime = nodeRuntime(clock === undefined ? {} : { clock })
  const store = await sqliteStore({ path: join(folder, 'db'), durability: 'normal' })
  const errors: unknown[] = []
  const engine = embeddedEngine({
    store,
    runtime,
    leaseMs,
    stopGraceMs: STOP_GRACE_MS,
    onError: (error) => errors.push(error),
  })
  opened.push(engine)
  const host = createHost({ runtime, manifest: engine.manifest, programs: () => programs, outbound: engine })
  return { engine, host, store, errors }
}

function program(name: string, run: (durable: Durable) => Promise<unknown>): Program {
  return { name, resume: 'replay', run }
}

async function is(engine: Engine, runId: string, status: RunStatus): Promise<void> {
  for (;;) {
    const run = await engine.describe(runId)
    if (run.status === status) return
    await engine.changed(runId, { entries: run.entries, status: run.status })
  }
}

/** Turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => void setImmediate(resolve))
}

const step = <T>(durable: Durable, key: string, body: () => Promise<T> | T): Promise<T> =>
  durable.step({ key, kind: 'code', name: key }, body)

describe('time', () => {
  it('takes a run up when its wait is over, and not before', async () => {
    const clock = fakeClock()
    const nap = program('nap', async (durable) => {
      await durable.wait('nap', '$nobody', durable.clock() + 40 * 24 * 3_600_000)
      return 'awake'
    })
    const { engine, host } = await place([nap], clock)
    await engine.serve(host)
    await engine.start('r', { program: 'nap', input: null })
    await is(engine, 'r', 'suspended')
    await clock.advance(40 * 24 * 3_600_000 - 60_000)
    expect((await engine.describe('r')).status).toBe('suspended')
    const over = is(engine, 'r', 'completed')
    await clock.advance(60_000)
    await over
  })

  it('starts a run not before its startAt', async () => {
    const clock = fakeClock()
    const { engine, host } = await place([program('p', async () => 'done')], clock)
    await engine.serve(host)
    await engine.start('r', { program: 'p', input: null }, { startAt: clock.now() + 3_600_000 })
    await clock.advance(3_500_000)
    expect(await engine.describe('r')).toMatchObject({ status: 'pending', entries: 1 })
    const over = is(engine, 'r', 'completed')
    await clock.advance(100_000)
    await over
  })
})

describe('what a program shows beside its status', () => {
  it('is there half a second later while the run works, the last of many values, and when it ends', async () => {
    const clock = fakeClock()
    const begun = Promise.withResolvers<void>()
    const first = Promise.withResolvers<void>()
    const second = Promise.withResolvers<void>()
    const busy = program('busy', async (durable) => {
      for (let n = 1; n <= 100; n++) durable.status({ n })
      await step(durable, 'first', () => {
        begun.resolve()
        return first.promise
      })
      durable.status('half way')
      await step(durable, 'second', () => second.promise)
      durable.status('done')
    })
    const { engine, host, store } = await place([busy], clock)
    const show = vi.spyOn(store, 'show')
    await engine.serve(host)
    await engine.start('r', { program: 'busy', input: null })
    await begun.promise
    await clock.advance(499)
    expect(await engine.describe('r')).not.toHaveProperty('note')
    await clock.advance(1)
    await vi.waitUntil(async () => (await engine.describe('r')).note !== undefined)
    expect(await engine.describe('r')).toMatchObject({ status: 'running', note: { n: 100 } })

    const { entries, status } = await engine.describe('r')
    first.resolve()
    await engine.changed('r', { entries, status })
    await turns(10)
    await clock.advance(500)
    await vi.waitUntil(async () => (await engine.describe('r')).note === 'half way')
    second.resolve()
    await is(engine, 'r', 'completed')
    expect(await engine.describe('r')).toMatchObject({ note: 'done' })
    expect(show).toHaveBeenCalledTimes(3)
    await clock.advance(10_000)
    expect(show).toHaveBeenCalledTimes(3)
  })

  it('goes with a run that is given up, and ends nothing where it cannot be written', async () => {
    const clock = fakeClock()
    const begun = Promise.withResolvers<void>()
    const done = Promise.withResolvers<void>()
    const busy = program('busy', async (durable) => {
      durable.status('begun')
      await step(durable, 'only', () => {
        begun.resolve()
        return done.promise
      })
      durable.status('behind the step')
      await durable.wait('nap', '$nobody', durable.clock() + 1_000)
      return 'ended'
    })
    const { engine, host, store, errors } = await place([busy], clock)
    vi.spyOn(store, 'show').mockRejectedValueOnce(new EngineError('CORRUPT', 'The disk is full.'))
    await engine.serve(host)
    await engine.start('r', { program: 'busy', input: null })
    await begun.promise
    await clock.advance(500)
    done.resolve()
    await is(engine, 'r', 'suspended')
    expect(await engine.describe('r')).toMatchObject({ note: 'behind the step' })
    const over = is(engine, 'r', 'completed')
    await clock.advance(1_000)
    await over
    expect(errors).toEqual([])
  })
})

describe('slots', () => {
  it('bound how many runs are advanced at once, while a worker gets through a queue in order', async () => {
    let running = 0
    let most = 0
    const order: string[] = []
    const busy = program('busy', (durable) =>
      step(durable, 's', async () => {
        most = Math.max(most, ++running)
        order.push(durable.runId)
        await new Promise((resolve) => setTimeout(resolve, 5))
        running--
      }),
    )
    const { engine, host } = await place([busy])
    const ids = Array.from({ length: 12 }, (_, i) => `r${String(i).padStart(2, '0')}`)
    for (const id of ids) await engine.start(id, { program: 'busy', input: null })
    await engine.serve(host, { concurrency: 2 })
    for (const id of ids) await is(engine, id, 'completed')
    expect(most).toBe(2)
    expect(order).toEqual(ids)
  })

  it('are shared by two workers on one store', async () => {
    const workers = new Set<string>()
    const both = Promise.withResolvers<void>()
    const make = (name: string): Program =>
      program('busy', (durable) =>
        step(durable, 's', async () => {
          workers.add(name)
          if (workers.size === 2) both.resolve()
          await both.promise
        }),
      )
    const a = await place([make('a')])
    const b = await place([make('b')])
    for (let i = 0; i < 20; i++) await a.engine.start(`r${i}`, { program: 'busy', input: null })
    await a.engine.serve(a.host, { concurrency: 2 })
    await b.engine.serve(b.host, { concurrency: 2 })
    for (let i = 0; i < 20; i++) await is(a.engine, `r${i}`, 'completed')
    expect(workers).toEqual(new Set(['a', 'b']))
  })

  it('must be at least one', async () => {
    const { engine, host } = await place([])
    await expect(engine.serve(host, { concurrency: 0 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })
})

describe('a suspended program', () => {
  it('is taken up again when it asks for something on its own', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const late = program('late', async (durable) => {
      void durable.wait('never', 'never')
      await promise
      return await step(durable, 'late', () => 'late')
    })
    const { engine, host } = await place([late])
    await engine.serve(host)
    await engine.start('r', { program: 'late', input: null })
    await is(engine, 'r', 'suspended')
    resolve()
    await is(engine, 'r', 'completed')
  })
})

describe('stop', () => {
  it('lets a step in flight be recorded, starts no other, and gives the run back', async () => {
    const made: string[] = []
    const { promise: started, resolve: onStart } = Promise.withResolvers<void>()
    const { promise: finish, resolve: onFinish } = Promise.withResolvers<void>()
    const two = program('two', async (durable) => {
      await step(durable, 'first', async () => {
        made.push('first')
        onStart()
        await finish
      })
      await step(durable, 'second', () => made.push('second'))
    })
    const { engine, host } = await place([two])
    const worker = await engine.serve(host)
    await engine.start('r', { program: 'two', input: null })
    await started
    const stopped = worker.stop()
    onFinish()
    await stopped
    expect(made).toEqual(['first'])
    expect(await engine.describe('r')).toMatchObject({ status: 'pending', entries: 2, steps: 1, crashes: 0 })
    await engine.serve(host)
    await is(engine, 'r', 'completed')
    expect(made).toEqual(['first', 'second'])
  })

  it('waits no longer than its grace', async () => {
    const stuck = program('stuck', (durable) => step(durable, 's', () => new Promise(() => {})))
    const { engine, host } = await place([stuck])
    const worker = await engine.serve(host)
    const started = Promise.withResolvers<void>()
    host.subscribe('r', () => started.resolve())
    await engine.start('r', { program: 'stuck', input: null })
    await started.promise
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    let stopped = false
    const stop = worker.stop().then(() => {
      stopped = true
    })
    await turns(20)
    await vi.advanceTimersByTimeAsync(STOP_GRACE_MS - 1)
    await turns(20)
    expect(stopped).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await stop
    expect(await engine.describe('r')).toMatchObject({ status: 'pending', crashes: 0 })
  })

  it('waits for the outcome of an effect `once`, though a sibling was recorded', async () => {
    const { promise: paid, resolve: pay } = Promise.withResolvers<void>()
    const started = Promise.withResolvers<void>()
    const look = Promise.withResolvers<void>()
    const buy = program('buy', async (durable) => {
      const charge = durable.step({ key: 'charge', kind: 'tool', name: 'charge', effect: 'once' }, async () => {
        started.resolve()
        await paid
        return 'paid'
      })
      await step(durable, 'look', () => look.promise)
      return await charge
    })
    const { engine, host } = await place([buy])
    const worker = await engine.serve(host)
    await engine.start('r', { program: 'buy', input: null })
    await started.promise
    const stopped = worker.stop()
    look.resolve()
    setTimeout(pay, 30)
    await stopped
    const steps = (await engine.journal('r', 0)).filter((entry) => entry.type === 'step')
    expect(steps.map(({ key }) => key)).toEqual(['look', 'charge'])
  })

  it('gives back what it claimed and had not begun', async () => {
    const { engine, host } = await place([program('p', async () => 'done')])
    const worker = await engine.serve(host)
    const started = engine.start('r', { program: 'p', input: null })
    const stopped = worker.stop()
    await started
    await stopped
    expect(['pending', 'completed']).toContain((await engine.describe('r')).status)
    await engine.serve(host)
    await is(engine, 'r', 'completed')
  })
})

describe('a burst of signals', () => {
  it('is heard in its order, and the inbox is read a few times for all of them', async () => {
    const listener = program('listener', async (durable) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const during = step(durable, 'during', () => promise)
      const heard: unknown[] = []
      for (let n = 0; n < 200; n++) {
        const word = await durable.wait<number>(`word ${n}`, 'word')
        heard.push(word.ok && word.value)
      }
      resolve()
      await during
      return heard
    })
    const { engine, host, store } = await place([listener])
    const { pendingSignals } = store
    let reads = 0
    Object.assign(store, {
      pendingSignals: (runId: string) => {
        reads++
        return pendingSignals(runId)
      },
    })
    await engine.serve(host)
    const begun = Promise.withResolvers<void>()
    host.subscribe('r', () => begun.resolve())
    await engine.start('r', { program: 'listener', input: null })
    await begun.promise
    const words = Array.from({ length: 200 }, (_, n) => n)
    await Promise.all(words.map((n) => engine.signal('r', { id: `s${n}`, name: 'word', payload: n })))
    await is(engine, 'r', 'completed')
    expect((await engine.describe('r')).outcome).toEqual({ ok: words })
    expect(reads).toBeLessThan(40)
  })
})

describe('infrastructure that fails', () => {
  it('ends no run: it is tried again after a growing while', async () => {
    const clock = fakeClock()
    const { engine, host, store, errors } = await place([program('p', (durable) => step(durable, 's', () => 1))], clock)
    const { load } = store
    const away = new EngineError('UNAVAILABLE', 'The disk reports an I/O error.')
    let tries = 0
    Object.assign(store, {
      load: (...args: Parameters<typeof load>) => (++tries <= 3 ? Promise.reject(away) : load(...args)),
    })
    await engine.serve(host)
    await engine.start('r', { program: 'p', input: null })
    for (const ms of [100, 200, 400]) {
      const until = clock.now() + ms
      await expect
        .poll(() => engine.describe('r'), { timeout: 10_000 })
        .toMatchObject({ status: 'suspended', waitsFor: { until } })
      await clock.advance(ms)
    }
    await is(engine, 'r', 'completed')
    expect(errors).toEqual([away, away, away])
  })

  it('keeps a run with what it has in hand, and tries to write that after a growing while', async () => {
    const clock = fakeClock()
    const { engine, host, store, errors } = await place([program('p', (durable) => step(durable, 's', () => 1))], clock)
    const { append } = store
    const full = new EngineError('DISK_FULL', 'There is no space left.')
    let tries = 0
    Object.assign(store, {
      append: (...args: Parameters<typeof append>) => (++tries <= 3 ? Promise.reject(full) : append(...args)),
    })
    await engine.serve(host)
    await engine.start('r', { program: 'p', input: null })
    for (const [before, ms] of [100, 200, 400].entries()) {
      await expect.poll(() => errors.length, { timeout: 10_000 }).toBe(before + 1)
      expect(await engine.describe('r')).toMatchObject({ status: 'running' })
      await clock.advance(ms - 1)
      expect(tries).toBe(before + 1)
      await clock.advance(1)
    }
    await is(engine, 'r', 'completed')
    expect(errors).toEqual([full, full, full])
  })

  it('does not make a worker spin', async () => {
    const clock = fakeClock()
    const { engine, host, store, errors } = await place([program('p', async () => 1)], clock)
    let looks = 0
    const { nextDue } = store
    Object.assign(store, {
      nextDue: () => {
        looks++
        return Promise.reject(new EngineError('CORRUPT', 'The index is damaged.'))
      },
    })
    await engine.serve(host)
    for (let i = 0; i < 20; i++) await engine.start(`r${i}`, { program: 'p', input: null })
    expect(looks).toBe(1)
    expect(errors).toHaveLength(1)
    Object.assign(store, { nextDue })
    await clock.advance(100)
    for (let i = 0; i < 20; i++) await is(engine, `r${i}`, 'completed')
  })

  it('believes only the store that a run was lost', async () => {
    const { engine, host, errors } = await place([program('p', async () => 'done')])
    let advances = 0
    const jumpy: Host = {
      advance: (request, control) =>
        ++advances === 1
          ? Promise.reject(new LeaseLostError('LEASE_LOST', 'The fiber was dropped.'))
          : host.advance(request, control),
      offer: (runId, signal) => host.offer(runId, signal),
      registered: () => host.registered(),
      evict: (runId) => host.evict(runId),
      holdsWork: (runId) => host.holdsWork(runId),
      subscribe: (runId, listener) => host.subscribe(runId, listener),
    }
    await engine.serve(jumpy)
    await engine.start('r', { program: 'p', input: null })
    await is(engine, 'r', 'completed')
    expect(errors).toEqual([])
  })

  it('drops a run that was taken over, and works on', async () => {
    const started = Promise.withResolvers<void>()
    const finish = Promise.withResolvers<void>()
    let made = 0
    const slow = program('slow', (durable) =>
      step(durable, 's', async () => {
        made++
        started.resolve()
        if (made === 1) await finish.promise
        return made
      }),
    )
    const a = await place([slow], undefined, 150)
    const b = await place([slow])
    const { heartbeat } = a.store
    Object.assign(a.store, { heartbeat: async () => {} })
    await a.engine.serve(a.host)
    await a.engine.start('r', { program: 'slow', input: null })
    await started.promise
    await b.engine.serve(b.host)
    await is(b.engine, 'r', 'completed')
    Object.assign(a.store, { heartbeat })
    expect((await b.engine.describe('r')).outcome).toEqual({ ok: 2 })
    finish.resolve()
    await a.engine.start('next', { program: 'slow', input: null })
    await is(a.engine, 'next', 'completed')
    // Once, and of nothing else.
    expect(a.errors.map(String)).toEqual([expect.stringContaining('This process was taken for dead')])
    expect((await a.engine.journal('r', 0)).map((entry) => entry.type)).toEqual(['start', 'step', 'end'])
  })
})

describe('a worker that stands by', () => {
  it('looks for the dead again and again, until it has stopped', async () => {
    const { engine, host, store } = await place([])
    const { reap } = store
    let looks = 0
    const counted = (now: number): Promise<number> => {
      looks++
      return reap(now)
    }
    Object.assign(store, { reap: counted })
    const { stop } = await engine.serve(host)
    await expect.poll(() => looks, { timeout: 10_000 }).toBeGreaterThan(3)
    await stop()
    const before = looks
    await new Promise((resolve) => setTimeout(resolve, 3 * store.reapEveryMs))
    expect(looks).toBe(before)
  })
})
