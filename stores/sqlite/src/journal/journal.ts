/**
 * The journal of a run as a chain: each entry points to the one before it, and the row of the run (while it is running,
 * its row in `live`) to the last. A part of it is read by walking back from the nearest entry behind that part which the
 * index knows, one in 64, or from the last.
 */
import { EngineError, type Entry } from '@selvage/core'
import { notFound } from '@selvage/core/stores'
import type { Database } from '../database.ts'
import type { Names } from '../names.ts'
import { toText } from '../text.ts'
import { REST_KEYS, readBody } from './body.ts'
import type { Commits } from './commit.ts'
import {
  COLUMNS,
  columnsOf,
  type EntryRow,
  type EntryValues,
  FINAL_STEPS,
  fromRow,
  isFinalStep,
  ROW,
  TYPE,
  toRow,
} from './entries.ts'
import { caughtUp, JOIN_LIVE, TAIL, type Tail, type TailRow } from './live.ts'
import { PAGE_ROW, type PageRow, readPage } from './page.ts'

const PAGE = 512

export const INSERT: string = `insert into entry (run, seq, previous, ${COLUMNS})`
const INSERT_VALUES = `${INSERT} values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** The last entry of which the index says where it is, at or behind a seq: where to begin walking back. */
export const ANCHOR = `select n from entry where run = ? and seq >= ? and seq % 64 = 0 order by seq limit 1`

/** The first one at or before a seq. */
export const ANCHOR_BEFORE = `select n from entry where run = ? and seq <= ? and seq % 64 = 0 order by seq desc limit 1`

/** Where a run was alone with its writer its entries lie together: reading past others is cheaper than walking. */
export const NEIGHBOURS: string = `select ${PAGE_ROW} from entry where n between ? and ? and run = ? and seq >= ? and seq < ? order by n`

/** How many rows may be read for each that is wanted. Walking costs two look-ups for each. */
const READ_PAST = 3

/** From the entry given back to the seq given, of those the ones before another seq; in no order. */
export const WALK: string = `with recursive chain (n, seq, previous) as (
    select n, seq, previous from entry where n = ?
    union all
    select entry.n, entry.seq, entry.previous from chain cross join entry on entry.n = chain.previous where chain.seq > ?
  )
  select ${PAGE_ROW}
  from chain cross join entry on entry.n = chain.n where chain.seq < ?`

/** Final steps and reopenings of a run, from its last entry back; first to last. */
const STEPS = `with recursive chain (n, seq, previous) as (
    select n, seq, previous from entry where n = ?
    union all
    select entry.n, entry.seq, entry.previous from chain cross join entry on entry.n = chain.previous
  )
  select entry.key, case entry.type when ${TYPE.reopen} then entry.body end as reopened
  from chain cross join entry on entry.n = chain.n
  where entry.type in (${FINAL_STEPS}, ${TYPE.reopen}) order by chain.seq`

/** Puts one more entry into the journal of a run that nobody holds. The new tail is for the caller to write down. */
export function extend(database: Database, names: Names, tail: Tail, entry: Entry): Tail {
  const { n, length, steps, last } = tail
  const entered = insertEntry(database, names, n, length, last, toRow(entry))
  return { n, length: length + 1, steps: steps + (isFinalStep(entry) ? 1 : 0), last: entered }
}

export function insertEntry(
  database: Database,
  names: Names,
  n: number,
  seq: number,
  previous: number | null,
  values: EntryValues,
): number {
  const entry = database.insert(INSERT_VALUES, n, seq, previous, ...columnsOf(values, names))
  if (values.rest.length > 0) insertRest(database, entry, values.rest)
  return entry
}

/** So many pieces at once: each statement costs a few microseconds of its own. */
const INSERT_REST = Array.from({ length: REST_KEYS }, (_, pieces) => {
  return `insert into rest (n, bytes) values ${new Array<string>(pieces).fill('(?, ?)').join(', ')}`
})

export function insertRest(database: Database, entry: number, rest: readonly Uint8Array[]): void {
  const values = rest.flatMap((bytes, index) => [entry * REST_KEYS + index, bytes])
  database.run(INSERT_REST[rest.length] as string, ...values)
}

/** All entries from `from` on, or `limit` of them. In pages, with a turn of the event loop between two. */
export async function load(
  commits: Commits,
  database: Database,
  names: Names,
  runId: string,
  from: number,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<readonly Entry[]> {
  const entries: Entry[] = []
  for (;;) {
    const wanted = Math.min(PAGE, limit - entries.length)
    const first = from + entries.length
    const page = await commits.read(() => walk(database, names, runId, first, first + wanted))
    entries.push(...page)
    if (page.length < PAGE || entries.length >= limit) return entries
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

/** The entry of that key in the table. */
export function entryOf(database: Database, runId: string, entry: number): Entry {
  const row = database.get<EntryRow>(`select ${ROW} from entry where n = ?`, entry)
  if (row !== undefined) return fromRow(row, readBody(database, row), runId)
  throw new EngineError('CORRUPT', `An entry of run ${runId} is missing in ${database.path}.`, {
    hint: 'The database is damaged; put a backup in its place.',
    details: { runId },
  })
}

/** Entry 0. */
export function startOf(database: Database, runId: string, n: number): Extract<Entry, { type: 'start' }> {
  const row = database.get<EntryRow>(`select ${ROW} from entry where run = ? and seq = 0 and seq % 64 = 0`, n)
  const entry = row === undefined ? undefined : fromRow(row, readBody(database, row), runId)
  if (entry?.type === 'start') return entry
  throw new EngineError('CORRUPT', `The journal of run ${runId} does not begin with its start.`, {
    hint: 'The database is damaged; put a backup in its place.',
    details: { runId },
  })
}

/** Steps that stand once those of the keys `voided` are void too: a key may have been void before. */
export function countSteps(database: Database, tail: Tail, voided: readonly string[]): number {
  const standing = new Set<string>()
  const rows = database.all<{ key: string | null; reopened: string | null }>(STEPS, tail.last)
  for (const { key, reopened } of rows) {
    if (key !== null) standing.add(key)
    if (reopened === null) continue
    for (const gone of (JSON.parse(reopened) as { voided: readonly string[] }).voided) standing.delete(toText(gone))
  }
  for (const key of voided) standing.delete(toText(key))
  return standing.size
}

function walk(database: Database, names: Names, runId: string, from: number, before: number): Entry[] {
  const row = database.get<TailRow>(`select ${TAIL} from run ${JOIN_LIVE} where run.id = ?`, toText(runId))
  if (row === undefined) throw notFound(runId)
  const tail = caughtUp(database, row)
  if (from >= tail.length) return []
  const behind = before < tail.length ? database.get<{ n: number }>(ANCHOR, tail.n, before - 1) : undefined
  const last = behind?.n ?? tail.last ?? 0
  const first = database.get<{ n: number }>(ANCHOR_BEFORE, tail.n, from)?.n ?? 0
  const wanted = Math.min(before, tail.length) - from
  const rows =
    last - first < READ_PAST * (wanted + 2 * 64)
      ? database.arrays<PageRow>(NEIGHBOURS, first, last, tail.n, from, before)
      : // They come from the last to the first, and are sorted at the cost of looking at them.
        database.arrays<PageRow>(WALK, last, from, before).sort((one, other) => one[1] - other[1])
  return readPage(database, names, rows, runId)
}
