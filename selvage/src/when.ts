import type { Duration } from '@selvage/core'
import { toMs, UsageError } from '@selvage/core'

/** A moment: a Date, epoch milliseconds, or a time from now (`'2h'`, `{ hours: 2 }`). */
export type When = Date | number | Exclude<Duration, number>

/** Epoch milliseconds. A bare number is a moment, never a duration. */
export function toEpochMs(when: When, now: number, what: string): number {
  const moment = when instanceof Date ? when.getTime() : typeof when === 'number' ? when : now + toMs(when, what)
  if (!Number.isFinite(moment) || moment < 0) {
    throw new UsageError('BAD_INPUT', `${what} is no moment in time: ${String(when)}.`, {
      hint: "Give a Date, epoch milliseconds, or a time from now such as '2h'.",
    })
  }
  return Math.round(moment)
}
