/** Programs as data: what a random program does, so that a failing one can be printed, shrunk and read. */
import type { Effect } from '@selvage/core'

export type Plan =
  | StepPlan
  | { readonly do: 'seq' | 'all' | 'race'; readonly of: readonly Plan[] }
  /** A wait for a signal, at most so many milliseconds of host time. */
  | { readonly do: 'wait'; readonly name: string; readonly ms?: number }
  | { readonly do: 'sleep'; readonly ms: number }
  /** Given up after so many milliseconds; what was begun goes on in the background. */
  | { readonly do: 'limit'; readonly of: Plan; readonly ms: number }
  /** A question, and the wait for its answer. */
  | { readonly do: 'ask'; readonly ms?: number }
  | { readonly do: 'attempt'; readonly of: Plan; readonly otherwise: Plan }
  /** One or the other, as the number of things seen so far is even or odd. */
  | { readonly do: 'choose'; readonly even: Plan; readonly odd: Plan }
  | { readonly do: 'note'; readonly awaited: boolean }
  /** Chance, an id and the time. */
  | { readonly do: 'draw' }
  | { readonly do: 'child'; readonly of: Plan }
  /** Turns of the event loop of the author's own, which replay knows nothing about. */
  | { readonly do: 'pause'; readonly turns: number }
  /** In spite of a cancel. */
  | { readonly do: 'finally'; readonly of: Plan; readonly last: Plan }

export interface StepPlan {
  readonly do: 'step'
  readonly name: string
  /** Turns of the event loop before and after the effect. */
  readonly before: number
  readonly after: number
  readonly effect: Effect
  /** A target system that can be asked. */
  readonly reconcile: boolean
  /** The first so many attempts fail. */
  readonly fails: number
  /** Any attempt may fail, on one host and not on another. */
  readonly flaky: boolean
  readonly retries: number
  readonly retryMs: number
  /** Stops when its abortSignal fires. */
  readonly heeds: boolean
  /** Another step inside. */
  readonly nested: boolean
}
