/**
 * Claims: a worker takes runs that are due. Each claim adds 1 to the fence of its run and notes how long the journal
 * was, so that a death can be told to have moved the run or not.
 */
import { type Claim, EngineError, type Programs, RunError } from '@selvage/core'
import type { HeldRuns } from './append.ts'
import type { Commits } from './commit.ts'
import type { Database } from './database.ts'
import { pendingOf } from './inbox.ts'
import { entryAt, LENGTH } from './journal.ts'
import { ended, notFound } from './refusals.ts'
import { hasEnded, RUNNING, statusName } from './status.ts'
import { fromText, toText, toTextOrNull } from './text.ts'
import type { Workers } from './workers.ts'

/** Due runs of one program and version, oldest first. */
export const DUE =
  'select n, id, due, owner from run where program = ? and version is ? and due <= ? order by due limit ?'
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
  held: HeldRuns,
  workerId: string,
  programs: readonly Programs[],
  limit: number,
  now: number,
): Promise<readonly Claim[]> {
  // Most often nothing is due: that is found out without a transaction.
  if (limit < 1 || (await commits.read(() => due(database, programs, 1, now))).length === 0) return []
  return await commits.write(
    () => {
      workers.requireEnlisted(workerId)
      return due(database, programs, limit, now).map((row) => take(database, held, workerId, row, now))
    },
    { ring: 'now' },
  )
}

export function claimRun(
  commits: Commits,
  database: Database,
  workers: Workers,
  held: HeldRuns,
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
      if (owner !== undefined) {
        throw new RunError('RUN_HELD', `Run ${runId} is running in process ${owner.pid} on ${owner.host}.`, {
          hint: 'Wait until that process has ended, or use another run id.',
          details: { runId, ...owner },
        })
      }
      return take(database, held, workerId, row, now)
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

function due(database: Database, programs: readonly Programs[], limit: number, now: number): DueRow[] {
  return programs
    .flatMap(({ name, version }) => database.all<DueRow>(DUE, toText(name), toTextOrNull(version), now, limit))
    .sort((a, b) => a.due - b.due || a.n - b.n)
    .slice(0, limit)
}

function take(database: Database, held: HeldRuns, workerId: string, row: DueRow, now: number): Claim {
  const claimed = database.get<{ fence: number; length: number; crashes: number }>(
    `update run set status = ${RUNNING}, fence = fence + 1, owner = ?, due = null, waits = null, updated = ?,
       held_from = ${LENGTH} where n = ? returning fence, held_from as length, crashes`,
    toText(workerId),
    now,
    row.n,
  )
  const runId = fromText(row.id)
  const first = entryAt(database, runId, row.n, 0)
  if (claimed === undefined || first.type !== 'start') {
    throw new EngineError('CORRUPT', `The journal of run ${runId} does not begin with its start.`, {
      hint: 'The database is damaged; put a backup in its place.',
      details: { runId },
    })
  }
  held.set(runId, { n: row.n, fence: claimed.fence, length: claimed.length })
  return {
    runId,
    fence: claimed.fence,
    start: first.start,
    cursor: claimed.length,
    signals: pendingOf(database, row.n),
    delivery: 1 + claimed.crashes,
    ...(row.owner === null ? {} : { recoveredFrom: fromText(row.owner) }),
  }
}
