/**
 * An entry as a row: its body is the entry, what is searched for stands beside it. Exact both ways, with one thing left out
 * on purpose: the input of an operation is kept with its intent only.
 */
import { EngineError, type Entry, UsageError } from '@selvage/core'
import { toText } from '../text.ts'

export interface EntryRow {
  readonly seq: number
  readonly body: string
}

/** What is written of it, beside run and seq. */
export interface EntryValues {
  readonly kind: string
  readonly at: number
  readonly key: string | null
  readonly body: string
}

export function isFinalStep(entry: Entry): boolean {
  return entry.type === 'step' && !('interrupts' in entry.outcome)
}

export function toRow(entry: Entry): EntryValues {
  if ('op' in entry && entry.op.key !== entry.key) {
    throw new UsageError('BAD_INPUT', `The entry of step ${entry.key} carries the operation of step ${entry.op.key}.`)
  }
  const { seq: _, ...body } = withoutInput(entry)
  return {
    kind: kindOf(entry),
    at: entry.at,
    key: 'key' in entry ? toText(entry.key) : null,
    body: JSON.stringify(body),
  }
}

export function fromRow({ seq, body }: EntryRow, runId: string): Entry {
  try {
    return { seq, ...(JSON.parse(body) as object) } as Entry
  } catch (cause) {
    throw new EngineError('CORRUPT', `Entry ${seq} of run ${runId} cannot be read.`, {
      hint: 'The database is damaged; put a backup in its place.',
      details: { runId, seq },
      cause,
    })
  }
}

function kindOf(entry: Entry): string {
  if (entry.type === 'wait' && entry.signalId === undefined) return 'timeout'
  if (entry.type !== 'step' || 'ok' in entry.outcome) return entry.type
  if ('error' in entry.outcome) return 'error'
  return 'unknown' in entry.outcome ? 'unknown' : 'interrupts'
}

function withoutInput(entry: Entry): Entry {
  if (entry.type === 'intent' || !('op' in entry) || entry.op.input === undefined) return entry
  const { input: _, ...op } = entry.op
  return { ...entry, op }
}
