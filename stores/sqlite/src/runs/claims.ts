/**
 * Claims: a worker takes runs that are due, of suspects one at a time. Each claim adds 1 to the fence of its run and notes
 * how long the journal was, so that a death can be told to have moved the run or not.
 */
import { type Claim, type Programs, SUSPECT_CRASHES } from '@selvage/core'
import { ended, held, notFound } from '@selvage/core/stores'
import type { Database } from '../database.ts'
import type { Commits } from '../journal/commit.ts'
import { startOf } from '../journal/journal.ts'
import { enliven } from '../journal/live.ts'
import { pendingOf } from '../questions/inbox.ts'
import { hasEnded, RUNNING, statusName } from '../status.ts'
import { fromText, toText, toTextOrNull } from '../text.ts'
import { recordClaim } from './holders.ts'
import type { Workers } from './workers.ts'

const DUE_OF = (from: string, crashes: string): string =>
  `select n, id, due, owner from ${from} where program = ? and version is ? and due <= ? and ${crashes} order by due limit ?`
/** Due runs of one program and version, oldest first: those that are no suspects, and those that are. */
export const DUE: string = DUE_OF('run', `crashes < ${SUSPECT_CRASHES}`)
export const DUE_SUSPECTS: string = DUE_OF('run indexed by run_suspect', `crashes >= ${SUSPECT_CRASHES}`)
/** A worker holds a suspect as long as that has recorded nothing. */
const HOLDS_SUSPECT = `select 1 from run join live on live.run = run.n
  where status = ${RUNNING} and owner = ? and crashes >= ${SUSPECT_CRASHES} and live.length = held_from and live.behind = 0`
export const NEXT_DUE = 'select min(due) as due from run where program = ? and version is ? and due is not null'

interface DueRow {
  readonly n: number
  readonly id: string
  readonly due: number
  readonly owner: string | null
}

export async function claim(
  commits: Commits,
  database: Database,
  workers: Workers,
  workerId: string,
  programs: readonly Programs[],
  limit: number,
  now: number,
  withSuspects = true,
): Promise<readonly Claim[]> {
  // Most often nothing is due: that is found out without a transaction.
  const look = (count: number): readonly DueRow[] => due(database, workerId, programs, count, now, withSuspects)
  if (limit < 1 || (await commits.read(() => look(1))).length === 0) return []
  return await commits.write(
    () => {
      workers.requireEnlisted(workerId)
      return look(limit).map((row) => take(database, workerId, row, now))
    },
    { ring: 'now' },
  )
}

export function claimRun(
  commits: Commits,
  database: Database,
  workers: Workers,
  workerId: string,
  runId: string,
  now: number,
): Promise<Claim> {
  return commits.write(
    () => {
      workers.requireEnlisted(workerId)
      const sql = 'select n, id, due, owner, status from run where id = ?'
      const row = database.get<DueRow & { status: number }>(sql, toText(runId))
      if (row === undefined) throw notFound(runId)
      if (hasEnded(row.status)) throw ended(runId, statusName(row.status))
      const owner = row.status === RUNNING && row.owner !== null ? workers.ownerAlive(row.owner, now) : undefined
      if (owner !== undefined) throw held(runId, owner)
      return take(database, workerId, row, now)
    },
    { ring: 'now' },
  )
}

/** When the next run of these programs is due, now or later. */
export function nextDue(
  commits: Commits,
  database: Database,
  programs: readonly Programs[],
): Promise<number | undefined> {
  return commits.read(() => {
    let next: number | undefined
    for (const { name, version } of programs) {
      const due = database.get<{ due: number | null }>(NEXT_DUE, toText(name), toTextOrNull(version))?.due ?? undefined
      if (due !== undefined && (next === undefined || due < next)) next = due
    }
    return next
  })
}

function due(
  database: Database,
  workerId: string,
  programs: readonly Programs[],
  limit: number,
  now: number,
  withSuspects: boolean,
): readonly DueRow[] {
  const of = (statement: string, count: number): DueRow[] =>
    programs
      .flatMap(({ name, version }) => database.all<DueRow>(statement, toText(name), toTextOrNull(version), now, count))
      .sort((a, b) => a.due - b.due || a.n - b.n)
      .slice(0, count)
  const suspects = withSuspects ? of(DUE_SUSPECTS, 1) : []
  const mayHold = suspects.length === 0 || database.get(HOLDS_SUSPECT, toText(workerId)) === undefined
  const taken = mayHold ? suspects : []
  return [...taken, ...of(DUE, limit - taken.length)]
}

function take(database: Database, workerId: string, row: DueRow, now: number): Claim {
  const runId = fromText(row.id)
  const claimed = database.get<{ fence: number; length: number; crashes: number }>(
    `update run set status = ${RUNNING}, fence = fence + 1, owner = ?, due = null, waits = null, updated = ?,
       held_from = length where n = ? returning fence, length, crashes`,
    toText(workerId),
    now,
    row.n,
  )
  if (claimed === undefined) throw notFound(runId)
  enliven(database, row.n)
  recordClaim(database, row.n, { ...claimed, workerId, recoveredFrom: row.owner, at: now })
  return {
    runId,
    fence: claimed.fence,
    start: startOf(database, runId, row.n).start,
    cursor: claimed.length,
    signals: pendingOf(database, row.n),
    delivery: 1 + claimed.crashes,
    ...(row.owner === null ? {} : { recoveredFrom: fromText(row.owner) }),
  }
}
