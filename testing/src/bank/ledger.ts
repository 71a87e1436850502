/**
 * The ledger of the bank: one line per request that asked for something, in the order in which they were decided, in a
 * file that only grows. A line is on the disk before anybody is answered, so what the bank has done it will have done,
 * whoever dies. Judges read this file; no journal of ours has a say in it.
 */
/** What a bank does outside of every process of ours. */
export type Deed = 'refund' | 'charge' | 'mail'

export const DEEDS: readonly Deed[] = ['refund', 'charge', 'mail']

/** Each of them for one order. */
export function eachFor(order: string): readonly (readonly [Deed, string])[] {
  return DEEDS.map((deed) => [deed, order])
}

/** What is asked for. `order` says for whom, and is what people look it up by. */
export interface Asked {
  readonly order: string
  /** Whole cents. */
  readonly amount?: number
  readonly text?: string
}

export interface BankLine extends Asked {
  /** 1, 2, …: its place in the ledger. */
  readonly n: number
  readonly deed: Deed
  /**
   * `acted`: it was done, now. `repeated`: it had been done under this key, and was not done again. `refused`: it was not
   * done.
   */
  readonly what: 'acted' | 'repeated' | 'refused'
  /** The `Idempotency-Key` that came with the request, whether the bank honours keys or not. */
  readonly key?: string
}

/** What was done. */
export function acted(lines: readonly BankLine[]): readonly BankLine[] {
  return lines.filter(({ what }) => what === 'acted')
}

/** How often something was done for an order beyond the first time. */
export function duplicates(lines: readonly BankLine[]): number {
  const done = acted(lines)
  return done.length - new Set(done.map(({ deed, order }) => `${deed} ${order}`)).size
}
