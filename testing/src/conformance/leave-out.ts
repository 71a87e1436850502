import { test } from 'vitest'

/** What is not asked of an engine: a skipped test. The reason is printed, and stands in the record of the run. */
export function leaveOut(title: string, reason: string): void {
  test(title, ({ skip }) => skip(reason))
}

export const NO_OUTBOX = 'its manifest says that it has no outbox'
export const NO_RETRY = 'its manifest says that it cannot retry runs'
export const NO_ROTATION = 'its manifest says that it does not renew histories'
