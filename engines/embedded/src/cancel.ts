/**
 * Cancelling is a signal, so that it is journaled, wakes a suspended run, and reaches a live one at once. What remains
 * is for a worker to do: abort, compensate, end.
 *
 * A run that no worker ever began has nothing to abort and nothing to compensate: it is ended here, at once, whether or
 * not anybody works. Not if it has a parent, which its host would have to tell.
 */
import {
  causeFrom,
  type Entry,
  type Outcome,
  type RunDescription,
  type Runtime,
  SelvageError,
  type Signal,
  type SignalReceipt,
  type Store,
  sendCancel,
} from '@selvage/core'

export interface Canceller {
  readonly store: Store
  readonly runtime: Runtime
  signal(runId: string, signal: Signal): Promise<SignalReceipt>
  workerId(): Promise<string>
}

/** Idempotent. RUN_ENDED if it completed or failed. */
export async function cancelRun(
  canceller: Canceller,
  runId: string,
  reason: string,
  by: string | undefined,
): Promise<void> {
  const { store, signal } = canceller
  const runs = { signal, describe: store.describe.bind(store), reopenings: (id: string) => reopenings(store, id) }
  const receipt = await sendCancel(runs, runId, reason, by)
  if (receipt === undefined) return
  const run = await store.describe(runId)
  if (hasNotBegun(run)) await endUnbegun(canceller, runId)
}

async function reopenings(store: Store, runId: string): Promise<number> {
  return (await store.load(runId, 0)).filter((entry) => entry.type === 'reopen').length
}

function hasNotBegun(run: RunDescription): boolean {
  return run.status === 'pending' && run.entries === 1 && run.start.parent === undefined
}

async function endUnbegun({ store, runtime, workerId }: Canceller, runId: string): Promise<void> {
  try {
    const at = runtime.clock.now()
    const { fence, cursor, signals } = await store.claimRun(await workerId(), runId, at)
    const cancel = signals.find((signal) => signal.name === '$cancel')
    if (cursor > 1 || cancel === undefined) {
      await store.release(runId, fence, at)
      return
    }
    const because = causeFrom(cancel.by)
    const outcome: Outcome = { cancelled: String(cancel.payload), ...(because !== undefined && { because }) }
    const entries: Entry[] = [
      { seq: 1, at, type: 'signal', signal: cancel },
      { seq: 2, at, type: 'end', outcome },
    ]
    await store.append(runId, fence, 1, entries)
    await store.finish(runId, fence, outcome, at)
  } catch (error) {
    // A worker was faster: it does the same.
    if (!SelvageError.is(error, 'RUN_HELD') && !SelvageError.is(error, 'RUN_ENDED')) throw error
  }
}
