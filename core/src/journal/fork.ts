/**
 * A fork: a new run from a prefix of another one's journal.
 *
 *   prefix   copied: a journal cut anywhere is that of a process which died there. What was in flight at the cut (intents,
 *            failed attempts, questions, children without an end) is left out: the fork begins it itself
 *   past     what the original did behind the cut, as entries `past`: so that nothing is repeated that need not be
 *
 * Questions get the ids of the new run. Messages were sent by the original. What is undone is no past: it is made again.
 */
import { UsageError } from '../errors.ts'
import type { Fork, Runtime } from '../ports.ts'
import type { Json } from '../values/json.ts'
import type { Entry, EntryOf, Op, Start } from './entry.ts'
import { deriveId } from './keys.ts'
import { standing, voidedByRetry } from './known.ts'

export interface ForkPlan {
  /** Entries behind the start of the new run, numbered from 1. */
  readonly entries: readonly Entry[]
  /** How many of them are the prefix. */
  readonly inherited: number
  /** Where the original was cut. */
  readonly at: number
}

/** A fork as an engine makes it: how it is started, and what its journal begins with, numbered from 1. */
export interface ForkedRun {
  readonly start: Start
  readonly salt: string
  readonly entries: readonly Entry[]
  /** Where the original was cut. */
  readonly at: number
}

/** BAD_INPUT for a place that the original does not have; UNSUPPORTED where it is a fork itself. */
export function forkedRun(
  runtime: Pick<Runtime, 'sha256' | 'random'>,
  original: { readonly runId: string; readonly start: Start; readonly entries: readonly Entry[] },
  fork: Fork,
): ForkedRun {
  const { runId, start, entries } = original
  if (start.forkedFrom !== undefined) throw isFork(runId, start.forkedFrom.runId)
  const salt = runtime.random(16)
  const plan = planFork(runtime, original, fork.at, { runId: fork.runId, salt })
  const [first] = entries
  const origin = first?.type === 'start' ? first.salt : ''
  // A child is its parent's; a time by which the original was to end says nothing of the fork.
  const { parent: _, deadline: __, ...kept } = start
  const made: Start = {
    ...kept,
    ...(fork.version !== undefined && { version: fork.version }),
    ...(fork.input !== undefined && { input: fork.input }),
    tags: { ...start.tags, forkedFrom: runId },
    forkedFrom: { runId, at: plan.at, entries: plan.inherited, salt: origin, effects: fork.effects },
  }
  return { start: made, salt, entries: plan.entries, at: plan.at }
}

const isFork = (runId: string, original: string): UsageError =>
  new UsageError('UNSUPPORTED', `Run ${runId} is a fork itself, of ${original}: a fork of a fork is not built yet.`, {
    hint: `Fork run ${original}, or start a new run.`,
    details: { runId, original },
  })

/** `at`: a place in the original (how many of its entries come before), the key of the step that comes first, or all of it. */
export function planFork(
  runtime: Pick<Runtime, 'sha256'>,
  original: { readonly runId: string; readonly entries: readonly Entry[] },
  at: number | string | undefined,
  fork: { readonly runId: string; readonly salt: string },
): ForkPlan {
  const { runId, entries } = original
  const stands = withoutFailure(entries).filter(({ type }) => !ENDINGS.has(type))
  const failed = failedChildren(entries, stands)
  const valid = stands.filter((entry) => entry.type !== 'step' || entry.op.kind !== 'child' || !failed.has(entry.key))
  const undone = undoneKeys(entries)
  const cut = cutAt(runId, stands, entries.length, at, undone)
  const prefix = valid.filter(({ seq }) => seq > 0 && seq < cut)
  const copied = renamed(runtime, fork, settled(prefix))
  const past = pastOf(valid, cut, undone)
  const numbered = [...copied, ...past].map((entry, index) => ({ ...entry, seq: index + 1 }))
  return { entries: numbered, inherited: copied.length, at: cut }
}

const ENDINGS: ReadonlySet<Entry['type']> = new Set(['end', 'undo', 'reopen', 'past'])

/** As after a retry: what ended the original is made again. */
function withoutFailure(entries: readonly Entry[]): readonly Entry[] {
  const voided = voidedByRetry(entries)
  if (entries.at(-1)?.type !== 'end') return standing(entries)
  return standing([...entries, { type: 'reopen', voided, seq: entries.length, at: 0 }])
}

function cutAt(
  runId: string,
  valid: readonly Entry[],
  length: number,
  at: number | string | undefined,
  undone: ReadonlySet<string>,
): number {
  const firstUndone = valid.find((entry) => isOfStep(entry, undone))?.seq ?? length
  if (at === undefined) return firstUndone
  const cut = typeof at === 'number' ? at : valid.find((entry) => isOfStep(entry, new Set([at])))?.seq
  if (cut === undefined) {
    throw new UsageError('BAD_INPUT', `Run ${runId} has no step ${JSON.stringify(at)}.`, {
      hint: 'Its journal shows the keys of its steps; a cursor is the number of the entry that comes first.',
      details: { runId, at },
    })
  }
  if (!Number.isInteger(cut) || cut < 1 || cut > length) {
    throw new UsageError('BAD_INPUT', `Run ${runId} has ${length} entries and cannot be forked at ${cut}.`, {
      hint: `Give a whole number from 1 to ${length}, or the key of a step.`,
      details: { runId, at },
    })
  }
  if (cut <= firstUndone) return cut
  throw new UsageError('BAD_INPUT', `Run ${runId} was undone: behind entry ${firstUndone} nothing of it stands.`, {
    hint: `Fork it at ${firstUndone} or before; what was not undone is not repeated.`,
    details: { runId, at, firstUndone },
  })
}

function isOfStep(entry: Entry, keys: ReadonlySet<string>): boolean {
  if (entry.type === 'state') return entry.key.startsWith('undo:') && keys.has(entry.key.slice('undo:'.length))
  return 'key' in entry && keys.has(entry.key)
}

/** Steps of which a compensation was begun. */
function undoneKeys(entries: readonly Entry[]): ReadonlySet<string> {
  const keys = entries.flatMap((entry) => {
    const isStep = entry.type === 'step' || entry.type === 'intent' || entry.type === 'retry'
    return isStep ? (/^(.+)\/undo(?:\/again#\d+)?$/s.exec(entry.key)?.[1] ?? []) : []
  })
  return new Set(keys)
}

/** Without what was in flight. */
function settled(prefix: readonly Entry[]): readonly Entry[] {
  const over = new Set(prefix.flatMap((entry) => (entry.type === 'step' ? [entry.key] : [])))
  const waited = new Set(prefix.flatMap((entry) => (entry.type === 'wait' ? [entry.key] : [])))
  return prefix.filter((entry) => {
    switch (entry.type) {
      case 'intent':
      case 'retry':
        return over.has(entry.key)
      case 'open':
        return waited.has(entry.key)
      case 'step':
        return entry.op.kind !== 'child' || waited.has(`${entry.key}/done`)
      case 'signal':
        return entry.signal.name !== '$cancel'
      default:
        return true
    }
  })
}

/** With the questions of the new run, and nothing to be sent. */
function renamed(
  runtime: Pick<Runtime, 'sha256'>,
  { runId, salt }: { readonly runId: string; readonly salt: string },
  entries: readonly Entry[],
): readonly Entry[] {
  const ids = new Map<string, string>()
  for (const entry of entries) {
    if (entry.type !== 'open') continue
    const { id } = entry.question
    ids.set(id, deriveId(runtime, salt, runId, id.slice(0, id.indexOf('_') + 1), entry.key))
  }
  const rename = (text: string): string => {
    const id = QUESTION_ID.exec(text)?.[0]
    const other = id === undefined ? undefined : ids.get(id)
    return id === undefined || other === undefined ? text : text.replace(id, other)
  }
  return entries.map(({ sent: _, ...entry }): Entry => {
    if (entry.type === 'open') return { ...entry, question: { ...entry.question, id: rename(entry.question.id) } }
    if (entry.type === 'wait' && entry.signalId !== undefined) return { ...entry, signalId: rename(entry.signalId) }
    if (entry.type !== 'signal') return entry as Entry
    const { id, name } = entry.signal
    return { ...entry, signal: { ...entry.signal, id: rename(id), name: rename(name) } }
  })
}

const QUESTION_ID = /(?:ap|cb)_[\w-]{22}/

/** What acted behind the cut, with its outcome if it is known. */
function pastOf(valid: readonly Entry[], cut: number, undone: ReadonlySet<string>): readonly EntryOf<'past'>[] {
  const ends = childEnds(valid)
  const found = new Map<string, EntryOf<'past'>>()
  for (const entry of valid) {
    if (entry.type !== 'step' && entry.type !== 'intent') continue
    const { key, op, attempt, seq, at } = entry
    if (!acts(op) || undone.has(key) || /\/undo(?:\/|$)/.test(key) || key.startsWith('$cancel/')) continue
    const end = op.kind === 'child' ? ends.get(`${key}/done`) : undefined
    if ((end?.seq ?? seq) < cut) continue
    const base = { type: 'past', key, op, attempt, seq, at } as const
    if (op.kind === 'child' && end === undefined)
      found.set(key, { ...base, outcome: { unknown: 'its end is not known' } })
    else if (op.kind === 'child' && end?.ok !== undefined) found.set(key, { ...base, outcome: { ok: end.ok } })
    else if (op.kind === 'child') found.delete(key)
    else if (entry.type === 'intent') found.set(key, { ...base, outcome: { unknown: 'its outcome was not recorded' } })
    else if ('ok' in entry.outcome || 'unknown' in entry.outcome) found.set(key, { ...base, outcome: entry.outcome })
    else found.delete(key)
  }
  return [...found.values()]
}

/** Reads act on nothing; what is sent does, though its step only reads. */
function acts({ kind, effect, key }: Op): boolean {
  if (kind === 'model') return false
  return effect !== 'read' || key.startsWith('send:')
}

/** Children whose failure is what ended the original: a retry goes on with them, a fork makes its own. */
function failedChildren(entries: readonly Entry[], stands: readonly Entry[]): ReadonlySet<string> {
  const known = childEnds(stands)
  const failed = [...childEnds(entries)].filter(([key, { ok }]) => ok === undefined && !known.has(key))
  return new Set(failed.map(([key]) => key.replace(/\/done$/, '')))
}

interface ChildEnd {
  readonly seq: number
  /** Not there where it failed, or was cancelled: then it is made. */
  readonly ok?: Json
}

function childEnds(valid: readonly Entry[]): ReadonlyMap<string, ChildEnd> {
  const payloads = new Map(valid.flatMap((entry) => (entry.type === 'signal' ? [[entry.signal.id, entry.signal]] : [])))
  const ends = new Map<string, ChildEnd>()
  for (const entry of valid) {
    if (entry.type !== 'wait') continue
    const payload = payloads.get(entry.signalId ?? '')?.payload
    if (typeof payload !== 'object' || payload === null) continue
    const { ok } = payload as { readonly ok?: Json }
    ends.set(entry.key, { seq: entry.seq, ...(ok !== undefined && { ok }) })
  }
  return ends
}
