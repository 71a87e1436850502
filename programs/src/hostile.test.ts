/** Everything that ctx has, on an engine that loses, repeats and kills: one result, and an effect `once` at most once. */
import { createHost, decode, type Json } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  memoryBlobs,
  seededRandom,
  type TickingClock,
  type TurnEngine,
  tickingClock,
  turnEngine,
} from '@selvage/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { answerTo, type Everything, EXPECTED, everything } from '../test/everything.ts'

const SEEDS = 4
/** Turns of the event loop: long enough for answers to come in time, whatever is done to them. */
const UNIT = 1_500

const clocks: TickingClock[] = []
afterEach(() => {
  for (const clock of clocks.splice(0)) clock.stop()
})

/** Answers every question once it is in the journal, until the run has ended. */
async function answerAll(engine: TurnEngine): Promise<void> {
  const answered = new Set<string>()
  await engine.signal('r', { id: 'go', name: 'go', payload: 'go' })
  for (;;) {
    const { entries, status } = await engine.describe('r')
    for (const entry of engine.entries('r')) {
      if (entry.type !== 'open' || answered.has(entry.key)) continue
      answered.add(entry.key)
      const payload = answerTo(entry.question)
      const { id } = entry.question
      if (payload !== undefined) await engine.signal('r', { id, name: id, payload })
    }
    if (status === 'completed' || status === 'failed' || status === 'cancelled') return
    await engine.changed('r', { entries, status })
  }
}

describe.each([
  { journal: 'engine', affinity: true, countsDeliveries: true },
  { journal: 'engine', affinity: false, countsDeliveries: true },
  { journal: 'engine', affinity: true, countsDeliveries: false },
  { journal: 'store', affinity: false, countsDeliveries: true },
] as const)('journal $journal, affinity $affinity, counts $countsDeliveries', (manifest) => {
  it.each(Array.from({ length: SEEDS }, (_, seed) => seed))('seed %i', async (seed) => {
    const clock = tickingClock()
    clocks.push(clock)
    const hostility = {
      losesReplies: 0.2,
      deliversTwice: 0.2,
      deliversLate: 0.2,
      kills: 0.2,
      drops: 0.2,
      delaysSignals: 0.3,
      offers: 0.3,
      ...(manifest.journal === 'engine' ? { rotatesEvery: 3 } : { failsAppends: 0.2 }),
    }
    const engine = turnEngine({ clock, ...manifest, hostility, random: seededRandom(seed) })
    const blobs = memoryBlobs()
    let published = 0
    const programs = everything(UNIT, () => published++)
    for (let index = 0; index < 2; index++) {
      const options = { runtime: nodeRuntime({ clock }), manifest: engine.manifest, outbound: engine, blobs }
      await engine.serve(createHost({ ...options, programs: () => programs }))
    }
    await engine.start('r', { program: 'flow', input: null })
    await answerAll(engine)
    const outcome = await engine.ended('r')
    await engine.quiet()
    expect(outcome).toHaveProperty('ok')
    const result = decode((outcome as { ok: Json }).ok) as Everything
    expect(result.trace).toEqual(EXPECTED)
    expect([...result.order].sort()).toEqual([1, 2, 3])
    expect(published).toBeLessThanOrEqual(1)
    expect(engine.violations).toEqual([])
  })
})
