import type { Durable } from '@selvage/core'

/**
 * When a wait that begins now and lasts `ms` is over, the same after every restart.
 *
 * It is counted from the last settled entry, never from the clock: a clock would begin the wait anew with each process.
 * A folding program sees the whole journal as settled when it comes back, so a question that it asked before keeps the
 * deadline that was recorded with it.
 */
export function deadlineOf(durable: Durable, key: string, ms: number): number {
  for (const entry of durable.history) {
    if (entry.type === 'open' && entry.key === key && entry.question.expiresAt !== undefined)
      return entry.question.expiresAt
  }
  return durable.now() + ms
}
