/**
 * The outbox: messages that are sent after the commit that records them, in spite of every death in between.
 *
 *   recorded with an entry ─▶ waiting ──claim──▶ delivering ──settle──▶ delivered
 *                              ▲  ▲                 │    └───────────▶ dead
 *                              │  └─ failed, released, its worker died ─┘   │
 *                              └────────────────── resend ─────────────────┘
 *
 * A message is in the outbox exactly if the entry that carries it is in the journal: one commit makes both. It is
 * delivered at least once, always with the same id, by one worker at a time (a claim has a fence, as that of a run), and
 * not before the messages that its run sent earlier are delivered or dead. Topics that begin with `$` belong to Selvage;
 * each of those has an order of its own, so that a webhook that is down holds up no message of an author's.
 */
import type { ErrorJson } from './errors.ts'
import type { Subscription } from './notices.ts'
import type { Page } from './records.ts'
import type { Json } from './values/json.ts'

/** A message as an entry carries it. */
export interface OutboxMessage {
  /** `msg_…`, unique over all runs, the same on every replay; also its idempotency key. */
  readonly id: string
  readonly topic: string
  readonly payload: Json
}

export type MessageState = 'waiting' | 'delivering' | 'delivered' | 'dead'

/** A message with what became of it. */
export interface MessageRecord extends OutboxMessage {
  readonly runId: string
  readonly state: MessageState
  /** Deliveries begun since it was sent, or sent again. */
  readonly attempts: number
  /** Epoch milliseconds of the commit. */
  readonly sentAt: number
  /** While it waits: when it is due. Not there behind an earlier message of its run. */
  readonly dueAt?: number
  /** Epoch milliseconds at which it was delivered or given up. */
  readonly settledAt?: number
  /** How its last delivery failed. */
  readonly error?: ErrorJson
}

export interface MessageQuery {
  readonly state?: MessageState
  readonly topic?: string
  readonly runId?: string
  /** 1–1,000; default 50. Newest first. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}

/** A message in the hands of a worker. */
export interface MessageClaim extends OutboxMessage {
  readonly runId: string
  readonly fence: number
  /** 1, 2, … */
  readonly attempt: number
  /** The worker that died while it delivered this message. */
  readonly recoveredFrom?: string
}

/** How a delivery went. Times are epoch milliseconds. */
export type Delivered =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly at: number; readonly error: ErrorJson }
  | { readonly kind: 'dead'; readonly error: ErrorJson }
  /** It was not tried to the end: the attempt does not count. */
  | { readonly kind: 'released' }

/** What the embedded engine needs of a store for it. A store without it keeps no outbox. */
export interface OutboxStore {
  /** Claims messages of these topics that are due, oldest due first. */
  claim(workerId: string, topics: readonly string[], limit: number, now: number): Promise<readonly MessageClaim[]>
  /** LEASE_LOST if the claim is no longer the newest. */
  settle(claim: MessageClaim, how: Delivered, now: number): Promise<void>
  /** A dead message waits again, its attempts counted anew. NOT_FOUND; RUN_ENDED never; BAD_INPUT if it is not dead. */
  resend(id: string, now: number): Promise<void>
  /** When the next message of these topics is due. */
  nextDue(topics: readonly string[]): Promise<number | undefined>
  list(query: MessageQuery): Promise<Page<MessageRecord>>
  /** NOT_FOUND. */
  message(id: string): Promise<MessageRecord>
  /** From now on these topics are sent notices: see notices.ts. Called again it says that they are served still. */
  subscribe?(subscriptions: readonly Subscription[], now: number): Promise<void>
}

/** What delivers messages of a topic. */
export interface OutboxHandler {
  readonly topic: string
  /** Resolves when the message is where it belongs. */
  deliver(message: MessageClaim, abortSignal: AbortSignal): Promise<void>
  /** Milliseconds until the next attempt; undefined: the message is dead. */
  retryAfterMs(error: unknown, attempt: number): number | undefined
  /** Milliseconds that one delivery may take. */
  readonly timeoutMs: number
}

/** What an engine with an outbox offers to who looks after it. */
export type EngineOutbox = Pick<OutboxStore, 'list' | 'message'> & {
  resend(id: string): Promise<void>
  subscribe?(subscriptions: readonly Subscription[]): Promise<void>
}
