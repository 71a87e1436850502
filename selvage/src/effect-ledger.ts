/**
 * The ledger of a run's effects, derived from its journal: what was meant to happen outside, and what is known of it.
 *
 *   intended ─▶ done | failed | unknown
 *
 * A failed or unknown effect that is made again is `intended` again. Only an effect `once` is written down before it happens; for others the ledger knows what was settled.
 */
import type { Effect, Entry, EntryOf, ErrorJson, Op, OpKind, Runtime } from '@selvage/core'
import { decode, idempotencyKey } from '@selvage/core'
import { withUndone } from './undone.ts'

export interface EffectRecord {
  /** The idempotency key that the step handed to the outside. */
  readonly id: string
  readonly runId: string
  /** The step's key. */
  readonly step: string
  readonly name: string
  readonly kind: OpKind
  readonly effect: Effect
  readonly state: 'intended' | 'done' | 'failed' | 'unknown'
  readonly attempt: number
  /** Epoch milliseconds. Of an effect `once`: of its last intent; else of its last attempt. */
  readonly intendedAt: number
  /** Epoch milliseconds; not there while `intended`. */
  readonly settledAt?: number
  /** Known where an intent was recorded. */
  readonly input?: unknown
  readonly error?: ErrorJson
  /** Why nobody can know. */
  readonly reason?: string
  /** What became of its compensation, where the run was undone. */
  readonly undone?: EffectRecord['state']
  /** Of a compensation: the step that it undoes. */
  readonly undoes?: string
}

export interface EffectQuery {
  /** The run whose ledger is asked for. */
  readonly runId?: string
  readonly state?: EffectRecord['state']
  readonly effect?: Effect
}

/** Tool and code steps that act outside, in the order in which they were first heard of. Models and `read` are left out unless asked for. */
export function ledger(runtime: Runtime, runId: string, entries: readonly Entry[], query: EffectQuery): EffectRecord[] {
  const salt = entries.find((entry) => entry.type === 'start')?.salt ?? ''
  const records = new Map<string, EffectRecord>()
  for (const entry of entries) {
    if (entry.type !== 'intent' && entry.type !== 'step' && entry.type !== 'retry') continue
    if (!actsOutside(entry.op)) continue
    const id = idempotencyKey(runtime, salt, runId, entry.key)
    const input = records.get(entry.key)?.input
    records.set(entry.key, { id, runId, ...(input === undefined ? {} : { input }), ...toldBy(entry) })
  }
  return withUndone([...records.values()]).filter(
    (record) =>
      (query.state === undefined || record.state === query.state) &&
      (query.effect === undefined ? record.effect !== 'read' : record.effect === query.effect),
  )
}

function actsOutside(op: Op): boolean {
  return op.kind === 'tool' || op.kind === 'code'
}

function toldBy(entry: EntryOf<'intent'> | EntryOf<'step'> | EntryOf<'retry'>): Omit<EffectRecord, 'id' | 'runId'> {
  const { op, attempt, key } = entry
  const base = { step: key, name: op.name, kind: op.kind, effect: op.effect ?? 'idempotent', attempt } as const
  if (entry.type === 'intent') {
    const input = op.input === undefined ? {} : { input: decode(op.input) }
    return { ...base, ...input, state: 'intended', intendedAt: entry.at }
  }
  if (entry.type === 'retry') {
    return { ...base, state: 'failed', intendedAt: entry.at, settledAt: entry.at, error: entry.error }
  }
  const settled = { ...base, intendedAt: entry.startedAt, settledAt: entry.at }
  const outcome = entry.outcome
  if ('ok' in outcome) return { ...settled, state: 'done' }
  if ('error' in outcome) return { ...settled, state: 'failed', error: outcome.error }
  if ('unknown' in outcome) return { ...settled, state: 'unknown', reason: outcome.unknown }
  // Its body stopped to ask before it was done.
  return { ...base, state: 'intended', intendedAt: entry.startedAt }
}
