/**
 * When a run began to work, which may be long after it was made: `startAt`, or no worker.
 *
 * Time in a run is that of its latest entry, and a fresh journal holds only the start. A timed wait that comes before
 * anything else is recorded would count from there, and could be over at once; counting from the clock instead would
 * begin it anew in each process. So the begin is journaled, by those runs that ask for it.
 */
import type { Durable } from '@selvage/core'

const KEY = 'begun'

export class Begin {
  readonly #durable: Durable
  readonly #createdAt: number
  #journaled: Promise<void> | undefined
  #decided = false

  constructor(durable: Durable) {
    this.#durable = durable
    this.#createdAt = durable.now()
  }

  /** Await it before a deadline is counted from `durable.now()`. Undefined where there is nothing to wait for. */
  beforeTimed(): Promise<void> | undefined {
    if (!this.#decided) {
      this.#decided = true
      if (this.#isFirst()) {
        this.#journaled = this.#durable.state(KEY, {}).then(() => {
          this.#journaled = undefined
        })
      }
    }
    return this.#journaled
  }

  /** Decided alike on every replay: a run that has been past this place without the mark never had it. */
  #isFirst(): boolean {
    return this.#durable.now() === this.#createdAt && (this.#durable.marked(KEY) || !this.#durable.beyond())
  }
}
