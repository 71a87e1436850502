/**
 * Notices: what happens to runs and questions, for those outside who asked to be told. A subscriber is a topic of the
 * outbox that begins with `$notify/`, with the notices that it wants. From its first subscription on, the store puts a
 * message into the outbox in the very commit that makes each of them true, whatever process makes it; nobody is told of
 * anything older. Where nobody has subscribed nothing is looked at.
 */

/** In this order, which stores count on: new ones come last. */
export const NOTICES = [
  'run.started',
  'run.suspended',
  'run.completed',
  'run.failed',
  'run.cancelled',
  'run.retried',
  'question.opened',
  'question.reminder',
  'question.escalated',
  'question.delegated',
  'question.voted',
  'question.answered',
  'question.expired',
  'effect.unknown',
  'budget.exceeded',
] as const

export type NoticeType = (typeof NOTICES)[number]

/** The payload of its message: what must be told as it was then. The rest is read when it is delivered. */
export interface Notice {
  readonly type: NoticeType
  /** Epoch milliseconds, where the commit says when. */
  readonly at?: number
  /** Id of the question. */
  readonly question?: string
  /** Of a delegation. */
  readonly from?: string
  readonly to?: string
  /** Of several people: whose place. */
  readonly seat?: string
  /** Key of the step. */
  readonly step?: string
  /** Of a run that is suspended. */
  readonly waitsFor?: { readonly signals: readonly string[]; readonly until?: number }
}

export interface Subscription {
  readonly topic: string
  readonly notices: readonly NoticeType[]
}

/** A subscriber that nobody has served for so long is forgotten, with all that it was to be told: 30 days. */
export const FORGET_SUBSCRIBER_MS = 2_592_000_000
