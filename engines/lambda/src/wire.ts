/** What executions are started with, and what their steps leave in the service's own record. */
import type { Json, Outcome, Start } from '@selvage/core'
import type { Advanced as Common, Reopen } from '@selvage/core/engines'
import type { Kept } from './large.ts'

/** What `lambdaHandler` is invoked with. */
export type Payload = RunPayload | SignalPayload | QueuedPayload

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
  readonly reopen?: Reopen
}

export interface Past {
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly entries: number
  readonly steps: number
  readonly reopenings: number
  /** Signals of the queue that are in the journal, and how many were known to be there. */
  readonly taken: number
  readonly queued: number
  /** Of each generation its entries; null: they are read from its execution. */
  readonly archives: readonly (Kept | null)[]
}

/** The claim of a signal's id. The execution that is started with it sees that the signal has a number. */
export interface SignalPayload {
  readonly selvage: 'signal'
  readonly runId: string
  readonly id: string
  readonly nonce: string
  readonly letter: Letter
  /** Its number is not below this one. */
  readonly from: number
}

/** A signal at its place in the queue of a run. The execution that is started with it sees that the run hears of it. */
export interface QueuedPayload {
  readonly selvage: 'queued'
  readonly runId: string
  readonly id: string
  readonly nonce: string
  readonly letter: Letter
  readonly number: number
  /** When it was put there. Epoch milliseconds. */
  readonly at: number
}

/** A signal, or what stands for it. */
export type Letter = Json

/** What a callback of a run's inbox is completed with. `wake`: a suspended program has asked for something. */
export type Bell = { readonly number: number; readonly letter: Letter } | { readonly wake: true }

/** Closes a callback that nobody may use any more. */
export const CLOSED = 'null'

/** A step in which a run that is not to start yet looks at what has called it: nothing of it runs. */
export const LOOK = 'may it start'

/** What an advance leaves as the result of its step: all that the loop needs of it, and the entries. */
export type Advanced = Common<Kept> & {
  /** Callbacks of the inbox that have been read: so many more are opened. */
  readonly heard: number
  /** Signals of the queue that are in the journal. */
  readonly taken: number
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

export const NO_PAST: Past = { createdAt: 0, entries: 0, steps: 0, reopenings: 0, taken: 0, queued: 0, archives: [] }

/** Of a run that is a part of another execution: nothing is invoked with it. */
export function insidePayload(runId: string, start: Start): RunPayload {
  return { selvage: 'run', runId, generation: 0, start, nonce: '' }
}

/** How often the run was retried. */
export function reopeningsOf({ past = NO_PAST, reopen }: RunPayload): number {
  return past.reopenings + (reopen === undefined ? 0 : 1)
}
