/** How tests wait for a run: for what becomes of it, never for a time. */
import type { Engine, Outcome, RunDescription } from '@selvage/core'

/** Resolves with the run as soon as it is so. Rejects once it has ended otherwise, as it will not be so any more. */
export async function until(
  engine: Engine,
  runId: string,
  is: (seen: RunDescription) => boolean,
): Promise<RunDescription> {
  for (;;) {
    const seen = await engine.describe(runId)
    if (is(seen)) return seen
    if (seen.outcome !== undefined) throw new Error(`run "${runId}" ended otherwise: ${JSON.stringify(seen)}`)
    await engine.changed(runId, { status: seen.status, entries: seen.entries })
  }
}

/** Resolves with the end of a run, whoever brings it there. */
export async function ended(engine: Engine, runId: string): Promise<Outcome> {
  for (;;) {
    const { status, outcome } = await engine.describe(runId)
    if (outcome !== undefined) return outcome
    await engine.changed(runId, { status })
  }
}

export const isSuspended = ({ status }: RunDescription): boolean => status === 'suspended'
