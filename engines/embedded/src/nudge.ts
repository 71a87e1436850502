/** A reason to look again that is not lost while nobody waits for one. */
import type { Clock } from '@selvage/core'

export class Nudge {
  private given = false
  private wake: (() => void) | undefined

  give(): void {
    this.given = true
    this.wake?.()
  }

  /** Resolves with the next nudge, one given meanwhile included, or at `until` (epoch milliseconds). */
  async next(clock: Clock, until?: number): Promise<void> {
    if (!this.given) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.wake = resolve
      const cancel = until === undefined ? undefined : clock.timer(Math.max(1, until - clock.now()), resolve)
      await promise
      cancel?.()
      this.wake = undefined
    }
    this.given = false
  }
}
