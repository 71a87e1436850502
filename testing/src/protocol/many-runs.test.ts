/** A host with more runs than it keeps fibers for. */
import { type Advance, createHost, type Durable, type Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { expect, it } from 'vitest'
import { seededRandom } from '../random.ts'
import { tickingClock } from '../ticking-clock.ts'
import { turns } from '../turn-engine/hostility.ts'
import { turnEngine } from '../turn-engine/turn-engine.ts'
import { code } from './by-hand.ts'

it.each(['engine', 'store'] as const)('I8: twenty runs on two fibers all end (journal: %s)', async (journal) => {
  const clock = tickingClock()
  const engine = turnEngine({ clock, journal, affinity: true, random: seededRandom(1) })
  let fibers = 0
  const executed = new Map<string, number>()
  const run = async (durable: Durable): Promise<number> => {
    fibers++
    let sum = 0
    for (let n = 1; n <= 3; n++) {
      sum += await durable.step(code(`s${n}`), async ({ idempotencyKey }) => {
        executed.set(idempotencyKey, (executed.get(idempotencyKey) ?? 0) + 1)
        await turns(n)
        return n
      })
      await durable.wait(`w${n}`, `go${n}`)
    }
    return sum
  }
  const host = createHost({
    runtime: nodeRuntime({ clock }),
    manifest: engine.manifest,
    programs: () => [{ name: 'p', resume: 'replay', run }],
    outbound: engine,
    maxFibers: 2,
  })
  await engine.serve(host)
  const runIds = Array.from({ length: 20 }, (_, index) => `run-${index}`)
  for (const runId of runIds) await engine.start(runId, { program: 'p', input: null })
  for (let n = 1; n <= 3; n++) {
    await turns(10)
    for (const runId of runIds) await engine.signal(runId, { id: `go${n}`, name: `go${n}`, payload: null })
  }
  for (const runId of runIds) expect(await engine.ended(runId)).toEqual({ ok: 6 })
  expect(fibers).toBeGreaterThan(20)
  expect(engine.violations).toEqual([])
  expect([...executed.values()].filter((times) => times !== 1)).toEqual([])
  clock.stop()
})

/** Runs of ten steps are asked for in turn, as by an engine that has many. Resolves to how often a program was begun. */
async function inTurns(count: number): Promise<number> {
  const clock = tickingClock()
  let begun = 0
  const host = createHost({
    runtime: nodeRuntime(),
    manifest: turnEngine({ clock, journal: 'engine', affinity: true, random: seededRandom(1) }).manifest,
    programs: () => [
      {
        name: 'p',
        resume: 'replay',
        async run(durable) {
          begun++
          for (let n = 1; n <= 10; n++) await durable.step(code(`s${n}`), () => n)
        },
      },
    ],
    outbound: {
      start: async () => ({ created: true }),
      signal: async () => ({ accepted: true }),
      cancel: async () => {},
    },
    maxFibers: 2,
  })
  const runs = Array.from({ length: count }, (_, index) => {
    const entries: Entry[] = []
    let acknowledges: Advance['acknowledges']
    return async (): Promise<boolean> => {
      const request = {
        runId: `run-${index}`,
        start: { program: 'p', input: null },
        cursor: entries.length,
        signals: [],
        now: 0,
      }
      const journal = { load: async (from: number) => entries.slice(from) }
      const control = { abortSignal: new AbortController().signal, heartbeat() {}, journal, delivery: 1 }
      const {
        mark,
        kind,
        entries: more,
      } = await host.advance({ ...request, ...(acknowledges && { acknowledges }) }, control)
      acknowledges = mark === undefined ? undefined : { mark, from: entries.length }
      entries.push(...more)
      return kind === 'done'
    }
  })
  for (let left = runs; left.length > 0; ) {
    const going: typeof runs = []
    for (const advance of left) if (!(await advance())) going.push(advance)
    left = going
  }
  clock.stop()
  return begun
}

it('runs that go on keep their fibers, four times as many as those that wait: none is replayed at each of its steps', async () => {
  expect(await inTurns(8)).toBe(8)
  // Memory has its bound all the same.
  expect(await inTurns(12)).toBeGreaterThan(12 * 5)
})
