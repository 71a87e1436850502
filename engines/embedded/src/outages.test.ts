/** A store that is away for a while, and comes back: what was in hand is in the journal then, and nothing was made twice. */
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createHost,
  type Durable,
  type Engine,
  EngineError,
  type Host,
  hasEnded,
  type Program,
  type RunStatus,
  type Store,
} from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { postgresStore } from '@selvage/store-postgres'
import { sqliteStore } from '@selvage/store-sqlite'
import { type FakeClock, fakeClock } from '@selvage/testing'
import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { embeddedEngine } from './index.ts'

interface Place {
  readonly engine: Engine
  readonly host: Host
  readonly store: Store
  readonly errors: unknown[]
}

interface Options {
  readonly clock?: FakeClock
  readonly leaseMs?: number
}

const missing = noPostgres()
const server = missing === undefined ? await PostgresTestServer.open() : undefined
afterAll(() => server?.close())
const url = await server?.createDatabase()

let folder: string
let count = 0
const opened: Engine[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-'))
  count++
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((engine) => engine.close()))
  rmSync(folder, { recursive: true })
})

const STORES: readonly (readonly [string, () => Promise<Store>])[] = [
  ['SQLite', () => sqliteStore({ path: join(folder, 'db'), durability: 'normal' })],
  ...(url === undefined
    ? []
    : [['PostgreSQL', () => postgresStore({ url, schema: `outages ${count}`, connections: 4 })] as const]),
]

if (missing !== undefined) it('on PostgreSQL', ({ skip }) => skip(missing))

const FULL = new EngineError('DISK_FULL', 'There is no space left.')
const DAMAGED = new EngineError('CORRUPT', 'A page is damaged.')

/** Those calls are refused until the function that is returned is called. */
function away(store: Store, ...calls: readonly (keyof Store)[]): () => void {
  return refusing(store, FULL, ...calls)
}

function refusing(store: Store, error: EngineError, ...calls: readonly (keyof Store)[]): () => void {
  const whole = Object.fromEntries(calls.map((call) => [call, store[call]]))
  Object.assign(store, Object.fromEntries(calls.map((call) => [call, () => Promise.reject(error)])))
  return () => void Object.assign(store, whole)
}

/** As where a connection ends between a commit and its answer: what is appended is there, and nobody is told. */
function answerless(store: Store): () => void {
  const { append } = store
  store.append = async (...appended) => {
    await append(...appended)
    throw new EngineError('UNAVAILABLE', 'The connection was lost.')
  }
  return () => void Object.assign(store, { append })
}

function program(name: string, run: (durable: Durable) => Promise<unknown>): Program {
  return { name, resume: 'replay', run }
}

async function is(engine: Engine, runId: string, status: RunStatus): Promise<void> {
  for (;;) {
    const run = await engine.describe(runId)
    if (run.status === status) return
    if (hasEnded(run.status)) throw new Error(`${runId} is ${run.status}: ${JSON.stringify(run.outcome)}`)
    await engine.changed(runId, { entries: run.entries, status: run.status })
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

/** Steps whose bodies are counted, and stay until they are let go. */
class Steps {
  readonly calls: Record<string, number> = {}
  private readonly gates = new Map<string, PromiseWithResolvers<void>>()
  private readonly begun = new Map<string, PromiseWithResolvers<void>>()

  async run(durable: Durable, key: string, effect?: 'once'): Promise<string> {
    return await durable.step({ key, kind: 'tool', name: key, ...(effect !== undefined && { effect }) }, async () => {
      this.calls[key] = (this.calls[key] ?? 0) + 1
      this.of(this.begun, key).resolve()
      await this.of(this.gates, key).promise
      return key
    })
  }

  begins(...keys: readonly string[]): Promise<unknown> {
    return Promise.all(keys.map((key) => this.of(this.begun, key).promise))
  }

  letGo(...keys: readonly string[]): void {
    for (const key of keys) this.of(this.gates, key).resolve()
  }

  private of(all: Map<string, PromiseWithResolvers<void>>, key: string): PromiseWithResolvers<void> {
    const found = all.get(key) ?? Promise.withResolvers<void>()
    all.set(key, found)
    return found
  }
}

function threeAtOnce(steps: Steps): Program {
  return program('three', (durable) =>
    Promise.all([steps.run(durable, 'search'), steps.run(durable, 'charge', 'once'), steps.run(durable, 'answered')]),
  )
}

describe.each(STORES)('%s', (_, open) => {
  async function place(programs: readonly Program[], { clock, leaseMs = 15_000 }: Options = {}): Promise<Place> {
    const runtime = nodeRuntime(clock === undefined ? {} : { clock })
    const store = await open()
    const errors: unknown[] = []
    const engine = embeddedEngine({ store, runtime, leaseMs, stopGraceMs: 100, onError: (error) => errors.push(error) })
    opened.push(engine)
    const host = createHost({ runtime, manifest: engine.manifest, programs: () => programs, outbound: engine })
    return { engine, host, store, errors }
  }

  const ask = program('ask', async (durable) => (await durable.wait('ask', 'answer')) && 'answered')

  describe('a cancel that arrives meanwhile', () => {
    it('is heard when a run that could not even be begun can be', async () => {
      const { engine, host, errors } = await place([ask])
      let isAway = false
      const failing: Host = {
        advance: (request, control) => (isAway ? Promise.reject(FULL) : host.advance(request, control)),
        offer: (runId, signal) => host.offer(runId, signal),
        registered: () => host.registered(),
        evict: (runId) => host.evict(runId),
        holdsWork: (runId) => host.holdsWork(runId),
        subscribe: (runId, listener) => host.subscribe(runId, listener),
      }
      await engine.serve(failing)
      await engine.start('r', { program: 'ask', input: null })
      await is(engine, 'r', 'suspended')
      isAway = true
      await engine.cancel('r', 'enough')
      await expect.poll(() => errors.length, { timeout: 10_000 }).toBeGreaterThan(2)
      isAway = false
      await is(engine, 'r', 'cancelled')
    })

    it('is heard when what it says can be written', async () => {
      const { engine, host, store, errors } = await place([ask])
      await engine.serve(host)
      await engine.start('r', { program: 'ask', input: null })
      await is(engine, 'r', 'suspended')
      const isBack = away(store, 'append')
      await engine.cancel('r', 'enough')
      await expect.poll(() => errors.length, { timeout: 10_000 }).toBeGreaterThan(2)
      isBack()
      await is(engine, 'r', 'cancelled')
    })

    it('of a run that nobody began leaves it to any worker where it cannot be ended at once', async () => {
      const { engine, host, store } = await place([ask])
      for (const call of ['append', 'finish'] as const) {
        await engine.start(call, { program: 'ask', input: null })
        const isBack = away(store, call)
        await expect(engine.cancel(call, 'enough')).rejects.toBe(FULL)
        isBack()
        expect(await engine.describe(call)).toMatchObject({ status: 'pending' })
      }
      await engine.serve(host)
      for (const call of ['append', 'finish']) await is(engine, call, 'cancelled')
      expect((await engine.journal('finish', 0)).map(({ type }) => type)).toEqual(['start', 'signal', 'end'])
    })

    it('gives such a run back when that can be written', async () => {
      const { engine, store, errors } = await place([ask])
      await engine.start('r', { program: 'ask', input: null })
      const isBack = away(store, 'append', 'release')
      await expect(engine.cancel('r', 'enough')).rejects.toBe(FULL)
      expect(await engine.describe('r')).toMatchObject({ status: 'running' })
      isBack()
      await is(engine, 'r', 'pending')
      expect(errors).toEqual([FULL])
    })
  })

  describe('steps in flight', () => {
    it('stay with the worker that began them, whatever the others would do', async () => {
      const steps = new Steps()
      const three = threeAtOnce(steps)
      const here = await place([three])
      const there = await place([three])
      await here.engine.serve(here.host)
      await here.engine.start('r', { program: 'three', input: null })
      await steps.begins('search', 'charge', 'answered')
      await there.engine.serve(there.host)
      const isBack = away(here.store, 'append')
      steps.letGo('answered')
      await expect.poll(() => here.errors.length, { timeout: 10_000 }).toBeGreaterThan(2)
      expect(await there.engine.describe('r')).toMatchObject({ status: 'running' })
      isBack()
      steps.letGo('search', 'charge')
      await is(here.engine, 'r', 'completed')
      const { outcome, claims } = await here.engine.describe('r', { claims: true })
      expect(outcome).toEqual({ ok: ['search', 'charge', 'answered'] })
      expect(claims).toHaveLength(1)
      expect(steps.calls).toEqual({ search: 1, charge: 1, answered: 1 })
    })

    it.each([
      ['what is written next', ['search', 'charge']],
      ['nothing else', []],
    ])('stay where an append stands whose answer was lost, with %s', async (_, meanwhile) => {
      const steps = new Steps()
      const three = threeAtOnce(steps)
      const { engine, host, store, errors } = await place([three])
      await engine.serve(host)
      await engine.start('r', { program: 'three', input: null })
      await steps.begins('search', 'charge', 'answered')
      const isBack = answerless(store)
      steps.letGo('answered')
      await expect.poll(() => errors.length, { timeout: 10_000 }).toBe(1)
      isBack()
      steps.letGo(...meanwhile)
      await expect.poll(() => engine.describe('r'), { timeout: 10_000 }).toMatchObject({ steps: 1 + meanwhile.length })
      steps.letGo('search', 'charge')
      await is(engine, 'r', 'completed')
      const { outcome, claims } = await engine.describe('r', { claims: true })
      expect(outcome).toEqual({ ok: ['search', 'charge', 'answered'] })
      expect(claims).toHaveLength(1)
      expect(steps.calls).toEqual({ search: 1, charge: 1, answered: 1 })
      expect(errors).toHaveLength(1)
    })

    it('stay with who attached to the run, and its caller waits', async () => {
      const steps = new Steps()
      const two = program('two', (durable) =>
        Promise.all([steps.run(durable, 'charge', 'once'), steps.run(durable, 'answered')]),
      )
      const { engine, host, store, errors } = await place([two])
      const attached = await engine.attach?.('r', { program: 'two', input: null }, host)
      await steps.begins('charge', 'answered')
      const isBack = away(store, 'append')
      steps.letGo('answered')
      await expect.poll(() => errors.length, { timeout: 10_000 }).toBeGreaterThan(2)
      isBack()
      steps.letGo('charge')
      expect(await attached?.ended).toEqual({ ok: ['charge', 'answered'] })
      expect(steps.calls).toEqual({ charge: 1, answered: 1 })
      expect((await engine.describe('r', { claims: true })).claims).toHaveLength(1)
    })

    it('of who attached to the run have the grace of a stop', async () => {
      const steps = new Steps()
      const one = program('one', (durable) => steps.run(durable, 'answered'))
      const { engine, host, store, errors } = await place([one])
      const attached = await engine.attach?.('r', { program: 'one', input: null }, host)
      await steps.begins('answered')
      const isBack = away(store, 'append')
      steps.letGo('answered')
      await expect.poll(() => errors.length, { timeout: 10_000 }).toBeGreaterThan(3)
      isBack()
      await attached?.detach()
      expect(await engine.describe('r')).toMatchObject({ status: 'pending', steps: 1 })
    })

    it('keep nobody waiting for a database that is damaged', async () => {
      const steps = new Steps()
      const one = program('one', (durable) => steps.run(durable, 'answered'))
      const { engine, host, store } = await place([one])
      const attached = await engine.attach?.('r', { program: 'one', input: null }, host)
      await steps.begins('answered')
      const isBack = refusing(store, DAMAGED, 'append')
      steps.letGo('answered')
      await expect(attached?.ended).rejects.toBe(DAMAGED)
      isBack()
    })

    it('are none where nobody has anything in hand: who attached is told at once', async () => {
      const { engine, host, store, errors } = await place([ask])
      const attached = await engine.attach?.('r', { program: 'ask', input: null }, host)
      await expect.poll(async () => (await engine.describe('r')).entries, { timeout: 10_000 }).toBe(1)
      const isBack = away(store, 'pendingSignals')
      await engine.signal('r', { id: 's', name: 'answer', payload: null })
      await expect(attached?.ended).rejects.toBe(FULL)
      isBack()
      const again = await engine.attach?.('r', { program: 'ask', input: null }, host)
      expect(await again?.ended).toEqual({ ok: 'answered' })
      expect(errors).toEqual([])
    })

    it('have the grace of a stop, and what has come of them is tried once more', async () => {
      const steps = new Steps()
      const one = program('one', (durable) => steps.run(durable, 'answered'))
      const { engine, host, store, errors } = await place([one])
      const worker = await engine.serve(host)
      await engine.start('r', { program: 'one', input: null })
      await steps.begins('answered')
      const isBack = away(store, 'append')
      steps.letGo('answered')
      await expect.poll(() => errors.length, { timeout: 10_000 }).toBeGreaterThan(3)
      isBack()
      await worker.stop()
      expect(await engine.describe('r')).toMatchObject({ status: 'pending', steps: 1 })
    })
  })

  describe('for longer than a lease', () => {
    const LEASE_MS = 600

    it('costs a worker nothing that it has in hand', async () => {
      const steps = new Steps()
      const two = program('two', (durable) =>
        Promise.all([steps.run(durable, 'charge', 'once'), steps.run(durable, 'answered')]),
      )
      const { engine, host, store, errors } = await place([two], { leaseMs: LEASE_MS })
      await engine.serve(host)
      await engine.start('r', { program: 'two', input: null })
      await steps.begins('charge', 'answered')
      const isBack = away(store, 'append', 'heartbeat')
      steps.letGo('answered')
      await sleep(3 * LEASE_MS)
      steps.letGo('charge')
      isBack()
      await is(engine, 'r', 'completed')
      const { outcome, claims } = await engine.describe('r', { claims: true })
      expect(outcome).toEqual({ ok: ['charge', 'answered'] })
      expect(claims).toHaveLength(1)
      expect(steps.calls).toEqual({ charge: 1, answered: 1 })
      expect(new Set(errors)).toEqual(new Set([FULL]))
    })

    it('does not make one worker bury the other, whichever comes back first', async () => {
      const steps = new Steps()
      const one = program('one', (durable) => steps.run(durable, durable.runId, 'once'))
      const places = [await place([one], { leaseMs: LEASE_MS }), await place([one], { leaseMs: LEASE_MS })]
      const runs = ['a', 'b']
      for (const [index, { engine, host }] of places.entries()) {
        await engine.serve(host, { concurrency: 1 })
        await engine.start(runs[index] as string, { program: 'one', input: null })
        await steps.begins(runs[index] as string)
      }
      const areBack = places.map(({ store }) => away(store, 'append', 'heartbeat', 'reap'))
      await sleep(2 * LEASE_MS)
      for (const isBack of areBack) isBack()
      await sleep(LEASE_MS / 2)
      steps.letGo(...runs)
      const [{ engine }] = places as [Place]
      for (const runId of runs) {
        await is(engine, runId, 'completed')
        const { outcome, claims } = await engine.describe(runId, { claims: true })
        expect(outcome).toEqual({ ok: runId })
        expect(claims).toHaveLength(1)
      }
    })
  })

  describe('a clock that jumps forward by more than a lease', () => {
    const LEASE_MS = 6_000

    it('is no reason to bury others, who are alive', async () => {
      const clock = fakeClock()
      const here = await place([], { clock, leaseMs: LEASE_MS })
      const there = await place([ask], { clock, leaseMs: LEASE_MS })
      await here.engine.serve(here.host)
      const attachment = await there.engine.attach?.('r', { program: 'ask', input: null }, there.host)
      let renewed = 0
      const { heartbeat } = here.store
      const counted: Store['heartbeat'] = async (...beat) => {
        await heartbeat(...beat)
        renewed++
      }
      Object.assign(here.store, { heartbeat: counted })
      await clock.advance(LEASE_MS + 1)
      await expect.poll(() => renewed, { timeout: 10_000 }).toBeGreaterThan(0)
      await sleep(300)
      await there.engine.signal('r', { id: 's', name: 'answer', payload: null })
      expect(await attachment?.ended).toEqual({ ok: 'answered' })
      expect((await there.engine.describe('r', { claims: true })).claims).toHaveLength(1)
    })

    it('does not make this process take its own runs from itself', async () => {
      const clock = fakeClock()
      const steps = new Steps()
      const one = program('one', (durable) => steps.run(durable, 'answered'))
      const { engine, host } = await place([one], { clock, leaseMs: LEASE_MS })
      await engine.serve(host)
      await engine.start('r', { program: 'one', input: null })
      await steps.begins('answered')
      await clock.advance(LEASE_MS + 1)
      await expect(engine.attach?.('r', { program: 'one', input: null }, host)).rejects.toMatchObject({
        code: 'RUN_HELD',
      })
      steps.letGo('answered')
      await is(engine, 'r', 'completed')
    })
  })
})

/** An outage for as long as the function takes, under runs that workers hold and runs that are attached. */
async function costsNobodyAnything(store: Store, outage: () => Promise<unknown>): Promise<void> {
  const runs = Array.from({ length: 12 }, (_, n) => n)
  const rounds = 30
  const calls = new Map<string, number>()
  const both = (durable: Durable, round: number): Promise<unknown> =>
    Promise.all(
      (['search', 'charge'] as const).map((name) => {
        const key = `${name} ${round}`
        const effect = name === 'charge' ? 'once' : 'idempotent'
        return durable.step({ key, kind: 'tool', name, effect }, async () => {
          const call = `${durable.runId} ${key}`
          calls.set(call, (calls.get(call) ?? 0) + 1)
          await sleep(50)
        })
      }),
    )
  const run = async (durable: Durable): Promise<string> => {
    for (let round = 0; round < rounds; round++) await both(durable, round)
    return 'done'
  }
  const runtime = nodeRuntime()
  const engine = embeddedEngine({ store, runtime, onError: () => {} })
  opened.push(engine)
  const hostOf = (name: string): Host =>
    createHost({ runtime, manifest: engine.manifest, programs: () => [program(name, run)], outbound: engine })
  await engine.serve(hostOf('worked'), { concurrency: runs.length })
  const attached = hostOf('attached')
  const ends = await Promise.all(
    runs.map(async (n) => {
      await engine.start(`worked ${n}`, { program: 'worked', input: null })
      return await engine.attach?.(`attached ${n}`, { program: 'attached', input: null }, attached)
    }),
  )
  await sleep(500)
  await outage()
  expect(await Promise.all(ends.map((each) => each?.ended))).toEqual(runs.map(() => ({ ok: 'done' })))
  for (const n of runs) {
    await is(engine, `worked ${n}`, 'completed')
    expect((await engine.describe(`worked ${n}`, { claims: true })).claims).toHaveLength(1)
  }
  expect([...calls].filter(([, count]) => count > 1)).toEqual([])
  expect(calls.size).toBe(2 * 2 * runs.length * rounds)
}

describe('no step is made twice, no effect is unknown and nobody gives up', () => {
  /** Longer than the store of PostgreSQL is patient. */
  const AWAY_MS = 6_500

  it('where a PostgreSQL is killed and started again', async ({ skip }) => {
    if (server?.isOwn !== true) skip(missing ?? 'the server is not ours to kill')
    const store = await postgresStore({ url: url as string, schema: 'killed' })
    await costsNobodyAnything(store, async () => {
      await server?.kill()
      await sleep(AWAY_MS)
      await server?.start()
    })
  }, 60_000)

  it('where the file of a SQLite database is moved away and put back', async () => {
    const store = await sqliteStore({ path: join(folder, 'db') })
    await costsNobodyAnything(store, async () => {
      const files = ['db', 'db-wal', 'db-shm'].map((name) => join(folder, name))
      for (const file of files) renameSync(file, `${file}.away`)
      await sleep(2_000)
      for (const file of files) renameSync(`${file}.away`, file)
    })
  }, 60_000)
})
