/**
 * The two commands that are more than one message on any engine. `retry` makes a failed or cancelled run go on where it
 * failed; what becomes void is said in known.ts. `cancel` is a signal, so that it is journaled, wakes a suspended run, and
 * reaches a live one at once.
 */
import { RunError, SelvageError } from '../errors.ts'
import type { Entry, Signal } from '../journal/entry.ts'
import { childrenToRetry, refuseUndone, voidedByRetry } from '../journal/known.ts'
import type { SignalReceipt } from '../ports.ts'
import type { RunDescription } from '../records.ts'
import { isActive } from '../stores/refusals.ts'

/** What an engine or store brings for `retry`. */
export interface Reopening {
  describe(runId: string): Promise<RunDescription>
  load(runId: string, from: number): Promise<readonly Entry[]>
  /** Appends `reopen` at `at`: JOURNAL_GAP if the journal is not that long. */
  reopen(runId: string, at: number, voided: readonly string[], now: number): Promise<void>
}

/** What an engine brings for `cancel`. */
export interface Cancelling {
  describe(runId: string): Promise<Pick<RunDescription, 'status'>>
  /** How often the run was retried. */
  reopenings(runId: string): Promise<number>
  signal(runId: string, signal: Signal): Promise<SignalReceipt>
}

/** Idempotent; undefined: cancelled already. RUN_ENDED if it completed or failed, NOT_FOUND. */
export async function sendCancel(
  { describe, reopenings, signal }: Cancelling,
  runId: string,
  reason: string,
  by?: string,
): Promise<SignalReceipt | undefined> {
  try {
    const receipt = await signal(runId, cancelSignal(reason, by, 0))
    if (receipt.accepted) return receipt
    // The id is taken: by this life of the run, or by one before it was retried.
    const lives = await reopenings(runId)
    return lives === 0 ? receipt : await signal(runId, cancelSignal(reason, by, lives))
  } catch (error) {
    if (SelvageError.is(error, 'RUN_ENDED') && (await describe(runId)).status === 'cancelled') return undefined
    throw error
  }
}

function cancelSignal(reason: string, by: string | undefined, reopenings: number): Signal {
  const id = reopenings === 0 ? '$cancel' : `$cancel#${reopenings + 1}`
  return { id, name: '$cancel', payload: reason, ...(by !== undefined && { by }) }
}

/**
 * RUN_ENDED if the run completed, RUN_UNDONE if it was undone, BAD_INPUT if it has not ended, NOT_FOUND. A child whose
 * failure ended the run is retried before it: a process that dies in between leaves nothing that a second retry does not
 * mend.
 */
export async function reopenRun(runs: Reopening, runId: string, now: number): Promise<void> {
  const run = await runs.describe(runId)
  if (run.status === 'completed') throw completed(run)
  if (run.status !== 'failed' && run.status !== 'cancelled') throw isActive(run.id, run.status)
  const entries = await runs.load(runId, 0)
  refuseUndone(runId, entries)
  const voided = voidedByRetry(entries)
  for (const child of childrenToRetry(entries, voided)) await reopenChild(runs, child, now)
  try {
    await runs.reopen(runId, entries.length, voided, now)
  } catch (error) {
    // The journal grew meanwhile: somebody else has retried it.
    throw SelvageError.is(error, 'JOURNAL_GAP') ? isActive(runId, (await runs.describe(runId)).status) : error
  }
}

async function reopenChild(runs: Reopening, runId: string, now: number): Promise<void> {
  const { status } = await runs.describe(runId)
  if (status === 'failed' || status === 'cancelled') await reopenRun(runs, runId, now)
}

const completed = ({ id, status }: RunDescription): RunError =>
  new RunError('RUN_ENDED', `Run ${id} has completed; only a failed or cancelled run can be retried.`, {
    hint: 'To do its work again, start a run with another id.',
    details: { runId: id, status },
  })
