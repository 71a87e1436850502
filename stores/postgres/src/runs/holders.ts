/**
 * Who has had a run. A row is written with each claim, in its transaction, and never changed: the worker and where it
 * ran, as its own row in `worker` is gone when it has died, and how long the journal was, so that each entry can be told
 * to be its work or that of another.
 */
import type { RunClaim } from '@selvage/core'
import type { Database } from '../database.ts'
import { fromText, toText } from '../text.ts'

interface ClaimRow {
  readonly fence: number
  readonly at: number
  readonly length: number
  readonly worker: string
  readonly pid: number
  readonly host: string
  readonly recovered_from: string | null
}

/** Oldest first. Empty for a run that nobody has claimed, or that is not there. */
export async function claimsOf(database: Database, runId: string): Promise<readonly RunClaim[]> {
  const sql = `select fence, at, length, worker, pid, host, recovered_from from claim
    where run = (select n from run where id = $1) order by fence`
  const found = await database.statement((rows) => rows.all<ClaimRow>(sql, toText(runId)))
  return found.map(({ fence, at, length, worker, pid, host, recovered_from }) => ({
    fence,
    worker: fromText(worker),
    pid,
    host: fromText(host),
    at,
    from: length,
    ...(recovered_from === null ? {} : { recoveredFrom: fromText(recovered_from) }),
  }))
}

/** The id of the worker that appended that entry; undefined if its claim is too old to be known. */
export async function authorOf(database: Database, runId: string, seq: number): Promise<string | undefined> {
  const sql = `select worker from claim where run = (select n from run where id = $1) and length <= $2
    order by fence desc limit 1`
  const row = await database.statement((rows) => rows.get<{ worker: string }>(sql, toText(runId), seq))
  return row === undefined ? undefined : fromText(row.worker)
}
