/**
 * What a tool or step does outside, and what follows when nobody can know whether it did.
 *
 * The ledger of an effect `once`: intended → done | failed | unknown. It is unknown when its worker died between intent
 * and result and `reconcile` could not tell (or is absent). An unknown outcome is recorded as such and never guessed;
 * then the policy decides:
 *
 *   ask         a question of kind `unknown` waits for somebody who can look: see `effectStep` for its answers
 *   tell-model  the error goes to the caller as it is: an agent's gate makes an error tool result of it
 *   fail        the error goes to the caller as a StepError that no policy retries
 *
 * A step that is made again after "did not happen" is a step of its own, `<key>/again#1`, with its own intent and its
 * own idempotency key: the record that the first outcome was unknown stands.
 */
import type { Durable, Effect, Op, StepBehaviour, StepContext } from '@selvage/core'
import {
  type OptionNames,
  refuseNoFunction,
  refuseUnknown,
  type SelvageError,
  StepError,
  UsageError,
} from '@selvage/core'
import { leavesOpen } from './failures/open-outcome.ts'
import { requestApproval } from './people/approval.ts'
import { type ApprovalPolicy, checkApproval } from './people/approval-options.ts'
import {
  type Compensate,
  type CompensateUnknown,
  type Compensation,
  normalizeCompensation,
} from './sagas/compensate.ts'
import type { Saga } from './sagas/saga.ts'

export type OnUnknown = 'ask' | 'tell-model' | 'fail'

/** How an effect is declared, beside the agent or at the step. */
export interface EffectDeclaration<T = unknown> {
  /** `read`: run again at will. `idempotent`: run again with the same idempotency key. `once`: never blindly again. */
  effect: Effect
  /** Asks the target system whether the effect happened. Only for `once`; use `at.idempotencyKey` to look it up. */
  reconcile?: StepBehaviour<T>['reconcile']
  /** What follows an unknown outcome. Only for `once`. Default `ask`. */
  onUnknown?: OnUnknown
  /** Who is asked about an unknown outcome, and what happens while nobody answers. Default: anybody, for ever. */
  ask?: ApprovalPolicy
  /** How it is undone when the run fails or is cancelled: docs/sagas.md. */
  compensate?: Compensate<T>
  /** Whether it is undone where nobody knows if it happened. Only with `compensate`. Default `ask`. */
  compensateUnknown?: CompensateUnknown
}

export interface NormalEffect<T = unknown> {
  readonly effect: Effect
  /** False where nothing was declared and `idempotent` is assumed. */
  readonly declared: boolean
  readonly reconcile: StepBehaviour<T>['reconcile'] | undefined
  readonly onUnknown: OnUnknown
  readonly ask: ApprovalPolicy
  readonly compensation: Compensation | undefined
}

const DECLARATION: OptionNames<EffectDeclaration> = {
  effect: true,
  reconcile: true,
  onUnknown: true,
  ask: true,
  compensate: true,
  compensateUnknown: true,
}

/** One form for every way to declare an effect. UsageError for what is not built, unknown, or makes no sense together. */
export function normalizeEffect<T = unknown>(declaration: Effect | EffectDeclaration<T> | undefined): NormalEffect<T> {
  const given: Partial<EffectDeclaration<T>> =
    typeof declaration === 'string' ? { effect: declaration } : declaration === undefined ? {} : declaration
  refuseUnknown('An effect', given, DECLARATION)
  const { effect = 'idempotent', reconcile, onUnknown = 'ask', ask = {}, compensate, compensateUnknown } = given
  if (effect !== 'read' && effect !== 'idempotent' && effect !== 'once') {
    throw new UsageError('BAD_INPUT', `"${String(effect)}" is not an effect.`, {
      hint: 'Use read, idempotent or once.',
    })
  }
  if (onUnknown !== 'ask' && onUnknown !== 'tell-model' && onUnknown !== 'fail') {
    throw new UsageError('BAD_INPUT', `"${String(onUnknown)}" is not a policy for unknown outcomes.`, {
      hint: 'Use ask, tell-model or fail.',
    })
  }
  refuseNoFunction('reconcile', reconcile)
  checkAsk(given)
  if (effect !== 'once' && (reconcile !== undefined || given.onUnknown !== undefined)) {
    throw new UsageError('BAD_INPUT', `reconcile and onUnknown have no meaning for the effect ${effect}.`, {
      hint: "Only an effect: 'once' can have an unknown outcome; the others are run again.",
    })
  }
  const compensation = normalizeCompensation(compensate, compensateUnknown)
  if (effect === 'read' && compensation !== undefined) {
    throw new UsageError('BAD_INPUT', 'compensate has no meaning for the effect read.', {
      hint: 'What only reads has nothing to undo: declare idempotent or once.',
    })
  }
  return { effect, declared: declaration !== undefined, reconcile, onUnknown, ask, compensation }
}

function checkAsk({
  effect,
  onUnknown = 'ask',
  ask,
}: Partial<Pick<EffectDeclaration, 'effect' | 'onUnknown' | 'ask'>>): void {
  if (ask === undefined) return
  checkApproval('of an unknown outcome', ask)
  if (effect === 'once' && onUnknown === 'ask' && ask.onTimeout !== 'approve') return
  throw new UsageError(
    'BAD_INPUT',
    ask.onTimeout === 'approve'
      ? "An unknown outcome cannot have onTimeout: 'approve': time does not tell what the effect gave."
      : "ask has a meaning only for an effect: 'once' with onUnknown: 'ask'.",
    { hint: 'It says who is asked when nobody can know whether the effect happened.' },
  )
}

/** The reason that makes "it did not happen" mean "make it now"; any other reason gives up. */
export const RETRY_REASON = 'retry'

/** What the question after an unknown outcome shows to whoever looks at the target system (`reason` of the question). */
export interface UnknownFacts {
  readonly step: string
  readonly reason: string
  readonly idempotencyKey?: string
  /** Epoch milliseconds. */
  readonly intendedAt?: number
  readonly attempt?: number
  readonly answers: { readonly [answer: string]: string }
}

/**
 * `durable.step` with the effect as declared, and with an answer to unknown outcomes.
 *
 * Under `ask` the question's answers are:
 *   { approved: true, value }                 it happened; `value` (or `input`) is taken as its result
 *   { approved: false, reason: 'retry' }      it did not happen; make it now
 *   { approved: false, reason: <any other> }  it did not happen; give up: StepError STEP_FAILED with that reason
 *
 * Under `tell-model` and `fail` the StepError OUTCOME_UNKNOWN is the caller's. `more`: when it is made again (`retryBehaviour`), how long it may be silent. `saga`:
 * undoes what has a compensation; without one nothing is undone.
 */
export async function effectStep<T>(
  durable: Durable,
  op: Op,
  live: (at: StepContext) => Promise<T> | T,
  declaration: Effect | EffectDeclaration<T> | undefined,
  more: Omit<StepBehaviour<T>, 'reconcile'> = {},
  saga?: Saga,
): Promise<T> {
  const { effect, declared, reconcile, onUnknown, ask, compensation } = normalizeEffect(declaration)
  for (let again = 0; ; again++) {
    const key = again === 0 ? op.key : `${op.key}/again#${again}`
    const behaviour: StepBehaviour<T> = {
      ...more,
      ...(reconcile !== undefined && { reconcile }),
      ...(effect === 'once' && { leavesOpen }),
    }
    const made: Op = { ...op, key, ...(declared && { effect }) }
    try {
      if (compensation === undefined || saga === undefined) return await durable.step(made, live, behaviour)
      const undo = { compensation, ...(reconcile !== undefined && { reconcile }) }
      const [body, told] = await saga.begin(made, { effect, undo }, live, behaviour)
      return await durable.step(made, body, told)
    } catch (error) {
      if (!StepError.is(error, 'OUTCOME_UNKNOWN') || onUnknown !== 'ask') throw error
      const facts = factsOf(key, error)
      const answer = await requestApproval(durable, `${key}/unknown`, op.name, {
        ...ask,
        kind: 'unknown',
        details: facts,
        ...(op.kind === 'tool' && { tool: op.name }),
        ...(op.input !== undefined && { input: op.input }),
      })
      saga?.answered(key, answer.approved, answer.approved ? (answer.value ?? answer.input) : undefined)
      if (answer.approved) return (answer.value ?? answer.input) as T
      if (answer.reason !== RETRY_REASON) throw gaveUp(durable.runId, key, op.name, answer)
    }
  }
}

function factsOf(key: string, error: SelvageError): UnknownFacts {
  const { idempotencyKey, startedAt: intendedAt, attempt } = error.details
  return {
    step: key,
    reason: error.message,
    ...(typeof idempotencyKey === 'string' && { idempotencyKey }),
    ...(typeof intendedAt === 'number' && { intendedAt }),
    ...(typeof attempt === 'number' && { attempt }),
    answers: {
      'approve with a value': 'it happened; the value is its result',
      "reject with reason 'retry'": 'it did not happen; make it now',
      'reject with another reason': 'it did not happen; give up',
    },
  }
}

function gaveUp(runId: string, key: string, name: string, answer: { reason: string; by?: string }): StepError {
  const who = answer.by === undefined ? '' : ` (said by ${answer.by})`
  return new StepError('STEP_FAILED', `"${name}" did not happen and was given up: ${answer.reason}${who}.`, {
    hint: 'Its outcome was unknown after a crash; somebody looked and chose not to make it again.',
    details: { runId, step: key, attempt: 1 },
  })
}
