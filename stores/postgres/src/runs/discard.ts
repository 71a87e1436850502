/**
 * Discarding an ended run: all rows of it and of the runs below it go in one commit. Not while one of them has not
 * ended; not a child whose parent is there, which may be retried and look for it; and, unless forced, not while a message
 * waits to be delivered or a person is asked. Blobs follow an hour later, if no entry names them by then: whoever has just
 * put the same bytes writes its entry after that, and such a put spares them.
 */
import type { DiscardOptions } from '@selvage/core'
import { hasNotEnded, isChildOf, notFound, stillAsks, stillSends } from '@selvage/core/stores'
import type { Database, Rows } from '../database.ts'
import { fromText, toText } from '../text.ts'

const GRACE_MS = 60 * 60 * 1_000

/** Hashes of the blobs that entries name. */
const NAMED = `select distinct reference[1] from entry, regexp_matches(body, '\\["blob","([0-9a-f]{64})"', 'g') as reference`

interface Row {
  readonly n: number
  readonly id: string
  readonly status: string
  readonly ended: number | null
}

/** The ids of the runs that are gone: this one, and those below it. */
export async function discard(
  database: Database,
  runId: string,
  { force = false }: DiscardOptions,
  now: number,
): Promise<readonly string[]> {
  const gone = await database.write(async (rows) => {
    const runs = await lockTree(rows, runId)
    await check(rows, runId, runs, force)
    await remove(rows, runs, now)
    return runs.map(({ id }) => fromText(id))
  }, 'now')
  await sweep(database, now)
  return gone
}

/** From the top down. */
async function lockTree(rows: Rows, runId: string): Promise<readonly Row[]> {
  const tree = await rows.all<{ n: number }>(
    `with recursive tree (n, id) as (
       select n, id from run where id = $1
       union all
       select run.n, run.id from tree join label on label.name = 'parent' and label.value = tree.id
         join run on run.n = label.run
     ) select n from tree`,
    toText(runId),
  )
  const keys = tree.map(({ n }) => n)
  const sql = 'select n, id, status, ended from run where n = any($1::bigint[]) order by n for update'
  const locked = new Map((await rows.all<Row>(sql, keys)).map((row) => [row.n, row]))
  return keys.flatMap((n) => locked.get(n) ?? [])
}

async function check(rows: Rows, runId: string, runs: readonly Row[], force: boolean): Promise<void> {
  const [root] = runs
  if (root === undefined) throw notFound(runId)
  const parent = await rows.get<{ id: string }>(
    'select above.id from run join run as above on above.id = run.parent where run.id = $1',
    toText(runId),
  )
  if (parent !== undefined) throw isChildOf(runId, root.status, fromText(parent.id))
  for (const { n, id, status, ended } of runs) {
    const which = fromText(id)
    if (ended === null) throw hasNotEnded(which, status)
    if (force) continue
    const open = `select count(*) as count from outbox where run = $1 and state in ('waiting', 'delivering')`
    const { count = 0 } = (await rows.get<{ count: number }>(open, n)) ?? {}
    if (count > 0) throw stillSends(which, status, count)
    const asked = await rows.get<{ id: string }>(`select id from question where run = $1 and status = 'open'`, n)
    if (asked !== undefined) throw stillAsks(which, status, fromText(asked.id))
  }
}

async function remove(rows: Rows, runs: readonly Row[], now: number): Promise<void> {
  const keys = runs.map(({ n }) => n)
  const ids = runs.map(({ id }) => id)
  const pots = ids.map((id) => `run:${id}`)
  await rows.run(`update blob set doomed = $2 where hash in (${NAMED} where entry.run = any($1::bigint[]))`, keys, now)
  await rows.run('delete from seat where question in (select n from question where run = any($1::bigint[]))', keys)
  for (const table of ['entry', 'question', 'inbox', 'outbox', 'claim', 'label', 'unknown_step']) {
    await rows.run(`delete from ${table} where run = any($1::bigint[])`, keys)
  }
  await rows.run('select from pot where id = any($1::text[]) order by id for update', pots)
  const reserved = 'run = any($1::text[]) or pot in (select n from pot where id = any($2::text[]))'
  await rows.run(`delete from reservation where ${reserved}`, ids, pots)
  await rows.run('delete from pot where id = any($1::text[])', pots)
  await rows.run('delete from run where n = any($1::bigint[])', keys)
}

/** Takes away what has been marked for long enough, and is named nowhere: a look at everything, which only this waits for. */
async function sweep(database: Database, now: number): Promise<void> {
  const doomed = 'select 1 as one from blob where doomed <= $1 limit 1'
  if ((await database.statement((rows) => rows.get(doomed, now - GRACE_MS))) === undefined) return
  await database.write(async (rows) => {
    await rows.run(`update blob set doomed = null where doomed <= $1 and hash in (${NAMED})`, now - GRACE_MS)
    await rows.run('delete from blob where doomed <= $1', now - GRACE_MS)
  })
}
