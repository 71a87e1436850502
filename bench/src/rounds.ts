/**
 * Interleaving: A B C, B C A, C A B, … A machine that is slow for a second is slow for all, and nobody always follows
 * the same one. What is compared are ratios within a round.
 */
export interface Rounds {
  readonly warmUp: number
  readonly rounds: number
  /** No round begins later than this, once there are `least`: what a slow machine cannot do stays out for all. */
  readonly budgetMs?: number
  readonly least?: number
}

const LEAST = 5

/** What each of `blocks` gave in each round; `results[block][round]`. */
export async function interleave<T>(blocks: readonly (() => Promise<T>)[], options: Rounds): Promise<T[][]> {
  const { warmUp, rounds, budgetMs = Number.POSITIVE_INFINITY, least = LEAST } = options
  const until = performance.now() + budgetMs
  const results: T[][] = blocks.map(() => [])
  for (let round = -warmUp; round < rounds; round++) {
    if (round >= least && performance.now() > until) break
    for (let place = 0; place < blocks.length; place++) {
      const index = (place + round + warmUp) % blocks.length
      const result = await blocks[index]?.()
      if (round >= 0) results[index]?.push(result as T)
    }
  }
  return results
}
