/**
 * When a failed attempt of a step is made again.
 *
 * Exponential backoff with full jitter: each delay is a random part of a bound that grows with the attempts, so that
 * many runs that failed together do not come back together. Source: Marc Brooker, "Exponential Backoff And Jitter", AWS
 * Architecture Blog, 2015, where full jitter needs the fewest calls. A server that says how long to wait (Retry-After) is
 * waited for at least so long. Attempts are journaled and survive the process; a delay is a durable timer, and while it
 * runs the run needs no process.
 */
import type { AttemptTimes, Duration } from '@selvage/core'
import { type OptionNames, refuseNoFunction, refuseOther, refuseUnknown, toMs, UsageError } from '@selvage/core'
import { type ClassifyRule, chainOf, classify, type Failure } from './classify.ts'
import { retryAfterOf } from './error-headers.ts'

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
  /** No attempt begins later than this after the first one failed. Default: no limit but `maxAttempts`. */
  maxElapsed?: Duration
  /** Whether an error is worth another attempt. Default: every error but those that never are. */
  on?: (error: unknown) => boolean
}

/** A policy for each class of failure. A class without one is not tried again; RetryableError always is. */
export interface RetryPolicies {
  transient?: RetryPolicy | false
  permanent?: RetryPolicy | false
  model?: RetryPolicy | false
  /** Rules that say of what class or kind an error is, asked in order before those that are built in. */
  classify?: ClassifyRule | readonly ClassifyRule[]
}

/** One policy for whatever fails, or one for each class of failure. */
export type Retry = RetryPolicy | RetryPolicies

/** After how many milliseconds a failed attempt is made again; undefined: never. Without `at`, time has no limit. */
export type RetryAfter = (error: unknown, attempt: number, at?: AttemptTimes) => number | undefined

/** A server that asks for more than this, in milliseconds, is not waited for. */
const LONGEST_ASKED = 24 * 60 * 60 * 1_000

/**
 * `retryAfterMs` of a step under this policy. Attempts of all classes count.
 *
 * Never another attempt for TerminalError, UsageError, NonDeterminismError, LeaseLostError and AbortError, whatever the
 * policy says. RetryableError is always worth one, and its `after` (milliseconds) is taken as it is. `random` gives
 * [0, 1): `() => durable.random(stream)`. UsageError BAD_INPUT for what is no policy.
 */
export function retryBehaviour(retry: Retry, random: () => number): RetryAfter {
  if (!isPerClass(retry)) {
    const again = policyBehaviour(retry, random)
    return (error, attempt, at) => (isFinal(error) ? undefined : again(error, attempt, at))
  }
  refuseUnknown('A retry per class', retry, CLASSES)
  const { classify: rules, transient, permanent, model } = retry
  const of = { transient: read(transient), permanent: read(permanent), model: read(model) }
  const asked = transient === undefined || transient === false ? policyBehaviour({}, random) : of.transient
  return (error, attempt, at) => {
    if (isFinal(error)) return undefined
    if (retryableIn(error) !== undefined) return asked?.(error, attempt, at)
    return of[classify(error, rules).class]?.(error, attempt, at)
  }

  function read(policy: RetryPolicy | false | undefined): RetryAfter | undefined {
    return policy === undefined || policy === false ? undefined : policyBehaviour(policy, random)
  }
}

/** The class and kind of a failure under the rules of a policy. */
export function classifyUnder(retry: Retry | undefined, error: unknown): Failure {
  return classify(error, retry !== undefined && isPerClass(retry) ? retry.classify : undefined)
}

function policyBehaviour(policy: RetryPolicy, random: () => number): RetryAfter {
  if (typeof policy !== 'object' || policy === null) throw noPolicy(policy)
  refuseUnknown('A retry policy', policy, POLICY)
  const maxAttempts = atLeast(1, policy.maxAttempts ?? 3, 'maxAttempts')
  const factor = atLeast(1, policy.factor ?? 2, 'factor')
  const initialMs = toMs(policy.initial ?? 1_000, 'initial of a retry policy')
  const maxMs = toMs(policy.max ?? 300_000, 'max of a retry policy')
  const elapsedMs =
    policy.maxElapsed === undefined ? undefined : toMs(policy.maxElapsed, 'maxElapsed of a retry policy')
  refuseOther('jitter of a retry policy', policy.jitter, ['full', 'none'])
  refuseNoFunction('on of a retry policy', policy.on)
  const on = policy.on ?? (() => true)

  return (error, attempt, at) => {
    if (attempt >= maxAttempts) return undefined
    const wanted = retryableIn(error)
    if (wanted === undefined && !on(error)) return undefined
    const delayMs = typeof wanted?.after === 'number' ? Math.max(0, wanted.after) : backoffMs(error, attempt, at)
    if (delayMs === undefined || elapsedMs === undefined || at === undefined) return delayMs
    return at.now - at.since + delayMs > elapsedMs ? undefined : delayMs
  }

  function backoffMs(error: unknown, attempt: number, at: AttemptTimes | undefined): number | undefined {
    const boundMs = Math.min(maxMs, initialMs * factor ** (attempt - 1))
    const delayMs = policy.jitter === 'none' ? boundMs : boundMs * random()
    const askedMs = at === undefined ? undefined : retryAfterOf(chainOf(error), at.now)
    if (askedMs === undefined) return delayMs
    return askedMs > LONGEST_ASKED ? undefined : Math.max(askedMs, delayMs)
  }
}

/** The policy of a step that asked for none: only its author's RetryableError is worth another attempt. */
export const ONLY_RETRYABLE: RetryPolicy = { on: () => false }

const POLICY: OptionNames<RetryPolicy> = {
  maxAttempts: true,
  initial: true,
  factor: true,
  max: true,
  jitter: true,
  maxElapsed: true,
  on: true,
}
const CLASSES: OptionNames<RetryPolicies> = { transient: true, permanent: true, model: true, classify: true }

export function isPerClass(retry: Retry): retry is RetryPolicies {
  if (typeof retry !== 'object' || retry === null) throw noPolicy(retry)
  return Object.keys(CLASSES).some((key) => key in retry)
}

function noPolicy(given: unknown): UsageError {
  return new UsageError('BAD_INPUT', `${String(given)} is no retry policy.`, {
    hint: 'Write for example retry: { maxAttempts: 3 } or retry: { transient: { maxAttempts: 5 } }.',
  })
}

const NEVER = ['TerminalError', 'AbortError', 'UsageError', 'NonDeterminismError', 'LeaseLostError']

// By name: an author's copy of this package may be another one, and an AbortError is nobody's class.
function isFinal(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return NEVER.includes(error.name) || thrownByAuthor(error)?.name === 'TerminalError'
}

function retryableIn(error: unknown): { readonly after?: unknown } | undefined {
  const thrown = thrownByAuthor(error)
  return thrown?.name === 'RetryableError' ? thrown : undefined
}

/** What an author has thrown to be obeyed, also where a library has wrapped it since: a model's errors are wrapped. */
function thrownByAuthor(error: unknown): { readonly name?: unknown; readonly after?: unknown } | undefined {
  return chainOf(error).find(({ name }) => name === 'TerminalError' || name === 'RetryableError')
}

function atLeast(least: number, value: number, what: string): number {
  if (Number.isFinite(value) && value >= least) return value
  throw new UsageError('BAD_INPUT', `${what} of a retry policy is ${value}.`, { hint: `It must be at least ${least}.` })
}
