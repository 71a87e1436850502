/**
 * What of a run a retry makes void beside the failure that ended it.
 *
 * A program that catches a failure may do something because of it, and then fail all the same. The next time it may not
 * come there, or must do it again: what was asked for because of the failure that ended the run is void with it. And
 * failures after that one that led to nothing, as those of other branches, ended the run just as well; without them it
 * would end at once again. What a program has gone on from stands.
 *
 * What was asked for because of what follows from the order of the journal: between two entries that reach the program it
 * is drained, so whatever it asks for it asks because of the entry before, and replay finds the same.
 */
export class Consequences {
  /** Failed steps and waits, in their order, with what was asked for because of each. */
  readonly #failures = new Map<string, Set<string>>()
  /** What the program was given last. */
  #cause: string | undefined

  given(key: string): void {
    this.#cause = key
  }

  failed(key: string): void {
    if (!this.#failures.has(key)) this.#failures.set(key, new Set())
  }

  asked(key: string): void {
    if (this.#failures.size === 0 || this.#cause === undefined) return
    for (const [failure, keys] of this.#failures) {
      if (failure !== key && (failure === this.#cause || keys.has(this.#cause))) keys.add(key)
    }
  }

  /** What is void with that failure. */
  of(failure: string): readonly string[] {
    const order = [...this.#failures.keys()]
    const own = this.#failures.get(failure) ?? []
    const others = order.slice(order.indexOf(failure) + 1).filter((key) => this.#failures.get(key)?.size === 0)
    return [...new Set([...own, ...others])]
  }
}
