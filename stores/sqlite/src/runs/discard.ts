/**
 * Discarding an ended run: all rows of it and of the runs below it go in one commit. Not while one of them has not
 * ended; not a child whose parent is there, which may be retried and look for it; and, unless forced, not while a message
 * waits to be delivered or a person is asked. Blobs follow an hour later (doomed.ts), if no entry names them by then.
 */
import type { DiscardOptions } from '@selvage/core'
import { hasNotEnded, isChildOf, notFound, stillAsks, stillSends } from '@selvage/core/stores'
import type { Database } from '../database.ts'
import { readBody } from '../journal/body.ts'
import type { Commits } from '../journal/commit.ts'
import { doom, doomedBy, spare } from '../journal/doomed.ts'
import { removeSeats } from '../questions/seats.ts'
import { COMPLETED, statusName } from '../status.ts'
import { fromText, toText } from '../text.ts'

const GRACE_MS = 60 * 60 * 1_000

interface Row {
  readonly n: number
  readonly id: string
  readonly status: number
  readonly last: number
}

/** The ids of the runs that are gone: this one, and those below it. */
export async function discard(
  commits: Commits,
  database: Database,
  runId: string,
  { force = false }: DiscardOptions,
  now: number,
): Promise<readonly string[]> {
  const gone = await commits.write(
    () => {
      const runs = treeOf(database, runId)
      check(database, runId, runs, force)
      for (const run of runs) remove(database, run, now)
      return runs.map(({ id }) => fromText(id))
    },
    { ring: 'now' },
  )
  await sweep(commits, database, now)
  return gone
}

function treeOf(database: Database, runId: string): readonly Row[] {
  return database.all<Row>(
    `with recursive tree (n, id, status, last) as (
       select n, id, status, last from run where id = ?
       union all
       select run.n, run.id, run.status, run.last from tree join label on label.name = 'parent' and label.value = tree.id
         join run on run.n = label.run
     ) select n, id, status, last from tree`,
    toText(runId),
  )
}

function check(database: Database, runId: string, runs: readonly Row[], force: boolean): void {
  const [root] = runs
  if (root === undefined) throw notFound(runId)
  const parent = database.get<{ id: string }>(
    'select above.id as id from run join run as above on above.id = run.parent where run.id = ?',
    toText(runId),
  )
  if (parent !== undefined) throw isChildOf(runId, statusName(root.status), fromText(parent.id))
  for (const { n, id, status } of runs) {
    const which = fromText(id)
    if (status < COMPLETED) throw hasNotEnded(which, statusName(status))
    if (force) continue
    const open = 'select count(*) as count from outbox where run = ? and state < 2'
    const { count = 0 } = database.get<{ count: number }>(open, n) ?? {}
    if (count > 0) throw stillSends(which, statusName(status), count)
    const asked = database.get<{ id: string }>('select id from question where run = ? and status = 0', n)
    if (asked !== undefined) throw stillAsks(which, statusName(status), fromText(asked.id))
  }
}

function remove(database: Database, { n, id, last }: Row, now: number): void {
  const entries = entriesOf(database, last)
  const hashes = new Set(entries.flatMap((entry) => hashesIn(readBody(database, entry))))
  doom(database, hashes, now)
  for (const entry of entries) {
    database.run('delete from rest where n >= ? and n < ?', entry.n * 4, entry.n * 4 + 4)
    database.run('delete from entry where n = ?', entry.n)
  }
  removeSeats(database, n)
  for (const table of ['question', 'inbox', 'outbox', 'claim', 'live', 'label']) {
    database.run(`delete from ${table} where run = ?`, n)
  }
  database.run('delete from reservation where run = ? or pot in (select n from pot where id = ?)', id, `run:${id}`)
  database.run('delete from pot where id = ?', `run:${id}`)
  database.run('delete from run where n = ?', n)
}

interface Body {
  readonly n: number
  readonly body: string | Uint8Array | null
}

/** Along the chain, from the youngest. */
function entriesOf(database: Database, last: number): Body[] {
  return database.all<Body>(
    `with recursive chain (n) as (
       values (?) union all select entry.previous from chain join entry on entry.n = chain.n where entry.previous is not null
     ) select entry.n, body from chain join entry on entry.n = chain.n`,
    last,
  )
}

const REFERENCE = /\["blob","([0-9a-f]{64})"/g

function hashesIn(body: string | null): string[] {
  return body === null ? [] : [...body.matchAll(REFERENCE)].map(([, hash = '']) => hash)
}

/** Takes away what has been marked for long enough, and is named nowhere. */
async function sweep(commits: Commits, database: Database, now: number): Promise<void> {
  const named = await commits.read(() =>
    doomedBy(database, now - GRACE_MS).length === 0 ? undefined : namedAnywhere(database),
  )
  if (named === undefined) return
  await commits.write(() => {
    for (const hash of doomedBy(database, now - GRACE_MS)) {
      if (!named.has(hash)) database.run('delete from blob where hash = ?', hash)
      spare(database, hash)
    }
  })
}

/** Of all entries: a look at everything, which nobody waits for but whoever discards. */
function namedAnywhere(database: Database): ReadonlySet<string> {
  const sql = `select n, body from entry where typeof(body) = 'blob' or instr(body, '["blob",') > 0`
  return new Set(database.all<Body>(sql).flatMap((entry) => hashesIn(readBody(database, entry))))
}
