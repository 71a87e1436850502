/**
 * The context of one run of a workflow function, on its gate.
 *
 * Keys of steps are their names; everything else has a prefix (`sleep:1`, `approval:publish`, `child:part-0`), so that a
 * step may be called like a signal. Keys are given out in the moment of the call: their order is the program's order.
 */
import type { Durable, Duration, Effect, Json, Op, StepBehaviour, StepContext, Transaction } from '@selvage/core'
import {
  encode,
  hasOnly,
  type KnownOptions,
  noText,
  refuseNoText,
  toMs,
  UsageError,
  unknownOption,
} from '@selvage/core'
import { Begin } from './begin.ts'
import { Changes } from './changed.ts'
import { type Child, type ChildOptions, type ChildProgram, keepChild } from './child.ts'
import type { Context, MessageOptions, StepOptions, TransactionOptions, WaitOptions } from './context.ts'
import { CHILD, MESSAGE, POLL, STEP, TRANSACTION, WAIT } from './context-options.ts'
import { type EffectDeclaration, effectStep } from './effects.ts'
import { ONLY_RETRYABLE, type Retry, type RetryAfter, retryBehaviour } from './failures/retry.ts'
import { type Named, Names } from './names.ts'
import { type ApprovalAnswer, type DataAnswer, requestApproval } from './people/approval.ts'
import { APPROVAL, type ApprovalOptions } from './people/approval-options.ts'
import { deadlineOf } from './people/deadline.ts'
import { normalizeCompensation } from './sagas/compensate.ts'
import type { Undo } from './sagas/deeds.ts'
import type { Saga } from './sagas/saga.ts'
import { uuidFrom } from './uuid.ts'
import { type Polled, type PollOptions, pollUntil } from './waits/poll.ts'
import { awaitSignal, type Callback, callbackId, callbackQuestion, type Wanted } from './waits/signals.ts'
import { sleepUntil } from './waits/sleep.ts'

export type Print = (runId: string, values: readonly unknown[]) => void

/** Every platform that has a console has this one. */
export const printToConsole: Print = (runId, values) => {
  const { console } = globalThis as { console?: { log(...values: unknown[]): void } }
  console?.log(`[${runId}]`, ...values)
}

export interface ContextSettings {
  readonly retry: Retry | undefined
  readonly print: Print
  /** Undoes what the run has done. */
  readonly saga?: Saga
}

type Behaviour = Pick<StepBehaviour<never>, 'retryAfterMs' | 'heartbeatTimeoutMs'>

type CancelHandler = (shielded: Context) => Promise<void> | void

export class WorkflowContext implements Context {
  readonly #durable: Durable
  readonly #settings: ContextSettings
  readonly #names: Names
  readonly #changes: Changes
  readonly #begin: Begin
  readonly #cancelHandlers: CancelHandler[]
  readonly #children: Set<Child>
  readonly #uuids: Map<string, number>
  /** Questions that are on their way into the journal: no step starts before they are there. */
  #opening: Promise<unknown> | undefined

  /** With `outer`: the same context with the gate of `durable`. */
  constructor(durable: Durable, settings: ContextSettings, outer?: WorkflowContext) {
    this.#durable = durable
    this.#settings = settings
    this.#names = outer === undefined ? new Names(durable.runId) : outer.#names
    this.#changes = outer === undefined ? new Changes(durable) : outer.#changes
    this.#begin = outer === undefined ? new Begin(durable) : outer.#begin
    this.#cancelHandlers = outer === undefined ? [] : outer.#cancelHandlers
    this.#children = outer === undefined ? new Set() : outer.#children
    this.#uuids = outer === undefined ? new Map() : outer.#uuids
  }

  get runId(): string {
    return this.#durable.runId
  }

  get abortSignal(): AbortSignal {
    return this.#durable.abortSignal
  }

  get isReplaying(): boolean {
    return this.#durable.isReplaying
  }

  // ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  step<T>(name: string, body: (at: StepContext) => Promise<T> | T, options: StepOptions<T> = NONE): Promise<T> {
    if (options !== NONE) {
      const unknown = this.#unknown('Step', name, options, STEP)
      if (unknown !== undefined) return rejected(unknown)
    }
    if (typeof body !== 'function') return rejected(this.#noBody('Step', name))
    const outer = this.#durable.current()
    if (outer !== undefined) return quiet(async () => body(outer))
    if (this.#opening !== undefined || declarationOf(options) !== undefined) {
      return quiet(() => this.#step(name, body, options))
    }
    return this.#plainStep(name, body, options)
  }

  /** The same as `#step` for most steps, at half the promises. */
  #plainStep<T>(name: string, body: (at: StepContext) => Promise<T> | T, options: StepOptions<T>): Promise<T> {
    let close = (): void => {}
    let promise: Promise<T>
    try {
      const named = this.#names.next(name, options.key)
      close = named.close
      const op = opOf(this.#durable, name, named.key, options)
      promise = this.#durable.step(op, body, this.#behaviourOf(named.key, options))
    } catch (error) {
      promise = Promise.reject(error)
    }
    // Before its author hears of it; and a rejection that its author looks at later must not end the process.
    promise.then(close, close)
    return promise
  }

  async #step<T>(name: string, body: (at: StepContext) => Promise<T> | T, options: StepOptions<T>): Promise<T> {
    const { key, close } = this.#names.next(name, options.key)
    try {
      const op = opOf(this.#durable, name, key, options)
      const behaviour = this.#behaviourOf(key, options)
      if (this.#opening !== undefined) await this.#opening
      return await effectStep(this.#durable, op, body, declarationOf(options), behaviour, this.#sagaFor(name, options))
    } finally {
      close()
    }
  }

  send(topic: string, payload?: unknown, message: MessageOptions = {}): Promise<string> {
    const unknown = this.#unknown('Message', topic, message, MESSAGE)
    if (unknown !== undefined) return rejected(unknown)
    const { key } = message
    // It acts on nothing outside: the outbox does, after the commit.
    const options: StepOptions<string> = { effect: 'read', ...(key !== undefined && { key: `send:${key}` }) }
    return this.step(`send:${topic}`, (at) => at.send(topic, payload), options)
  }

  #sagaFor(name: string, { compensate }: { compensate?: unknown }): Saga | undefined {
    const { saga } = this.#settings
    if (compensate === undefined || saga !== undefined) return saga
    throw new UsageError('UNSUPPORTED', `Step "${name}" of an onCancel handler of run ${this.runId} has compensate.`, {
      hint: 'Leave it out: what undoes is not undone.',
      details: { runId: this.runId },
    })
  }

  #behaviourOf<T>(key: string, options: StepOptions<T>): Behaviour {
    const retryAfterMs = this.#retryOf(key, options)
    if (options.heartbeatTimeout === undefined) return { retryAfterMs }
    return { retryAfterMs, heartbeatTimeoutMs: toMs(options.heartbeatTimeout, `heartbeatTimeout of step "${key}"`) }
  }

  #retryOf(key: string, { retry, effect }: { retry?: Retry; effect?: Effect }): RetryAfter {
    const policy = retry ?? (effect === 'once' ? undefined : this.#settings.retry)
    const random = (): number => this.#durable.random(`retry:${key}`)
    if (policy !== undefined) return retryBehaviour(policy, random)
    // Most steps never fail: what their policy costs is left until one does.
    return (error, attempt, at) => retryBehaviour(ONLY_RETRYABLE, random)(error, attempt, at)
  }

  child<Input, Result>(
    program: ChildProgram<Input, Result>,
    input: Input,
    options: ChildOptions<Result> = {},
  ): Promise<Result> {
    const unknown = this.#unknown('Child', program?.name, options, CHILD)
    if (unknown !== undefined) return rejected(unknown)
    return quiet(async () => {
      this.#notInside('ctx.child')
      if (options.key !== undefined) refuseNoText(`The key of a child of run ${this.runId}`, options.key)
      const stepKey =
        options.key === undefined
          ? this.#names.ordinal(`child:${program.name}#`)
          : this.#names.next(`child:${program.name}`, `child:${options.key}`).key
      if (this.#opening !== undefined) await this.#opening
      const undo = undoOfChild(program.name, options)
      const child = keepChild(this.#durable, program, input, stepKey.slice('child:'.length))
      if (undo !== undefined) this.#followChild(child, stepKey, program.name, input, undo)
      if (options.onParentEnd !== 'abandon') this.#children.add(child)
      try {
        return (await child.result) as Result
      } finally {
        // A cancel of this run rejects the wait while the child goes on: it is ended with the run.
        if (!this.#durable.abortSignal.aborted) this.#children.delete(child)
      }
    })
  }

  #followChild({ id, result }: Child, key: string, name: string, input: unknown, undo: Undo): void {
    const told = {
      name,
      kind: 'child',
      effect: 'idempotent',
      input: encode(input, `the input of child ${id}`),
    } as const
    this.#sagaFor(name, { compensate: undo })?.follow({ id, key, told, undo, result })
  }

  // ── waits ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  sleep(duration: Duration): Promise<void> {
    return this.#sleep(async () => {
      const ms = toMs(duration, 'the duration of a sleep')
      await this.#begin.beforeTimed()
      return this.#durable.now() + ms
    })
  }

  sleepUntil(date: Date | number): Promise<void> {
    return this.#sleep(() => {
      const until = Number(date)
      if (Number.isFinite(until)) return until
      throw new UsageError('BAD_INPUT', `sleepUntil got ${String(date)}.`, {
        hint: 'Give a valid Date, or epoch milliseconds.',
      })
    })
  }

  #sleep(until: () => Promise<number> | number): Promise<void> {
    return quiet(async () => {
      this.#notInside('ctx.sleep')
      const key = this.#names.ordinal('sleep:')
      await sleepUntil(this.#durable, key, await until())
    })
  }

  signal<T = unknown>(name: string, options: WaitOptions = {}): Promise<T> {
    const unknown = this.#unknown('Signal', name, options, WAIT)
    if (unknown !== undefined) return rejected(unknown)
    return this.#named(`signal:${name}`, undefined, async (key) => {
      const wanted = wantedOf(`signal "${name}"`, options)
      if (wanted.timeoutMs !== undefined) await this.#begin.beforeTimed()
      return awaitSignal<T>(this.#durable, key, name, wanted)
    })
  }

  callback<T = unknown>(name: string, options: WaitOptions = {}): Callback<T> {
    const unknown = this.#unknown('Callback', name, options, WAIT)
    if (unknown !== undefined) throw unknown
    this.#notInside('ctx.callback')
    const wanted = wantedOf(`callback "${name}"`, options)
    const { key, close } = this.#names.next(`callback:${name}`)
    const opened = quiet(async () => {
      if (wanted.timeoutMs !== undefined) await this.#begin.beforeTimed()
      const question = callbackQuestion(this.#durable, key, name, wanted)
      await this.#durable.open(key, question)
      const { timeoutMs } = wanted
      return { id: question.id, until: timeoutMs === undefined ? undefined : deadlineOf(this.#durable, key, timeoutMs) }
    })
    this.#holdSteps(opened)
    const result = quiet(async () => {
      try {
        const { id, until } = await opened
        const answer = await awaitSignal<{ value: T }>(this.#durable, key, id, wanted, until)
        return answer.value
      } finally {
        close()
      }
    })
    return { id: callbackId(this.#durable, key), result }
  }

  approval<Value>(
    name: string,
    options: Omit<ApprovalOptions<Value>, 'kind'> & { schema: NonNullable<ApprovalOptions<Value>['schema']> },
  ): Promise<DataAnswer<Value>>
  approval(name: string, options?: Omit<ApprovalOptions, 'kind'>): Promise<ApprovalAnswer>
  approval(name: string, options: Omit<ApprovalOptions, 'kind'> = {}): Promise<ApprovalAnswer> {
    const unknown = this.#unknown('Approval', name, options, APPROVAL)
    if (unknown !== undefined) return rejected(unknown)
    return this.#named(`approval:${name}`, undefined, async (key) => {
      if (options.timeout !== undefined) await this.#begin.beforeTimed()
      return requestApproval(this.#durable, key, name, options)
    })
  }

  waitUntil<T>(name: string, poll: (at: StepContext) => Promise<T> | T, options: PollOptions = {}): Promise<Polled<T>> {
    const unknown = this.#unknown('waitUntil', name, options, POLL)
    if (unknown !== undefined) return rejected(unknown)
    if (typeof poll !== 'function') return rejected(this.#noBody('waitUntil', name))
    return this.#named(`until:${name}`, options.key, async (key) => {
      if (options.timeout !== undefined) await this.#begin.beforeTimed()
      if (this.#opening !== undefined) await this.#opening
      return pollUntil(this.#durable, key, name, poll, options)
    })
  }

  #holdSteps(opened: Promise<unknown>): void {
    const all = Promise.allSettled([this.#opening, opened])
    this.#opening = all
    void all.then(() => {
      if (this.#opening === all) this.#opening = undefined
    })
  }

  // ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────

  now(): number {
    return this.#durable.now()
  }

  random(): number {
    return this.#durable.random(this.#place())
  }

  uuid(): string {
    const place = this.#place()
    const count = (this.#uuids.get(place) ?? 0) + 1
    this.#uuids.set(place, count)
    return uuidFrom(this.#durable.id('', `uuid:${place}:${count}`))
  }

  /** Bodies of steps are skipped on replay: what they draw must not move what the function draws. */
  #place(): string {
    const step = this.#durable.current()
    return step === undefined ? 'ctx' : `step:${step.key}@${step.attempt}`
  }

  status(value: unknown): void {
    this.#durable.status(encode(value, `the status of run ${this.runId}`))
  }

  log(...values: unknown[]): void {
    if (!this.#durable.isReplaying) this.#settings.print(this.runId, values)
  }

  changed(name: string): boolean {
    this.#notInside('ctx.changed')
    refuseNoText(`The name of a change of run ${this.runId}`, name)
    return this.#changes.has(name)
  }

  transaction<T>(name: string, body: (transaction: Transaction) => T, options: TransactionOptions = {}): Promise<T> {
    const unknown = this.#unknown('Transaction', name, options, TRANSACTION)
    if (unknown !== undefined) return rejected(unknown)
    if (typeof body !== 'function') return rejected(this.#noBody('Transaction', name))
    return this.#named(name, options.key, async (key) => {
      const retryAfterMs = this.#retryOf(key, options)
      if (this.#opening !== undefined) await this.#opening
      return await this.#durable.transaction({ key, kind: 'code', name }, body, { retryAfterMs })
    })
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────

  onCancel(handler: CancelHandler): () => void {
    this.#notInside('ctx.onCancel')
    if (typeof handler !== 'function') throw this.#noBody('Handler', 'onCancel')
    this.#cancelHandlers.push(handler)
    return () => {
      const index = this.#cancelHandlers.indexOf(handler)
      if (index >= 0) this.#cancelHandlers.splice(index, 1)
    }
  }

  get hasCancelHandlers(): boolean {
    return this.#cancelHandlers.length > 0
  }

  /** One that fails does not keep the others from running. */
  async runCancelHandlers(): Promise<void> {
    const { retry, print } = this.#settings
    const shielded = new WorkflowContext(this.#durable.shielded(), { retry, print }, this)
    for (let handler = this.#cancelHandlers.pop(); handler !== undefined; handler = this.#cancelHandlers.pop()) {
      try {
        await handler(shielded)
      } catch (error) {
        this.log('an onCancel handler failed:', error)
      }
    }
  }

  /** Cancels the children that are not done and not abandoned. */
  async endChildren(): Promise<void> {
    const open = [...this.#children]
    this.#children.clear()
    const shielded = this.#durable.shielded()
    await Promise.all(open.map((child) => child.cancel(shielded)))
  }

  // ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Runs `body` with the next key of `name`, and holds the name meanwhile. */
  #named<T>(name: string, key: string | undefined, body: (key: string) => Promise<T>): Promise<T> {
    return quiet(async () => {
      this.#notInside(name)
      const named: Named = this.#names.next(name, key)
      try {
        return await body(named.key)
      } finally {
        named.close()
      }
    })
  }

  /** What is wrong with a name or options, if anything is. Asked before a name is given out: what is refused leaves it free. */
  #unknown(what: string, name: string, options: unknown, known: KnownOptions): UsageError | undefined {
    const { runId } = this
    if (typeof name !== 'string') return noText(`${what} of run ${runId}: its name`, name, { runId })
    if (hasOnly(options, known)) return undefined
    return unknownOption(`${what} "${name}" of run ${runId}`, options, known, { runId })
  }

  #noBody(what: string, name: unknown): UsageError {
    const { runId } = this
    return new UsageError('BAD_INPUT', `${what} "${String(name)}" of run ${runId} was given no function.`, {
      hint: 'What is to be done is a function, behind the name.',
      details: { runId },
    })
  }

  #notInside(what: string): void {
    const step = this.#durable.current()
    if (step === undefined) return
    throw new UsageError('ALREADY_OPEN', `${what} was asked for inside step "${step.key}" of run ${this.runId}.`, {
      hint: 'The body of a step is skipped on replay: call it in the workflow function.',
      details: { runId: this.runId, step: step.key },
    })
  }
}

/** The options of a step that has none: most of them. */
const NONE = {}

function undoOfChild<T>(name: string, options: ChildOptions<T>): Undo | undefined {
  const compensation = normalizeCompensation(options.compensate, options.compensateUnknown)
  if (compensation === undefined || options.onParentEnd !== 'abandon') return compensation && { compensation }
  throw new UsageError('BAD_INPUT', `Child "${name}" has compensate and onParentEnd: 'abandon'.`, {
    hint: 'A child that goes on without its parent is not undone with it: leave one of the two out.',
  })
}

function opOf(durable: Durable, name: string, key: string, { timeout, input }: OpOptions): Op {
  if (timeout === undefined && input === undefined) return { key, kind: 'code', name }
  return {
    key,
    kind: 'code',
    name,
    ...(timeout !== undefined && { timeoutMs: toMs(timeout, `timeout of step "${name}"`) }),
    ...(input !== undefined && ofInput(durable, name, encode(input, `the input of step "${name}"`))),
  }
}

/** With the hash of name and input, as a tool's: what tells that the same step was asked for. */
function ofInput(durable: Durable, name: string, input: Json): Pick<Op, 'input' | 'check'> {
  return { input, check: durable.id('', JSON.stringify([name, input])).slice(0, 16) }
}

type OpOptions = Pick<StepOptions<unknown>, 'timeout' | 'input'>

function declarationOf<T>(options: StepOptions<T>): EffectDeclaration<T> | undefined {
  const { effect, reconcile, onUnknown, ask, compensate, compensateUnknown } = options
  const isPlain =
    effect === undefined &&
    reconcile === undefined &&
    onUnknown === undefined &&
    ask === undefined &&
    compensate === undefined &&
    compensateUnknown === undefined
  if (isPlain) return undefined
  return {
    effect: effect ?? 'idempotent',
    ...(reconcile !== undefined && { reconcile }),
    ...(onUnknown !== undefined && { onUnknown }),
    ...(ask !== undefined && { ask }),
    ...(compensate !== undefined && { compensate }),
    ...(compensateUnknown !== undefined && { compensateUnknown }),
  }
}

function wantedOf(what: string, { timeout }: WaitOptions): Wanted {
  return { what, timeoutMs: timeout === undefined ? undefined : toMs(timeout, `timeout of ${what}`) }
}

function rejected(error: UsageError): Promise<never> {
  return quiet(() => Promise.reject(error))
}

/** A rejection that its author looks at later, or never, must not end the process. */
function quiet<T>(body: () => Promise<T>): Promise<T> {
  const promise = body()
  promise.catch(() => {})
  return promise
}
