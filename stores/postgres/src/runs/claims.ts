/**
 * Claims: a worker takes runs that are due, of suspects one at a time. Each claim adds 1 to the fence of its run and notes
 * how long the journal was, so that a death can be told to have moved the run or not. Rows that another worker is about to
 * take are passed over.
 */
import {
  type Claim,
  type EntryOf,
  type Programs,
  type RunError,
  type Signal,
  type Start,
  SUSPECT_CRASHES,
} from '@selvage/core'
import { ended, held, notFound } from '@selvage/core/stores'
import type { Database, Rows } from '../database.ts'
import { corrupt } from '../failure.ts'
import { fromRow } from '../journal/entries.ts'
import { type InboxRow, pendingSignal } from '../questions/inbox.ts'
import { fromText, toText } from '../text.ts'
import { requireEnlisted } from './enlisted.ts'
import { MINE, type Taken, Taking } from './taking.ts'
import type { Workers } from './workers.ts'

/** Claims of a run that are kept. */
const KEPT = 100
const NEXT_DUE = `select min(due) as due from unnest($1::text[]) as asked(serves), lateral (
    select due from run where run.serves = asked.serves and due is not null order by due limit 1) as first`
const DUE_OF = (crashes: string): string => `select n, owner from unnest($1::text[]) as asked(serves), lateral (
    select n, due, owner from run where run.serves = asked.serves and due <= $2 and crashes ${crashes} order by due, n limit $3
    for update skip locked) as first
  order by due, n limit $3`
const DUE = DUE_OF(`< ${SUSPECT_CRASHES}`)
const DUE_SUSPECTS = DUE_OF(`>= ${SUSPECT_CRASHES}`)
/** A worker holds a suspect as long as that has recorded nothing. */
const HOLDS_SUSPECT = `select 1 as held from run
  where status = 'running' and owner = $1 and crashes >= ${SUSPECT_CRASHES} and length = held_from limit 1`

/** What workers claim by. */
export function servesOf({ name, version }: Programs): string {
  return JSON.stringify(version === undefined ? [name] : [name, version])
}

interface DueRow {
  readonly n: number
  /** The dead worker that had it. */
  readonly owner: string | null
}

const GIVE_BACK = `update run set status = 'pending', owner = null, due = updated from ${MINE}
  where run.n = mine.n and run.owner = mine.owner and run.fence = mine.fence and status = 'running'`

export function takingRuns(database: Database): Taking {
  return new Taking(database, GIVE_BACK)
}

export async function claim(
  taking: Taking,
  workerId: string,
  programs: readonly Programs[],
  limit: number,
  now: number,
  withSuspects = true,
): Promise<readonly Claim[]> {
  if (limit < 1 || programs.length === 0) return []
  return await taking.take('now', async (rows, mine) => {
    const worker = { id: toText(workerId), ...(await requireEnlisted(rows, workerId)) }
    const serves = programs.map(servesOf)
    const mayHold = withSuspects && (await rows.get(HOLDS_SUSPECT, worker.id)) === undefined
    const suspects = mayHold ? await rows.all<DueRow>(DUE_SUSPECTS, serves, now, 1) : []
    const others = await rows.all<DueRow>(DUE, serves, now, limit - suspects.length)
    const due = [...suspects, ...others]
    return due.length === 0 ? [] : await take(rows, worker, due, now, mine)
  })
}

export function claimRun(
  taking: Taking,
  workers: Workers,
  workerId: string,
  runId: string,
  now: number,
): Promise<Claim> {
  return taking.take('now', async (rows, mine) => {
    const worker = { id: toText(workerId), ...(await requireEnlisted(rows, workerId)) }
    const find = (): Promise<(DueRow & { status: string; ended: number | null }) | undefined> =>
      rows.get('select n, owner, status, ended from run where id = $1', toText(runId))
    const found = await find()
    if (found === undefined) throw notFound(runId)
    if (found.status === 'running' && found.owner !== null) {
      const owner = await workers.ownerAlive(rows, found.owner, now)
      if (owner !== undefined) throw held(runId, owner)
    }
    // Only now: whoever buries a worker locks its runs behind its row.
    const sql = 'select n, owner, status, ended from run where id = $1 for update'
    const run = await rows.get<DueRow & { status: string; ended: number | null }>(sql, toText(runId))
    if (run === undefined) throw notFound(runId)
    if (run.ended !== null) throw ended(runId, run.status)
    if (run.status === 'running') throw await heldByNow(rows, runId, run.owner)
    const [taken] = await take(rows, worker, [run], now, mine)
    if (taken === undefined) throw notFound(runId)
    return taken
  })
}

/** Another worker was faster. */
async function heldByNow(rows: Rows, runId: string, owner: string | null): Promise<RunError> {
  const sql = 'select id as worker, pid, host from worker where id = $1'
  const row = await rows.get<{ worker: string; pid: number; host: string }>(sql, owner)
  return held(runId, row ?? { worker: owner ?? '', pid: 0, host: '' })
}

/** When the next run of these programs is due, now or later. */
export async function nextDue(
  database: Database,
  taking: Taking,
  programs: readonly Programs[],
): Promise<number | undefined> {
  if (taking.isInDoubt) return 0
  return await database.statement(async (rows) => {
    const row = await rows.get<{ due: number | null }>(NEXT_DUE, programs.map(servesOf))
    return row?.due ?? undefined
  })
}

interface TakenRow {
  readonly n: number
  readonly id: string
  readonly fence: number
  readonly length: number
  readonly crashes: number
  /** Of entry 0. */
  readonly body: string
}

/** In the order given. Their rows must be locked. */
async function take(
  rows: Rows,
  worker: { readonly id: string; readonly pid: number; readonly host: string },
  due: readonly DueRow[],
  now: number,
  mine: Taken[],
): Promise<Claim[]> {
  const keys = due.map(({ n }) => n)
  const taken = await rows.all<TakenRow>(
    `with taken as (
       update run set status = 'running', fence = fence + 1, owner = $2, due = null, waits = null, updated = $3,
         held_from = length where n = any($1::bigint[]) returning n, id, fence, length, crashes
     ), noted as (
       insert into claim (run, fence, at, length, worker, pid, host, recovered_from)
         select taken.n, taken.fence, $3, taken.length, $2, $4::int, $5, run.owner
         from taken join run on run.n = taken.n
     ), dropped as (
       delete from claim using taken where claim.run = taken.n and claim.fence <= taken.fence - ${KEPT}
     )
     select taken.*, entry.body from taken join entry on entry.run = taken.n and entry.seq = 0`,
    keys,
    worker.id,
    now,
    worker.pid,
    worker.host,
  )
  mine.push(...taken.map(({ n, fence }) => ({ workerId: worker.id, n, fence })))
  const signals = await pendingOf(rows, keys)
  const byKey = new Map(taken.map((row) => [row.n, row]))
  return due.flatMap(({ n, owner }) => {
    const row = byKey.get(n)
    return row === undefined ? [] : [claimOf(row, signals.get(n) ?? [], owner)]
  })
}

function claimOf(row: TakenRow, signals: readonly Signal[], owner: string | null): Claim {
  const runId = fromText(row.id)
  return {
    runId,
    fence: row.fence,
    start: startIn(row.body, runId),
    cursor: row.length,
    signals,
    delivery: 1 + row.crashes,
    ...(owner === null ? {} : { recoveredFrom: fromText(owner) }),
  }
}

function startIn(body: string, runId: string): Start {
  const entry = fromRow({ seq: 0, body }, runId)
  if (entry.type === 'start') return (entry as EntryOf<'start'>).start
  throw corrupt('the database', `The journal of run ${runId} does not begin with its start.`)
}

async function pendingOf(rows: Rows, keys: readonly number[]): Promise<ReadonlyMap<number, Signal[]>> {
  const found = await rows.all<InboxRow & { run: number }>(
    'select run, id, name, body from inbox where run = any($1::bigint[]) and seq is null order by run, arrival',
    keys,
  )
  const signals = new Map<number, Signal[]>()
  for (const row of found) signals.set(row.run, [...(signals.get(row.run) ?? []), pendingSignal(row)])
  return signals
}
