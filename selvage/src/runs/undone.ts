/** What of a run's effects was undone: the step `<key>/undo` says so of the step `<key>`. */
import { undoneBy } from '@selvage/programs'
import type { EffectRecord } from './effect-ledger.ts'

/** Each record with what is known of its undoing, and of what it undoes. */
export function withUndone(records: readonly EffectRecord[]): EffectRecord[] {
  const undone = new Map<string, EffectRecord['state']>()
  for (const { step, state } of records) {
    const key = undoneBy(step)
    // Made again because somebody said so, the last one counts.
    if (key !== undefined) undone.set(key, state)
  }
  if (undone.size === 0) return [...records]
  return records.map((record) => {
    const state = undone.get(record.step)
    const undoes = undoneBy(record.step)
    return { ...record, ...(state !== undefined && { undone: state }), ...(undoes !== undefined && { undoes }) }
  })
}
