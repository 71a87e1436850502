/**
 * Random programs on SQLite: two workers, one of which is stopped in the middle and another begins. Fewer cases than on the
 * turn engine, in real time; what a real SIGKILL does is shown by the conformance suite.
 *
 * In memory all share one store. On a file each worker is a process of its own, as far as this one can hold several: it has
 * its store, and as often as it is stopped it is killed, so that nothing it still does is heard. There an outcome may be
 * written and not durable yet (decision 52), and no effect may begin on one that is not.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Claim, createHost, type Engine, EngineError, type Entry, type Outcome, type Store } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { sqliteStore } from '@selvage/store-sqlite'
import { draws, seededRandom } from '@selvage/testing'
import {
  anyCase,
  type Case,
  judge,
  Outside,
  planProgram,
  type Stage,
  sequentialCase,
} from '@selvage/testing/random-program'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embeddedEngine } from './engine.ts'

const { numRuns: asked, ...seeded } = draws(process.env.SELVAGE_CASES, 60)
const numRuns = Math.ceil(asked / 2)
const AT_ONCE = 30
const OFFLOAD_BYTES = 64
const GRACE_MS = 80
const MEMORY = ':memory:'
const SHARED_MEMORY = '/dev/shm'
const mode = { journal: 'store', affinity: false, countsDeliveries: true } as const

/** What of each journal is written, and how much of it is known to be durable: to be looked at while an effect begins. */
class Mirror {
  private readonly journals = new Map<string, { readonly entries: Entry[]; durable: number }>()

  entries(runId: string): readonly Entry[] {
    return this.of(runId).entries
  }

  durable(runId: string): number {
    return this.of(runId).durable
  }

  /** The store as a process sees it. `die`: it is told nothing more. */
  seenThrough(store: Store): { readonly store: Store; die(): void } {
    let isDead = false
    const watched = this.watched(store)
    const check = <T>(value: T): T => {
      if (isDead) throw new EngineError('UNAVAILABLE', 'The process is dead.')
      return value
    }
    const proxy = new Proxy(store, {
      get: (target, name) => {
        const value = Reflect.get(watched, name) ?? Reflect.get(target, name)
        if (typeof value !== 'function' || name === 'watch' || name === 'close') return value
        return async (...args: readonly unknown[]) => check(await Reflect.apply(check(value), target, args))
      },
    })
    return {
      store: proxy,
      die: () => {
        isDead = true
      },
    }
  }

  private watched(store: Store): Partial<Store> {
    const { sync } = store
    return {
      create: async (run) => {
        const receipt = await store.create(run)
        const [start] = await store.load(run.runId, 0, 1)
        if (start !== undefined) this.write(run.runId, 0, [start], 1)
        return receipt
      },
      claim: async (...asked) => {
        const claims = await store.claim(...asked)
        for (const claim of claims) await this.claimed(store, claim)
        return claims
      },
      claimRun: async (...asked) => {
        const claim = await store.claimRun(...asked)
        await this.claimed(store, claim)
        return claim
      },
      append: async (runId, fence, at, added, durability) => {
        await store.append(runId, fence, at, added, durability)
        this.write(runId, at, added, durability === 'written' ? 0 : at + added.length)
      },
      ...(sync !== undefined && {
        sync: async () => {
          const lengths = [...this.journals].map(([runId, { entries }]) => [runId, entries.length] as const)
          await sync()
          for (const [runId, length] of lengths) this.write(runId, length, [], length)
        },
      }),
    }
  }

  /** What a claim commits is behind all that was written before it, also by a process that died before it was told so. */
  private async claimed(store: Store, { runId, cursor }: Pick<Claim, 'runId' | 'cursor'>): Promise<void> {
    const { length } = this.of(runId).entries
    if (length < cursor) this.write(runId, 0, await store.load(runId, 0, cursor), cursor)
    else this.write(runId, cursor, [], cursor)
  }

  private of(runId: string): { readonly entries: Entry[]; durable: number } {
    const held = this.journals.get(runId) ?? { entries: [], durable: 0 }
    this.journals.set(runId, held)
    return held
  }

  private write(runId: string, at: number, added: readonly Entry[], durable: number): void {
    const journal = this.of(runId)
    journal.entries.splice(at, added.length, ...added)
    journal.durable = Math.max(journal.durable, durable)
  }
}

interface Place {
  readonly engine: Engine
  readonly store: Store
  /** Its process dies. */
  kill(): Promise<void>
}

interface Worker {
  stop(): Promise<void>
  kill(): Promise<void>
}

async function play(each: Case, path: string): Promise<readonly string[]> {
  const random = seededRandom(each.seed)
  const runtime = nodeRuntime()
  const mirror = new Mirror()
  const entries = (runId: string): readonly Entry[] => mirror.entries(runId)
  const open = async (): Promise<Place> => {
    const whole = await sqliteStore({ path })
    const { store, die } = mirror.seenThrough(whole)
    const engine = embeddedEngine({ store, runtime, stopGraceMs: random.below(20), onError: () => {} })
    const kill = async (): Promise<void> => {
      die()
      await whole.close()
      await engine.close()
    }
    return { engine, store, kill }
  }
  const front = await open()
  const { engine, store } = front
  const outside = new Outside({ entries, acknowledged: (runId) => mirror.durable(runId) }, random.fork(), each.zombies)
  const serve = async (process: string): Promise<Worker> => {
    const place = path === MEMORY ? front : await open()
    const host = createHost({
      runtime: { ...runtime, identity: process },
      manifest: place.engine.manifest,
      programs: () => [planProgram(outside, process, each.resume)],
      outbound: place.engine,
      blobs: place.store.blobs,
      offloadBytes: OFFLOAD_BYTES,
      cancelGraceMs: GRACE_MS,
    })
    const worker = await place.engine.serve(host)
    const stop = async (): Promise<void> => {
      await worker.stop()
      if (place !== front) await place.engine.close()
    }
    const kill = async (): Promise<void> => {
      const killed = place.kill()
      for (const { runId } of outside.sights) host.evict(runId)
      await killed
    }
    return { stop, kill: place === front ? stop : kill }
  }
  const workers = [await serve('0'), await serve('1')]
  const pass = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms / 4))
  const disturb = async (): Promise<void> => {
    for (let count = 2; count < 5; count++) {
      await pass(random.below(60))
      // Steps in flight are dropped after a grace that may be none.
      await (random.chance(0.5) ? workers.shift()?.stop() : workers.shift()?.kill())
      workers.push(await serve(String(count)))
    }
  }
  const disturbed = disturb()
  const ended = async (runId: string): Promise<Outcome> => {
    for (;;) {
      const { outcome, status, entries: length } = await engine.describe(runId)
      if (outcome !== undefined) return outcome
      await engine.changed(runId, { entries: length, status })
    }
  }
  const stage: Stage = {
    engine,
    manifest: engine.manifest,
    runtime,
    blobs: store.blobs,
    offloadBytes: OFFLOAD_BYTES,
    violations: [],
    ended,
    entries,
    // A worker may have been stopped at any place.
    harmed: (runId) => [...entries(runId).keys()],
    cancelGraceMs: GRACE_MS,
    pass,
    close: async () => {
      await disturbed
      for (const worker of workers) await worker.stop()
    },
  }
  try {
    return await judge(each, stage, outside, random)
  } finally {
    await engine.close()
  }
}

let folder: string
beforeAll(() => {
  // Each commit is synced: on a disk that would be all that is measured.
  folder = mkdtempSync(join(existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(), 'selvage-properties-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe.each([
  ['in memory', () => MEMORY, numRuns],
  ['on a file', (name: string) => join(folder, name), 3 * numRuns],
] as const)('%s', (_, pathOf, numRuns) => {
  it.each([
    ['any program', anyCase(mode)],
    ['one thing after another', sequentialCase(mode)],
  ] as const)(
    '%s, with workers that come and go',
    async (name, cases) => {
      const drawn = [...fc.sample(cases, { numRuns, ...seeded }).entries()]
      while (drawn.length > 0) {
        const played = drawn.splice(0, AT_ONCE).map(async ([index, each]) => ({
          wrong: await play(each, pathOf(`${name} ${index}`)),
          each: JSON.stringify(each),
        }))
        expect((await Promise.all(played)).filter(({ wrong }) => wrong.length > 0)).toEqual([])
      }
    },
    120_000,
  )
})
