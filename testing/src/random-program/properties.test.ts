/** SELVAGE_CASES: how many new cases of each kind. A failing one is printed with the seed that finds it again. */
import type { Runtime } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { draws } from '../draws.ts'
import type { Random } from '../random.ts'
import type { TickingClock } from '../ticking-clock.ts'
import { anyCase, type Mode, sequentialCase } from './any-case.ts'
import { type Case, runCase } from './case.ts'

function runtime(clock: TickingClock, random: Random): Runtime {
  const hex = (): string => random.below(16).toString(16)
  return { ...nodeRuntime({ clock }), random: (bytes) => Array.from({ length: 2 * bytes }, hex).join('') }
}

async function holds(cases: fc.Arbitrary<Case>): Promise<void> {
  const property = fc.asyncProperty(cases, async (each) => {
    const wrong = await runCase(each, runtime)
    if (wrong.length > 0) throw new Error(wrong.join('\n').slice(0, 4_000))
  })
  await fc.assert(property, {
    ...draws(process.env.SELVAGE_CASES, 60),
    interruptAfterTimeLimit: 100_000,
    endOnFailure: false,
  })
}

const both = [true, false]
const modes: readonly Mode[] = (['engine', 'store'] as const).flatMap((journal) =>
  both.flatMap((affinity) => both.map((countsDeliveries) => ({ journal, affinity, countsDeliveries }))),
)

describe.each(modes)('journal: $journal, affinity: $affinity, countsDeliveries: $countsDeliveries', (mode) => {
  it('any program', () => holds(anyCase(mode)), 120_000)
  it('one thing after another, by replay or fold', () => holds(sequentialCase(mode)), 120_000)
})
