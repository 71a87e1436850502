import { type Baseline, play } from './play.ts'
import { schedule } from './schedule.ts'
import type { Given } from './site.ts'
import type { EngineUnderTest } from './under-test.ts'

/** Plays the schedule of a seed; what does not hold is told with the seed and the deaths. */
export async function playSeed(
  under: EngineUnderTest,
  given: Given,
  baseline: Baseline,
  seed: number,
): Promise<{ readonly wrong: readonly string[]; readonly deaths: number }> {
  const rounds = schedule(seed, baseline.hits, baseline.sight.runs[0]?.entries.length ?? 1)
  const { wrong, deaths } = await play(under, given, baseline, rounds)
  return { deaths, wrong: wrong.map((each) => `seed ${seed}, ${JSON.stringify(rounds)}: ${each}`) }
}
