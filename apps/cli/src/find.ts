/** Looking things up by an id that a person typed. */
import { RunError, SelvageError } from '@selvage/core'
import type { Approval, Run, Selvage } from 'selvage/core'
import { near } from './suggest.ts'

/** How many of the newest runs are compared with a wrong id. */
const CANDIDATES = 1_000

/** The run, or NOT_FOUND with the ids that may have been meant. */
export async function findRun(selvage: Selvage, id: string): Promise<Run> {
  const run = selvage.run(id)
  try {
    await run.status()
    return run
  } catch (error) {
    if (!SelvageError.is(error, 'NOT_FOUND')) throw error
    const { items } = await selvage.runs({ limit: CANDIDATES })
    const ids = near(
      id,
      items.map((item) => item.id),
    )
    throw new RunError('NOT_FOUND', `There is no run '${id}' in ${selvage.location}.`, {
      hint: ids.length > 0 ? `Did you mean ${oneOf(ids)}?` : hintOf(items.length),
      details: { runId: id, near: ids },
    })
  }
}

/** The approval, interrupt or callback, or NOT_FOUND with the open ones that may have been meant. */
export async function findQuestion(selvage: Selvage, id: string): Promise<Approval> {
  try {
    return await selvage.approval(id)
  } catch (error) {
    if (!SelvageError.is(error, 'NOT_FOUND')) throw error
    const { items } = await selvage.approvals({ limit: CANDIDATES })
    const ids = near(
      id,
      items.map((item) => item.id),
    )
    const ofRun = items.filter((item) => item.runId === id).map((item) => item.id)
    throw new RunError('NOT_FOUND', `There is no approval '${id}' in ${selvage.location}.`, {
      hint:
        ofRun.length > 0
          ? `That is a run; it asks ${oneOf(ofRun)}.`
          : ids.length > 0
            ? `Did you mean ${oneOf(ids)}?`
            : items.length > 0
              ? `Open are: ${oneOf(items.slice(0, 5).map((item) => item.id))}.`
              : 'No approval is open.',
      details: { id, near: ids },
    })
  }
}

function hintOf(runs: number): string {
  return runs === 0 ? 'It holds no runs at all.' : "'selvage list' shows them."
}

function oneOf(ids: readonly string[]): string {
  return ids.join(' or ')
}
