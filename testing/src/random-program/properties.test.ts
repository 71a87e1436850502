import type { Runtime } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import type { Random } from '../random.ts'
import type { TickingClock } from '../ticking-clock.ts'
import { anyCase } from './any-case.ts'
import { runCase } from './case.ts'

const numRuns = Number(process.env.SELVAGE_CASES ?? 100)

function runtime(clock: TickingClock, random: Random): Runtime {
  const hex = (): string => random.below(16).toString(16)
  return { ...nodeRuntime({ clock }), random: (bytes) => Array.from({ length: 2 * bytes }, hex).join('') }
}

const modes = [
  ['engine', true, true],
  ['engine', true, false],
  ['engine', false, true],
  ['engine', false, false],
  ['store', true, true],
  ['store', false, false],
] as const

describe('a random program on a hostile engine', () => {
  for (const [journal, affinity, countsDeliveries] of modes) {
    it(`journal: ${journal}, affinity: ${affinity}, countsDeliveries: ${countsDeliveries}`, async () => {
      await fc.assert(
        fc.asyncProperty(anyCase(journal, affinity, countsDeliveries), async (each) => {
          const wrong = await runCase(each, runtime)
          if (wrong.length > 0) throw new Error(wrong.slice(0, 5).join('\n').slice(0, 3_000))
        }),
        { numRuns },
      )
    })
  }
})
