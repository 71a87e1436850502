/** What a program has asked for and not been given yet. */
import type { EntryBody, Op } from '../journal/entry.ts'
import type { OutboxMessage } from '../outbox.ts'
import type { StepBehaviour, StepContext, WaitResult } from '../ports.ts'
import type { Transaction } from '../transaction.ts'

/**
 * A step between request and outcome:
 *
 *   asked ──▶ running ──▶ recorded ──(settled)──▶ gone
 *     └─ once ─▶ intended ─▶ running
 *   running ──(failed, to be tried again)──▶ recorded ──(settled)──▶ asked, not before `notBefore`
 *
 * `asked` while answers come from the journal, too: a step is never started before replay is over.
 */
export interface AskedStep {
  readonly op: Op
  readonly live: (at: StepContext) => unknown
  /** Calls it where it was asked for: in the author's asynchronous context, and in nobody else's. */
  readonly here: <T>(body: () => T) => T
  readonly behaviour: StepBehaviour<unknown>
  /** What runs inside of the commit, in place of `live`. */
  readonly transact: ((transaction: Transaction) => unknown) | undefined
  readonly shielded: boolean
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  phase: 'asked' | 'intended' | 'running' | 'recorded'
  attempt: number
  /** Host time before which the next attempt must not start. */
  notBefore: number
  /** What the attempt has sent so far. */
  sent: OutboxMessage[] | undefined
}

export interface AskedWait {
  readonly key: string
  readonly signalName: string
  readonly until: number | undefined
  readonly shielded: boolean
  readonly resolve: (result: WaitResult<unknown>) => void
  readonly reject: (error: unknown) => void
}

/** An `open` or `state` on its way into the journal. */
export interface AskedNote {
  readonly body: Extract<EntryBody, { type: 'open' | 'state' }>
  /** With when it was made. */
  readonly resolve: (at: number) => void
  produced: boolean
}
