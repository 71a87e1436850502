/** How a step or tool is undone: declared beside its effect. */
import type { Duration, Effect, Json, StepBehaviour, StepContext } from '@selvage/core'
import { type OptionNames, refuseNoFunction, refuseUnknown, toMs, UsageError } from '@selvage/core'
import { type Retry, type RetryPolicy, retryBehaviour } from '../failures/retry.ts'

/** What a compensation is told of the step that it undoes. */
export interface Done<T = unknown> {
  readonly runId: string
  /** The step's key. */
  readonly step: string
  /** Of a step its name, of a tool call the tool, of a child its program. */
  readonly name: string
  /** The arguments of a tool, the input of a child. Steps have none. */
  readonly input: Json | undefined
  /** What it returned, of a tool as its model was told (JSON, or a text). Undefined where the outcome is unknown. */
  readonly result: T | undefined
  readonly outcome: 'done' | 'unknown'
  /** The key with which it was made: what a target system knows it by. That of the compensation is `at.idempotencyKey`. */
  readonly idempotencyKey: string
  /** Why the run is undone: the message of its error, or the reason of its cancel. */
  readonly reason: string
}

export type CompensateBody<T = unknown> = (done: Done<T>, at: StepContext) => Promise<unknown> | unknown

export interface CompensateOptions<T = unknown> {
  run: CompensateBody<T>
  /** As for steps. Default `idempotent`: after a crash it is run again with the same `at.idempotencyKey`. */
  effect?: Effect
  /** Asks the target system whether it is undone. Only for `once`. */
  reconcile?: StepBehaviour<unknown>['reconcile']
  /** Default 5 attempts, with a backoff that grows from 1 second to at most 1 minute. */
  retry?: Retry
  /** Of each attempt. Default 1 minute: with `retry` it bounds how long a run that is undone may take. */
  timeout?: Duration
}

export type Compensate<T = unknown> = CompensateBody<T> | CompensateOptions<T>

/**
 * What becomes of a step of which nobody can know whether it happened. `ask` (default): an open item for a person. `skip`:
 * nothing. `compensate`: it is undone, for compensations that do no harm where there is nothing to undo.
 */
export type CompensateUnknown = 'ask' | 'skip' | 'compensate'

/** One form for every way to declare a compensation. */
export interface Compensation {
  readonly run: CompensateBody
  readonly effect: Effect
  readonly reconcile: StepBehaviour<unknown>['reconcile']
  readonly retry: Retry
  readonly timeoutMs: number
  readonly onUnknown: CompensateUnknown
}

const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 5, initial: '1s', max: '1m' }
const DEFAULT_TIMEOUT = '1m'
const OPTIONS: OptionNames<CompensateOptions> = {
  run: true,
  effect: true,
  reconcile: true,
  retry: true,
  timeout: true,
}

/** UsageError BAD_INPUT for what is no compensation or makes no sense. */
export function normalizeCompensation<T>(
  declared: Compensate<T> | undefined,
  compensateUnknown: CompensateUnknown | undefined,
): Compensation | undefined {
  if (declared === undefined) {
    if (compensateUnknown === undefined) return undefined
    throw bad('compensateUnknown has no meaning without compensate.', 'Declare how the effect is undone, too.')
  }
  const onUnknown = compensateUnknown ?? 'ask'
  if (onUnknown !== 'ask' && onUnknown !== 'skip' && onUnknown !== 'compensate') {
    throw bad(`"${String(onUnknown)}" is not a policy for what nobody knows.`, 'Use ask, skip or compensate.')
  }
  const given: Partial<CompensateOptions<T>> = typeof declared === 'function' ? { run: declared } : (declared ?? {})
  const { run, effect = 'idempotent', reconcile, retry = DEFAULT_RETRY, timeout = DEFAULT_TIMEOUT } = given
  if (typeof run !== 'function') {
    throw bad('compensate is no function.', 'Write compensate: (done) => …, or { run: (done) => …, retry, timeout }.')
  }
  refuseUnknown('compensate', given, OPTIONS)
  if (effect !== 'read' && effect !== 'idempotent' && effect !== 'once') {
    throw bad(`"${String(effect)}" is not an effect.`, 'Use idempotent or once.')
  }
  if (effect !== 'once' && reconcile !== undefined) {
    throw bad(
      `reconcile has no meaning for a compensation of effect ${effect}.`,
      "Only an effect: 'once' is asked about.",
    )
  }
  refuseNoFunction('reconcile of a compensation', reconcile)
  // What makes no sense is refused here, and not when a run is undone.
  retryBehaviour(retry, () => 0)
  const timeoutMs = toMs(timeout, 'timeout of a compensation')
  return { run: run as CompensateBody, effect, reconcile, retry, timeoutMs, onUnknown }
}

function bad(message: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', message, { hint })
}
