/**
 * Attached runs whose process died again and again without moving them. A worker claims one suspect at a time, so that in the end
 * the one that kills is alone. Attached runs are asked for by their author's code, all at once after each restart: here each waits,
 * held by nobody, until the one before it has moved.
 *
 * Not for ever: that one may take long, or be what invokes the one that waits. It keeps the process alive only where one waits.
 */
export const LONGEST_MS = 10_000

export class Suspects {
  private last: Promise<void> = Promise.resolve()
  private waiting = 0
  private timer: NodeJS.Timeout | undefined

  /** Resolves when it is the next one's turn. What it resolves to is to be called with when that one has moved. */
  async turn(): Promise<(moved: Promise<unknown>) => void> {
    const before = this.last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.last = promise
    this.waiting++
    this.timer?.ref()
    await before
    this.waiting--
    return (moved) => {
      const timer = setTimeout(resolve, LONGEST_MS)
      if (this.waiting === 0) timer.unref()
      this.timer = timer
      void moved.then(() => {
        clearTimeout(timer)
        resolve()
      })
    }
  }
}
