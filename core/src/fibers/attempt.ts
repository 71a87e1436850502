/**
 * One attempt of a step, from start to the entry that says how it went.
 *
 * An effect `once` comes here only with its intent acknowledged. A dangling intent, one whose worker died before it
 * could record the outcome, goes to `resolveIntent` instead: the target system is asked, and without an answer the
 * outcome is `unknown`, never guessed.
 */
import {
  FailedResult,
  InterruptedError,
  RunError,
  SelvageError,
  TerminalError,
  UnrecordedError,
  UsageError,
} from '../errors.ts'
import type { Effect, EntryBody, EntryOf, Op, OpKind, StepOutcome } from '../journal/entry.ts'
import type { OutboxMessage } from '../outbox.ts'
import type { NextAttempt, StepContext } from '../ports.ts'
import { probe } from '../probe.ts'
import { encode, errorToJson } from '../values/codec.ts'
import { readable } from '../values/error-json.ts'
import type { Json } from '../values/json.ts'
import type { AskedStep } from './asked.ts'
import { AttemptLimit, hasLimit, lateness } from './attempt-limit.ts'
import type { Fiber } from './fiber.ts'
import { checkReconciled } from './reconciled.ts'
import { packMessages, sendFrom } from './sending.ts'

/** So many processes in a row may die at one place: after that its steps are given up. Rule 9. */
export const MAX_CRASHES = 5

/** Begins an attempt. Never throws; the outcome is produced as an entry. */
export function runAttempt(fiber: Fiber, step: AskedStep, heartbeat: () => void): void {
  const startedAt = fiber.clock()
  step.sent = undefined
  step.phase = 'running'
  fiber.env.note({ type: 'started', runId: fiber.runId, op: step.op, attempt: step.attempt, at: startedAt })
  probe('host.before-effect')
  if (hasLimit(step)) {
    runLimited(fiber, step, startedAt, heartbeat)
    return
  }
  call(fiber, step, new Attempt(fiber, step, abortSignalOf(fiber, step), heartbeat)).then(
    (value) => succeed(fiber, step, startedAt, value),
    (error: unknown) => fail(fiber, step, startedAt, error, neverSettled),
  )
}

function runLimited(fiber: Fiber, step: AskedStep, startedAt: number, heartbeat: () => void): void {
  const limit = new AttemptLimit(fiber, step, abortSignalOf(fiber, step))
  const beat = (): void => {
    limit.heartbeat()
    heartbeat()
  }
  let goesOn = true
  const watched = call(fiber, step, new Attempt(fiber, step, limit.abortSignal, beat)).finally(() => {
    goesOn = false
  })
  /** A body that heeds its abort has settled by then. */
  const hasSettled = async (): Promise<boolean> => {
    await fiber.env.runtime.drain()
    return !goesOn
  }
  Promise.race([watched, limit.expired]).then(
    (value) => {
      limit.end()
      succeed(fiber, step, startedAt, value)
    },
    (error: unknown) => {
      limit.end()
      fail(fiber, step, startedAt, error, hasSettled)
    },
  )
}

function call(fiber: Fiber, step: AskedStep, at: Attempt): Promise<unknown> {
  try {
    return Promise.resolve(step.here(() => fiber.env.runtime.context.run(at, () => step.live(at))))
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Of a body that was not given up. */
async function neverSettled(): Promise<boolean> {
  return false
}

/** What the author's code is given inside of a commit. */
export function attemptAt(fiber: Fiber, step: AskedStep): StepContext {
  return new Attempt(fiber, step, abortSignalOf(fiber, step), () => {})
}

/** What the author's code is given. A class, because a getter in an object literal costs more than all the rest of it. */
class Attempt implements StepContext {
  readonly runId: string
  readonly key: string
  readonly name: string
  readonly kind: OpKind
  readonly effect: Effect
  readonly attempt: number
  readonly abortSignal: AbortSignal
  readonly heartbeat: () => void
  readonly #fiber: Fiber

  constructor(fiber: Fiber, step: AskedStep, abortSignal: AbortSignal, heartbeat: () => void) {
    const { op } = step
    this.#fiber = fiber
    this.runId = fiber.runId
    this.key = op.key
    this.name = op.name
    this.kind = op.kind
    this.effect = op.effect ?? 'idempotent'
    this.attempt = step.attempt
    this.abortSignal = abortSignal
    this.heartbeat = heartbeat
  }

  // Not methods: authors take them out of their object.

  get send(): StepContext['send'] {
    return (topic, payload) => sendFrom(this.#fiber, this.key, this.attempt, topic, payload)
  }

  get emit(): (chunk: Json) => void {
    return (chunk) => {
      const { runId, key, attempt } = this
      const { dropped, env } = this.#fiber
      if (!dropped) env.note({ type: 'chunk', runId, key, attempt, chunk, at: this.#fiber.clock() })
    }
  }

  get idempotencyKey(): string {
    return this.#fiber.keyOf(this.key)
  }
}

/**
 * Settles an effect `once` whose intent was found without an outcome. `isOver`: nobody can still be about to begin it; asked
 * before the target system, because a worker that dies in between may have done it. `notDone`: what follows if it has not
 * happened; by default it is made again.
 */
export function resolveIntent(
  fiber: Fiber,
  step: AskedStep,
  intent: EntryOf<'intent'>,
  why: string,
  isOver: () => Promise<boolean> = async () => true,
  notDone: () => void = () => makeAgain(fiber, step, intent, why),
): void {
  const { reconcile } = step.behaviour
  step.phase = 'running'
  step.attempt = intent.attempt
  step.sent = undefined
  const ask = async (): Promise<void> => {
    const isLast = await isOver()
    if (reconcile === undefined) {
      const yet = isLast ? '' : '; what was about to do it may be alive, and do it yet'
      settleUnknown(fiber, step, intent, `${why}${yet}`)
      return
    }
    const found = checkReconciled(
      await reconcile({
        input: intent.op.input,
        idempotencyKey: fiber.keyOf(intent.key),
        intendedAt: intent.at,
        attempt: intent.attempt,
        abortSignal: abortSignalOf(fiber, step),
      }),
    )
    if (found === 'unknown') record(fiber, step, intent.at, { unknown: `${why}; reconcile could not tell` })
    else if (found.done) succeed(fiber, step, intent.at, found.result)
    else if (!isLast) record(fiber, step, intent.at, { unknown: `${why}; it had not happened, but may be about to` })
    else notDone()
  }
  ask().catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    record(fiber, step, intent.at, { unknown: `${why}; reconcile failed: ${message}` })
  })
}

/** Settles a dangling intent without asking anybody. */
export function settleUnknown(fiber: Fiber, step: AskedStep, intent: EntryOf<'intent'>, why: string): void {
  record(fiber, step, intent.at, { unknown: why })
}

/**
 * An effect `once` that has not happened and that nobody waits for any more. Where its program has ended it is left as an
 * attempt that failed: a retry of the run makes it then.
 */
export function refuse(fiber: Fiber, step: AskedStep): void {
  if (fiber.abortSignal.aborted && !step.shielded) {
    record(fiber, step, fiber.clock(), { error: errorToJson(fiber.abortSignal.reason) })
    return
  }
  const { key } = step.op
  const message = `Step ${key} of run ${fiber.runId} has not happened and is not made: its program has ended.`
  step.phase = 'recorded'
  fiber.produce(retryOf(fiber, step, new RunError('RUN_ENDED', message), { afterMs: 0 }))
}

/** Nobody would be given the outcome of that step: its run is cancelled, or its program has ended. */
export function isUnwanted(fiber: Fiber, step: AskedStep): boolean {
  return fiber.finished !== undefined || (fiber.abortSignal.aborted && !step.shielded)
}

/** The run ends, and an effect `once` has no outcome yet: none that comes later is recorded. */
export function leaveUnknown(fiber: Fiber, intent: EntryOf<'intent'>): void {
  const step = fiber.steps.get(intent.key)
  if (step?.phase === 'recorded') return
  const why = 'the run ended before it was known'
  if (step !== undefined) {
    settleUnknown(fiber, step, intent, why)
    return
  }
  const { key, attempt, at: startedAt } = intent
  fiber.produce({ type: 'step', key, op: withoutInput(intent.op), attempt, startedAt, outcome: { unknown: why } })
}

/** A compensation that kills its process has failed: what else is to be undone goes on. */
export function giveUp(fiber: Fiber, step: AskedStep, error: unknown): void {
  record(fiber, step, fiber.clock(), { error: errorToJson(error) })
}

/** Journals that an effect `once` is about to begin; it may start when the entry is acknowledged. */
export function intend(fiber: Fiber, step: AskedStep): void {
  step.phase = 'intended'
  fiber.produce({
    type: 'intent',
    key: step.op.key,
    op: step.op,
    attempt: step.attempt,
    host: fiber.env.runtime.identity,
  })
}

/** Intents that no outcome came of, up to this one. Each moved the cursor, so the engine does not count their crashes. */
function triesInARow(fiber: Fiber, intent: EntryOf<'intent'>): number {
  return intent.attempt - (fiber.known.attempts.get(intent.key)?.attempt ?? 0)
}

function makeAgain(fiber: Fiber, step: AskedStep, intent: EntryOf<'intent'>, why: string): void {
  if (isUnwanted(fiber, step)) refuse(fiber, step)
  else if (triesInARow(fiber, intent) < MAX_CRASHES) intendAgain(fiber, step, intent)
  else record(fiber, step, intent.at, { unknown: `${why}, ${MAX_CRASHES} times in a row; it had not happened` })
}

function intendAgain(fiber: Fiber, step: AskedStep, intent: EntryOf<'intent'>): void {
  if (fiber.dropped) return
  fiber.known.intents.delete(intent.key)
  step.attempt = intent.attempt + 1
  intend(fiber, step)
}

function succeed(fiber: Fiber, step: AskedStep, startedAt: number, value: unknown): void {
  if (fiber.dropped || step.phase === 'recorded') return
  probe('host.after-effect')
  try {
    if (step.sent !== undefined) {
      succeedSending(fiber, step, startedAt, value, step.sent)
      return
    }
    const ok = encode(value, resultOf(fiber, step))
    const json = fiber.env.offload.pack(ok)
    if (json instanceof Promise) succeedLater(fiber, step, startedAt, ok, json)
    else record(fiber, step, startedAt, { ok: json })
  } catch (error) {
    recordUnrecordable(fiber, step, startedAt, error)
  }
}

/** The effect has happened; its result is none that can be recorded. One `once` must not pass for failed: a retry would make it again. */
function recordUnrecordable(fiber: Fiber, step: AskedStep, startedAt: number, error: unknown): void {
  if (!fiber.known.intents.has(step.op.key)) {
    record(fiber, step, startedAt, { error: errorToJson(error) })
    return
  }
  const message = error instanceof Error ? error.message : String(error)
  record(fiber, step, startedAt, { unknown: `it was done, and its result cannot be recorded: ${message}` })
}

function succeedLater(fiber: Fiber, step: AskedStep, startedAt: number, ok: Json, first: Promise<Json>): void {
  const again = (): Promise<Json> | Json => fiber.env.offload.pack(ok)
  fiber.owed.watch(fiber.owed.given(first, again, (packed) => record(fiber, step, startedAt, { ok: packed })))
}

function succeedSending(
  fiber: Fiber,
  step: AskedStep,
  startedAt: number,
  value: unknown,
  sent: readonly OutboxMessage[],
): void {
  const { offload } = fiber.env
  const ok = encode(value, resultOf(fiber, step))
  const pack = async (): Promise<readonly [Json, readonly OutboxMessage[]]> =>
    Promise.all([offload.pack(ok), packMessages(offload, sent)])
  fiber.owed.watch(
    fiber.owed.given(pack(), pack, ([packed, messages]) => record(fiber, step, startedAt, { ok: packed }, messages)),
  )
}

/** For messages. */
export function resultOf(fiber: Fiber, step: AskedStep): string {
  return `the result of step ${step.op.key} of run ${fiber.runId}`
}

function succeedAfterAll(fiber: Fiber, step: AskedStep, startedAt: number, { value }: FailedResult): void {
  try {
    succeed(fiber, step, startedAt, value())
  } catch (error) {
    record(fiber, step, startedAt, { error: errorToJson(error) })
  }
}

/** `hasSettled`: whether the body, which may have been given up, does nothing any more. */
function fail(
  fiber: Fiber,
  step: AskedStep,
  startedAt: number,
  thrown: unknown,
  hasSettled: () => Promise<boolean>,
): void {
  if (fiber.dropped || step.phase === 'recorded') return
  probe('host.after-effect')
  const raised = readable(thrown)
  const isOpen = raised instanceof UnrecordedError || raised instanceof FailedResult
  const error: unknown = isOpen ? raised.cause : raised
  if (error instanceof InterruptedError) {
    record(fiber, step, startedAt, { interrupts: error.interrupts })
    return
  }
  const intent = fiber.known.intents.get(step.op.key)
  if (intent !== undefined && SelvageError.is(error, 'STEP_TIMEOUT')) {
    resolveIntent(fiber, step, intent, lateness(step), hasSettled)
  } else if (intent !== undefined && leavesOpen(step, error)) {
    const why = `it ended without an answer: ${error instanceof Error ? error.message : String(error)}`
    const notDone = (): void => failFor(fiber, step, startedAt, raised, error)
    resolveIntent(fiber, step, intent, why, undefined, notDone)
  } else failFor(fiber, step, startedAt, raised, error)
}

function leavesOpen(step: AskedStep, error: unknown): boolean {
  try {
    return step.behaviour.leavesOpen?.(error) ?? false
  } catch {
    // A rule that fails knows nothing.
    return true
  }
}

/** It has not happened, or may be made again. `error`: what is behind `raised`. */
function failFor(fiber: Fiber, step: AskedStep, startedAt: number, raised: unknown, error: unknown): void {
  if (fiber.dropped || step.phase === 'recorded') return
  let again: Again | undefined
  try {
    again = nextOf(fiber, step, error)
  } catch (broken) {
    record(fiber, step, startedAt, { error: errorToJson(broken) })
    return
  }
  if (again === undefined) {
    if (raised instanceof UnrecordedError) {
      fiber.withdraw(step)
      step.reject(error)
    } else if (raised instanceof FailedResult) succeedAfterAll(fiber, step, startedAt, raised)
    else record(fiber, step, startedAt, { error: errorToJson(error) })
    return
  }
  step.phase = 'recorded'
  fiber.produce(retryOf(fiber, step, error, again))
}

/** The entry of an attempt that failed, for one that writes its entry itself. */
export function failureOf(fiber: Fiber, step: AskedStep, startedAt: number, error: unknown): EntryBody {
  let final = error
  try {
    const again = nextOf(fiber, step, error)
    if (again !== undefined) return retryOf(fiber, step, error, again)
  } catch (broken) {
    final = broken
  }
  const { key } = step.op
  const outcome = { error: errorToJson(final) }
  return { type: 'step', key, op: recorded(step), attempt: step.attempt, startedAt, outcome }
}

type Again = Pick<NextAttempt, 'afterMs'> & Partial<NextAttempt>

/** What the policy of the step makes of a failure; undefined: it is not tried again. Throws if the policy does. */
function nextOf(fiber: Fiber, step: AskedStep, error: unknown): Again | undefined {
  const cancelled = fiber.abortSignal.aborted && !step.shielded
  if (cancelled || error instanceof TerminalError) return undefined
  const now = fiber.clock()
  const since = fiber.known.failedSince.get(step.op.key) ?? now
  try {
    const again = step.behaviour.retryAfterMs?.(error, step.attempt, { now, since })
    return typeof again === 'number' ? { afterMs: again } : again
  } catch (cause) {
    throw brokenPolicy(fiber, step, cause)
  }
}

function retryOf(fiber: Fiber, step: AskedStep, error: unknown, { afterMs, next }: Again): EntryBody {
  return {
    type: 'retry',
    key: step.op.key,
    op: recorded(step),
    attempt: step.attempt,
    error: errorToJson(error),
    retryAt: fiber.clock() + Math.max(0, Math.round(afterMs)),
    ...(next !== undefined && { next }),
  }
}

function brokenPolicy(fiber: Fiber, { op }: AskedStep, cause: unknown): UsageError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new UsageError('BAD_INPUT', `The retry policy of step ${op.key} of run ${fiber.runId} failed: ${why}.`, {
    hint: 'It is asked when an attempt has failed, and must not throw.',
    cause,
  })
}

function record(
  fiber: Fiber,
  step: AskedStep,
  startedAt: number,
  outcome: StepOutcome,
  sent?: readonly OutboxMessage[],
): void {
  if (fiber.dropped || step.phase === 'recorded') return
  step.phase = 'recorded'
  const { key } = step.op
  const entry = { type: 'step', key, op: recorded(step), attempt: step.attempt, startedAt, outcome } as const
  fiber.produce(sent === undefined ? entry : { ...entry, sent })
}

/** What stays of an op in the journal: its input is in the intent, or with whoever asked. */
export function recorded(step: AskedStep): AskedStep['op'] {
  return withoutInput(step.op)
}

function withoutInput(op: Op): Op {
  if (op.input === undefined && op.timeoutMs === undefined) return op
  const { input: _, timeoutMs: __, ...rest } = op
  return rest
}

/** What ends an attempt from outside: a cancel, or the loss of the run. */
function abortSignalOf(fiber: Fiber, step: AskedStep): AbortSignal {
  return step.shielded ? fiber.lifetimeSignal : fiber.abortSignal
}
