/** Makes a failed or cancelled run go on where it failed. What becomes void is core's to say (`voidedByRetry`). */
import { type RunDescription, RunError, SelvageError, type Store, UsageError, voidedByRetry } from '@selvage/core'

/** RUN_ENDED if the run completed, BAD_INPUT if it has not ended, NOT_FOUND. */
export async function reopenRun(store: Store, runId: string, now: number): Promise<void> {
  const run = await store.describe(runId)
  if (run.status === 'completed') throw completed(run)
  if (run.status !== 'failed' && run.status !== 'cancelled') throw active(run)
  const entries = await store.load(runId, 0)
  try {
    await store.reopen(runId, entries.length, voidedByRetry(entries), now)
  } catch (error) {
    // The journal grew meanwhile: somebody else has retried it.
    throw SelvageError.is(error, 'JOURNAL_GAP') ? active(await store.describe(runId)) : error
  }
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
