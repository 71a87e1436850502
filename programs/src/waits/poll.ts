import type { Durable, Duration, StepContext } from '@selvage/core'
import { StepError, toMs } from '@selvage/core'
import { ONLY_RETRYABLE, type Retry, retryBehaviour } from '../failures/retry.ts'
import { sleepUntil } from './sleep.ts'

export interface PollOptions {
  /** Between the end of one poll and the next. Default 10 seconds. */
  interval?: Duration
  /** Default: for ever. */
  timeout?: Duration
  /** For a poll that throws; without it only RetryableError is tried again, and any other error ends the wait. */
  retry?: Retry
  /** Unique in the run. Default: the name, then `name#2`, … */
  key?: string
}

/** What a poll that ended has given. */
export type Polled<T> = Exclude<T, undefined | null | false>

/** Polls under `<key>/poll#<n>`, sleeps under `<key>/sleep#<n>`. */
export async function pollUntil<T>(
  durable: Durable,
  key: string,
  name: string,
  poll: (at: StepContext) => Promise<T> | T,
  options: PollOptions,
): Promise<Polled<T>> {
  const intervalMs = toMs(options.interval ?? 10_000, `interval of waitUntil "${name}"`)
  const timeoutMs = options.timeout === undefined ? undefined : toMs(options.timeout, `timeout of waitUntil "${name}"`)
  // A retry of a run that this has ended polls on for as long again.
  const from = durable.renewed(key) ?? durable.now()
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : from + timeoutMs
  const retryAfterMs = retryBehaviour(options.retry ?? ONLY_RETRYABLE, () => durable.random(`retry:${key}`))

  for (let n = 1; ; n++) {
    const op = { key: `${key}/poll#${n}`, kind: 'code', name, effect: 'read' } as const
    const value = await durable.step(op, poll, { retryAfterMs })
    if (isGiven(value)) return value
    if (durable.now() >= deadline) break
    await sleepUntil(durable, `${key}/sleep#${n}`, Math.min(durable.now() + intervalMs, deadline))
  }
  const error = new StepError(
    'WAIT_TIMEOUT',
    `waitUntil "${name}" of run ${durable.runId} was not over within ${timeoutMs} ms.`,
    {
      details: { runId: durable.runId, step: key, attempt: 1 },
    },
  )
  durable.blame(error, key)
  throw error
}

function isGiven<T>(value: T): value is Polled<T> {
  return value !== undefined && value !== null && value !== false
}
