/**
 * The ports: what a program sees (`Durable`), what an engine calls (`Host`), what an adapter implements (`Engine`) and
 * what keeps things (`Journal`, `Blobs`), on what a platform gives (`Runtime`). docs/advance.md is the protocol between
 * them, on one page.
 */
import type {
  Effect,
  Entry,
  Failure,
  ForkEffects,
  Op,
  OpKind,
  Outcome,
  Question,
  Signal,
  Start,
  StepOutcome,
} from './journal/entry.ts'
import type { ForkView } from './journal/fork-view.ts'
import type { EngineOutbox, OutboxHandler } from './outbox.ts'
import type { Money, Pots } from './pots.ts'
import type {
  DescribeOptions,
  Page,
  QuestionQuery,
  QuestionRecord,
  RunDescription,
  RunQuery,
  RunStatus,
  RunSummary,
  UnknownQuery,
  UnknownStep,
} from './records.ts'
import type { Transaction, TransactionDatabase, TransactionWrite } from './transaction.ts'
import type { Json, JsonObject } from './values/json.ts'

// ── 1. What a program sees ──────────────────────────────────────────────────────────────────────────────────────────

/** What a running step is told. Also what `currentStep()` returns, so a tool can reach it without being changed. */
export interface StepContext {
  readonly runId: string
  readonly key: string
  readonly name: string
  readonly kind: OpKind
  readonly effect: Effect
  /** base64url(sha256(salt ‖ runId ‖ key)): the same on every engine, attempt and replay. */
  readonly idempotencyKey: string
  /** 1, 2, … */
  readonly attempt: number
  /** Fires on cancel, time-out of the step, and when another worker has taken the run over. */
  readonly abortSignal: AbortSignal
  /** Sends a chunk to live readers. Never journaled. */
  emit(chunk: Json): void
  /** Says that a long step is alive, where it has a `heartbeatTimeout`. */
  heartbeat(): void
  /**
   * A message for the outbox: in the commit that records this step, if the attempt succeeds. Returns its id. UNSUPPORTED on
   * engines without an outbox.
   */
  send(topic: string, payload?: unknown): string
}

/** What may be known of an effect `once` whose worker died between intent and result. */
export type Reconciled<T> = { readonly done: true; readonly result: T } | { readonly done: false } | 'unknown'

export interface ReconcileContext {
  readonly input: Json | undefined
  readonly idempotencyKey: string
  /** Epoch milliseconds of the intent. */
  readonly intendedAt: number
  readonly attempt: number
  readonly abortSignal: AbortSignal
}

/** How one step behaves beyond running once. */
export interface StepBehaviour<T> {
  /** Asks the target system whether the effect happened. Only for effects `once`. */
  readonly reconcile?: (at: ReconcileContext) => Promise<Reconciled<T>> | Reconciled<T>
  /**
   * Whether an error of the body leaves open if the effect happened, as a lost connection does: then `reconcile` is asked
   * before anything is recorded, and without an answer the outcome is unknown. Only for effects `once`. Default: none does.
   */
  readonly leavesOpen?: (error: unknown) => boolean
  /**
   * Called when an attempt failed: milliseconds to wait before the next one, or undefined to record the failure. With
   * `next`, what the entry shall say to whoever makes the next one. Attempts survive the process: they are journaled as
   * `retry`.
   */
  readonly retryAfterMs?: (error: unknown, attempt: number, at: AttemptTimes) => number | NextAttempt | undefined
  /** Milliseconds that an attempt may go without a `heartbeat` before it fails with STEP_TIMEOUT. */
  readonly heartbeatTimeoutMs?: number
  /** Told of the recorded outcome, in journal order, also where a cancel has taken the step from its caller. */
  readonly settled?: (outcome: StepOutcome) => void
}

/** A run past its point of no return: see `Durable.undo`. */
export interface Undoing {
  /** How the run will end. */
  readonly outcome: Failure
  /** Keys of steps that were in flight then, and of those that may have begun in a process that died. */
  readonly inFlight: readonly string[]
  readonly lost: readonly string[]
  /** Epoch milliseconds until which what was in flight may still end: the grace of a cancelled run. */
  readonly graceUntil: number
  /** The gate of compensations. */
  readonly gate: Durable
  /** Reads a recorded value that `settled` told. */
  read(json: Json): Promise<unknown>
  idempotencyKey(stepKey: string): string
  /**
   * Everything was tried: from now on the run ends when nothing is left to wait for but answers of people, and each
   * answer lets it go on. Where the engine cannot do that the run waits for all of them.
   */
  leave(): void
}

export interface NextAttempt {
  readonly afterMs: number
  readonly next: Json
}

/** Epoch milliseconds by host time. */
export interface AttemptTimes {
  /** Of this failure. */
  readonly now: number
  /** Of the step's first failure, also where that was in another process. */
  readonly since: number
}

/** `at`: epoch milliseconds of the entry that says that time is up, the same on every replay. */
export type WaitResult<T> =
  | { readonly ok: true; readonly value: T; readonly signal: Signal }
  | { readonly ok: false; readonly at: number }

/** The gate: the only way of a program to the outside. Implemented once, by a fiber on a journal. */
export interface Durable {
  readonly runId: string
  readonly start: Start
  /** Fires when the run is cancelled, or when this worker lost it. */
  readonly abortSignal: AbortSignal
  /** True while answers come from the journal. */
  readonly isReplaying: boolean
  /** Folding programs only: the entries that were in the journal when this fiber began. Empty for a fresh run. */
  readonly history: readonly Entry[]
  /**
   * Runs `live` once and records its outcome; on replay returns what was recorded.
   * Inside another step it is a plain call.
   */
  step<T>(op: Op, live: (at: StepContext) => Promise<T> | T, behaviour?: StepBehaviour<T>): Promise<T>
  /**
   * A step whose body runs inside of the commit that records it. Rejects with UNSUPPORTED where the manifest does not say
   * `transaction`, and inside of another step.
   */
  transaction<T>(op: Op, body: (transaction: Transaction) => T, behaviour?: StepBehaviour<T>): Promise<T>
  /** Waits for a signal, at most until `until` (epoch ms). `key` is unique in the run; a sleep waits for a name that nobody sends. */
  wait<T = unknown>(key: string, signalName: string, until?: number): Promise<WaitResult<T>>
  /**
   * Journals a question before it is asked, once. Resolves with when it was asked, the same on every replay (epoch ms).
   * The answer is waited for with `wait(key, question.id)`.
   */
  open(key: string, question: Question): Promise<number>
  /** Whether a signal of that name has arrived and was not consumed: lets a caller refuse to wait. */
  arrived(signalName: string): boolean
  /** Journals what folding needs. Resolves once durable; need not be awaited: it travels with the next entry. */
  state(key: string, patch: JsonObject): Promise<void>
  /** Replaying programs only: whether `state(key)` was called in this run, also where replay has not come to it yet. */
  marked(key: string): boolean
  /** Replaying programs only: whether the journal holds steps or waits that were not given out yet, so that code has been past this place before. */
  beyond(): boolean
  /** Of a forked run: what it knows of the original. */
  readonly fork: ForkView | undefined
  /** Says that `error` is the failure of the wait `key`: if it ends the run, a retry makes that wait again. */
  blame(error: object, key: string): void
  /** When a retry of the run last made the failure of `key` void: from then on it has its time anew. Epoch milliseconds. */
  renewed(key: string): number | undefined
  /** The step of this run inside whose body the caller is, if any. */
  current(): StepContext | undefined
  /** Shows a value beside the run's status: at the latest from the run's next wait on, sooner where the engine hears `Control.shown`. */
  status(value: Json): void
  /** Host time of the newest entry that the program was given: the same live and on replay. Epoch milliseconds. */
  now(): number
  /** Host time as it passes. Differs on replay: for deadlines of waits, which are recorded once they are over. */
  clock(): number
  /** [0, 1), seeded by salt and `stream`: the same live and on replay, costs no entry. */
  random(stream: string): number
  /** `<prefix><22 characters>`: unique to run, salt and `label`; the same on every replay. */
  id(prefix: string, label: string): string
  /** The same gate, open in spite of a cancel: for `onCancel`, within the grace of the run. */
  shielded(): Durable
  /**
   * The point of no return of a run that is to be undone. Journals how it will end (cancelled if it was, else with
   * `error`), aborts what it does, as a cancel would, and takes its grace away: from here on it ends when the program
   * does. What was recorded first stands; a cancel changes nothing any more. `lost`: see the entry `undo`.
   */
  undo(error: unknown, lost: readonly string[]): Promise<Undoing>
  /** Starts, signals, cancels and, where the engine can, retries other runs. Call it inside a step: it is not durable by itself. */
  readonly outbound: Outbound
}

/** What a program may do to other runs. All are idempotent but `retry`, which is refused by a run that has not ended. */
export type Outbound = Pick<Engine, 'start' | 'signal' | 'cancel' | 'retry'> & {
  /** What budgets are counted in: not there where the engine keeps no pots. */
  readonly money?: Money
}

/** What a run runs. `fold`: recorded answers stand, the program rebuilds itself from `history`. `replay`: the program runs again from the top. */
export interface Program {
  readonly name: string
  readonly version?: string
  readonly resume: 'fold' | 'replay'
  /** How long a run may take, waits included, from when a worker begins with it; then it is cancelled: RUN_TIMEOUT. */
  readonly timeoutMs?: number
  run(durable: Durable): Promise<unknown>
}

// ── 2. What an engine calls ─────────────────────────────────────────────────────────────────────────────────────────

export interface Budget {
  /** Return `continue` after about so many milliseconds. */
  readonly ms?: number
  readonly entries?: number
  readonly bytes?: number
}

export interface Advance {
  readonly runId: string
  readonly start: Start
  /** How many entries the engine holds: acknowledges every reply up to it. */
  readonly cursor: number
  /**
   * The reply before this request, if it brought entries: this is the first request to acknowledge those from `from` on.
   * Named by its mark, because two hosts may have replied with as many entries, but not the same.
   */
  readonly acknowledges?: { readonly mark: string; readonly from: number }
  /** All signals that no reply has named in `received` yet. */
  readonly signals: readonly Signal[]
  /** Epoch milliseconds by the engine's clock. */
  readonly now: number
  readonly budget?: Budget
  /** The engine wants its history renewed: answer `rotate` at the next moment with nothing in flight. */
  readonly rotate?: boolean
  /**
   * The engine names its own steps by ours: these were named in `next` by the reply before. Answer `continue` before another
   * one starts.
   */
  readonly announced?: readonly string[]
  /** Where this generation began. */
  readonly seed?: Seed
}

export interface Control {
  /** Fires when the engine withdraws the advance: lease lost, shutdown. The fiber is dropped; author code is not told more than its abortSignal. */
  readonly abortSignal: AbortSignal
  heartbeat(): void
  readonly journal: Journal
  /** 1, 2, … of this very request; 0 = the engine cannot count. */
  readonly delivery: number
  /**
   * Whether the worker that appended this entry may still be alive: it lost the run by standing still, and may yet do what
   * it was about to do. Not there: it is dead.
   */
  authorMayLive?(seq: number): Promise<boolean>
  /**
   * Asked before the code of a step begins. A promise: this worker has stood still for so long that others may have the run, and
   * does not know yet. Nothing begins before it resolves, and where the run was lost the advance has been withdrawn by then. It
   * never rejects, and need not resolve behind the advance.
   */
  untilSure?(): Promise<void> | undefined
  /** Called when a suspended program asks for something after its advance has returned: the engine should advance again. */
  wake?(): void
  /** Called when the program shows another value (`Durable.status`) in mid-advance. Every reply has the latest one as well. */
  shown?(status: Json): void
}

/**
 * Everything a new generation starts from. `entries` is the hash of a blob that holds all entries before `cursor`; not there
 * where the engine keeps them (`Journal.keepsAll`).
 */
export interface Seed {
  readonly entries?: string
  readonly cursor: number
}

export type Progress = {
  readonly cursor: number
  readonly entries: readonly Entry[]
  /** Names the reply that brings these entries; the next request hands it back. */
  readonly mark?: string
  /** Steps about to run: names for the engine's console. */
  readonly next: readonly Op[]
  /** Ids of the request's signals that are in the journal now, or need not be sent again for another reason. */
  readonly received: readonly string[]
  readonly status?: Json
} & (
  | { readonly kind: 'continue' }
  | { readonly kind: 'wait'; readonly signals: readonly string[]; readonly until?: number }
  | { readonly kind: 'rotate'; readonly seed: Seed }
  | { readonly kind: 'done'; readonly outcome: Outcome }
)

/** Holds live programs and answers `advance`. Implemented once, in host.ts. */
export interface Host {
  advance(request: Advance, control: Control): Promise<Progress>
  /** Hands a signal to a live fiber at once; false if the run has none here that is being advanced. */
  offer(runId: string, signal: Signal): boolean
  /** Which programs this host can run: an engine hands it nothing else. */
  registered(): readonly { readonly name: string; readonly version?: string }[]
  /** Drops the fiber of a run, if there is one or one is being made; an advance in progress fails as LEASE_LOST. */
  evict(runId: string): void
  /** Whether the fiber of a run here has steps in flight, or results that nobody else has: to drop it would lose them. */
  holdsWork(runId: string): boolean
  /** Live chunks of steps and notes of what is starting: never journaled, only in this process. */
  subscribe(runId: string, listener: (note: LiveNote) => void): () => void
}

/** What a host tells live readers beside the journal. */
export type LiveNote =
  | { readonly type: 'started'; readonly runId: string; readonly op: Op; readonly attempt: number; readonly at: number }
  | {
      readonly type: 'chunk'
      readonly runId: string
      readonly key: string
      readonly attempt: number
      readonly chunk: Json
      readonly at: number
    }

// ── 3. What an adapter implements ───────────────────────────────────────────────────────────────────────────────────

export interface Manifest {
  readonly name: string
  readonly limits: {
    readonly entryBytes?: number
    readonly runBytes?: number
    readonly runEntries?: number
    /** Longest single advance in milliseconds. */
    readonly sliceMs?: number
  }
  /** Who keeps the journal: entries travel in replies (`engine`) or are appended by compare-and-set inside the advance (`store`). */
  readonly journal: 'engine' | 'store'
  /** Whether the next advance comes to the process that holds the fiber, as long as it lives. */
  readonly affinity: boolean
  readonly countsDeliveries: boolean
  /** Runs can be started only once a worker has made itself known: who works begins with that. Default false. */
  readonly workersFirst?: boolean
  /** What an acknowledged entry survives. */
  readonly survives: 'process' | 'machine-crash' | 'disk-loss' | 'nothing'
  readonly abilities: {
    readonly list: boolean
    readonly approvals: boolean
    readonly attach: boolean
    readonly rotate: boolean
    /** Runs can be made of the journals of others. Not there: false. */
    readonly fork?: boolean
    /** A failed or cancelled run can go on. Not there: false. */
    readonly retry?: boolean
    /** Entries may carry messages (`Entry.sent`), which its workers deliver. */
    readonly outbox?: boolean
    /** Budgets that all processes share. Not there: false. */
    readonly pots?: boolean
    /** An ended run goes on when a question of kind `compensation` that it left open is answered. Default false. */
    readonly leavesOpen?: boolean
    /** Steps may run inside of the commit that records them (`Journal.transact`). */
    readonly transaction?: boolean
  }
}

export type SignalReceipt = { readonly accepted: true } | { readonly accepted: false; readonly first: Signal }

/** Makes runs durable. An ability that the manifest denies rejects with UNSUPPORTED, naming engine, ability and alternative. */
export interface Engine {
  readonly manifest: Manifest
  /** Where large values of its runs go, unless whoever opens it names another place. */
  readonly blobs?: Blobs
  /** Idempotent. Another program or input under the same id: ConflictError (RUN_CONFLICT). `startAt`: not before, epoch ms. */
  start(runId: string, start: Start, options?: { readonly startAt?: number }): Promise<{ readonly created: boolean }>
  /** The first writer of signal.id wins; the others are handed what it wrote. NOT_FOUND for an unknown run, RUN_ENDED for an ended one. */
  signal(runId: string, signal: Signal): Promise<SignalReceipt>
  /** `by`: who wants it, for people; `senderFor` names what is nobody. */
  cancel(runId: string, reason: string, by?: string): Promise<void>
  /** NOT_FOUND for an unknown run. */
  describe(runId: string, options?: DescribeOptions): Promise<RunDescription>
  /** Entries from `from` on, at most `limit` (default 1,000). */
  journal(runId: string, from: number, limit?: number): Promise<readonly Entry[]>
  /**
   * Resolves when the run's status is no longer `status`, or with the abort of the signal; with `entries` also when its
   * journal no longer holds so many, with `worker` also when that is no longer its owner, where the engine tells of takeovers
   * (`RunDescription.claims`). Leave them out where only the status matters, and say `untilEnd` where only an end does (of a run
   * that has not ended): who waits for a result must not cost anything per step. It may resolve sooner: look again.
   */
  changed(
    runId: string,
    since: {
      readonly status: RunStatus
      readonly entries?: number
      readonly worker?: string
      readonly untilEnd?: true
    },
    abortSignal?: AbortSignal,
  ): Promise<void>
  list?(query: RunQuery): Promise<Page<RunSummary>>
  /** Steps whose recorded outcome is `unknown`, of all runs, newest first. */
  unknownSteps?(query: UnknownQuery): Promise<Page<UnknownStep>>
  /** A question is answered as soon as its answer is accepted, be it that nobody works. */
  questions?(query: QuestionQuery): Promise<Page<QuestionRecord>>
  question?(id: string): Promise<QuestionRecord>
  /** What budgets are counted in. `raise` also answers the questions that are open for want of it. */
  readonly pots?: Pots
  /** Makes a run of the journal of another one: see fork.ts. NOT_FOUND, RUN_CONFLICT, BAD_INPUT for a place that it does not have. */
  fork?(runId: string, fork: Fork): Promise<void>
  /** Makes a failed or cancelled run continue: journals `reopen`, so that the step that failed is made again. */
  retry?(runId: string): Promise<void>
  /**
   * Takes an ended run, and those below it, away for good; resolves with their ids. NOT_FOUND; BAD_INPUT for one that has
   * not ended, for a child whose parent is there, and, unless forced, for one with messages that are not delivered or a
   * question that is open.
   */
  discard?(runId: string, options?: DiscardOptions): Promise<readonly string[]>
  /** Runs one run in this very process, whatever program it names, until `detach`. RUN_HELD if another live process has it. */
  attach?(runId: string, start: Start, host: Host): Promise<Attachment>
  /** Begins to work: claims runs of the host's programs. */
  serve(host: Host, options?: ServeOptions): Promise<{ stop(): Promise<void> }>
  /** Where the manifest says so. */
  readonly outbox?: EngineOutbox
  /** Where the manifest says so: a commit of its own on the author's tables. Rejects with what `body` throws. */
  transaction?<T>(body: (database: TransactionDatabase) => T): Promise<T>
  close(): Promise<void>
}

export interface DiscardOptions {
  /** Also where messages are not delivered or somebody is asked. */
  readonly force?: boolean
}

export interface Fork {
  readonly runId: string
  /** As in `planFork`. */
  readonly at?: number | string
  readonly effects: ForkEffects
  /** Default: that of the original. */
  readonly input?: Json
  readonly version?: string
}

export interface ServeOptions {
  /** Advances at once; default 100. */
  readonly concurrency?: number
  /** What delivers messages of the outbox here; asked at each look. */
  readonly outbox?: () => readonly OutboxHandler[]
}

export interface Attachment {
  /** Resolves when the run has ended, rejects when the claim was lost. */
  readonly ended: Promise<Outcome>
  detach(): Promise<void>
}

// ── 4. What keeps things where the engine does not, and around every engine ─────────────────────────────────────────

/** Handed in by the engine with each advance; carries the fence. */
export interface Journal {
  /** `load` reaches back over rotations: they need no copy of the entries. */
  readonly keepsAll?: boolean
  load(from: number): Promise<readonly Entry[]>
  /** Only where the manifest says `store`. Compare-and-set on `at`; resolves when durable, in a later macrotask. LeaseLostError when fenced out. */
  append?(at: number, entries: readonly Entry[], durability?: Durability): Promise<void>
  /** Makes durable what was appended as `written`, and whatever else was before. Without it nothing may be. */
  sync?(): Promise<void>
  /** Where the manifest says so: as `append`, of the one entry that `write` makes inside of the commit, and gives back. */
  transact?(at: number, write: TransactionWrite): Promise<Entry>
}

/**
 * What an append resolves on. `durable` (default): it outlives whatever the store is opened for. `written`: it outlives this
 * process; until the next durable write, or `sync`, nothing may be done that depends on it but asking the program what is next.
 */
export type Durability = 'durable' | 'written'

/** Content-addressed bytes; `put` resolves when durable. */
export interface Blobs {
  put(bytes: Uint8Array): Promise<string>
  get(hash: string): Promise<Uint8Array>
}

export interface Clock {
  /** Epoch milliseconds. */
  now(): number
  /** Milliseconds that only grow, unmoved by changes of the wall clock. */
  monotonic(): number
  /** Calls back once after so many milliseconds (any length); the returned function cancels. Does not keep the process alive by itself. */
  timer(ms: number, callback: () => void): () => void
}

/** What core needs of a platform. */
export interface Runtime {
  sha256(text: string): Uint8Array
  deflate(bytes: Uint8Array): Uint8Array
  inflate(bytes: Uint8Array): Uint8Array
  readonly context: {
    run<T>(value: StepContext | undefined, body: () => T): T
    get(): StepContext | undefined
    /** Calls what it is given in the asynchronous context of now: what an author keeps there is seen where he asked for it. */
    here(): <T>(body: () => T) => T
    /** Calls it outside of any request that happens to be served now. */
    outside<T>(body: () => T): T
  }
  readonly clock: Clock
  /** `bytes` random bytes, lower-case hexadecimal. */
  random(bytes: number): string
  /** Resolves in a later macrotask, when every promise reaction that could run has run. */
  drain(): Promise<void>
  /** Where this process runs, for people: host name and pid. */
  readonly identity: string
}
