/**
 * A run as a person reads it: one row per step, wait or signal, in the order in which they were first heard of, and one
 * for each worker that came to it. A step that was tried several times, intended on one process and settled on another,
 * or voided by a retry is one row.
 */
import type { Entry, EntryOf, RunClaim } from '@selvage/core'
import { decode, isReminder, questionKey } from '@selvage/core'
import { byWhom, type Told } from './by-whom.ts'
import { childEnd } from './child-end.ts'
import type { Row } from './row.ts'
import { summary } from './summary.ts'

/** Signals that answer a wait are told by the wait. `claims`: oldest first. */
export function timeline(entries: readonly Entry[], claims: readonly RunClaim[] = []): Row[] {
  return byWhom(stepsAndWaits(entries), claims)
}

function stepsAndWaits(entries: readonly Entry[]): Told[] {
  const rows = new Map<string, Told>()
  const signals = new Map(entries.filter(isSignal).map((entry) => [entry.signal.id, entry]))
  const consumed = new Set(
    entries.flatMap((entry) => (entry.type === 'wait' && entry.signalId ? [entry.signalId] : [])),
  )
  for (const entry of entries) {
    const id = idOf(entry)
    const before = rows.get(id)
    const row = rowOf(entry, before, signals)
    if (row === undefined || (entry.type === 'signal' && consumed.has(entry.signal.id))) continue
    const intended = entry.type === 'intent' ? entry.seq : before?.intended
    const first = before === undefined ? {} : { seq: before.seq, at: before.at }
    rows.set(id, { ...row, ...first, last: entry.seq, ...(intended === undefined ? {} : { intended }) })
  }
  return [...rows.values()]
}

function idOf(entry: Entry): string {
  if (entry.type === 'intent' || entry.type === 'retry' || entry.type === 'step') return `step ${entry.key}`
  if (entry.type === 'open') return `wait ${entry.key}`
  if (entry.type === 'wait') return `wait ${reminds(entry) || isVote(entry) ? entry.key : questionKey(entry.key)}`
  return `${entry.seq}`
}

function rowOf(
  entry: Entry,
  before: Row | undefined,
  signals: ReadonlyMap<string, EntryOf<'signal'>>,
): Row | undefined {
  const base = { seq: entry.seq, at: entry.at }
  switch (entry.type) {
    case 'start':
      return { ...base, what: 'run', key: 'start', state: 'started', detail: summary(decode(entry.start.input)) }
    case 'intent':
    case 'retry':
    case 'step':
      return stepRow(entry, before)
    case 'signal':
      return {
        ...base,
        what: 'signal',
        key: entry.signal.name,
        state: 'received',
        detail: `${summary(decode(entry.signal.payload))}${by(entry.signal.by)}`,
      }
    case 'open':
      return {
        ...base,
        what: 'wait',
        key: entry.key,
        name: entry.question.name,
        state: 'waiting',
        detail: entry.question.id,
      }
    case 'wait':
      return waitRow(entry, before, entry.signalId === undefined ? undefined : signals.get(entry.signalId))
    case 'undo':
      return undoRow(entry)
    case 'reopen':
      if (entry.undo === true)
        return { ...base, what: 'run', key: 'undo', state: 'undoing', detail: 'an open item was answered' }
      return {
        ...base,
        what: 'run',
        key: 'retry',
        state: 'retried',
        detail: `${entry.voided.join(', ')}${by(entry.by)}`,
      }
    case 'end':
      return endRow(entry)
    case 'state':
    case 'past':
      return undefined
  }
}

function stepRow(entry: EntryOf<'intent'> | EntryOf<'retry'> | EntryOf<'step'>, before: Row | undefined): Row {
  const hosts = [...(before?.hosts ?? []), ...(entry.type === 'intent' ? [entry.host] : [])]
  const base = {
    seq: entry.seq,
    at: entry.type === 'step' ? entry.startedAt : entry.at,
    what: 'step',
    key: entry.key,
    name: entry.op.name,
    kind: entry.op.kind,
    attempts: entry.attempt,
    ...(hosts.length === 0 ? {} : { hosts }),
  } as const
  if (entry.type === 'intent') return { ...base, state: 'intended', detail: `on ${entry.host}` }
  if (entry.type === 'retry') return { ...base, state: 'retrying', detail: entry.error.message }
  const settled = { ...base, tookMs: entry.at - entry.startedAt }
  const { outcome } = entry
  if ('error' in outcome) return { ...settled, state: 'failed', detail: outcome.error.message }
  if ('unknown' in outcome) return { ...settled, state: 'unknown', detail: outcome.unknown }
  if ('interrupts' in outcome) return { ...settled, state: 'asked', detail: 'stopped to ask' }
  return { ...settled, state: 'executed', detail: summary(decode(outcome.ok)) }
}

function waitRow(entry: EntryOf<'wait'>, before: Row | undefined, signal: EntryOf<'signal'> | undefined): Row {
  const base = { seq: entry.seq, at: entry.at, what: 'wait', key: entry.key } as const
  if (reminds(entry)) return { ...base, state: 'reminded', detail: 'nobody had answered' }
  const lasted = before === undefined ? {} : { name: before.name ?? entry.key, tookMs: entry.at - before.at }
  if (entry.signalId === undefined) return { ...base, ...lasted, state: 'expired', detail: 'over by time' }
  return { ...base, ...lasted, state: 'answered', detail: answerOf(entry.signalId, signal) }
}

function reminds(entry: EntryOf<'wait'>): boolean {
  return entry.signalId === undefined && isReminder(entry.key)
}

/** Whatever it waited for until when: one of several people has said something. */
function isVote(entry: EntryOf<'wait'>): boolean {
  return entry.signalId?.startsWith('vote:') === true
}

function answerOf(id: string, signal: EntryOf<'signal'> | undefined): string {
  if (signal === undefined) return id
  const { name, payload, by: who } = signal.signal
  return childEnd(name, payload) ?? `${summary(decode(payload))}${by(who)}`
}

function undoRow({ seq, at, outcome }: EntryOf<'undo'>): Row {
  const detail = 'cancelled' in outcome ? `cancelled: ${outcome.cancelled}` : `failed: ${outcome.error.message}`
  return { seq, at, what: 'run', key: 'undo', state: 'undoing', detail }
}

function endRow(entry: EntryOf<'end'>): Row {
  const base = { seq: entry.seq, at: entry.at, what: 'run', key: 'end' } as const
  const { outcome } = entry
  if ('ok' in outcome) return { ...base, state: 'completed', detail: summary(decode(outcome.ok)) }
  if ('cancelled' in outcome) return { ...base, state: 'cancelled', detail: outcome.cancelled }
  return { ...base, state: 'failed', detail: outcome.error.message }
}

function isSignal(entry: Entry): entry is EntryOf<'signal'> {
  return entry.type === 'signal'
}

function by(who: string | undefined): string {
  return who === undefined ? '' : ` by ${who}`
}
