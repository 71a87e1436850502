/** How long to wait after the n-th failure in a row of something that may work later: 100 ms, doubled, at most 30 s. */
const FIRST_MS = 100
const LONGEST_MS = 30_000

export function backoffMs(failures: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20))
}

/** The rests of a run behind its failures: those at one length of the journal are in a row. */
export class Rests {
  #count = 0
  #entries = -1

  /** Milliseconds. */
  next(entries: number): number {
    this.#count = entries === this.#entries ? this.#count + 1 : 1
    this.#entries = entries
    return backoffMs(this.#count)
  }
}
