/**
 * Random programs on SQLite: two workers in this process, one of which is stopped in the middle and another begins.
 * Fewer cases than on the turn engine, in real time; what a real SIGKILL does is shown by the conformance suite.
 */
import { createHost, type Entry, type Outcome, type Store } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { sqliteStore } from '@selvage/store-sqlite'
import { seededRandom } from '@selvage/testing'
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
import { expect, it } from 'vitest'
import { embeddedEngine } from './engine.ts'

const numRuns = Math.ceil(Number(process.env.SELVAGE_CASES ?? 60) / 2)
const OFFLOAD_BYTES = 64
const mode = { journal: 'store', affinity: false, countsDeliveries: true } as const

/** Keeps in memory what the store has acknowledged, so that it can be looked at while an effect begins. */
function mirrored(store: Store): { readonly store: Store; entries(runId: string): readonly Entry[] } {
  const journals = new Map<string, Entry[]>()
  const entries = (runId: string): Entry[] => {
    const held = journals.get(runId) ?? []
    journals.set(runId, held)
    return held
  }
  const watched: Partial<Store> = {
    create: async (run) => {
      const receipt = await store.create(run)
      entries(run.runId).push(...(await store.load(run.runId, 0, 1)))
      return receipt
    },
    append: async (runId, fence, at, added) => {
      await store.append(runId, fence, at, added)
      entries(runId).splice(at, added.length, ...added)
    },
  }
  const proxy = new Proxy(store, {
    get: (target, name) => {
      const own = Reflect.get(watched, name)
      if (own !== undefined) return own
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { store: proxy, entries }
}

async function play(each: Case): Promise<readonly string[]> {
  const random = seededRandom(each.seed)
  const runtime = nodeRuntime()
  const { store, entries } = mirrored(await sqliteStore({ path: ':memory:' }))
  const engine = embeddedEngine({ store, runtime, stopGraceMs: random.below(20), onError: () => {} })
  const outside = new Outside({ entries, acknowledged: (runId) => entries(runId).length }, random.fork(), each.zombies)
  const serve = (process: string): ReturnType<typeof engine.serve> =>
    engine.serve(
      createHost({
        runtime: { ...runtime, identity: process },
        manifest: engine.manifest,
        programs: () => [planProgram(outside, process, each.resume)],
        outbound: engine,
        blobs: store.blobs,
        offloadBytes: OFFLOAD_BYTES,
        cancelGraceMs: 80,
      }),
    )
  const workers = [await serve('0'), await serve('1')]
  const pass = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms / 4))
  const disturb = async (): Promise<void> => {
    for (let count = 2; count < 5; count++) {
      await pass(random.below(60))
      // Steps in flight are dropped after a grace that may be none.
      await workers.shift()?.stop()
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

it.each([
  ['any program', anyCase(mode)],
  ['one thing after another', sequentialCase(mode)],
] as const)(
  '%s, with workers that come and go',
  async (_, cases) => {
    const drawn = fc.sample(cases, { numRuns })
    const wrong = await Promise.all(
      drawn.map(async (each) => ({ wrong: await play(each), each: JSON.stringify(each) })),
    )
    expect(wrong.filter((one) => one.wrong.length > 0)).toEqual([])
  },
  120_000,
)
