/**
 * Signals on their way to a live program: it has each at once, and they never change places. Where it cannot take one yet,
 * because it folds or replays its journal, that one is offered again a little later, and the others wait behind it.
 */
import type { Signal } from '../journal/entry.ts'

const FIRST_MS = 5
const LONGEST_MS = 100

export class Offering {
  private readonly take: (signal: Signal) => boolean
  private readonly later: (ms: number, act: () => void) => void
  private readonly waiting = new Map<string, Signal>()
  private isDue = false

  /** `take`: false where the signal is to be offered again. `later`: calls back once; must keep no process alive. */
  constructor(take: (signal: Signal) => boolean, later: (ms: number, act: () => void) => void) {
    this.take = take
    this.later = later
  }

  /** One that waits already keeps its place. */
  add(signal: Signal): void {
    if (this.waiting.has(signal.id)) return
    this.waiting.set(signal.id, signal)
    if (!this.isDue) this.offer(FIRST_MS)
  }

  private offer(againMs: number): void {
    for (const [id, signal] of this.waiting) {
      if (!this.take(signal)) break
      this.waiting.delete(id)
    }
    this.isDue = this.waiting.size > 0
    if (this.isDue) this.later(againMs, () => this.offer(Math.min(LONGEST_MS, againMs * 2)))
  }
}
