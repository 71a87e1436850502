/** Killed in every effect of a scenario, by count, and finished by a fresh process. For agents: each model call and tool. */
import { beforeAll, expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import { type Baseline, play, playUndisturbed } from '../crash/play.ts'
import type { Given } from '../crash/site.ts'
import type { EngineUnderTest } from '../crash/under-test.ts'
import { PATIENT_MS } from './given.ts'

/** What a scenario is expected to come to, so that a scenario that does nothing does not pass. */
export interface AgentKills {
  readonly given: Given
  /** Effects of a run that nobody disturbs. */
  readonly effects: number
}

export function killInEveryStep(under: EngineUnderTest, { given, effects }: AgentKills): void {
  let baseline: Baseline
  beforeAll(async () => {
    baseline = await playUndisturbed(under, given)
  }, PATIENT_MS)

  test.each(['effect.before', 'effect.after'] as const)(
    'killed at %s of each step',
    async (moment) => {
      expect(baseline.sight.lines.length).toBe(effects)
      const hits = Array.from({ length: effects }, (_, index) => index + 1)
      const plays = await twoAtOnce(hits, async (hit) => {
        const { wrong, deaths, last } = await play(under, given, baseline, [[{ moment, hit }]])
        // What was in flight may happen again, nothing else.
        const again = last.lines.length - effects
        return { deaths, again, wrong: wrong.map((each) => `killed at ${moment}, hit ${hit}: ${each}`) }
      })
      expect(plays.flatMap(({ wrong }) => wrong)).toEqual([])
      expect(plays.map(({ deaths }) => deaths)).toEqual(hits.map(() => 1))
      if (moment === 'effect.before') expect(Math.min(...plays.map(({ again }) => again))).toBeGreaterThanOrEqual(0)
    },
    PATIENT_MS,
  )
}
