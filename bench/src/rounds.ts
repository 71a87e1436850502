/**
 * Interleaving: A B C, B C A, C A B, … A machine that is slow for a second is slow for all, and nobody always follows
 * the same one. What is compared are ratios within a round.
 */
export interface Rounds {
  readonly warmUp: number
  readonly rounds: number
}

/** What each of `blocks` gave in each round; `results[block][round]`. */
export async function interleave<T>(blocks: readonly (() => Promise<T>)[], { warmUp, rounds }: Rounds): Promise<T[][]> {
  const results: T[][] = blocks.map(() => [])
  for (let round = -warmUp; round < rounds; round++) {
    for (let place = 0; place < blocks.length; place++) {
      const index = (place + round + warmUp) % blocks.length
      const result = await blocks[index]?.()
      if (round >= 0) results[index]?.push(result as T)
    }
  }
  return results
}
