/**
 * Where timers and commits fall together otherwise than before, a moment to kill at may not come. It is played again
 * then, a few times at most. What was played in vain is judged as well: it was a run like any other.
 */
import { twoAtOnce } from '../crash/at-once.ts'

const TRIES = 5

/** Plays until it comes out so. Resolves with all that was played, the last one perhaps not so either. */
export async function tries<Play>(
  play: (n: number) => Promise<Play>,
  isSo: (play: Play) => boolean,
): Promise<readonly [...Play[], Play]> {
  const played: Play[] = []
  for (let n = 1; ; n++) {
    const last = await play(n)
    if (n === TRIES || isSo(last)) return [...played, last]
    played.push(last)
  }
}

/** Plays so many seeds, and as many again one by one until that is enough. Resolves with all that was played. */
export async function seeds<Play>(
  count: number,
  play: (seed: number) => Promise<Play>,
  enough: (plays: readonly Play[]) => boolean,
): Promise<readonly Play[]> {
  const numbers = Array.from({ length: count }, (_, seed) => seed)
  const plays = await twoAtOnce(numbers, play)
  for (let seed = count; seed < 2 * count && !enough(plays); seed++) plays.push(await play(seed))
  return plays
}
