/** Rule 11: the parent of a run hears of its end before the engine does. */
import { SelvageError } from '../errors.ts'
import type { Outcome, Start } from '../journal/entry.ts'
import type { Outbound } from '../ports.ts'
import type { Json } from '../values/json.ts'

const CHILD = 'child:'

/** The end of a child is kept for a parent that has failed: a retry waits for it, and it is sent once. */
export function isOfChild(name: string): boolean {
  return name.startsWith(CHILD)
}

/** Idempotent by the signal's id. A retried child ends once more: that is another signal. */
export async function tellParent(
  outbound: Pick<Outbound, 'signal'>,
  runId: string,
  { parent }: Pick<Start, 'parent'>,
  reopenings: number,
  outcome: Outcome,
): Promise<void> {
  if (parent === undefined) return
  const name = `${CHILD}${runId}`
  const id = reopenings === 0 ? name : `${name}#${reopenings + 1}`
  try {
    await outbound.signal(parent.runId, { id, name, payload: outcome as Json })
  } catch (error) {
    if (!SelvageError.is(error, 'NOT_FOUND') && !SelvageError.is(error, 'RUN_ENDED')) throw error
  }
}
