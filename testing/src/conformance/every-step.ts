/** Killed in every effect of a scenario, by count, and finished by a fresh process. For agents: each model call and tool. */
import { expect, test } from 'vitest'
import { twoAtOnce } from '../crash/at-once.ts'
import { play } from '../crash/play.ts'
import type { Given } from '../crash/site.ts'
import type { EngineUnderTest } from '../crash/under-test.ts'
import { undisturbed } from './beforehand.ts'
import { PATIENT_MS } from './given.ts'

export interface EveryStep {
  readonly given: Given
  /** Effects of a run that nobody disturbs: a scenario that does nothing does not pass. */
  readonly effects: number
  /** Where each is killed. Default: one by one before or behind its effect, which are the same to the engine. */
  readonly moments?: readonly ('effect.before' | 'effect.after')[]
}

export function killInEveryStep(under: EngineUnderTest, { given, effects, moments }: EveryStep): void {
  const baseline = undisturbed(under, given)

  type Moment = NonNullable<EveryStep['moments']>[number]
  type Kill = readonly [hit: number, moment: Moment]
  const killed = async ([hit, moment]: Kill): Promise<{ hit: number; deaths: number; wrong: readonly string[] }> => {
    const { wrong, deaths } = await play(under, given, baseline(), [[{ moment, hit }]])
    return { hit, deaths, wrong: wrong.map((each) => `killed at ${moment}, hit ${hit}: ${each}`) }
  }

  test(
    `is killed in each of its ${effects} steps, and finished by another process as if it had not been`,
    async () => {
      expect(baseline().sight.lines.length).toBe(effects)
      // To the engine both are a step without a record; the outside has seen one of them.
      const byTurns = (hit: number): readonly Moment[] => [hit % 2 === 0 ? 'effect.before' : 'effect.after']
      const hits = Array.from({ length: effects }, (_, index) => index + 1)
      const kills = hits.flatMap((hit) => (moments ?? byTurns(hit)).map((moment): Kill => [hit, moment]))
      expect(await twoAtOnce(kills, killed)).toEqual(kills.map(([hit]) => ({ hit, deaths: 1, wrong: [] })))
    },
    PATIENT_MS,
  )
}
