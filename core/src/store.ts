/**
 * The port of a store: what the embedded engine needs of a database. One function per transition of a run, never an
 * update of arbitrary columns. Times are parameters. Implementations: stores/sqlite.
 *
 *   create ──▶ pending ──claim──▶ running ──suspend, postpone──▶ suspended ──(signal, timer)──▶ claim …
 *                 ▲                  │ └────finish──▶ completed | failed | cancelled
 *                 └──── release ─────┘                      └──reopen──▶ pending
 *
 * A claim hands out a fence, an integer that grows with each claim of the run. Every write of an owner carries its
 * fence and is refused with LeaseLostError if a newer one exists. A worker is dead when its liveness lock is free, or
 * when its lease has run out; its runs can then be claimed at once.
 */
import type { Entry, Outcome, Signal, Start } from './journal/entry.ts'
import type { OutboxStore } from './outbox.ts'
import type { Blobs, DiscardOptions, Durability, SignalReceipt } from './ports.ts'
import type { Pots } from './pots.ts'
import type {
  Page,
  QuestionQuery,
  QuestionRecord,
  RunClaim,
  RunDescription,
  RunQuery,
  RunStatus,
  RunSummary,
  UnknownQuery,
  UnknownStep,
} from './records.ts'
import type { TransactionDatabase, TransactionWrite } from './transaction.ts'
import type { Json } from './values/json.ts'

/**
 * A run whose process died so often in a row without moving it is a suspect, and a worker is given one suspect at a time: so
 * the run that kills its process is found out without those that were beside it.
 */
export const SUSPECT_CRASHES = 2

/** A run in the hands of a worker. */
export interface Claim {
  readonly runId: string
  readonly fence: number
  readonly start: Start
  /** Entries in the journal. */
  readonly cursor: number
  /** Signals that are not in the journal yet, oldest first. */
  readonly signals: readonly Signal[]
  /** 1 + claims in a row whose worker died without moving the cursor. */
  readonly delivery: number
  /** The worker that had it, if it was taken from a dead one. */
  readonly recoveredFrom?: string
}

export interface WorkerIdentity {
  /** Unique to this worker; ids are never used again. */
  readonly id: string
  readonly pid: number
  readonly host: string
}

export interface Programs {
  readonly name: string
  readonly version?: string
}

export interface NewRun {
  readonly runId: string
  readonly start: Start
  readonly salt: string
  /** Canonical JSON of the input: what makes two starts equal. */
  readonly inputHash: string
  readonly startAt?: number
  /** Epoch milliseconds of the start entry. */
  readonly at: number
  /** Of a fork: what its journal begins with behind the start, numbered from 1. */
  readonly entries?: readonly Entry[]
}

export interface RunGlance {
  readonly runId: string
  readonly status: RunStatus
  /** In the journal. */
  readonly entries: number
  /** Who has it, while it is running. */
  readonly worker?: string
}

export interface Store {
  /** For messages: `sqlite:/path/to.db`. */
  readonly location: string
  readonly survives: 'process' | 'machine-crash' | 'nothing'
  readonly blobs: Blobs
  /** Messages to be sent after a commit; a store without it refuses entries that carry any. */
  readonly outbox?: OutboxStore
  /** Not there: programs with a budget are refused. */
  readonly pots?: Pots

  // workers
  /** Takes the liveness lock of a worker, which the kernel frees at death, and writes its lease. */
  enlist(worker: WorkerIdentity, leaseMs: number, now: number): Promise<void>
  /** Renews the lease of a worker (and so of all of its runs). */
  heartbeat(workerId: string, leaseMs: number, now: number): Promise<void>
  /**
   * Gives up the lock and the lease. `actsOn`: the process may still be doing what it began, and keeps the lock until it
   * ends, so that it counts as alive in `authorMayLive`.
   */
  dismiss(workerId: string, actsOn?: boolean): Promise<void>
  /** Runs of workers that are dead by lock or lease become claimable. Returns how many. Cheap when nobody died. */
  reap(now: number): Promise<number>
  /** So often `reap` is called, in milliseconds, where it costs little. */
  readonly reapEveryMs: number
  /** Whether the process of the worker that appended this entry may be alive, whatever became of its lease. */
  authorMayLive(runId: string, seq: number): Promise<boolean>
  /** Workers that `reap` would find dead. Changes nothing. Whoever has a run afterwards and is not among them is alive. */
  dead(now: number): Promise<readonly string[]>

  // transitions
  /** Writes the run and entry 0 in one commit. `existing`: the run was there with an equal start. RUN_CONFLICT if with another. */
  create(run: NewRun): Promise<{ readonly created: boolean }>
  /** Claims up to `limit` runs that are due (pending, woken by a signal or timer, orphaned) of these programs, oldest due first. */
  claim(
    workerId: string,
    programs: readonly Programs[],
    limit: number,
    now: number,
    /** Default true. False: no suspect, because something else is under way that may kill the worker. */
    suspects?: boolean,
  ): Promise<readonly Claim[]>
  /** Claims this run whatever its program, due or not. RUN_HELD if a live worker has it, NOT_FOUND, RUN_ENDED. */
  claimRun(workerId: string, runId: string, now: number): Promise<Claim>
  /** Group commit; resolves when durable. Compare-and-set on fence and `at` (JOURNAL_GAP). Projects `open`/`wait` to questions, `signal` to the inbox. */
  append(runId: string, fence: number, at: number, entries: readonly Entry[], durability?: Durability): Promise<void>
  /** As that of a journal. A store that makes each write durable at once has none. */
  sync?(): Promise<void>
  /** As `append`, of the one entry that `write` makes inside of the commit, beside the author's rows. */
  transact?(runId: string, fence: number, at: number, write: TransactionWrite): Promise<Entry>
  /** A commit of its own on the author's tables. Rejects with what `body` throws, and has then written nothing. */
  transaction?<T>(body: (database: TransactionDatabase) => T): Promise<T>
  /** Gives the run up until a signal of one of these names arrives or `until` is due. False: such a signal is there already, the claim stays. */
  suspend(
    runId: string,
    fence: number,
    waits: { readonly signals: readonly string[]; readonly until?: number },
    note: Json | undefined,
    now: number,
  ): Promise<boolean>
  /** Gives the run up until `until` or the next signal with a `$`-name, whatever is pending: infrastructure failed. */
  postpone(runId: string, fence: number, until: number, note: Json | undefined, now: number): Promise<void>
  /** Shows a value beside the status of a run that goes on, in place of the one before. Need not be durable. */
  show(runId: string, fence: number, note: Json): Promise<void>
  /** Gives the run back as pending: shutdown, or the end of a slice. */
  release(runId: string, fence: number, now: number): Promise<void>
  /** Ends the run. The journal's last entry must be `end`. */
  finish(runId: string, fence: number, outcome: Outcome, now: number): Promise<void>
  /** Appends `reopen` at `at` (JOURNAL_GAP if the journal is not that long); failed or cancelled → pending. */
  reopen(runId: string, at: number, voided: readonly string[], now: number): Promise<void>
  /** Takes an ended run, and those below it, away for good; their ids. NOT_FOUND, BAD_INPUT where something would be lost. */
  discard?(runId: string, options: DiscardOptions, now: number): Promise<readonly string[]>
  /** First writer of signal.id wins. Wakes the run if it waits for the name, or if the name starts with `$`. */
  signal(runId: string, signal: Signal, now: number): Promise<SignalReceipt>
  /**
   * Signals of a claimed run that arrived since the claim and are not in the journal, oldest first. `after`: the id of one that
   * was among them before; those that arrived before it may be left out.
   */
  pendingSignals(runId: string, after?: string): Promise<readonly Signal[]>
  /** Those of these runs that have such signals, in no order: cheap for thousands. */
  unheard(runIds: readonly string[]): Promise<readonly string[]>

  // reads
  load(runId: string, from: number, limit?: number): Promise<readonly Entry[]>
  describe(runId: string): Promise<RunDescription>
  /** Of those that exist what somebody who waits for a change compares, in no order: cheap for thousands. */
  glance(runIds: readonly string[]): Promise<readonly RunGlance[]>
  /** Claims of a run, oldest first: the newest 100. */
  claims(runId: string): Promise<readonly RunClaim[]>
  list(query: RunQuery): Promise<Page<RunSummary>>
  /** Steps whose recorded outcome is `unknown`, newest first. */
  unknownSteps(query: UnknownQuery): Promise<Page<UnknownStep>>
  questions(query: QuestionQuery): Promise<Page<QuestionRecord>>
  question(id: string): Promise<QuestionRecord>
  /** When the next pending or suspended run of these programs is due, if any. */
  nextDue(programs: readonly Programs[]): Promise<number | undefined>

  // wake-up
  /** Calls back after commits that were not made through this store, of other processes above all; the returned function stops. No queries in a loop. */
  watch(listener: () => void): () => void
  close(): Promise<void>
}
