/**
 * The inbox of a run: signals, the first writer of an id for good.
 *
 *   accepted (body here, entry null) ──journaled──▶ (body null, entry there)
 *
 * A signal is pending until the journal has it. Then its payload stands there only, and "who was first" is read from
 * the entry.
 */
import { delegatedQuestion, EngineError, type EntryOf, type Json, type Signal, type SignalReceipt } from '@selvage/core'
import { ended, isOfChild, notFound } from '@selvage/core/stores'
import type { Database } from '../database.ts'
import type { Commits } from '../journal/commit.ts'
import { entryOf } from '../journal/journal.ts'
import type { Names } from '../names.ts'
import { goOn } from '../runs/reopening.ts'
import { hasEnded, RUNNING, statusName } from '../status.ts'
import { fromText, toText } from '../text.ts'
import { answerQuestion, outlivesRun } from './questions.ts'
import { moveSeats } from './seats.ts'

/** Run, id, name, entry, body; the run again. */
const INSERT = `insert into inbox (run, id, name, entry, body, arrival) select ?, ?, ?, ?, ?,
  coalesce(max(arrival), 0) + 1 from inbox where run = ? and entry is null`

interface InboxRow {
  readonly id: string
  readonly name: string
  readonly entry: number | null
  readonly body: string | null
}

interface InboxBody {
  readonly payload: Json
  readonly by?: string
  readonly via?: string
  readonly at: number
}

export interface Waits {
  readonly signals: readonly string[]
  readonly until?: number
}

/** Whether a signal of that name is for a run that waits so: `$`-names always are. */
export function isWaitedFor(name: string, waits: Waits): boolean {
  return name.startsWith('$') || waits.signals.includes(name)
}

export function signal(
  commits: Commits,
  database: Database,
  names: Names,
  runId: string,
  signal: Signal,
  now: number,
): Promise<SignalReceipt> {
  const id = toText(signal.id)
  const { payload, by, via } = signal
  const body: InboxBody = {
    payload,
    ...(by === undefined ? {} : { by }),
    ...(via === undefined ? {} : { via }),
    at: now,
  }
  const text = JSON.stringify(body)
  return commits.write(
    () => {
      const run = database.get<{ n: number; status: number; due: number | null; waits: string | null }>(
        'select n, status, due, waits from run where id = ?',
        toText(runId),
      )
      if (run === undefined) throw notFound(runId)
      const first = findSignal(database, runId, run.n, signal.id)
      if (first !== undefined) return { accepted: false, first }
      const over = hasEnded(run.status)
      const isLate = over && outlivesRun(database, run.n, signal.id)
      const delegated = over ? delegatedQuestion(signal.name) : undefined
      const isKept =
        isLate || isOfChild(signal.name) || (delegated !== undefined && outlivesRun(database, run.n, delegated))
      if (over && !isKept) throw ended(runId, statusName(run.status))
      database.run(INSERT, run.n, id, toText(signal.name), null, text, run.n)
      answerQuestion(database, run.n, signal.id)
      moveSeats(database, signal)
      if (isLate) goOn(database, names, run.n, now)
      const waits: Waits = run.waits === null ? { signals: [] } : (JSON.parse(run.waits) as Waits)
      const wakes = !over && run.status !== RUNNING && isWaitedFor(signal.name, waits)
      if (wakes && (run.due === null || run.due > now)) database.run('update run set due = ? where n = ?', now, run.n)
      return { accepted: true }
    },
    { ring: 'now' },
  )
}

export function pendingSignals(
  commits: Commits,
  database: Database,
  runId: string,
  after?: string,
): Promise<readonly Signal[]> {
  return commits.read(() => {
    const run = database.get<{ n: number }>('select n from run where id = ?', toText(runId))
    if (run === undefined) throw notFound(runId)
    return pendingOf(database, run.n, after)
  })
}

const UNHEARD = `select run.id from json_each(?) as asked cross join run on run.id = asked.value
  where exists (select 1 from inbox where inbox.run = run.n and entry is null)`

export function unheard(commits: Commits, database: Database, runIds: readonly string[]): Promise<readonly string[]> {
  const asked = JSON.stringify(runIds.map(toText))
  return commits.read(() => database.all<{ id: string }>(UNHEARD, asked).map(({ id }) => fromText(id)))
}

const PENDING = `select id, name, entry, body from inbox where run = ? and entry is null and arrival > ? order by arrival`
const ARRIVAL = 'select arrival from inbox where run = ? and id = ? and entry is null'

/** Oldest first. `after`: those behind that one, or all where it is in the journal: its number is used again. */
export function pendingOf(database: Database, n: number, after?: string): Signal[] {
  const seen = after === undefined ? undefined : database.get<{ arrival: number }>(ARRIVAL, n, toText(after))
  return database.all<InboxRow>(PENDING, n, seen?.arrival ?? 0).map(pendingSignal)
}

/** The signal of that id as it was accepted, wherever it stands now. */
export function findSignal(database: Database, runId: string, n: number, id: string): Signal | undefined {
  const row = database.get<InboxRow>('select id, name, entry, body from inbox where run = ? and id = ?', n, toText(id))
  if (row === undefined) return undefined
  return row.entry === null ? pendingSignal(row) : journaled(database, runId, row)
}

function journaled(database: Database, runId: string, row: InboxRow): Signal {
  const entry = entryOf(database, runId, row.entry as number)
  if (entry.type === 'signal') return entry.signal
  throw new EngineError('CORRUPT', `Entry ${entry.seq} of run ${runId} is not the signal ${fromText(row.id)}.`, {
    hint: 'The database is damaged; put a backup in its place.',
    details: { runId, seq: entry.seq },
  })
}

/** The signals whose ids are `prefix` and something behind it, oldest first. */
export function signalsOf(database: Database, runId: string, n: number, prefix: string): Signal[] {
  const rows = database.all<InboxRow>(
    'select id, name, entry, body from inbox where run = ? and id >= ? and id < ?',
    n,
    toText(prefix),
    toText(`${prefix}\u{10ffff}`),
  )
  const signals = rows.map((row) => (row.entry === null ? pendingSignal(row) : journaled(database, runId, row)))
  return signals.sort((one, other) => (one.at ?? 0) - (other.at ?? 0))
}

/** The journal has it now: refused if it had it before. */
export function recordSignal(
  database: Database,
  runId: string,
  n: number,
  entry: EntryOf<'signal'>,
  row: number,
): void {
  const { id, name } = entry.signal
  const changed = database.run(
    `${INSERT} on conflict (run, id) do update set entry = excluded.entry, body = null where entry is null`,
    n,
    toText(id),
    toText(name),
    row,
    null,
    n,
  )
  if (changed === 0) {
    throw new EngineError('JOURNAL_GAP', `The signal ${id} is in the journal of run ${runId} already.`, {
      hint: 'Load the journal again and go on from its end.',
      details: { runId, signalId: id },
    })
  }
  answerQuestion(database, n, id)
}

function pendingSignal(row: InboxRow): Signal {
  const { payload, by, via, at } = JSON.parse(row.body ?? 'null') as InboxBody
  return {
    id: fromText(row.id),
    name: fromText(row.name),
    payload,
    ...(by === undefined ? {} : { by }),
    ...(via === undefined ? {} : { via }),
    at,
  }
}
