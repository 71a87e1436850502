/**
 * Who has had a run. A row is written with each claim, in its transaction, and never changed: the worker and where it
 * ran, as its own row in `worker` is gone when it has died, and how long the journal was, so that each entry can be told
 * to be its work or that of another.
 */
import type { RunClaim } from '@selvage/core'
import type { Database } from '../database.ts'
import type { Commits } from '../journal/commit.ts'
import { fromText, toText } from '../text.ts'

const KEPT = 100

interface Claimed {
  readonly fence: number
  readonly length: number
  readonly workerId: string
  /** As its row has it. */
  readonly recoveredFrom: string | null
  readonly at: number
}

interface ClaimRow extends Omit<Claimed, 'workerId' | 'recoveredFrom'> {
  readonly worker: string
  readonly pid: number
  readonly host: string
  readonly recovered_from: string | null
}

/** Inside the unit of the claim. */
export function recordClaim(database: Database, n: number, claimed: Claimed): void {
  const { fence, length, workerId, recoveredFrom, at } = claimed
  database.run(
    `insert into claim (run, fence, at, length, worker, pid, host, recovered_from)
       select ?, ?, ?, ?, id, pid, host, ? from worker where id = ?`,
    n,
    fence,
    at,
    length,
    recoveredFrom,
    toText(workerId),
  )
  if (fence > KEPT) database.run('delete from claim where run = ? and fence <= ?', n, fence - KEPT)
}

/** Oldest first. Empty for a run that nobody has claimed, or that is not there. */
export function claimsOf(commits: Commits, database: Database, runId: string): Promise<readonly RunClaim[]> {
  return commits.read(() => {
    const sql = `select fence, at, length, worker, pid, host, recovered_from from claim
      where run = (select n from run where id = ?) order by fence`
    return database
      .all<ClaimRow>(sql, toText(runId))
      .map(({ fence, at, length, worker, pid, host, recovered_from }) => ({
        fence,
        worker: fromText(worker),
        pid,
        host: fromText(host),
        at,
        from: length,
        ...(recovered_from === null ? {} : { recoveredFrom: fromText(recovered_from) }),
      }))
  })
}

/** The id of the worker that appended that entry; undefined if its claim is too old to be known. */
export function authorOf(
  commits: Commits,
  database: Database,
  runId: string,
  seq: number,
): Promise<string | undefined> {
  return commits.read(() => {
    const sql = `select worker from claim where run = (select n from run where id = ?) and length <= ?
      order by fence desc limit 1`
    const row = database.get<{ worker: string }>(sql, toText(runId), seq)
    return row === undefined ? undefined : fromText(row.worker)
  })
}
