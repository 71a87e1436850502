/**
 * Time that only a test moves. Timers fire in the order in which they are due; between two of them everything that the
 * first one set off gets a turn, so that a timer armed in answer to a timer still fires in its place.
 */
import type { Clock } from '@selvage/core'

export interface FakeClock extends Clock {
  /** Moves time forward by so many milliseconds. Await it: timers fire in turns of the event loop. */
  advance(ms: number): Promise<void>
  /** When the next timer is due, epoch milliseconds. */
  readonly nextTimerAt: number | undefined
}

interface Timer {
  readonly due: number
  readonly callback: () => void
}

/** `start`: epoch milliseconds; default 2026-01-01T00:00:00Z. */
export function fakeClock(start: number = Date.UTC(2026, 0, 1)): FakeClock {
  const timers = new Set<Timer>()
  let time = start

  const next = (): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of timers) if (first === undefined || timer.due < first.due) first = timer
    return first
  }

  return {
    now: () => time,
    monotonic: () => time - start,
    timer(ms, callback) {
      const timer: Timer = { due: time + Math.max(0, ms), callback }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    async advance(ms) {
      const until = time + ms
      for (let timer = next(); timer !== undefined && timer.due <= until; timer = next()) {
        time = Math.max(time, timer.due)
        timers.delete(timer)
        timer.callback()
        await turn()
      }
      time = until
      await turn()
    },
    get nextTimerAt() {
      return next()?.due
    },
  }
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
