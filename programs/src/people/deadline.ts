/**
 * When a question that may be open for `ms` is over: the same after every restart, and anew when it is asked again
 * because a retry has made its time-out void.
 *
 * It is counted from the entry that asks, whatever lies before it: the time between a time-out and a retry of it is in
 * no entry that stands. The clock would begin the wait anew with each process; it is only right for what is shown with
 * the question, which is recorded once. A folding program sees the whole journal as settled when it comes back, so a
 * question that it asked before keeps the deadline that was recorded with it.
 */
import type { Durable } from '@selvage/core'

/** For the question, before it is asked. */
export function expiryOf(durable: Durable, key: string, ms: number): number {
  return recorded(durable, key) ?? durable.clock() + ms
}

/** For the wait, as soon as the question is in the journal. */
export function deadlineOf(durable: Durable, key: string, ms: number): number {
  return recorded(durable, key) ?? durable.now() + ms
}

function recorded(durable: Durable, key: string): number | undefined {
  for (const entry of durable.history) {
    if (entry.type === 'open' && entry.key === key && entry.question.expiresAt !== undefined)
      return entry.question.expiresAt
  }
  return undefined
}
