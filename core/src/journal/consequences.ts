/**
 * What of a run a retry makes void beside the failure that ended it.
 *
 * A program that catches a failure may do something because of it, and then fail all the same. The next time it may not
 * come there, or must do it again: what was asked for because of the failure that ended the run is void with it. And
 * failures after that one that led to nothing, as those of other branches, ended the run just as well; without them it
 * would end at once again. What a program has gone on from stands.
 *
 * What was asked for because of what follows from the order of the journal: between two entries that reach the program it
 * is drained, so whatever it asks for it asks because of the entry before, and replay finds the same. A program that folds asks
 * for all that is recorded at once, its branches mixed: then what was asked for may be another branch's, and is void only if
 * it has failed as well. What has succeeded is never made again on a guess.
 */
export class Consequences {
  /** Failed steps and waits, in their order. */
  readonly #failures = new Set<string>()
  /** Of what was asked for because of a failure, however far behind it: what the program had been given last. */
  readonly #causes = new Map<string, string>()
  /** Asked for while a program folds. */
  readonly #guessed = new Set<string>()
  /** What the program was given last. */
  #cause: string | undefined

  given(key: string): void {
    this.#cause = key
  }

  failed(key: string): void {
    this.#failures.add(key)
  }

  asked(key: string, isFolded: boolean): void {
    const cause = this.#cause
    if (this.#failures.size === 0 || cause === undefined) return
    this.#causes.delete(key)
    if (cause === key || !(this.#failures.has(cause) || this.#causes.has(cause))) return
    this.#causes.set(key, cause)
    if (isFolded) this.#guessed.add(key)
    else this.#guessed.delete(key)
  }

  /** What is void with that failure. */
  of(failure: string): readonly string[] {
    const own = new Set<string>()
    for (const [key, cause] of this.#causes) {
      const isOwn = key !== failure && (cause === failure || own.has(cause))
      if (isOwn && (this.#failures.has(key) || !this.#guessed.has(key))) own.add(key)
    }
    const order = [...this.#failures]
    const hasLed = new Set(this.#causes.values())
    const others = order.slice(order.indexOf(failure) + 1).filter((key) => !hasLed.has(key))
    return [...new Set([...own, ...others])]
  }
}
