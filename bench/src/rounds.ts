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
  /** By `performance.now()`: behind it no round begins but the first, `least` or not. */
  readonly until?: number
  /** Who takes longer than this for the first round goes on only if there is time for all of its rounds until `until`. */
  readonly patienceMs?: number
}

export const LEAST = 5
/** Rounds take longer than the first one: what is recorded grows. With half as much again the section still ends in time. */
const GROWTH = 1.5

/** What each of `blocks` gave in each round; `results[block][round]`. */
export async function interleave<T>(blocks: readonly (() => Promise<T>)[], options: Rounds): Promise<T[][]> {
  const { warmUp, rounds, least = LEAST } = options
  const { budgetMs = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY } = options
  const { patienceMs = Number.POSITIVE_INFINITY } = options
  const enough = performance.now() + budgetMs
  const results: T[][] = blocks.map(() => [])
  let slow: ReadonlySet<number> = new Set()
  const firstMs: number[] = []
  for (let round = -warmUp; round < rounds; round++) {
    const now = performance.now()
    if (round >= least && now > enough) break
    if (round !== 0 && now > until) {
      if (round > 0) break
      continue
    }
    for (let place = 0; place < blocks.length; place++) {
      const index = (place + round + warmUp) % blocks.length
      if (slow.has(index)) continue
      const from = performance.now()
      const result = await blocks[index]?.()
      if (round === 0) firstMs[index] = performance.now() - from
      if (round >= 0) results[index]?.push(result as T)
    }
    if (round === 0) slow = tooSlow(firstMs, { patienceMs, rounds: rounds - 1, leftMs: until - performance.now() })
  }
  return results
}

interface Left {
  readonly patienceMs: number
  /** To be played yet. */
  readonly rounds: number
  readonly leftMs: number
}

/** By what each took in the first round: who does not fit in behind those that are waited for and those that are faster. */
function tooSlow(firstMs: readonly number[], { patienceMs, rounds, leftMs }: Left): ReadonlySet<number> {
  const slow = new Set<number>()
  let neededMs = 0
  for (const [index, ms] of [...firstMs.entries()].sort(([, one], [, other]) => one - other)) {
    const withMs = neededMs + GROWTH * rounds * ms
    if (ms > patienceMs && withMs > leftMs) slow.add(index)
    else neededMs = withMs
  }
  return slow
}

/** Behind a table: why it has fewer rounds than others, where it has. */
export function fewer(rounds: number, why: string, least: number = LEAST): readonly string[] {
  return rounds >= least ? [] : [`${rounds === 1 ? 'One round' : `${rounds} rounds`} only: ${why}.`]
}
