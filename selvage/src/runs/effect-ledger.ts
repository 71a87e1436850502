/**
 * The ledger of a run's effects, derived from its journal: what was meant to happen outside, and what is known of it.
 *
 *   intended ─▶ done | failed | unknown ─(somebody looked and answered)─▶ done | failed
 *
 * A failed or unknown effect that is made again is `intended` again. Only an effect `once` is written down before it
 * happens; for others the ledger knows what was settled. Nothing is recorded for the ledger alone: keys follow from the
 * salt of the run, hashes of inputs are those by which replay knows a call, who it was is in the claims of the run.
 */
import type { Effect, Entry, EntryOf, ErrorJson, Op, OpKind, RunClaim, Runtime, Signal } from '@selvage/core'
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
  /**
   * Of name and input, with the salt of the run: calls of one run are equal if and only if these are. Of tools, and of
   * steps that were given an `input`.
   */
  readonly inputHash?: string
  /** The worker that made it last, as far as the newest 100 claims of the run tell. */
  readonly by?: EffectActor
  readonly error?: ErrorJson
  /** Why nobody can know, or could. */
  readonly reason?: string
  /** What somebody who looked has answered about an outcome that was unknown. */
  readonly answer?: EffectAnswer
  /** What became of its compensation, where the run was undone. */
  readonly undone?: EffectRecord['state']
  /** Of a compensation: the step that it undoes. */
  readonly undoes?: string
}

export interface EffectActor {
  readonly worker: string
  readonly pid: number
  readonly host: string
}

export interface EffectAnswer {
  /** Whether it happened. */
  readonly happened: boolean
  readonly reason?: string
  readonly by?: string
  /** Epoch milliseconds. */
  readonly at?: number
}

/** What the ledger of a run is derived from. */
export interface Told {
  readonly runId: string
  readonly entries: readonly Entry[]
  readonly claims: readonly RunClaim[]
}

/** A record, and the entry that settled it. */
export interface Settled {
  readonly record: EffectRecord
  readonly seq: number
}

/** Tool and code steps that act outside, in the order in which they were first heard of. Models are left out. */
export function ledger(runtime: Runtime, { runId, entries, claims }: Told): Settled[] {
  const salt = entries.find((entry) => entry.type === 'start')?.salt ?? ''
  const records = new Map<string, Settled>()
  const signals = new Map<string, Signal>()
  for (const entry of entries) {
    if (entry.type === 'signal') signals.set(entry.signal.id, entry.signal)
    else if (entry.type === 'wait') decide(records, entry, signals)
    else if (entry.type === 'intent' || entry.type === 'step' || entry.type === 'retry') {
      if (!actsOutside(entry.op)) continue
      const id = idempotencyKey(runtime, salt, runId, entry.key)
      const input = records.get(entry.key)?.record.input
      const by = actorOf(claims, entry.seq)
      const record = {
        id,
        runId,
        ...(input === undefined ? {} : { input }),
        ...(by === undefined ? {} : { by }),
        ...toldBy(entry),
      }
      records.set(entry.key, { record, seq: entry.seq })
    }
  }
  const all = withUndone([...records.values()].map(({ record }) => record))
  return all.map((record) => ({ record, seq: records.get(record.step)?.seq ?? 0 }))
}

function actsOutside(op: Op): boolean {
  return op.kind === 'tool' || op.kind === 'code'
}

type Tale = Omit<EffectRecord, 'id' | 'runId'>

function toldBy(entry: EntryOf<'intent'> | EntryOf<'step'> | EntryOf<'retry'>): Tale {
  const { op, attempt, key } = entry
  const base = {
    step: key,
    name: op.name,
    kind: op.kind,
    effect: op.effect ?? 'idempotent',
    attempt,
    ...(op.check === undefined ? {} : { inputHash: op.check }),
  } as const
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

const ASKED = /^(.*)\/unknown(?:\/\d+)?$/s

/** The question whether an effect happened is over: an answer settles what was unknown. */
function decide(records: Map<string, Settled>, wait: EntryOf<'wait'>, signals: ReadonlyMap<string, Signal>): void {
  const found = records.get(ASKED.exec(wait.key)?.[1] ?? '')
  const signal = signals.get(wait.signalId ?? '')
  if (found?.record.state !== 'unknown' || signal === undefined) return
  const { payload, by, at } = signal
  const said =
    typeof payload === 'object' && payload !== null ? (payload as { approved?: unknown; reason?: unknown }) : {}
  if (typeof said.approved !== 'boolean') return
  const answer: EffectAnswer = {
    happened: said.approved,
    ...(typeof said.reason === 'string' && { reason: said.reason }),
    ...(by !== undefined && { by }),
    ...(at !== undefined && { at }),
  }
  const record: EffectRecord = { ...found.record, state: said.approved ? 'done' : 'failed', settledAt: wait.at, answer }
  records.set(record.step, { record, seq: wait.seq })
}

/** The claim in which an entry was written. */
function actorOf(claims: readonly RunClaim[], seq: number): EffectActor | undefined {
  const claim = claims.findLast(({ from }) => from <= seq)
  return claim && { worker: claim.worker, pid: claim.pid, host: claim.host }
}
