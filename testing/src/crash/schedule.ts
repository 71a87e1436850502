/** Random deaths in a row, from a seed. */
import { type Random, seededRandom } from '../random.ts'
import type { Hits, Moment } from './kill-switch.ts'
import type { Death } from './play.ts'

/** Five crashes in a row at one place are where a run gives up (docs/advance.md, rule 9). */
const DEATHS = 4

/**
 * Rounds of one process, and now and then of two at once, of which at least one dies. `hits` and `entries` are those of
 * a run that nobody disturbs: a moment that came often there is chosen often.
 */
export function schedule(seed: number, hits: Hits, entries: number): readonly (readonly Death[])[] {
  const random = seededRandom(seed)
  const moments = (Object.keys(hits) as Moment[]).sort()
  const rounds: Death[][] = []
  for (let left = 1 + random.below(DEATHS); left > 0; ) {
    const round: Death[] = [death(random, moments, hits, entries)]
    if (random.chance(0.3))
      round.push(left > 1 && random.chance(0.7) ? death(random, moments, hits, entries) : undefined)
    left -= round.filter((each) => each !== undefined).length
    rounds.push(round)
  }
  return rounds
}

function death(random: Random, moments: readonly Moment[], hits: Hits, entries: number): Death {
  if (random.chance(0.2)) return { entries: 1 + random.below(entries) }
  const moment = random.pick(moments)
  // Later processes have less to do: most die early.
  return { moment, hit: 1 + random.below(1 + random.below(hits[moment] ?? 1)) }
}
