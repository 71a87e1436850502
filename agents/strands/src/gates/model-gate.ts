/**
 * The gate of the model stage. One recorded outcome per answer that the loop got: an answer, or an error that would be
 * the same again (context overflow, maximum of tokens). An attempt that may go better the next time takes no index and
 * leaves no record: the SDK's own retry strategy asks again under the same key, and if the process dies meanwhile, the
 * next one begins there. Where attempts are made again by a policy of ours, or by another model, they are attempts of the
 * step, journaled: see model-attempts.ts.
 *
 * The state of a stateful model cannot be seen in the stage: the SDK hands the model a store of the call's own, and takes
 * it over behind all middleware. The gate at the model (beyond.ts) tells which store that is; what the call has made of it
 * is recorded with the answer.
 */
import { FailedResult, type Op, StepError, UnrecordedError } from '@selvage/core'
import type {
  AgentStreamEvent,
  InvokeModelContext,
  InvokeModelResult,
  InvokeModelStage,
  Message,
  MiddlewareHandlerOf,
} from '@strands-agents/sdk'
import { answerEvents, markReplayed } from '../conversation/events.ts'
import {
  type AnswerRecord,
  answerMessage,
  answerResult,
  isModelOutcome,
  recordAnswer,
  takeState,
  usageOf,
  usageOfError,
} from '../conversation/record.ts'
import { throwIfCancelled } from '../seams/invocation.ts'
import { hasDefaultRetry, muteRetries } from '../seams/plugins.ts'
import { attemptKey } from '../turns/frames.ts'
import { asLoopCall, invocationNow, type LoopCall } from '../turns/within.ts'
import { gateModel } from './beyond.ts'
import { chunkOf } from './chunks.ts'
import { estimateLoopCall } from './estimate.ts'
import { afterRefusal, metered } from './metering.ts'
import { ModelAttempts } from './model-attempts.ts'
import { throwIfFailure } from './model-faults.ts'
import { PartialMessage } from './partial-message.ts'
import { ConsumerLeft, pump, relay, type Send } from './relay.ts'
import type { ModelRequest, Scope } from './scope.ts'

type Handler = MiddlewareHandlerOf<typeof InvokeModelStage>

/** A Wrap handler of InvokeModelStage. Outside of a durable run (no scope) it is not there. */
export function modelGate(scopeNow: () => Scope | undefined): Handler {
  return async function* gate(ctx, next) {
    const scope = scopeNow()
    if (scope === undefined) return yield* next(ctx)
    const request = await scope.beforeModel(ctx)
    const local = `model#${request.n}`
    const op = {
      key: scope.key(local),
      kind: 'model',
      name: ctx.model.modelId ?? 'model',
      check: request.check,
    } as const
    const live: { ran: boolean; error?: unknown } = { ran: false }
    const partial = new PartialMessage(scope, local)
    const loop: LoopCall = {}
    const now = invocationNow()
    const attempts = attemptsOf(scope, op.key, ctx)

    const ask = (send: Send<AgentStreamEvent>): Promise<AnswerRecord> =>
      scope.durable.step(
        { ...op, ...timeLimit(scope) },
        async (at) => {
          live.ran = true
          partial.throwIfKept()
          // It was to be made again, or by another model.
          if (scope.hasLeft) throw new UnrecordedError(new ConsumerLeft())
          live.error = undefined
          let answered: InvokeModelResult | undefined
          const make = async (model: typeof ctx.model, begun: () => void): Promise<AnswerRecord> => {
            const sendOn: Send<AgentStreamEvent> = (event) => {
              // Nobody waits any more for an attempt that took too long.
              if (scope.hasGivenUp(at)) return Promise.reject(new ConsumerLeft())
              const chunk = chunkOf(event)
              if (chunk !== undefined) {
                begun()
                at.emit(chunk)
              }
              return send(event)
            }
            gateModel(model)
            if (scope.policy.failures.modelTimeoutMs !== undefined) loop.abortSignal = at.abortSignal
            answered = await asLoopCall(now, loop, () =>
              pump(next(model === ctx.model ? ctx : { ...ctx, model }), sendOn),
            )
            return recordAnswer(answered.result, loop.state, scope.conversation.modelState)
          }
          try {
            const model = attempts.begin(at.attempt)
            const estimate = (asked: typeof ctx.model) => estimateLoopCall(scope, asked)
            const made = await metered({ scope, key: op.key, model, estimate, make })
            const { standIn } = attempts
            const record = standIn === undefined ? made : { model: standIn, ...made }
            attempts.succeeded()
            if (answered !== undefined && attempts.mindsOutput) throwIfFailure(ctx, answered, record)
            return record
          } catch (error) {
            if (error instanceof UnrecordedError || error instanceof FailedResult) throw error
            if (!isModelOutcome(error)) throw new UnrecordedError(error)
            live.error = error
            throw partial.thrownOf(error)
          }
        },
        { retryAfterMs: attempts.after },
      )

    let record: AnswerRecord | undefined
    while (record === undefined) {
      try {
        record = yield* relay(
          ask,
          () => scope.isLost,
          () => scope.hasLeft === 'cancelled',
        )
      } catch (error) {
        if (await partial.keep(error)) continue
        const thrown = await afterRefusal(scope, local, error)
        if (thrown !== undefined) throw refusal(scope, request, thrown, live.error, partial)
      }
    }
    const message = takeAnswer(scope, request, record)
    if (!live.ran) {
      markReplayed(message)
      takeState(scope.agent.modelState, record)
      yield* answerEvents(scope.agent, message, ctx.invocationState)
    }
    return { result: answerResult(record, message) }
  }
}

function attemptsOf(scope: Scope, key: string, { model }: InvokeModelContext): ModelAttempts {
  const policy = scope.policy.failures
  const hasDefault = policy.defaultRetry !== undefined && hasDefaultRetry(scope.agent)
  if (hasDefault || policy.modelRetry?.transient !== undefined) muteRetries(scope.agent, () => !scope.isClosed)
  return new ModelAttempts({
    policy,
    hasDefault,
    primary: model,
    now: () => scope.durable.clock(),
    random: () => scope.durable.random(`retry:${key}`),
    recorded: scope.attemptsOf(key),
    spend: (attempt, usage) => scope.nest.spend(attemptKey(key, attempt), usage),
  })
}

/** The last attempt took too long. */
function timeOut(cause: unknown): unknown {
  return StepError.is(cause, 'STEP_TIMEOUT') ? cause : undefined
}

function timeLimit({ policy }: Scope): Pick<Op, 'timeoutMs'> {
  const { modelTimeoutMs } = policy.failures
  return modelTimeoutMs === undefined ? {} : { timeoutMs: modelTimeoutMs }
}

function takeAnswer(scope: Scope, { n }: ModelRequest, record: AnswerRecord): Message {
  const { conversation } = scope
  const message = answerMessage(record, conversation.nameOfAnswer(n))
  conversation.answer(n, message, usageOf(record))
  if (scope.isInner) scope.nest.spend(scope.key(`model#${n}`), usageOf(record))
  if (record.modelState !== undefined) conversation.modelState = record.modelState
  return message
}

/** What the loop is told when there is no answer. A recorded error is of its class again: `instanceof` drives recovery. */
function refusal(
  scope: Scope,
  { n }: ModelRequest,
  error: unknown,
  liveError: unknown,
  partial: PartialMessage,
): unknown {
  const outcome = StepError.is(error, 'STEP_FAILED')
    ? (liveError ?? partial.rebuilt(error.cause) ?? timeOut(error.cause))
    : undefined
  if (outcome !== undefined) {
    scope.conversation.answer(n, undefined, undefined)
    scope.nest.spend(scope.key(`model#${n}`), usageOfError(outcome))
    scope.outcomes.set(outcome as object, error)
    return outcome
  }
  // A cancelled run is a cancelled agent: the loop knows that from an error of its own.
  if (scope.durable.abortSignal.aborted) throwIfCancelled(scope.agent)
  return error
}
