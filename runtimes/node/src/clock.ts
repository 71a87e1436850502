/**
 * Time as the system has it.
 *
 * Node's timers hold at most 2^31 − 1 ms (24.8 days) and fire at once beyond it; longer ones are chained. None of them
 * keeps the process alive: whoever wants that holds a handle of its own.
 */
import type { Clock } from '@selvage/core'

const LONGEST_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(ms, callback) {
    const due = performance.now() + ms
    let handle: NodeJS.Timeout
    const arm = (left: number): void => {
      handle = setTimeout(left > LONGEST_MS ? again : callback, Math.max(0, Math.min(left, LONGEST_MS)))
      handle.unref()
    }
    const again = (): void => arm(due - performance.now())
    arm(ms)
    return () => clearTimeout(handle)
  },
}
