/**
 * When a failed attempt of a step is made again.
 *
 * Exponential backoff with full jitter: each delay is a random part of a bound that grows with the attempts, so that
 * many runs that failed together do not come back together. Source: Marc Brooker, "Exponential Backoff And Jitter", AWS
 * Architecture Blog, 2015, where full jitter needs the fewest calls. Attempts are journaled and survive the process; a
 * delay is a durable timer.
 */
import type { Duration } from '@selvage/core'
import { toMs, UsageError } from '@selvage/core'

export interface RetryPolicy {
  /** All attempts, the first included; at least 1. Default 3. */
  maxAttempts?: number
  /** Bound of the delay after the first attempt. Default 1 second. */
  initial?: Duration
  /** What the bound is multiplied by after each attempt; at least 1. Default 2. */
  factor?: number
  /** The bound grows no further than this. Default 5 minutes. */
  max?: Duration
  /** `full`: a random part of the bound. `none`: the bound itself. Default `full`. */
  jitter?: 'full' | 'none'
  /** Whether an error is worth another attempt. Default: every error but those that never are. */
  on?: (error: unknown) => boolean
}

/** After how many milliseconds a failed attempt is made again; undefined: never. */
export type RetryAfter = (error: unknown, attempt: number) => number | undefined

/**
 * `retryAfterMs` of a step under this policy.
 *
 * Never another attempt for TerminalError, UsageError, NonDeterminismError, LeaseLostError and AbortError, whatever
 * `on` says. RetryableError is always worth one, and its `after` (milliseconds) is taken as it is. `random` gives
 * [0, 1): `() => durable.random(stream)`. UsageError BAD_INPUT for numbers out of range.
 */
export function retryBehaviour(policy: RetryPolicy, random: () => number): RetryAfter {
  const maxAttempts = atLeast(1, policy.maxAttempts ?? 3, 'maxAttempts')
  const factor = atLeast(1, policy.factor ?? 2, 'factor')
  const initialMs = toMs(policy.initial ?? 1_000, 'initial of a retry policy')
  const maxMs = toMs(policy.max ?? 300_000, 'max of a retry policy')
  const on = policy.on ?? (() => true)

  return (error, attempt) => {
    if (attempt >= maxAttempts || isFinal(error)) return undefined
    const asked = isNamed(error, 'RetryableError')
    if (!asked && !on(error)) return undefined
    if (asked && typeof error.after === 'number') return Math.max(0, error.after)
    const boundMs = Math.min(maxMs, initialMs * factor ** (attempt - 1))
    return policy.jitter === 'none' ? boundMs : boundMs * random()
  }
}

/** The policy of a step that asked for none: only its author's RetryableError is worth another attempt. */
export const ONLY_RETRYABLE: RetryPolicy = { on: () => false }

const NEVER = ['TerminalError', 'AbortError', 'UsageError', 'NonDeterminismError', 'LeaseLostError']

// By name: an author's copy of this package may be another one, and an AbortError is nobody's class.
function isFinal(error: unknown): boolean {
  return NEVER.some((name) => isNamed(error, name))
}

function isNamed(error: unknown, name: string): error is Error & { after?: unknown } {
  return error instanceof Error && error.name === name
}

function atLeast(least: number, value: number, what: string): number {
  if (Number.isFinite(value) && value >= least) return value
  throw new UsageError('BAD_INPUT', `${what} of a retry policy is ${value}.`, { hint: `It must be at least ${least}.` })
}
