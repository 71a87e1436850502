/** The signal by which a child tells its parent how it ended: named `child:<run id>`, with its outcome. */
import type { Json, Outcome } from '@selvage/core'
import { decode } from '@selvage/core'
import { summary } from './summary.ts'

const CHILD = 'child:'

/** In words; undefined for any other signal. */
export function childEnd(name: string, payload: Json): string | undefined {
  if (!name.startsWith(CHILD)) return undefined
  return `${name.slice(CHILD.length)} ${howIt(payload as unknown as Outcome)}`
}

function howIt(outcome: Outcome): string {
  if ('error' in outcome) return `failed: ${outcome.error.message}`
  if ('cancelled' in outcome) return `cancelled: ${outcome.cancelled}`
  const result = decode(outcome.ok) ?? undefined
  return result === undefined ? 'completed' : `completed: ${summary(result)}`
}
