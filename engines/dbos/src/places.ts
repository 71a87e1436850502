/** The places for advances in one worker: so many at once. */
export class Places {
  private free: number
  private readonly queue: (() => void)[] = []

  constructor(concurrency: number) {
    this.free = concurrency
  }

  /** Runs `body` when a place is free. */
  async take<T>(body: () => Promise<T>): Promise<T> {
    if (this.free === 0) await new Promise<void>((resolve) => void this.queue.push(resolve))
    else this.free--
    try {
      return await body()
    } finally {
      const next = this.queue.shift()
      if (next === undefined) this.free++
      else next()
    }
  }
}
