/** Makes a failed or cancelled run go on where it failed. What becomes void is core's to say (`voidedByRetry`). */
import {
  childrenToRetry,
  type RunDescription,
  RunError,
  refuseUndone,
  SelvageError,
  type Store,
  UsageError,
  voidedByRetry,
} from '@selvage/core'

/**
 * RUN_ENDED if the run completed, RUN_UNDONE if it was undone, BAD_INPUT if it has not ended, NOT_FOUND. A child whose failure ended the run is
 * retried before it: a process that dies in between leaves nothing that a second retry does not mend.
 */
export async function reopenRun(store: Store, runId: string, now: number): Promise<void> {
  const run = await store.describe(runId)
  if (run.status === 'completed') throw completed(run)
  if (run.status !== 'failed' && run.status !== 'cancelled') throw active(run)
  const entries = await store.load(runId, 0)
  refuseUndone(runId, entries)
  const voided = voidedByRetry(entries)
  for (const child of childrenToRetry(entries, voided)) await reopenChild(store, child, now)
  try {
    await store.reopen(runId, entries.length, voided, now)
  } catch (error) {
    // The journal grew meanwhile: somebody else has retried it.
    throw SelvageError.is(error, 'JOURNAL_GAP') ? active(await store.describe(runId)) : error
  }
}

async function reopenChild(store: Store, runId: string, now: number): Promise<void> {
  const { status } = await store.describe(runId)
  if (status === 'failed' || status === 'cancelled') await reopenRun(store, runId, now)
}

const completed = ({ id, status }: RunDescription): RunError =>
  new RunError('RUN_ENDED', `Run ${id} has completed; only a failed or cancelled run can be retried.`, {
    hint: 'To do its work again, start a run with another id.',
    details: { runId: id, status },
  })

const active = ({ id, status }: RunDescription): UsageError =>
  new UsageError('BAD_INPUT', `Run ${id} is ${status}; only a failed or cancelled run can be retried.`, {
    hint: 'Wait until it ends, or cancel it first.',
    details: { runId: id, status },
  })
