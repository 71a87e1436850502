/** A host with more runs than it keeps fibers for. */
import { createHost, type Durable } from '@selvage/core'
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
