/**
 * The places for advances in one worker: so many at once, and when the worker stops, none that is new. An advance is over
 * for a worker when its reply is durable.
 */
import type { Platform } from './platform.ts'

export class Places {
  private free: number
  private readonly platform: Pick<Platform, 'waitingTimer'>
  private readonly queue: (() => void)[] = []
  private readonly inFlight = new Set<Promise<unknown>>()
  private isClosing = false
  /** The last of those that run one at a time. */
  private last: Promise<unknown> = Promise.resolve()

  constructor(concurrency: number, platform: Pick<Platform, 'waitingTimer'>) {
    this.free = concurrency
    this.platform = platform
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

  /** Runs `body` when no other of these runs. */
  alone<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.last.then(body)
    this.last = turn.catch(() => {})
    return turn
  }

  /**
   * `advance` resolves when its reply is durable, or never, where its attempt is cut off. Never begins, and never resolves,
   * once the worker stops.
   */
  async durable<T>(advance: () => Promise<T>, cutOff: AbortSignal): Promise<T> {
    if (this.isClosing) return await new Promise<never>(() => {})
    const running = advance()
    const over = new Promise<void>((resolve) => {
      cutOff.addEventListener('abort', () => resolve(), { once: true })
      running.then(
        () => resolve(),
        () => resolve(),
      )
    })
    this.inFlight.add(over)
    void over.then(() => this.inFlight.delete(over))
    const result = await running
    return this.isClosing ? await new Promise<never>(() => {}) : result
  }

  /** Resolves when nothing is in flight, after `graceMs` at the latest. */
  async close(graceMs: number): Promise<void> {
    this.isClosing = true
    let stop = (): void => {}
    const grace = new Promise<void>((resolve) => {
      stop = this.platform.waitingTimer(graceMs, resolve)
    })
    await Promise.race([Promise.all(this.inFlight), grace])
    stop()
  }
}
