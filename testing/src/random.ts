/** Chance that comes again: the same seed gives the same numbers. */
export interface Random {
  /** [0, 1) */
  next(): number
  /** True with this probability. */
  chance(probability: number): boolean
  /** A whole number of [0, below). */
  below(below: number): number
  pick<T>(from: readonly T[]): T
  /** A generator of its own, so that more draws here move nothing there. */
  fork(): Random
}

/** `seed`: any whole number. Not for secrets (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    chance: (probability) => next() < probability,
    below,
    pick: (from) => {
      const picked = from[below(from.length)]
      if (picked === undefined) throw new RangeError('nothing to pick from')
      return picked
    },
    fork: () => seededRandom(below(2 ** 32)),
  }
}
