/**
 * How many random cases a property test draws, for which a case is a whole program: so many as are asked for, new ones each time;
 * where nobody asks, the same few each time. So where the gate is red a change is the reason, not a chance, and what chance
 * finds is looked for with thousands.
 */
/** Any number. */
const SEED = 20_261_122

export interface Draws {
  readonly numRuns: number
  readonly seed?: number
}

/** `asked`: of an environment variable. */
export function draws(asked: string | undefined, cases: number): Draws {
  return asked === undefined ? { numRuns: cases, seed: SEED } : { numRuns: Number(asked) }
}
