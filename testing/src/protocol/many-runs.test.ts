/** A host with more runs than it keeps fibers for. */
import { type Advance, createHost, type Durable, type Entry, type Progress, type Signal } from '@selvage/core'
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

/** A host of at most two fibers that wait, asked as an engine with many runs does: one advance of one run after another. */
function hostOfTwo() {
  const clock = tickingClock()
  const begun: string[] = []
  const run = async (durable: Durable): Promise<void> => {
    begun.push(durable.runId)
    if (durable.runId.startsWith('waits')) await durable.wait('w', 'go')
    for (let n = 1; n <= 10; n++) await durable.step(code(`s${n}`), () => n)
  }
  const host = createHost({
    runtime: nodeRuntime(),
    manifest: turnEngine({ clock, journal: 'engine', affinity: true, random: seededRandom(1) }).manifest,
    programs: () => [{ name: 'p', resume: 'replay', run }],
    outbound: {
      start: async () => ({ created: true }),
      signal: async () => ({ accepted: true }),
      cancel: async () => {},
    },
    maxFibers: 2,
  })
  clock.stop()
  /** Makes the next advance of that run. */
  const advancing = (runId: string) => {
    const entries: Entry[] = []
    let acknowledges: Advance['acknowledges']
    return async (...signals: Signal[]): Promise<Progress['kind']> => {
      const start = { program: 'p', input: null }
      const request = { runId, start, cursor: entries.length, signals, now: 0, ...(acknowledges && { acknowledges }) }
      const journal = { load: async (from: number) => entries.slice(from) }
      const control = { abortSignal: new AbortController().signal, heartbeat() {}, journal, delivery: 1 }
      const { mark, kind, entries: more } = await host.advance(request, control)
      acknowledges = mark === undefined ? undefined : { mark, from: entries.length }
      entries.push(...more)
      return kind
    }
  }
  const runs = (count: number, name: string) =>
    Array.from({ length: count }, (_, index) => advancing(`${name}-${index}`))
  return { begun, runs }
}

async function inTurns(count: number): Promise<number> {
  const { begun, runs } = hostOfTwo()
  for (let left = runs(count, 'goes on'); left.length > 0; ) {
    const going: typeof left = []
    for (const advance of left) if ((await advance()) !== 'done') going.push(advance)
    left = going
  }
  return begun.length
}

it('runs that go on keep their fibers, with those that wait four times as many: none is replayed at each of its steps', async () => {
  expect(await inTurns(8)).toBe(8)
  // Memory has its bound all the same.
  expect(await inTurns(12)).toBeGreaterThan(12 * 5)
})

it('runs that wait keep their fibers beside those that go on, the ones that came last', async () => {
  const { begun, runs } = hostOfTwo()
  const waiting = runs(3, 'waits')
  const going = runs(4, 'goes on')
  for (const advance of waiting) while ((await advance()) !== 'wait');
  for (let n = 0; n < 4; n++) for (const advance of going) await advance()
  expect(begun).toHaveLength(7)
  const signal: Signal = { id: 'go', name: 'go', payload: null }
  for (const advance of waiting.toReversed()) await advance(signal)
  expect(begun.slice(7)).toEqual(['waits-0'])
})
