import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createHost,
  type Durable,
  type Engine,
  EngineError,
  type Host,
  type Outcome,
  type Program,
  type Store,
} from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { sqliteStore } from '@selvage/store-sqlite'
import { type FakeClock, fakeClock } from '@selvage/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { embeddedEngine } from './index.ts'

interface Place {
  readonly engine: Engine
  readonly host: Host
  readonly store: Store
  readonly errors: unknown[]
}

let folder: string
const opened: Engine[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-'))
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((engine) => engine.close()))
  rmSync(folder, { recursive: true })
})

/** `over`: what the store does otherwise. */
async function place(
  programs: readonly Program[],
  clock?: FakeClock,
  over: (store: Store) => Partial<Store> = () => ({}),
): Promise<Place> {
  const runtime = nodeRuntime(clock === undefined ? {} : { clock })
  const onDisk = await sqliteStore({ path: join(folder, 'db'), durability: 'normal' })
  const store = { ...onDisk, ...over(onDisk) }
  const errors: unknown[] = []
  const engine = embeddedEngine({ store, runtime, stopGraceMs: 200, onError: (error) => errors.push(error) })
  opened.push(engine)
  const host = createHost({
    runtime,
    manifest: engine.manifest,
    programs: () => programs,
    outbound: engine,
    blobs: store.blobs,
  })
  return { engine, host, store, errors }
}

function program(name: string, run: (durable: Durable) => Promise<unknown>): Program {
  return { name, resume: 'replay', run }
}

async function ended(engine: Engine, runId: string): Promise<Outcome> {
  return await until(engine, runId, ({ outcome }) => outcome)
}

/** What `look` finds in a description of the run, as soon as it finds something. */
async function until<T>(
  engine: Engine,
  runId: string,
  look: (run: Awaited<ReturnType<Engine['describe']>>) => T | undefined,
): Promise<T> {
  for (;;) {
    const run = await engine.describe(runId)
    const found = look(run)
    if (found !== undefined) return found
    await engine.changed(runId, { entries: run.entries, status: run.status })
  }
}

const suspended = (engine: Engine, runId: string): Promise<true> =>
  until(engine, runId, ({ status }) => (status === 'suspended' ? true : undefined))

const double = program('double', async (durable) => {
  const n = durable.start.input as number
  return await durable.step({ key: 'double', kind: 'code', name: 'double' }, () => n * 2)
})

const ask = program('ask', async (durable) => {
  const answer = await durable.wait<string>('ask', 'answer')
  return answer.ok
    ? await durable.step({ key: 'say', kind: 'code', name: 'say' }, () => `said ${answer.value}`)
    : 'nothing'
})

describe('start', () => {
  it('runs a program to its end and keeps its journal', async () => {
    const { engine, host } = await place([double])
    await engine.serve(host)
    expect(await engine.start('r', { program: 'double', input: 21 })).toEqual({ created: true })
    expect(await ended(engine, 'r')).toEqual({ ok: 42 })
    const entries = await engine.journal('r', 0)
    expect(entries.map((entry) => entry.type)).toEqual(['start', 'step', 'end'])
    expect(await engine.describe('r')).toMatchObject({ status: 'completed', program: 'double', entries: 3, steps: 1 })
  })

  it('is idempotent by canonical input, and refuses another one', async () => {
    const { engine } = await place([])
    await engine.start('r', { program: 'p', input: { a: 1, b: 2 } })
    expect(await engine.start('r', { program: 'p', input: { b: 2, a: 1 } })).toEqual({ created: false })
    await expect(engine.start('r', { program: 'p', input: { a: 2 } })).rejects.toMatchObject({ code: 'RUN_CONFLICT' })
    await expect(engine.start('r', { program: 'q', input: { a: 1, b: 2 } })).rejects.toMatchObject({
      code: 'RUN_CONFLICT',
    })
  })

  it('leaves programs that are not registered here to others', async () => {
    const { engine, host } = await place([double])
    await engine.serve(host)
    await engine.start('other', { program: 'other', input: null })
    await engine.start('versioned', { program: 'double', version: '2', input: 1 })
    await engine.start('r', { program: 'double', input: 1 })
    await ended(engine, 'r')
    expect(await engine.describe('other')).toMatchObject({ status: 'pending', entries: 1 })
    expect(await engine.describe('versioned')).toMatchObject({ status: 'pending', entries: 1 })
  })

  it('takes runs up that were started before anybody served', async () => {
    const { engine, host } = await place([double])
    for (let i = 0; i < 50; i++) await engine.start(`r${i}`, { program: 'double', input: i })
    await engine.serve(host, { concurrency: 3 })
    for (let i = 0; i < 50; i++) expect(await ended(engine, `r${i}`)).toEqual({ ok: i * 2 })
  })
})

describe('signal', () => {
  it('wakes a suspended run, the first writer of an id wins', async () => {
    const { engine, host } = await place([ask])
    await engine.serve(host)
    await engine.start('r', { program: 'ask', input: null })
    await suspended(engine, 'r')
    expect(await engine.describe('r')).toMatchObject({ waitsFor: { signals: ['answer'] } })
    expect(await engine.signal('r', { id: 's', name: 'answer', payload: 'yes' })).toEqual({ accepted: true })
    expect(await engine.signal('r', { id: 's', name: 'answer', payload: 'no' })).toMatchObject({
      accepted: false,
      first: { payload: 'yes' },
    })
    expect(await ended(engine, 'r')).toEqual({ ok: 'said yes' })
    await expect(engine.signal('r', { id: 't', name: 'answer', payload: 'late' })).rejects.toMatchObject({
      code: 'RUN_ENDED',
    })
    await expect(engine.signal('x', { id: 's', name: 'answer', payload: 0 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  it('reaches a live program at once, while a step is in flight', async () => {
    const race = program('race', async (durable) => {
      const { promise, resolve } = Promise.withResolvers<string>()
      const step = durable.step({ key: 'long', kind: 'code', name: 'long' }, () => promise)
      await durable.wait('now', 'now')
      resolve('freed by the signal')
      return await step
    })
    const { engine, host } = await place([race])
    await engine.serve(host)
    const started = Promise.withResolvers<void>()
    host.subscribe('r', () => started.resolve())
    await engine.start('r', { program: 'race', input: null })
    await started.promise
    await engine.signal('r', { id: 's', name: 'now', payload: null })
    expect(await ended(engine, 'r')).toEqual({ ok: 'freed by the signal' })
  })

  it('reaches a live program from another engine on the same file', async () => {
    const race = program('race', async (durable) => {
      const { promise, resolve } = Promise.withResolvers<string>()
      const step = durable.step({ key: 'long', kind: 'code', name: 'long' }, () => promise)
      await durable.wait('now', 'now')
      resolve('freed by the signal')
      return await step
    })
    const a = await place([race])
    const b = await place([])
    await a.engine.serve(a.host)
    const started = Promise.withResolvers<void>()
    a.host.subscribe('r', () => started.resolve())
    await b.engine.start('r', { program: 'race', input: null })
    await started.promise
    await b.engine.signal('r', { id: 's', name: 'now', payload: null })
    expect(await ended(b.engine, 'r')).toEqual({ ok: 'freed by the signal' })
  })

  it('wakes a run of another engine, which looks at no clock for it', async () => {
    const clock = fakeClock()
    const a = await place([ask], clock)
    const b = await place([], clock)
    await a.engine.serve(a.host)
    for (const id of ['r0', 'r1', 'r2']) {
      await b.engine.start(id, { program: 'ask', input: null })
      await suspended(b.engine, id)
      await b.engine.signal(id, { id: 's', name: 'answer', payload: 'hello' })
      expect(await ended(b.engine, id)).toEqual({ ok: 'said hello' })
    }
  })

  it('is kept for a run that does not wait for it yet', async () => {
    const { engine, host } = await place([ask])
    await engine.start('r', { program: 'ask', input: null })
    await engine.signal('r', { id: 's', name: 'answer', payload: 'early' })
    await engine.serve(host)
    expect(await ended(engine, 'r')).toEqual({ ok: 'said early' })
  })

  it('wakes a suspended program that asks for more, also where the store is away for a moment', async () => {
    const later = Promise.withResolvers<void>()
    const racing = program('race', (durable) => {
      const late = later.promise.then(() => durable.step({ key: 'late', kind: 'code', name: 'late' }, () => 'late'))
      return Promise.race([late, durable.wait('never', 'never')])
    })
    let away = 2
    const { engine, host } = await place([racing], undefined, (store) => ({
      claimRun: (...asked) =>
        away-- > 0 ? Promise.reject(new EngineError('UNAVAILABLE', 'For a moment.')) : store.claimRun(...asked),
    }))
    await engine.serve(host)
    await engine.start('r', { program: 'race', input: null })
    await suspended(engine, 'r')
    later.resolve()
    expect(await ended(engine, 'r')).toEqual({ ok: 'late' })
  })
})

describe('cancel', () => {
  it('ends a run that nobody began, without any worker', async () => {
    const { engine } = await place([])
    await engine.start('r', { program: 'ask', input: null })
    await engine.cancel('r', 'no longer wanted')
    expect(await engine.describe('r')).toMatchObject({
      status: 'cancelled',
      outcome: { cancelled: 'no longer wanted' },
    })
    expect((await engine.journal('r', 0)).map((entry) => entry.type)).toEqual(['start', 'signal', 'end'])
    await engine.cancel('r', 'again')
    expect((await engine.describe('r')).outcome).toEqual({ cancelled: 'no longer wanted' })
  })

  it('leaves a suspended run to the next worker, which ends it', async () => {
    const { engine, host } = await place([ask])
    const worker = await engine.serve(host)
    await engine.start('r', { program: 'ask', input: null })
    await suspended(engine, 'r')
    await worker.stop()
    await engine.cancel('r', 'enough')
    expect((await engine.describe('r')).status).toBe('suspended')
    await engine.serve(host)
    expect(await ended(engine, 'r')).toEqual({ cancelled: 'enough' })
  })

  it('reaches the abortSignal of a step in flight', async () => {
    const stuck = program('stuck', (durable) =>
      durable.step({ key: 'stuck', kind: 'code', name: 'stuck' }, async (at) => {
        await new Promise((resolve) => at.abortSignal.addEventListener('abort', resolve))
        throw at.abortSignal.reason
      }),
    )
    const { engine, host } = await place([stuck])
    await engine.serve(host)
    const started = Promise.withResolvers<void>()
    host.subscribe('r', () => started.resolve())
    await engine.start('r', { program: 'stuck', input: null })
    await started.promise
    await engine.cancel('r', 'enough')
    expect(await ended(engine, 'r')).toEqual({ cancelled: 'enough' })
  })

  it('refuses a completed and an unknown run', async () => {
    const { engine, host } = await place([double])
    await engine.serve(host)
    await engine.start('r', { program: 'double', input: 1 })
    await ended(engine, 'r')
    await expect(engine.cancel('r', 'late')).rejects.toMatchObject({ code: 'RUN_ENDED' })
    await expect(engine.cancel('x', 'late')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('works again in the life after a retry', async () => {
    const { engine, host } = await place([ask])
    await engine.start('r', { program: 'ask', input: null })
    await engine.cancel('r', 'first')
    await engine.retry?.('r')
    await engine.serve(host)
    await suspended(engine, 'r')
    await engine.cancel('r', 'second')
    expect(await ended(engine, 'r')).toEqual({ cancelled: 'second' })
  })
})

describe('retry', () => {
  it('makes the step that failed again, and no other', async () => {
    const made: string[] = []
    const fragile = program('fragile', async (durable) => {
      const step = (key: string, body: () => string): Promise<string> =>
        durable.step({ key, kind: 'code', name: key }, () => {
          made.push(key)
          return body()
        })
      await step('first', () => 'fine')
      return await step('second', () => {
        if (made.length < 3) throw new Error('not yet')
        return 'fine now'
      })
    })
    const { engine, host } = await place([fragile])
    await engine.serve(host)
    await engine.start('r', { program: 'fragile', input: null })
    expect(await ended(engine, 'r')).toMatchObject({ error: { name: 'StepError' }, step: 'second' })
    await engine.retry?.('r')
    await until(engine, 'r', ({ status }) => (status === 'completed' ? true : undefined))
    expect(made).toEqual(['first', 'second', 'second'])
    expect((await engine.describe('r')).outcome).toEqual({ ok: 'fine now' })
    await expect(engine.retry?.('r')).rejects.toMatchObject({ code: 'RUN_ENDED' })
  })

  it('refuses a run that has not ended', async () => {
    const { engine } = await place([])
    await engine.start('r', { program: 'p', input: null })
    await expect(engine.retry?.('r')).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(engine.retry?.('x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('changed', () => {
  it('resolves for changes made before and after, and with the abort', async () => {
    const { engine } = await place([])
    await engine.start('r', { program: 'p', input: null })
    await engine.changed('r', { entries: 0, status: 'pending' })
    const aborter = new AbortController()
    const waiting = engine.changed('r', { entries: 1, status: 'pending' }, aborter.signal)
    aborter.abort()
    await waiting
    const cancelled = engine.changed('r', { entries: 1, status: 'pending' })
    await engine.cancel('r', 'x')
    await cancelled
    await expect(engine.changed('x', { entries: 1, status: 'pending' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('is told when a worker of this process takes the run up, and when it waits', async () => {
    const { engine, host } = await place([ask])
    await engine.start('r', { program: 'ask', input: null })
    const claimed = engine.changed('r', { status: 'pending' })
    await engine.serve(host)
    await claimed
    await engine.changed('r', { status: 'running' })
    expect((await engine.describe('r')).status).toBe('suspended')
  })

  it('says nothing before the end to who waits for that, in this process and in another engine', async () => {
    const { engine, host } = await place([ask])
    const other = await place([])
    await engine.start('r', { program: 'ask', input: null })
    const told: string[] = []
    const ends = [engine, other.engine].map(async (each) => {
      await each.changed('r', { status: 'pending', untilEnd: true })
      told.push((await each.describe('r')).status)
    })
    await engine.serve(host)
    await until(engine, 'r', ({ status }) => (status === 'suspended' ? status : undefined))
    await other.engine.changed('r', { status: 'running' })
    expect(told).toEqual([])
    await engine.cancel('r', 'x')
    await Promise.all(ends)
    expect(told).toEqual(['cancelled', 'cancelled'])
  })

  it('I9: is told of an outcome when it is durable, not when it is written', async () => {
    const done = Promise.withResolvers<void>()
    const paying = program('pay', (durable) =>
      durable.step({ key: 'pay', kind: 'code', name: 'pay', effect: 'once' }, () => done.promise),
    )
    const syncing = Promise.withResolvers<void>()
    const synced = Promise.withResolvers<void>()
    const sync = (): Promise<void> => {
      syncing.resolve()
      return synced.promise
    }
    const { engine, host } = await place([paying], undefined, () => ({ sync }))
    await engine.serve(host)
    await engine.start('r', { program: 'pay', input: null })
    const intended = await until(engine, 'r', (run) => (run.entries === 2 ? run : undefined))
    let isTold = false
    const told = engine.changed('r', intended).then(() => {
      isTold = true
    })
    // It has looked at the run by then.
    await engine.describe('r')
    done.resolve()
    await syncing.promise
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([(await engine.describe('r')).entries, isTold]).toEqual([3, false])
    synced.resolve()
    await told
  })

  it('is told that another worker has the run, though status and journal are what they were', async () => {
    const { engine } = await place([])
    const { store } = await place([])
    const now = Date.now()
    await engine.start('r', { program: 'p', input: null })
    for (const id of ['w1', 'w2']) await store.enlist({ id, pid: process.pid, host: 'here' }, 60_000, now)
    const { fence } = await store.claimRun('w1', 'r', now)
    const { status, entries } = await engine.describe('r')
    const taken = engine.changed('r', { status, entries, worker: 'w1' })
    // It has looked at the run by then.
    await engine.describe('r')
    // At once: in one commit, so that nobody sees the run between the two.
    await Promise.all([store.release('r', fence, now), store.claimRun('w2', 'r', now)])
    await taken
    expect(await engine.describe('r')).toMatchObject({ status, entries, owner: { worker: 'w2' } })
  })

  it('is told of changes of another engine', async () => {
    const a = await place([])
    const b = await place([])
    await a.engine.start('r', { program: 'p', input: null })
    const changed = b.engine.changed('r', { entries: 1, status: 'pending' })
    await a.engine.cancel('r', 'x')
    await changed
    expect((await b.engine.describe('r')).status).toBe('cancelled')
  })
})

describe('close', () => {
  it('ends who waits, and refuses what comes after', async () => {
    const { engine } = await place([])
    await engine.start('r', { program: 'p', input: null })
    const waiting = engine.changed('r', { entries: 1, status: 'pending' })
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await engine.close()
    await rejected
    await expect(engine.describe('r')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(engine.start('s', { program: 'p', input: null })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('closes the store whatever it cannot write any more', async () => {
    const sleeper = program('sleep', (durable) => durable.wait('never', 'never'))
    let closed = 0
    const { engine, host, errors } = await place([sleeper], undefined, (store) => ({
      dismiss: () => Promise.reject(new EngineError('DISK_FULL', 'There is no space left.')),
      close: () => {
        closed += 1
        return store.close()
      },
    }))
    await engine.attach?.('r', { program: 'sleep', input: null }, host)
    await engine.close()
    expect([closed, errors.map((error) => (error as Error).message)]).toEqual([1, ['There is no space left.']])
  })

  it('stops a worker that was only just beginning', async () => {
    const { engine, host } = await place([double])
    const serving = engine.serve(host)
    await engine.close()
    await (await serving).stop()
  })
})
