/**
 * The inbox of a run: signals, the first writer of an id for good.
 *
 *   accepted (body here, seq null) ──journaled──▶ (body null, seq there)
 *
 * A signal is pending until the journal has it. Then its payload stands there only, and "who was first" is read from
 * the entry.
 */
import {
  canonical,
  delegatedQuestion,
  EngineError,
  type EntryOf,
  type Json,
  type Signal,
  type SignalReceipt,
} from '@selvage/core'
import { ended, isOfChild, isWaitedFor, journaledBefore, notFound, type Waits } from '@selvage/core/stores'
import type { Database, Rows } from '../database.ts'
import { entryOf } from '../journal/journal.ts'
import { goOn } from '../runs/reopening.ts'
import { fromText, toText } from '../text.ts'
import { answerQuestion, outlivesRun } from './questions.ts'
import { moveSeats } from './seats.ts'

export interface InboxRow {
  readonly id: string
  readonly name: string
  readonly body: string | null
}

interface FoundRow extends InboxRow {
  readonly seq: number | null
}

interface InboxBody {
  readonly payload: Json
  readonly by?: string
  readonly via?: string
  readonly at: number
}

interface RunRow {
  readonly n: number
  readonly status: string
  readonly ended: number | null
  readonly due: number | null
  readonly waits: string | null
}

export function signal(database: Database, runId: string, signal: Signal, now: number): Promise<SignalReceipt> {
  const { payload, by, via } = signal
  const body: InboxBody = {
    payload,
    ...(by === undefined ? {} : { by }),
    ...(via === undefined ? {} : { via }),
    at: now,
  }
  return database.writeUntilKnown<SignalReceipt>(async (rows, mayStand) => {
    const sql = 'select n, status, ended, due, waits from run where id = $1 for update'
    const run = await rows.get<RunRow>(sql, toText(runId))
    if (run === undefined) throw notFound(runId)
    const first = await findSignal(rows, runId, run.n, signal.id)
    if (first !== undefined)
      return mayStand && isSame(first, signal, now) ? { accepted: true } : { accepted: false, first }
    const over = run.ended !== null
    const isLate = over && (await outlivesRun(rows, run.n, signal.id))
    if (over && !isLate && !(await isKept(rows, run.n, signal.name))) throw ended(runId, run.status)
    await rows.run(
      'insert into inbox (run, id, name, body) values ($1, $2, $3, $4)',
      run.n,
      toText(signal.id),
      toText(signal.name),
      JSON.stringify(body),
    )
    await answerQuestion(rows, run.n, signal.id)
    await moveSeats(rows, signal)
    if (isLate) await goOn(rows, run.n, now)
    const waits: Waits = run.waits === null ? { signals: [] } : (JSON.parse(run.waits) as Waits)
    const wakes = !over && run.status !== 'running' && isWaitedFor(signal.name, waits)
    if (wakes && (run.due === null || run.due > now)) {
      await rows.run('update run set due = $2 where n = $1', run.n, now)
    }
    return { accepted: true }
  }, 'now')
}

/** Ours, or of somebody who sent the very same in the same millisecond. */
function isSame({ at, by, via, payload }: Signal, sent: Signal, now: number): boolean {
  return at === now && by === sent.by && via === sent.via && canonical(payload) === canonical(sent.payload)
}

/** Of a run that has ended: what a retry, or who is still asked, looks for. */
async function isKept(rows: Rows, n: number, name: string): Promise<boolean> {
  const delegated = delegatedQuestion(name)
  return isOfChild(name) || (delegated !== undefined && (await outlivesRun(rows, n, delegated)))
}

export async function pendingSignals(database: Database, runId: string, after?: string): Promise<readonly Signal[]> {
  const found = await database.statement((rows) =>
    rows.all<InboxRow & { is_there: boolean }>(
      `select inbox.id, inbox.name, inbox.body, inbox.id is not null as is_there
         from run left join inbox on inbox.run = run.n and inbox.seq is null and inbox.arrival >
           coalesce((select seen.arrival from inbox seen where seen.run = run.n and seen.id = $2), 0)
         where run.id = $1 order by inbox.arrival`,
      toText(runId),
      after === undefined ? null : toText(after),
    ),
  )
  if (found.length === 0) throw notFound(runId)
  return found.filter(({ is_there }) => is_there).map(pendingSignal)
}

const UNHEARD = `select run.id from run where run.id = any($1::text[])
  and exists (select from inbox where inbox.run = run.n and inbox.seq is null)`

export function unheard(database: Database, runIds: readonly string[]): Promise<readonly string[]> {
  return database.statement(async (rows) => {
    const found = await rows.all<{ id: string }>(UNHEARD, runIds.map(toText))
    return found.map(({ id }) => fromText(id))
  })
}

/** Inside a transaction that has locked the run: whether a signal that it would wait for is pending. */
export async function hasAwaited(rows: Rows, n: number, waits: Waits): Promise<boolean> {
  const found = await rows.all<{ name: string }>('select name from inbox where run = $1 and seq is null', n)
  return found.some(({ name }) => isWaitedFor(fromText(name), waits))
}

/** The signal of that id as it was accepted, wherever it stands now. */
export async function findSignal(rows: Rows, runId: string, n: number, id: string): Promise<Signal | undefined> {
  const sql = 'select id, name, seq, body from inbox where run = $1 and id = $2'
  const row = await rows.get<FoundRow>(sql, n, toText(id))
  return row === undefined ? undefined : await signalOf(rows, runId, n, row)
}

/** The signals whose ids are `prefix` and something behind it, oldest first. */
export async function signalsOf(rows: Rows, runId: string, n: number, prefix: string): Promise<Signal[]> {
  const sql = 'select id, name, seq, body from inbox where run = $1 and starts_with(id, $2) and id <> $2'
  const found = await rows.all<FoundRow>(sql, n, toText(prefix))
  const signals: Signal[] = []
  for (const row of found) signals.push(await signalOf(rows, runId, n, row))
  return signals.sort((one, other) => (one.at ?? 0) - (other.at ?? 0))
}

async function signalOf(rows: Rows, runId: string, n: number, row: FoundRow): Promise<Signal> {
  if (row.seq === null) return pendingSignal(row)
  const entry = await entryOf(rows, runId, n, row.seq)
  if (entry.type === 'signal') return entry.signal
  throw new EngineError('CORRUPT', `Entry ${entry.seq} of run ${runId} is not the signal ${fromText(row.id)}.`, {
    hint: 'The database is damaged; put a backup in its place.',
    details: { runId, seq: entry.seq },
  })
}

/** The journal has it now: refused if it had it before. */
export async function recordSignal(rows: Rows, runId: string, n: number, entry: EntryOf<'signal'>): Promise<void> {
  const { id, name } = entry.signal
  const changed = await rows.run(
    `insert into inbox (run, id, name, seq) values ($1, $2, $3, $4)
       on conflict (run, id) do update set seq = excluded.seq, body = null where inbox.seq is null`,
    n,
    toText(id),
    toText(name),
    entry.seq,
  )
  if (changed === 0) throw journaledBefore(runId, id)
  await answerQuestion(rows, n, id)
}

export function pendingSignal(row: InboxRow): Signal {
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
