/** The journal as it is read, and the two expressions on it that transitions of a run share. */
import { EngineError, type Entry } from '@selvage/core'
import type { Commits } from './commit.ts'
import type { Database, Value } from './database.ts'
import { COLUMNS, type EntryRow, FINAL_STEPS, fromRow, toRow } from './entries.ts'
import { notFound } from './refusals.ts'
import { toText } from './text.ts'

const PAGE = 500

export const INSERT: string = `insert into entry (run, seq, ${COLUMNS})`

/** Number of entries of the run `run.n`, for statements on `run`. */
export const LENGTH = '(select coalesce(max(seq), -1) + 1 from entry where entry.run = run.n)'

/** Steps with a final outcome that the row of the run does not count yet, for statements on `run`. */
export const UNCOUNTED: string = `(select count(*) from entry
  where entry.run = run.n and entry.seq >= run.counted and entry.type in (${FINAL_STEPS}))`

/** Assignments that take the count of steps along, for `update run`. */
export const COUNT: string = `steps = steps + ${UNCOUNTED}, counted = ${LENGTH}`

/** All entries from `from` on, or `limit` of them. In pages, with a turn of the event loop between two. */
export async function load(
  commits: Commits,
  database: Database,
  runId: string,
  from: number,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<readonly Entry[]> {
  const run = await commits.read(() => database.get<{ n: number }>('select n from run where id = ?', toText(runId)))
  if (run === undefined) throw notFound(runId)
  const entries: Entry[] = []
  for (;;) {
    const wanted = Math.min(PAGE, limit - entries.length)
    const rows = await commits.read(() => page(database, run.n, from + entries.length, wanted))
    for (const row of rows) entries.push(fromRow(row, runId))
    if (rows.length < PAGE || entries.length >= limit) return entries
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

export function entryAt(database: Database, runId: string, n: number, seq: number): Entry {
  const row = page(database, n, seq, 1)[0]
  if (row?.seq === seq) return fromRow(row, runId)
  throw new EngineError('CORRUPT', `Entry ${seq} of run ${runId} is missing in ${database.path}.`, {
    hint: 'The database is damaged; put a backup in its place.',
    details: { runId, seq },
  })
}

export function lengthOf(database: Database, n: number): number {
  return database.get<{ length: number }>(`select ${LENGTH} as length from run where n = ?`, n)?.length ?? 0
}

/** Appends for nobody in particular: the caller has made sure that nobody holds the run. */
export function appendUnfenced(database: Database, n: number, entry: Entry): void {
  const row: Value[] = toRow(entry)
  database.run(`${INSERT} values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, n, entry.seq, ...row)
}

function page(database: Database, n: number, from: number, limit: number): EntryRow[] {
  return database.all<EntryRow>(
    `select seq, ${COLUMNS} from entry where run = ? and seq >= ? order by seq limit ?`,
    n,
    from,
    limit,
  )
}
