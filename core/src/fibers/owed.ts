/**
 * What a fiber owes its program or its journal because the blobs could not be reached: a large value that was recorded and
 * could not be read, or one that a body has answered and could not be stored.
 *
 * The advance fails with the error. The next one does the same again, before anything else and in the same order: the blobs may be
 * away for a moment, or the disk full, and what was paid for is not to be had twice.
 */
export class Owed {
  private readonly owed: (() => Promise<void>)[] = []
  private readonly errors: unknown[] = []
  private readonly onFault: () => void

  constructor(onFault: () => void) {
    this.onFault = onFault
  }

  /** Gives `then` the value that is on its way; rejects if it does not come, and is then owed: `again` asks for it anew. */
  async given<T>(first: Promise<T>, again: () => Promise<T> | T, then: (value: T) => void): Promise<void> {
    try {
      then(await first)
    } catch (error) {
      this.owed.push(async () => then(await again()))
      throw error
    }
  }

  /** The advance, whichever it is by then, fails with what goes wrong. */
  watch(work: Promise<void> | undefined): void {
    work?.catch((error: unknown) => {
      this.errors.push(error)
      this.onFault()
    })
  }

  /** What went wrong since the last call. */
  takeFault(): { readonly error: unknown } | undefined {
    return this.errors.length === 0 ? undefined : { error: this.errors.splice(0)[0] }
  }

  get isNothing(): boolean {
    return this.owed.length === 0
  }

  /** Does all of it. What is still in the way makes this reject, and stays owed. */
  async pay(): Promise<void> {
    this.errors.length = 0
    for (let [next] = this.owed; next !== undefined; [next] = this.owed) {
      await next()
      this.owed.shift()
    }
  }
}
