/**
 * An entry as a row: what every entry has is a column, what only its kind has is the body. The step that succeeded, by
 * far the most frequent, has its recorded value as the body and nothing around it.
 *
 * Exact both ways, with one thing left out on purpose: the input of an operation is kept with its intent only.
 */
import {
  type Effect,
  EngineError,
  type Entry,
  type EntryOf,
  type ErrorJson,
  type Json,
  type JsonObject,
  type Op,
  type OpKind,
  type OutboxMessage,
  type Outcome,
  type Question,
  type Signal,
  type Start,
  type StepOutcome,
  UsageError,
} from '@selvage/core'
import type { Value } from '../database.ts'
import { NAME, type Names, toName } from '../names.ts'
import { fromHash, fromText, toHash, toText } from '../text.ts'
import { cut } from './body.ts'

/** 0 and 1 take no space in a row: they go to the two most frequent. */
export const TYPE = {
  stepOk: 0,
  state: 1,
  intent: 2,
  retry: 3,
  stepError: 4,
  stepUnknown: 5,
  stepInterrupts: 6,
  signal: 7,
  open: 8,
  wait: 9,
  start: 10,
  end: 11,
  reopen: 12,
  undo: 13,
  past: 14,
} as const

/** Added to the type of an entry that carries messages: its body is then `{"is":…,"sent":…}`. */
const SENDING = 16

export function typeThatSends(type: number): number {
  return type + SENDING
}

/** The types of steps with a final outcome, for SQL. */
export const FINAL_STEPS: string = [TYPE.stepOk, TYPE.stepError, TYPE.stepUnknown]
  .flatMap((type) => [type, type + SENDING])
  .join(', ')

export function isFinalStep(entry: Entry): boolean {
  return entry.type === 'step' && !('interrupts' in entry.outcome)
}

/** As `ROW` names them. `name` and `key` as in the table. */
export interface EntryRow {
  readonly n: number
  readonly seq: number
  readonly type: number
  readonly at: number
  readonly key: string | null
  readonly op: number | null
  readonly name: string | null
  readonly check: string | Uint8Array | null
  readonly attempt: number | null
  readonly took: number | string | null
  readonly timeout: number | null
  /** Bytes: the first part, `rest` has the others. */
  readonly body: string | Uint8Array | null
}

/** What an entry is made of, beside its body. `check` as it was. */
export type EntryHead = Omit<EntryRow, 'n' | 'check' | 'body'> & { readonly check: string | undefined }

/** An entry to be inserted: the values of `COLUMNS`, and rows of `rest`. `interned`: its name is to be a number. */
export interface EntryValues {
  readonly interned: boolean
  readonly columns: Value[]
  readonly rest: readonly Uint8Array[]
}

export const COLUMNS = 'type, at, key, op, name, "check", attempt, took, timeout, body'

/** What an `EntryRow` is selected by. */
export const ROW: string = `entry.n, entry.seq, type, at, key, op, ${NAME}, "check", attempt, took, timeout, body`

const NAME_COLUMN = 4

/** Inside a unit: the values of `COLUMNS` as they are inserted. */
export function columnsOf({ interned, columns }: EntryValues, names: Names): Value[] {
  return interned ? columns.with(NAME_COLUMN, names.numberOf(String(columns[NAME_COLUMN]))) : columns
}

/** Whether it is nothing but its row: no pieces of its body elsewhere, no new name. */
export function isOneRow({ interned, columns, rest }: EntryValues, names: Names): boolean {
  return rest.length === 0 && (!interned || names.knows(String(columns[NAME_COLUMN])))
}

const KINDS: readonly OpKind[] = ['model', 'tool', 'code', 'child']
const EFFECTS: readonly (Effect | undefined)[] = [undefined, 'read', 'idempotent', 'once']

export function toRow(entry: Entry): EntryValues {
  switch (entry.type) {
    case 'start':
      return bare(TYPE.start, entry, null, { start: entry.start, salt: entry.salt })
    case 'intent':
      return ofOp(TYPE.intent, entry, null, { host: entry.host, input: entry.op.input })
    case 'retry':
      return ofOp(TYPE.retry, entry, null, { error: entry.error, retryAt: entry.retryAt, next: entry.next })
    case 'step': {
      const took = tookOf(entry.at, entry.startedAt)
      const { outcome } = entry
      if ('ok' in outcome) return ofOp(TYPE.stepOk, entry, took, outcome.ok)
      if ('error' in outcome) return ofOp(TYPE.stepError, entry, took, outcome.error)
      if ('unknown' in outcome) return ofOp(TYPE.stepUnknown, entry, took, outcome.unknown)
      return ofOp(TYPE.stepInterrupts, entry, took, outcome.interrupts)
    }
    case 'signal':
      return bare(TYPE.signal, entry, null, entry.signal)
    case 'open':
      return bare(TYPE.open, entry, entry.key, entry.question)
    case 'wait':
      return bare(TYPE.wait, entry, entry.key, entry.signalId)
    case 'state':
      return bare(TYPE.state, entry, entry.key, entry.patch)
    case 'end':
      return bare(TYPE.end, entry, null, entry.outcome)
    case 'reopen':
      return bare(TYPE.reopen, entry, null, { voided: entry.voided, by: entry.by, undo: entry.undo })
    case 'past':
      return ofOp(TYPE.past, entry, null, entry.outcome)
    case 'undo':
      return bare(TYPE.undo, entry, null, { outcome: entry.outcome, inFlight: entry.inFlight, lost: entry.lost })
  }
}

/** `text`: the whole body. */
export function fromRow(row: EntryRow, text: string | null, runId: string): Entry {
  try {
    return fromParts({ ...row, check: fromHash(row.check) }, text === null ? undefined : JSON.parse(text))
  } catch (cause) {
    throw unreadable(runId, row.seq, cause)
  }
}

export function unreadable(runId: string, seq: number, cause: unknown): EngineError {
  return new EngineError('CORRUPT', `Entry ${seq} of run ${runId} cannot be read.`, {
    hint: 'The database is damaged; put a backup in its place.',
    details: { runId, seq },
    cause,
  })
}

/** `body`: what its JSON says; undefined: there is none. Throws if that is not of the type. */
export function fromParts(head: EntryHead, body: unknown): Entry {
  if (head.type < SENDING) return read(head, head.type, body)
  const { is, sent } = present(body as { is?: Json; sent: readonly OutboxMessage[] } | undefined)
  return { ...read(head, head.type - SENDING, is), sent }
}

function read(row: EntryHead, type: number, body: unknown): Entry {
  const { seq, at } = row
  switch (type) {
    case TYPE.start:
      return { seq, at, type: 'start', ...there<{ start: Start; salt: string }>(body) }
    case TYPE.intent: {
      const { host, input } = there<{ host: string; input?: Json }>(body)
      const op = opOf(row)
      return {
        seq,
        at,
        type: 'intent',
        key: op.key,
        op: input === undefined ? op : { ...op, input },
        attempt: attemptOf(row),
        host,
      }
    }
    case TYPE.retry: {
      const op = opOf(row)
      return {
        seq,
        at,
        type: 'retry',
        key: op.key,
        op,
        attempt: attemptOf(row),
        ...there<{ error: ErrorJson; retryAt: number; next?: Json }>(body),
      }
    }
    case TYPE.stepOk:
      return stepOf(row, { ok: there<Json>(body) })
    case TYPE.stepError:
      return stepOf(row, { error: there<ErrorJson>(body) })
    case TYPE.stepUnknown:
      return stepOf(row, { unknown: there<string>(body) })
    case TYPE.stepInterrupts:
      return stepOf(row, { interrupts: there<readonly Json[]>(body) })
    case TYPE.signal:
      return { seq, at, type: 'signal', signal: there<Signal>(body) }
    case TYPE.open:
      return { seq, at, type: 'open', key: keyOf(row), question: there<Question>(body) }
    case TYPE.wait:
      if (body === undefined) return { seq, at, type: 'wait', key: keyOf(row) }
      return { seq, at, type: 'wait', key: keyOf(row), signalId: body as string }
    case TYPE.state:
      return { seq, at, type: 'state', key: keyOf(row), patch: there<JsonObject>(body) }
    case TYPE.end:
      return { seq, at, type: 'end', outcome: there<Outcome>(body) }
    case TYPE.reopen:
      return { seq, at, type: 'reopen', ...there<Omit<EntryOf<'reopen'>, 'seq' | 'at' | 'type'>>(body) }
    case TYPE.past: {
      const op = opOf(row)
      return { seq, at, type: 'past', key: op.key, op, attempt: attemptOf(row), outcome: there(body) }
    }
    case TYPE.undo:
      return { seq, at, type: 'undo', ...there<Omit<EntryOf<'undo'>, 'seq' | 'at' | 'type'>>(body) }
    default:
      throw new Error(`unknown type ${row.type}`)
  }
}

function bare(type: number, entry: Entry, key: string | null, body: unknown): EntryValues {
  const { head, rest } = cut(json(withSent(entry, body)), key?.length ?? 0)
  return {
    columns: [
      typeOf(type, entry),
      entry.at,
      key === null ? null : toText(key),
      null,
      null,
      null,
      null,
      null,
      null,
      head,
    ],
    rest,
    interned: false,
  }
}

type OfOp = Extract<Entry, { readonly op: Op }>

function ofOp(type: number, entry: OfOp, took: Value, body: unknown): EntryValues {
  const { op, key } = entry
  if (op.key !== key) {
    throw new UsageError('BAD_INPUT', `The entry of step ${key} carries the operation of step ${op.key}.`)
  }
  const check = toHash(op.check)
  const interned = op.kind === 'model' || op.kind === 'tool'
  const name = interned ? toText(op.name) : toName(op.name)
  const beside = key.length + (interned ? 0 : name.length) + (check?.length ?? 0)
  const { head, rest } = cut(json(withSent(entry, body)), beside)
  const code = KINDS.indexOf(op.kind) + KINDS.length * EFFECTS.indexOf(op.effect)
  const { attempt } = entry
  return {
    columns: [typeOf(type, entry), entry.at, toText(key), code, name, check, attempt, took, op.timeoutMs ?? null, head],
    rest,
    interned,
  }
}

function stepOf(row: EntryHead, outcome: StepOutcome): Entry {
  const op = opOf(row)
  const { seq, at } = row
  return { seq, at, type: 'step', key: op.key, op, attempt: attemptOf(row), startedAt: startedAtOf(row), outcome }
}

function opOf(row: EntryHead): Op {
  const code = present(row.op)
  const kind = present(KINDS[code % KINDS.length])
  const effect = EFFECTS[Math.floor(code / KINDS.length)]
  const key = keyOf(row)
  const name = fromText(present(row.name))
  const { check, timeout } = row
  // Thousands of them are made in a process that has just started: those of most steps without a detour.
  if (timeout === null && effect === undefined)
    return check === undefined ? { key, kind, name } : { key, kind, name, check }
  if (timeout === null && effect !== undefined && check !== undefined) return { key, kind, name, check, effect }
  return {
    key,
    kind,
    name,
    ...(check === undefined ? {} : { check }),
    ...(effect === undefined ? {} : { effect }),
    ...(timeout === null ? {} : { timeoutMs: timeout }),
  }
}

function keyOf(row: EntryHead): string {
  return fromText(present(row.key))
}

function attemptOf(row: EntryHead): number {
  return present(row.attempt)
}

/** The difference is two bytes where the time would be six. */
function tookOf(at: number, startedAt: number): number | string {
  const took = at - startedAt
  return at - took === startedAt ? took : `=${startedAt}`
}

function startedAtOf(row: EntryHead): number {
  const took = present(row.took)
  return typeof took === 'string' ? Number(took.slice(1)) : row.at - took
}

function typeOf(type: number, { sent }: Entry): number {
  return sent === undefined ? type : type + SENDING
}

function withSent({ sent }: Entry, body: unknown): unknown {
  return sent === undefined ? body : { is: body, sent }
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

/** A body that must be there. */
function there<T>(body: unknown): T {
  if (body === undefined) throw new Error('the body is missing')
  return body as T
}

function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('a column is missing')
  return value
}
