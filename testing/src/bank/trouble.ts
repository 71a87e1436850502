/**
 * What a bank does to those who ask it, so that failures can be judged, too. Each trouble is for the next request that it
 * fits, and then gone.
 */
import type { Deed } from './ledger.ts'

export interface Trouble {
  /** Default: any. */
  readonly deed?: Deed
  readonly order?: string
  /**
   * `hold`: it acts and never answers. `drop`: it acts and closes the connection without an answer. `drop-before`: it
   * closes the connection and has not acted. `late`: it acts and answers after `delayMs`. `refuse`: it does not act and
   * answers with `status`.
   */
  readonly how: 'hold' | 'drop' | 'drop-before' | 'late' | 'refuse'
  readonly delayMs?: number
  /** Default 503. */
  readonly status?: number
  /** Seconds, for the header `Retry-After`. */
  readonly retryAfter?: number
}

/** Those to come, oldest first. */
export class Troubles {
  private readonly coming: Trouble[] = []

  add(trouble: Trouble): void {
    this.coming.push(trouble)
  }

  /** The first that fits, which is then spent. */
  take(deed: Deed, order: string): Trouble | undefined {
    const index = this.coming.findIndex(
      (each) => (each.deed ?? deed) === deed && (each.order === undefined || each.order === order),
    )
    return index < 0 ? undefined : this.coming.splice(index, 1)[0]
  }
}
