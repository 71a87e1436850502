/**
 * What a workflow function is given: every way to the outside that survives the process. It is that of one run: what is asked for
 * once the run has ended, by a timer that was left for one, is never settled.
 */
import type { Duration, StepContext, Transaction } from '@selvage/core'
import type { ChildOptions, ChildProgram } from './child.ts'
import type { EffectDeclaration } from './effects.ts'
import type { Retry } from './failures/retry.ts'
import type { ApprovalAnswer, DataAnswer } from './people/approval.ts'
import type { ApprovalOptions } from './people/approval-options.ts'
import type { Polled, PollOptions } from './waits/poll.ts'
import type { Callback } from './waits/signals.ts'

export interface StepOptions<T> extends Partial<EffectDeclaration<T>> {
  /** Tells steps of one name apart that run at once, or says what is done. Unique in the run. Default: the name, then `name#2`, `name#3`, … */
  key?: string
  /** Default: the workflow's `retry`, and without one only a RetryableError is tried again. An effect `once` is tried again only under a policy of its own, or when its author throws RetryableError. */
  retry?: Retry
  /** What it is about to do, for whoever must know later: recorded with the intent of an effect `once` and handed to `reconcile`, its hash with every step. */
  input?: unknown
  /** How long one attempt may go without `at.heartbeat()`; after it `abortSignal` fires and the attempt fails with STEP_TIMEOUT. */
  heartbeatTimeout?: Duration
  /** How long one attempt may take; after it `abortSignal` fires and the attempt fails with STEP_TIMEOUT. Default: for ever. */
  timeout?: Duration
}

export interface TransactionOptions {
  /** As that of a step. */
  key?: string
  /** As that of a step. */
  retry?: Retry
}

export interface MessageOptions {
  /** Tells messages of one topic apart that are sent at once. Unique in the run. */
  key?: string
}

export interface WaitOptions {
  /** Default: for ever. */
  timeout?: Duration
}

/**
 * The gate of a workflow.
 *
 * The function runs again from the top after a crash, a deploy or a long wait; whatever went through the gate is given
 * back as it was recorded, in the order in which it was recorded. So between two calls of `ctx` it must do the same
 * each time: no clock, no randomness, no I/O of its own, those are in `ctx`. `Promise.all`, `Promise.race`, loops,
 * conditions and `try`/`catch` are ordinary.
 *
 * After a cancel everything here rejects with an AbortError and `abortSignal` fires; see `onCancel`. Only `step`, `now`,
 * `random`, `uuid`, `log` and `status` may be called inside the body of a step, where a step is a plain call.
 */
export interface Context {
  readonly runId: string
  /** Fires when the run is cancelled, and when another worker has taken it over. */
  readonly abortSignal: AbortSignal
  /** True while answers come from the journal. */
  readonly isReplaying: boolean

  /**
   * Runs `body` once and records what it returns; after that the record answers for it. What it returns must be
   * recordable (JSON, Date, Map, Set, bigint, bytes, errors, undefined) and comes back as a copy.
   *
   * After a crash inside the body it is run again with the same `at.idempotencyKey`, unless its `effect` is `once`.
   * With `compensate` it is undone when the run fails or is cancelled: docs/sagas.md.
   *
   * Rejects with StepError STEP_FAILED (its `cause` is the error of the body), STEP_TIMEOUT as that cause, or
   * OUTCOME_UNKNOWN; with UsageError KEY_IN_USE when the name is open already and no key tells the two apart.
   */
  step<T>(name: string, body: (at: StepContext) => Promise<T> | T, options?: StepOptions<T>): Promise<T>

  /**
   * Records a message for the outbox: whoever handles its topic (`selvage.outbox(topic, handler)`) gets it at least once
   * after that, always with the same id, and after what this run sent before. Resolves to its id when it is durable, not
   * when it is delivered. Within a step use `at.send`: the message then counts with the success of that step. Rejects with
   * UNSUPPORTED on engines without an outbox.
   */
  send(topic: string, payload?: unknown, options?: MessageOptions): Promise<string>

  /** Resolves after so long, in whatever process. A sleep needs no process, connection or memory. */
  sleep(duration: Duration): Promise<void>
  /** Resolves at a date (or epoch milliseconds), at once if it has passed. */
  sleepUntil(date: Date | number): Promise<void>

  /** One id for one answer from outside (`run.respond(id, value)`). Steps asked for after it start only once the id is durable. */
  callback<T = unknown>(name: string, options?: WaitOptions): Callback<T>
  /**
   * The next signal of that name (`run.signal(name, payload)`), oldest first; one that came before this call counts.
   * Rejects with StepError WAIT_TIMEOUT. A name that is waited for twice at once is a UsageError KEY_IN_USE.
   */
  signal<T = unknown>(name: string, options?: WaitOptions): Promise<T>
  /**
   * Asks a person, or several of them, and waits for the answer. With a `schema` a yes brings data that fit it. Rejects
   * with StepError APPROVAL_TIMEOUT if time is up and `onTimeout` is absent: nobody is denied silently. docs/approvals.md
   */
  approval<Value>(
    name: string,
    options: Omit<ApprovalOptions<Value>, 'kind'> & { schema: NonNullable<ApprovalOptions<Value>['schema']> },
  ): Promise<DataAnswer<Value>>
  approval(name: string, options?: Omit<ApprovalOptions, 'kind'>): Promise<ApprovalAnswer>
  /**
   * Polls until `poll` gives anything but undefined, null or false, and returns that. Each poll is a step; between two
   * the run sleeps. Rejects with StepError WAIT_TIMEOUT; the last poll is made when time is up.
   */
  waitUntil<T>(name: string, poll: (at: StepContext) => Promise<T> | T, options?: PollOptions): Promise<Polled<T>>

  /**
   * Runs another program as a run of its own, `<runId>/<key>`, and waits for its result. Rejects with RunError
   * RUN_FAILED (its `cause` is the child's error) or RUN_CANCELLED.
   */
  child<Input, Result>(
    program: ChildProgram<Input, Result>,
    input: Input,
    options?: ChildOptions<Result>,
  ): Promise<Result>

  /** Epoch milliseconds when the latest recorded thing happened: the same on every replay. */
  now(): number
  /** [0, 1), the same on every replay. Not for secrets. */
  random(): number
  /** A version 4 UUID, the same on every replay and unique over all runs. */
  uuid(): string
  /**
   * Shown beside the run's status as its `note`, replacing what was shown before. On the embedded engine it is there half a second
   * later, while the run works; of values that follow each other faster only the last one is written, so that a busy run pays two
   * small writes a second at most. Elsewhere it is kept with what the engine records next, at the latest with the run's next wait.
   * To tell how far a step is: `at.emit()`, which live readers hear.
   */
  status(value: unknown): void
  /** Prints unless replaying. A line after the last thing that was recorded is printed again if the process dies there. */
  log(...values: unknown[]): void

  /**
   * Guards an edit of a workflow whose runs are under way: true for runs that come here for the first time with the new
   * code, false for those that have been past it, the same for ever after in each run. One answer per name and run.
   *
   *     if (ctx.changed('check-stock')) await ctx.step('check-stock', …)
   */
  changed(name: string): boolean
  /**
   * Runs after a cancel, when the function has ended, or beside it one second after the cancel: newest first, one after
   * the other, all within the grace of the run (30 s). `shielded` is this context with the gate open in spite of the
   * cancel. The returned function takes the handler back.
   */
  onCancel(handler: (shielded: Context) => Promise<void> | void): () => void
  /**
   * A step whose function writes rows of yours into the database that keeps the journal, in the very commit that records
   * it: both are there or neither is, so it happens exactly once, whatever dies. Resolves to what it returned.
   *
   * `body` is synchronous, does nothing but with the database, and may run more than once before it counts; names of your
   * tables begin with `app_`. What it throws takes its rows back and is the failure of the step, tried again under `retry`.
   * Messages that it sends are in the commit, too. Rejects with UNSUPPORTED on engines that cannot, with STEP_FAILED, and
   * with ALREADY_OPEN inside of a step. See docs/effects.md.
   */
  transaction<T>(name: string, body: (transaction: Transaction) => T, options?: TransactionOptions): Promise<T>
}
