import { UsageError } from '../errors.ts'
import type { Reconciled } from '../ports.ts'

/**
 * What a `reconcile` has said. Only its three answers count: whatever else it gives, such as the record that it found,
 * must never pass for "it has not happened". BAD_INPUT, which leaves the outcome unknown.
 */
export function checkReconciled<T>(found: Reconciled<T>): Reconciled<T> {
  if (found === 'unknown') return found
  const { done } = Object(found) as { done?: unknown }
  if (typeof done === 'boolean') return found
  throw new UsageError('BAD_INPUT', `It gave ${inWords(found)}, which is none of its answers.`, {
    hint: "It says { done: true, result }, { done: false } or 'unknown'.",
  })
}

function inWords(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? `'${value}'` : String(value)
  const keys = Object.keys(value)
  return keys.length === 0 ? 'an object that is empty' : `an object with ${keys.slice(0, 5).join(', ')}`
}
