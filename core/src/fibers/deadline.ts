/**
 * When a run is cancelled for want of time: at the deadline that it was started with, or when it has taken longer than
 * its program may. Who reads an outcome knows by its `because` which it was.
 *
 * Somebody who retries a run that has ended so wants it to go on: a deadline that has passed by then counts no more, and
 * the time of the program begins anew.
 */
import type { Start } from '../journal/entry.ts'

export interface RunLimit {
  /** Epoch milliseconds. */
  readonly at: number
  readonly because: 'deadline' | 'timeout'
  readonly reason: string
}

/** Who sends the signal that cancels a run for that. */
export function senderFor(because: CancelCause): string {
  return `$${because}`
}

export type CancelCause = 'deadline' | 'timeout' | 'parent'

const CAUSES: readonly string[] = ['deadline', 'timeout', 'parent'] satisfies CancelCause[]

/** Undefined where somebody has cancelled it. */
export function causeFrom(sender: string | undefined): CancelCause | undefined {
  const cause = sender?.startsWith('$') ? sender.slice(1) : ''
  return CAUSES.includes(cause) ? (cause as CancelCause) : undefined
}

export interface RunTimes {
  /** When a worker began with the run. */
  readonly begunAt: number
  /** When it was retried last. */
  readonly reopenedAt: number | undefined
}

/** Whichever is over first. `timeoutMs`: that of the program. */
export function limitOf({ deadline }: Start, timeoutMs: number | undefined, times: RunTimes): RunLimit | undefined {
  const { begunAt, reopenedAt = Number.NEGATIVE_INFINITY } = times
  const dueAt = deadline !== undefined && deadline > reopenedAt ? deadline : Number.POSITIVE_INFINITY
  const lateAt = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Math.max(begunAt, reopenedAt) + timeoutMs
  if (dueAt <= lateAt) {
    return Number.isFinite(dueAt) ? { at: dueAt, because: 'deadline', reason: deadlineReason(dueAt) } : undefined
  }
  return { at: lateAt, because: 'timeout', reason: `it took longer than the ${timeoutMs} ms that its program may take` }
}

export function deadlineReason(deadline: number): string {
  return `the deadline ${new Date(deadline).toISOString()} has passed`
}
