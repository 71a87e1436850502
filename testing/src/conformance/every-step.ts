/** Killed in every effect of a scenario, by count, and finished by a fresh process. For agents: each model call and tool. */
import { beforeAll, expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import { type Baseline, play, playUndisturbed } from '../crash/play.ts'
import type { Given } from '../crash/site.ts'
import type { EngineUnderTest } from '../crash/under-test.ts'
import { PATIENT_MS } from './given.ts'

export interface EveryStep {
  readonly given: Given
  /** Effects of a run that nobody disturbs: a scenario that does nothing does not pass. */
  readonly effects: number
}

export function killInEveryStep(under: EngineUnderTest, { given, effects }: EveryStep): void {
  let baseline: Baseline
  beforeAll(async () => {
    baseline = await playUndisturbed(under, given)
  }, PATIENT_MS)

  const killed = async (hit: number): Promise<{ hit: number; deaths: number; wrong: readonly string[] }> => {
    // To the engine both are a step without a record; the outside has seen one of them.
    const moment = hit % 2 === 0 ? 'effect.before' : 'effect.after'
    const { wrong, deaths } = await play(under, given, baseline, [[{ moment, hit }]])
    return { hit, deaths, wrong: wrong.map((each) => `killed at ${moment}, hit ${hit}: ${each}`) }
  }

  test(
    `is killed in each of its ${effects} steps, and finished by another process as if it had not been`,
    async () => {
      expect(baseline.sight.lines.length).toBe(effects)
      const hits = Array.from({ length: effects }, (_, index) => index + 1)
      expect(await twoAtOnce(hits, killed)).toEqual(hits.map((hit) => ({ hit, deaths: 1, wrong: [] })))
    },
    PATIENT_MS,
  )
}
