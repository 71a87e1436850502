/**
 * How many cases the property tests draw. SELVAGE_CASES: so many of each kind, new ones each time. Without it 60, and the same
 * each time: where the gate is red a change is the reason, not a chance. What chance finds is looked for with thousands.
 */
const CASES = 60
/** Any number. */
const SEED = 20_261_122

export interface Draws {
  readonly numRuns: number
  readonly seed?: number
}

export function draws(asked: string | undefined = process.env.SELVAGE_CASES): Draws {
  return asked === undefined ? { numRuns: CASES, seed: SEED } : { numRuns: Number(asked) }
}
