/** What executions are started with, and what their steps leave in the service's own record. */
import type { Entry, Json, OpKind, Outcome, Progress, Signal, Start } from '@selvage/core'

/** What `lambdaHandler` is invoked with. */
export type Payload = RunPayload | SignalPayload

/** A generation of a run. */
export interface RunPayload {
  readonly selvage: 'run'
  readonly runId: string
  readonly generation: number
  readonly start: Start
  /** Chosen by whoever starts it: two that start the same at once are told apart. */
  readonly nonce: string
  /** Not before. Epoch milliseconds. */
  readonly startAt?: number
  /** Of the generations before. */
  readonly past?: Past
  /** The run had ended and goes on. */
  readonly reopen?: { readonly at: number; readonly entries: number; readonly voided: readonly string[] }
  /** Sent and not in the journal yet. */
  readonly letters?: readonly Letter[]
}

export interface Past {
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly entries: number
  readonly steps: number
  readonly reopenings: number
  /** For each generation the blob that holds its entries; null: they are read from its execution. */
  readonly archives: readonly (string | null)[]
}

/** A signal on its way to a run. The execution that is started with it delivers it, if its sender does not. */
export interface SignalPayload {
  readonly selvage: 'signal'
  readonly runId: string
  readonly nonce: string
  readonly letter: Letter
  /** When it was sent. Epoch milliseconds. */
  readonly at: number
}

/** What is put into a callback of a run's inbox. `wake`: a suspended program has asked for something. */
export type Letter = { readonly signal: Signal } | { readonly blob: string } | { readonly wake: true }

/** Closes a callback that nobody may use any more. */
export const CLOSED = 'null'

/** Entries in a result, or the blob that holds them. */
export type Kept = readonly Entry[] | { readonly blob: string; readonly count: number }

/** What an advance leaves as the result of its step: all that the loop needs of it, and the entries. */
export type Advanced = AdvanceRecord &
  (
    | { readonly kind: 'continue' }
    | { readonly kind: 'wait'; readonly signals: readonly string[]; readonly until?: number }
    | { readonly kind: 'rotate'; readonly cursor: number }
    | { readonly kind: 'done'; readonly outcome: Outcome }
  )

export interface AdvanceRecord {
  readonly cursor: number
  readonly entries: Kept
  readonly mark?: string
  readonly next: readonly { readonly key: string; readonly kind: OpKind; readonly name: string }[]
  readonly received: readonly string[]
  readonly status?: Json
  /** When it was over. Epoch milliseconds. */
  readonly at: number
  /** Steps with an outcome and reopenings, over all generations. */
  readonly steps: number
  readonly reopenings: number
  /** Callbacks of the inbox that have been read: so many more are opened. */
  readonly heard: number
  /** Something is in the inbox already: nothing to wait for. */
  readonly called?: true
  /** The invocation has little time left: the next advance is for another one. */
  readonly isLate?: true
}

/** The advance could not be made; it is tried again. */
export interface Failed {
  readonly kind: 'failed'
  readonly heard: number
  readonly message: string
  readonly afterSeconds: number
}

/** What an execution comes to. `next`: another generation goes on. */
export type Result = { readonly outcome: Outcome } | { readonly next: number }

export function stepsIn(entries: readonly Entry[]): number {
  return entries.filter(({ type }) => type === 'step').length
}

export function toProgress(advanced: Advanced): Progress {
  const { kind, cursor, mark, next, received, status } = advanced
  const common = {
    cursor,
    entries: [],
    next,
    received,
    ...(mark !== undefined && { mark }),
    ...(status !== undefined && { status }),
  }
  if (kind === 'rotate') return { ...common, kind, seed: { cursor } }
  if (kind === 'done') return { ...common, kind, outcome: advanced.outcome }
  if (kind === 'continue') return { ...common, kind }
  const { signals, until } = advanced
  return { ...common, kind, signals, ...(until !== undefined && { until }) }
}
