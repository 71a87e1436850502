/**
 * The gate of model calls that pass the stages by: a manager that summarises, a strategy that offloads, a classifier that
 * routes, an extractor, an agent that a plugin asks. They all call `streamAggregated` of a model, which every provider
 * inherits. The models that can be found around an agent (seams/models.ts: `modelsAround`) have one of their own, for a
 * provider may have written its own; what is inherited is gated for all others, which only a closure or a `#private` field
 * holds. Both ask who is calling:
 *
 *   nobody's invocation                  ─▶ the model's own
 *   the loop's own call, a step's body   ─▶ the model's own: what is around it is recorded
 *   anything else inside an invocation   ─▶ a step
 *
 * The key says where: `beyond:<model>@<n>[~2]`, n: model outcomes recorded by then, or, for the choice of a turn's model,
 * before that turn, because a process that goes on in the middle of the turn asks for that choice again. Which of the
 * calls at one place is which does not follow from their order: they may be made side by side, fail and be made again. A
 * call takes the record there of the same request. If there is none it waits for one turn of the event loop, so that those
 * beside it get theirs, and takes the first there that asks for the same kind of thing (system prompt, tools), for what
 * was recorded stands whatever is rendered today. Else it is a new one. What a hook of one tool call has asked is nothing to
 * those of another: a verdict on a call stays with that call. An attempt that may pass leaves no record and gives
 * its key back, and so does one whose caller has aborted it, for that caller went on without an answer.
 *
 * A call that nobody waits for may outlive the invocation: its caller has the answer all the same, recorded or not.
 *
 * `countTokens` beside it: where a provider asks its network for the number, and the next answer is recorded already, the
 * SDK's own estimate is good enough. What is decided by it is overruled by the recorded messages. It may decide otherwise
 * than the true number did; a summary that is made for that reason is paid and dropped.
 */
import { StepError, UnrecordedError } from '@selvage/core'
import { Model, type StreamOptions } from '@strands-agents/sdk'
import { markReplayed, modelEvents } from '../conversation/events.ts'
import {
  type AnswerRecord,
  answerMessage,
  answerResult,
  isModelOutcome,
  recordAnswer,
  stateNow,
  takeState,
  usageOf,
  usageOfError,
} from '../conversation/record.ts'
import { throwIfCancelled } from '../seams/invocation.ts'
import { aroundInherited, modelsAround } from '../seams/models.ts'
import { asRouting, type Invoked, invocationNow, type LoopCall } from '../turns/within.ts'
import { estimateOtherCall } from './estimate.ts'
import { afterRefusal, metered } from './metering.ts'
import { PartialMessage } from './partial-message.ts'
import { ConsumerLeft, pump, relay, type Send } from './relay.ts'
import type { Scope } from './scope.ts'

type Stream = Model['streamAggregated']
type Events = ReturnType<Stream>
type Event = Events extends AsyncGenerator<infer Item, unknown, unknown> ? Item : never
type Messages = Parameters<Stream>[0]

/** Before a test fakes it. */
const immediate = setImmediate

const gated = new WeakSet<object>()

const surveyed = new WeakSet<object>()

let isInheritedGated = false

/** Puts the gate before the models around an agent, and what chooses among them; once for each, for good. */
export function gateModelsOf(agent: Scope['agent']): void {
  gateInherited()
  gateModel(agent.model)
  if (surveyed.has(agent)) return
  surveyed.add(agent)
  const { models, strategies } = modelsAround(agent)
  for (const model of models) gateModel(model)
  for (const strategy of strategies) {
    if (isGated(strategy)) continue
    const select = strategy.select.bind(strategy)
    own(strategy, 'select', (context: Parameters<typeof select>[0]) =>
      // With attempts behind it a strategy chooses for the call that has failed.
      context.attempts.length === 0 ? asRouting(() => select(context)) : select(context),
    )
  }
}

export function gateModel(model: Model): void {
  if (isGated(model)) return
  const { streamAggregated, countTokens } = model
  own(model, 'streamAggregated', function (this: Model, messages: Messages, options?: StreamOptions): Events {
    const now = invocationNow()
    const plain = (): Events => streamAggregated.call(this, messages, limited(options, now?.loop))
    if (now?.loop !== undefined) now.loop.state = options?.modelState
    return now === undefined || isInStep(now) ? plain() : asked(now, this, plain, messages, options)
  })
  if (countTokens === Model.prototype.countTokens) return
  own(model, 'countTokens', function (this: Model, ...args: Parameters<typeof countTokens>) {
    const now = invocationNow()
    const isRecorded = now !== undefined && !isInStep(now) && isNextRecorded(now.scope)
    return (isRecorded ? Model.prototype.countTokens : countTokens).apply(this, args)
  })
}

/** Puts the gate before models that nobody finds. Where no durable agent asks they are what they were. */
function gateInherited(): void {
  if (isInheritedGated) return
  isInheritedGated = true
  aroundInherited((inherited, model, messages, options) => {
    const plain = (): Events => inherited.call(model, messages, options)
    const now = gated.has(model) ? undefined : invocationNow()
    return now === undefined || isInStep(now) ? plain() : asked(now, model, plain, messages, options)
  })
}

/** The loop's own call ends with its attempt. */
function limited(options: StreamOptions | undefined, loop: LoopCall | undefined): StreamOptions | undefined {
  if (loop?.abortSignal === undefined) return options
  const cancelSignals = [options?.cancelSignal, loop.abortSignal].filter((signal) => signal !== undefined)
  return { ...options, cancelSignal: AbortSignal.any(cancelSignals) }
}

function isGated(value: object): boolean {
  if (gated.has(value) || !Object.isExtensible(value)) return true
  gated.add(value)
  return false
}

function own(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, configurable: true, writable: true })
}

function isInStep({ scope, loop }: Invoked): boolean {
  return loop !== undefined || scope.durable.current() !== undefined
}

function isNextRecorded({ conversation, fold }: Scope): boolean {
  return conversation.answers < fold.recorded
}

async function* asked(
  now: Invoked,
  model: Model,
  plain: () => Events,
  messages: Messages,
  options: StreamOptions | undefined,
): Events {
  const { scope } = now
  if (scope.hasLeft) throw new ConsumerLeft()
  const name = model.modelId ?? model.constructor.name
  const { conversation } = scope
  const n = now.isRouting ? conversation.before : conversation.answers
  const check = checkOf(now, messages, options)
  const asking = askingOf(scope)
  const local = await asking.take(`beyond:${name}@${n}`, check)
  const op = { key: scope.key(local), kind: 'model', name, check } as const
  const store = options?.modelState
  const before = stateNow(store)
  const partial = new PartialMessage(scope, local)
  const live: { error?: unknown; made?: Promise<AnswerRecord> | undefined } = {}
  const isGivenUp = (): boolean => options?.cancelSignal?.aborted === true

  const make = async (send: Send<Event>): Promise<AnswerRecord> => {
    partial.throwIfKept()
    const estimate = (by: Model) => estimateOtherCall(scope, by, [options?.systemPrompt, options?.toolSpecs, messages])
    const call = async (by: Model, begun: () => void): Promise<AnswerRecord> => {
      const sendOn: Send<Event> = (event) => {
        begun()
        return send(event)
      }
      const result = await pump(by === model ? plain() : by.streamAggregated(messages, options), sendOn)
      // Who asked has given it up, and went on without an answer.
      if (isGivenUp()) throw new UnrecordedError(options?.cancelSignal?.reason)
      return recordAnswer(result, store, before)
    }
    try {
      return await metered({ scope, key: op.key, model, estimate, make: call })
    } catch (error) {
      if (error instanceof UnrecordedError) throw error
      if (!isModelOutcome(error)) throw new UnrecordedError(error)
      live.error = error
      throw partial.thrownOf(error)
    }
  }
  const ask = (send: Send<Event>): Promise<AnswerRecord> => {
    const made = (): Promise<AnswerRecord> => {
      live.made ??= make(send)
      return live.made
    }
    const step = scope.durable.step(op, made)
    let isSettled = false
    const settled = (): void => {
      isSettled = true
    }
    step.then(settled, settled)
    // Behind the end of a run its steps do not settle any more, nor begin.
    const late = now.over.then(() => {
      const isNew = live.made === undefined
      return isSettled || scope.isLost || (isNew && scope.durable.abortSignal.aborted) ? step : made()
    })
    return Promise.race([step, late])
  }

  let record: AnswerRecord | undefined
  while (record === undefined) {
    try {
      record = yield* relay(ask, () => scope.isLost, isGivenUp)
    } catch (thrown) {
      const cause = thrown instanceof UnrecordedError ? thrown.cause : thrown
      const error = (await kept(cause)) ? undefined : await afterRefusal(scope, local, cause)
      if (error !== undefined) throw notAsked(error)
      live.made = undefined
    }
  }
  const message = answerMessage(record, undefined)
  scope.nest.spend(op.key, usageOf(record))
  if (live.made === undefined) {
    markReplayed(message)
    takeState(store, record)
    yield* modelEvents(message)
  }
  return answerResult(record, message)

  /** Behind the end of the invocation nothing is kept any more. */
  async function kept(error: unknown): Promise<boolean> {
    return !now.isOver && (await Promise.race([partial.keep(error), now.over.then(() => false)]))
  }

  function notAsked(error: unknown): unknown {
    if (StepError.is(error, 'STEP_FAILED')) {
      const outcome = live.error ?? partial.rebuilt(error.cause)
      if (outcome === undefined) return error
      scope.nest.spend(op.key, usageOfError(outcome))
      scope.outcomes.set(outcome as object, error)
      return outcome
    }
    asking.giveBack(local)
    if (scope.durable.abortSignal.aborted) throwIfCancelled(scope.agent)
    return error
  }
}

// ── which call is which ─────────────────────────────────────────────────────────────────────────────────────────────

/** Parts of 10 characters: what kind of thing is asked for, of what, and, in a hook of a tool call, for which call. */
function checkOf({ scope, call }: Invoked, messages: Messages, options: StreamOptions | undefined): string {
  const hash = (parts: unknown): string => scope.durable.id('', JSON.stringify(parts) ?? '').slice(0, PART)
  const { systemPrompt, toolSpecs, toolChoice } = options ?? {}
  const kind = hash([systemPrompt, toolSpecs, toolChoice])
  const what = hash(messages.map(({ role, content }) => ({ role, content })))
  return kind + what + (call === undefined ? '' : hash(call))
}

const PART = 10

function isSameKind(one: string, other: string): boolean {
  return one.slice(0, PART) === other.slice(0, PART)
}

function isSameRequest(one: string, other: string): boolean {
  return one.slice(0, 2 * PART) === other.slice(0, 2 * PART)
}

/** Earlier versions have not recorded for which call a hook has asked. */
function isOfCall(recorded: string, check: string): boolean {
  const call = recorded.slice(2 * PART)
  return call === '' || call === check.slice(2 * PART)
}

interface Recorded {
  readonly key: string
  readonly check: string
}

/** The calls of one scope: what is recorded of them, and what was taken. */
class Asking {
  readonly #recorded: readonly Recorded[]
  readonly #taken = new Set<string>()

  constructor(scope: Scope) {
    const prefix = scope.key('')
    const entries = prefix === '' ? scope.durable.history : scope.nest.entriesOf(prefix)
    this.#recorded = entries.flatMap((entry) =>
      entry.type === 'step' && entry.key.startsWith(`${prefix}beyond:`)
        ? [{ key: entry.key.slice(prefix.length), check: entry.op.check ?? '' }]
        : [],
    )
  }

  /** The key of a call at this place. Others that are made beside it have the first choice of what is theirs. */
  async take(place: string, check: string): Promise<string> {
    const isSame = (recorded: Recorded): boolean =>
      isSameRequest(recorded.check, check) && isOfCall(recorded.check, check)
    const isOfKind = (recorded: Recorded): boolean =>
      isSameKind(recorded.check, check) && isOfCall(recorded.check, check)
    let found = this.#left(place).find(isSame)
    if (found === undefined && this.#left(place).some(isOfKind)) {
      await new Promise((resolve) => void immediate(resolve))
      found = this.#left(place).find(isOfKind)
    }
    const key = found?.key ?? this.#new(place)
    this.#taken.add(key)
    return key
  }

  giveBack(key: string): void {
    this.#taken.delete(key)
  }

  /** What is recorded there and was not taken. */
  #left(place: string): Recorded[] {
    const isThere = (key: string): boolean => key.startsWith(place) && /^(?:~\d+)?$/.test(key.slice(place.length))
    return this.#recorded.filter(({ key }) => isThere(key) && !this.#taken.has(key))
  }

  #new(place: string): string {
    const isFree = (key: string): boolean =>
      !this.#taken.has(key) && !this.#recorded.some((recorded) => recorded.key === key)
    let key = place
    for (let count = 2; !isFree(key); count++) key = `${place}~${count}`
    return key
  }
}

const askings = new WeakMap<Scope, Asking>()

function askingOf(scope: Scope): Asking {
  let asking = askings.get(scope)
  if (asking === undefined) {
    asking = new Asking(scope)
    askings.set(scope, asking)
  }
  return asking
}
