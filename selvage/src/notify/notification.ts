/** What those outside are told, and how they are reached. */
import type { Delegation, Duration, ErrorJson, NoticeType, RunStatus } from '@selvage/core'
import type { RetryPolicy } from '@selvage/programs'
import type { Approval } from '../people/inbox.ts'

/** One thing that happened. Runs and questions are as they are when it is delivered, which may be later. */
export interface Notification {
  /** The same at every delivery: whoever sees it again has been told before. */
  readonly id: string
  readonly type: NoticeType
  /** When it happened: epoch milliseconds. */
  readonly at: number
  readonly run: {
    readonly id: string
    readonly program: string
    readonly version?: string
    readonly status: RunStatus
    readonly parent?: string
    readonly tenant?: string
    readonly tags: { readonly [key: string]: string }
    /** Of a run that has failed. */
    readonly error?: Pick<ErrorJson, 'name' | 'message' | 'code'>
    /** Of a run that was cancelled. */
    readonly reason?: string
  }
  /** Of `question.…` and `budget.exceeded`. Its `status` tells whether it still wants an answer. */
  readonly question?: Approval
  /** Of `question.delegated`. */
  readonly delegated?: Pick<Delegation, 'from' | 'to' | 'seat'>
  /** Of `question.voted`: in whose place. */
  readonly seat?: string
  /** Of `effect.unknown`: the key of the step. */
  readonly step?: string
  /** Of `run.suspended`: what it waited for. */
  readonly waitsFor?: { readonly signals: readonly string[]; readonly until?: number }
}

/** One delivery of a notification. */
export interface NotificationDelivery {
  /** 1, 2, … */
  readonly attempt: number
  /** Fires when the delivery takes too long, and when this worker stops. */
  readonly abortSignal: AbortSignal
}

/** Somebody outside. Each is told for itself: one that is down holds up nobody else. */
export interface NotifyTarget {
  /** Tells it from the others, and must stay the same over deploys: what waits to be delivered goes by it. */
  readonly name: string
  /** Default: all. */
  readonly events?: readonly NoticeType[]
  /** Resolves when it was told. Called again after it rejected, after a crash, and never twice at once for one run. */
  deliver(notification: Notification, delivery: NotificationDelivery): Promise<unknown> | unknown
  /** Default: 20 attempts, after 1 second, doubled up to 1 hour: they go on for about 10 hours. */
  readonly retry?: RetryPolicy
  /** How long one delivery may take. Default 30 seconds. */
  readonly timeout?: Duration
}

/** A function is told everything; its name, or else its place in the list, stands for it over deploys. */
export type Notify = NotifyTarget | ((notification: Notification, delivery: NotificationDelivery) => unknown)
