/**
 * The journal of a run: an append-only sequence of entries, numbered from 0 without gaps.
 *
 * Entry 0 is always `start`. After it, entries say what was settled and in which order; they never say what the
 * program is about to do, with two exceptions: `intent` (an effect `once` is about to begin) and `open` (a person or
 * an outside system is being asked), and with them `undo`: how the run will end. A journal ends with `end`; only a
 * `reopen`, which makes that end void, may follow it.
 *
 * What is never true: two `step` entries with one key and a final outcome; a `step` of an effect `once` without an
 * `intent` of the same key and attempt before it; a signal id journaled twice.
 */
import type { ErrorJson } from '../errors.ts'
import type { CancelCause } from '../fibers/deadline.ts'
import type { OutboxMessage } from '../outbox.ts'
import type { Json, JsonObject } from '../values/json.ts'

export type OpKind = 'model' | 'tool' | 'code' | 'child'

/** What a tool or step does outside: see docs/guarantees.md. */
export type Effect = 'read' | 'idempotent' | 'once'

/** What a step is: enough to find it again (`key`), to tell that code changed (`kind`, `name`, `check`), to show it. */
export interface Op {
  /** Unique in the run. Says *what* is done, not where. */
  readonly key: string
  readonly kind: OpKind
  readonly name: string
  /** Hash of the rendered request. Replay compares it; folding notes a difference. */
  readonly check?: string
  /** Shown to people and handed to `reconcile`; only recorded with an intent. */
  readonly input?: Json
  /** `idempotent` unless declared. */
  readonly effect?: Effect
  /** Milliseconds an attempt may take before its `abortSignal` fires and the attempt fails with STEP_TIMEOUT. */
  readonly timeoutMs?: number
}

/** What becomes of an effect of a forked run: see docs/forks.md. By the key of a step, or its name; `*` for all others. */
export type ForkPolicy = 'reuse' | 'dry-run' | 'ask'
export type ForkEffects = ForkPolicy | { readonly [stepOrTool: string]: ForkPolicy }

/** What starts a run. Two starts of one id are equal if program and canonical input are. */
export interface Start {
  readonly program: string
  readonly version?: string
  readonly input: Json
  readonly parent?: { readonly runId: string; readonly key: string }
  readonly tenant?: string
  readonly queue?: string
  readonly tags?: { readonly [key: string]: string }
  /** The run that it was forked from, how many of its entries come before, and how many of them stand in this journal. */
  readonly forkedFrom?: {
    readonly runId: string
    readonly at: number
    readonly entries: number
    /** Of the original: what follows from chance and ids in the prefix is what it was. */
    readonly salt: string
    readonly effects: ForkEffects
  }
  /** Epoch milliseconds; after it the run is cancelled, with `deadlineReason` as the reason. */
  readonly deadline?: number
  /** Ids of the pots that it draws on beside its own: those of the runs that it descends from, the nearest last. */
  readonly pots?: readonly string[]
}

/** Named, buffered, first writer of `id` wins. `$`-names belong to Selvage. */
export interface Signal {
  readonly id: string
  readonly name: string
  readonly payload: Json
  /** Who sent it, for people. */
  readonly by?: string
  /** How it came, where that is to be known: of a signed link `link:<hash of its token>`. */
  readonly via?: string
  /** Epoch milliseconds at which it was accepted. Filled in by the engine. */
  readonly at?: number
}

export type StepOutcome =
  | { readonly ok: Json }
  | { readonly error: ErrorJson }
  | { readonly unknown: string }
  | { readonly interrupts: readonly Json[] }

/**
 * `step`: the key of the step whose failure ended the run, if it was one; `retry` begins there, and makes `voids` void as
 * well (absent in older journals). `because`: what cancelled the run, where it was nobody. `undone`: what it did was undone, as
 * far as it could be, so it cannot be retried.
 */
export type Outcome =
  | { readonly ok: Json }
  | { readonly error: ErrorJson; readonly step?: string; readonly voids?: readonly string[]; readonly undone?: true }
  | { readonly cancelled: string; readonly because?: CancelCause; readonly undone?: true }

/** How a run ends that does not complete. */
export type Failure = Exclude<Outcome, { readonly ok: Json }>

/** What is asked. A store may keep their places: a new one goes behind them. */
export const QUESTION_KINDS = ['approval', 'interrupt', 'callback', 'unknown', 'budget', 'compensation'] as const

/** A question to somebody outside. Its answer is the signal whose id and name are this id. */
export interface Question {
  /** `ap_…` for approvals and interrupts, `cb_…` for callbacks. Unique over all runs. */
  readonly id: string
  /** `compensation`: whether a step is undone. The run ends while it is open, and goes on with the answer. */
  readonly kind: (typeof QUESTION_KINDS)[number]
  readonly name: string
  readonly tool?: string
  readonly input?: Json
  readonly inputHash?: string
  readonly reason?: Json
  readonly assignee?: string
  /** Epoch milliseconds. */
  readonly expiresAt?: number
  /** JSON Schema of the arguments: those that an answer puts in their place must fit it. */
  readonly inputSchema?: JsonObject
  /** JSON Schema of the data that a yes must bring. */
  readonly schema?: JsonObject
  /** So many of these people must say yes, each of them once. */
  readonly quorum?: { readonly need: number; readonly of: readonly string[] }
  /** 2, 3, … where those before have not answered in time. */
  readonly level?: number
  /** The question is asked again, since its answer did not fit what the program expects. */
  readonly refused?: { readonly question: string; readonly by?: string; readonly issues: readonly Issue[] }
}

/** What is wrong with a value, and where. `path`: `a.0.b`, empty for the value itself. */
export interface Issue {
  readonly path: string
  readonly message: string
}

export type EntryBody =
  /** `salt` enters every idempotency key: a run id used anew after deletion gets new keys. */
  | { readonly type: 'start'; readonly start: Start; readonly salt: string }
  /** An effect `once` is about to begin on `host`. Durable before the effect. */
  | { readonly type: 'intent'; readonly key: string; readonly op: Op; readonly attempt: number; readonly host: string }
  /** A failed attempt that will be made again, not before `retryAt` (epoch ms). */
  | {
      readonly type: 'retry'
      readonly key: string
      readonly op: Op
      readonly attempt: number
      readonly error: ErrorJson
      readonly retryAt: number
      /** What the program has decided about the next attempt: which model it asks, for example. */
      readonly next?: Json
    }
  | {
      readonly type: 'step'
      readonly key: string
      readonly op: Op
      readonly attempt: number
      readonly startedAt: number
      readonly outcome: StepOutcome
    }
  | { readonly type: 'signal'; readonly signal: Signal }
  /** A question was asked; durable before anybody is told. Closed by the `wait` entry of the same key. */
  | { readonly type: 'open'; readonly key: string; readonly question: Question }
  /** A wait is over: by that signal, or, without one, by time. */
  | { readonly type: 'wait'; readonly key: string; readonly signalId?: string }
  /** What folding needs beside the steps: message splices, state, usage. */
  | { readonly type: 'state'; readonly key: string; readonly patch: JsonObject }
  /**
   * The run will end so, once what it did is undone. Whatever came before stands; nothing new begins but compensations.
   * Keys of steps without an outcome: `inFlight`, in the process that wrote this; `lost`, perhaps in one that died.
   */
  | {
      readonly type: 'undo'
      readonly outcome: Failure
      readonly inFlight: readonly string[]
      readonly lost: readonly string[]
    }
  /** Of a fork: what the original did behind the place where it was forked. */
  | {
      readonly type: 'past'
      readonly key: string
      readonly op: Op
      readonly attempt: number
      readonly outcome: { readonly ok: Json } | { readonly unknown: string }
    }
  | { readonly type: 'end'; readonly outcome: Outcome }
  /**
   * The run goes on: the `end` before this entry is void. Retried, so are a cancel and the steps and waits of these keys;
   * with `undo` somebody has answered what it left open, and nothing else is void.
   */
  | { readonly type: 'reopen'; readonly voided: readonly string[]; readonly by?: string; readonly undo?: true }

export type Entry = EntryBody & {
  /** Absolute over all generations. */
  readonly seq: number
  /** Host time, epoch milliseconds. */
  readonly at: number
  /** Messages that are to be delivered once this entry is durable: its outbox keeps them from that very commit on. */
  readonly sent?: readonly OutboxMessage[]
}

export type EntryOf<Type extends Entry['type']> = Extract<Entry, { type: Type }>
