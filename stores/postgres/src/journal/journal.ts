/** The journal of a run: its rows of `entry`. */
import { EngineError, type Entry } from '@selvage/core'
import { notFound } from '@selvage/core/stores'
import type { Database, Rows } from '../database.ts'
import { fromText, toText } from '../text.ts'
import { type EntryRow, fromRow, isFinalStep, toRow } from './entries.ts'

const PAGE = 512

const LOAD = `select entry.seq, entry.body from run left join entry
  on entry.run = run.n and entry.seq >= $2 and entry.seq < $3 where run.id = $1 order by entry.seq`

/** A run and how its journal ends. */
export interface Tail {
  readonly n: number
  readonly length: number
  /** Steps with a final outcome. */
  readonly steps: number
}

/** All entries from `from` on, or `limit` of them, in pages. */
export async function load(
  database: Database,
  runId: string,
  from: number,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<readonly Entry[]> {
  const entries: Entry[] = []
  for (;;) {
    const wanted = Math.min(PAGE, limit - entries.length)
    const first = from + entries.length
    const page = await database.statement((rows) =>
      rows.all<{ seq: number | null; body: string }>(LOAD, toText(runId), first, first + wanted),
    )
    if (page.length === 0) throw notFound(runId)
    // One row without an entry: the run is there.
    for (const { seq, body } of page) if (seq !== null) entries.push(fromRow({ seq, body }, runId))
    if (page.length < PAGE || entries.length >= limit) return entries
  }
}

export async function entryOf(rows: Rows, runId: string, n: number, seq: number): Promise<Entry> {
  const row = await rows.get<EntryRow>('select seq, body from entry where run = $1 and seq = $2', n, seq)
  if (row !== undefined) return fromRow(row, runId)
  throw new EngineError('CORRUPT', `Entry ${seq} of run ${runId} is missing.`, {
    hint: 'The database is damaged; put a backup in its place.',
    details: { runId, seq },
  })
}

/** Inside a transaction: the new end of the journal is for the caller to write down. */
export async function insertEntries(rows: Rows, n: number, entries: readonly Entry[]): Promise<void> {
  const values = entries.map(toRow)
  await rows.run(
    `insert into entry (run, seq, kind, at, key, body)
       select $1::bigint, * from unnest($2::int[], $3::text[], $4::float8[], $5::text[], $6::text[])`,
    n,
    entries.map(({ seq }) => seq),
    values.map(({ kind }) => kind),
    values.map(({ at }) => at),
    values.map(({ key }) => key),
    values.map(({ body }) => body),
  )
}

/** Puts one more entry into the journal of a run that nobody holds. Resolves with its new end. */
export async function extend(rows: Rows, { n, length, steps }: Tail, entry: Entry): Promise<Tail> {
  await insertEntries(rows, n, [entry])
  return { n, length: length + 1, steps: steps + (isFinalStep(entry) ? 1 : 0) }
}

/** Steps that stand once those of the keys `voided` are void too: a key may have been void before. */
export async function countSteps(rows: Rows, n: number, voided: readonly string[]): Promise<number> {
  const found = await rows.all<{ key: string | null; body: string | null }>(
    `select key, case kind when 'reopen' then body end as body from entry
       where run = $1 and kind in ('step', 'error', 'unknown', 'reopen') order by seq`,
    n,
  )
  const standing = new Set<string>()
  for (const { key, body } of found) {
    if (key !== null) standing.add(fromText(key))
    if (body === null) continue
    for (const gone of (JSON.parse(body) as { voided: readonly string[] }).voided) standing.delete(gone)
  }
  for (const key of voided) standing.delete(key)
  return standing.size
}
