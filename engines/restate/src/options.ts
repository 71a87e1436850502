/** How Restate treats our handlers. */
import type { ObjectOptions, RetryPolicy } from '@restatedev/restate-sdk'

const DAY_MS: number = 24 * 60 * 60 * 1_000

/** A worker that is away for a week is no reason to give a run up, nor to ask an operator to resume it. */
export const NEVER: number = 2 ** 32 - 1

const RETRIES: RetryPolicy = {
  initialInterval: 50,
  exponentiationFactor: 2,
  maxInterval: 1_000,
  maxAttempts: NEVER,
  onMaxAttempts: 'pause',
}

/** Of the long handler. */
export const DRIVE_OPTIONS: ObjectOptions = {
  // The journals of earlier generations lie in its state: what is not asked for is not sent.
  enableLazyState: true,
  // A step may take as long as it likes, be it a model that thinks for an hour.
  abortTimeout: DAY_MS,
  // For the console: what the steps of a run were, after its end.
  journalRetention: DAY_MS,
  idempotencyRetention: DAY_MS,
  retryPolicy: RETRIES,
}

/** Of the short ones. */
export const COMMAND_OPTIONS: ObjectOptions = {
  enableLazyState: true,
  journalRetention: 0,
  // Until a worker has taken a signal up, its id tells a second sender that it is not the first; then the state does.
  idempotencyRetention: DAY_MS,
  retryPolicy: RETRIES,
}
