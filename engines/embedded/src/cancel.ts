/**
 * Cancelling is a signal, so that it is journaled, wakes a suspended run, and reaches a live one at once. What remains
 * is for a worker to do: abort, compensate, end.
 *
 * A run that no worker ever began has nothing to abort and nothing to compensate: it is ended here, at once, whether or
 * not anybody works. Not if it has a parent, which its host would have to tell.
 */
import {
  type Claim,
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
import { backoffMs } from './backoff.ts'
import type { Reporter } from './report.ts'

export interface Canceller {
  readonly store: Store
  readonly runtime: Runtime
  readonly report: Reporter
  /** The engine was not closed: then nothing is left to be given back. */
  isOpen(): boolean
  signal(runId: string, signal: Signal): Promise<SignalReceipt>
  workerId(): Promise<string>
  /** The run can be claimed. */
  touched(runId: string): void
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

async function endUnbegun(canceller: Canceller, runId: string): Promise<void> {
  const { store, runtime, workerId } = canceller
  let claim: Claim
  try {
    claim = await store.claimRun(await workerId(), runId, runtime.clock.now())
  } catch (error) {
    // A worker was faster: it does the same.
    if (SelvageError.is(error, 'RUN_HELD') || SelvageError.is(error, 'RUN_ENDED')) return
    throw error
  }
  try {
    await endClaimed(canceller, claim)
  } catch (error) {
    await giveBack(canceller, claim)
    throw error
  }
}

async function endClaimed({ store, runtime }: Canceller, { runId, fence, cursor, signals }: Claim): Promise<void> {
  const at = runtime.clock.now()
  const cancel = signals.find((signal) => signal.name === '$cancel')
  if (cursor > 1 || cancel === undefined) return await store.release(runId, fence, at)
  const because = causeFrom(cancel.by)
  const outcome: Outcome = { cancelled: String(cancel.payload), ...(because !== undefined && { because }) }
  const entries: Entry[] = [
    { seq: 1, at, type: 'signal', signal: cancel },
    { seq: 2, at, type: 'end', outcome },
  ]
  await store.append(runId, fence, 1, entries)
  await store.finish(runId, fence, outcome, at)
}

/** Nobody holds it here: while it is claimed no worker can end it. What cannot be written now is tried until it can. Never rejects. */
async function giveBack(canceller: Canceller, claim: Claim, failures: number = 1): Promise<void> {
  const { store, runtime, report, isOpen, touched } = canceller
  try {
    await store.release(claim.runId, claim.fence, runtime.clock.now())
    touched(claim.runId)
  } catch (error) {
    if (SelvageError.is(error, 'LEASE_LOST') || !isOpen()) return
    report(error)
    setTimeout(() => void giveBack(canceller, claim, failures + 1), backoffMs(failures)).unref()
  }
}
