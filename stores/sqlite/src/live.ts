/** The row in `live`: what a claim creates, each append changes, and giving the run up takes away. */
import type { Database } from './database.ts'
import type { Tail } from './journal.ts'
import { refused } from './refusals.ts'
import { toText } from './text.ts'

/** The run, if that fence holds it; else LeaseLostError. */
export function liveOf(database: Database, runId: string, fence: number): Tail {
  const tail = database.get<Tail>(
    `select live.run as n, live.length, live.steps, live.last from run cross join live on live.run = run.n
       where run.id = ? and live.fence = ?`,
    toText(runId),
    fence,
  )
  if (tail === undefined) throw refused(database, runId, fence)
  return tail
}

/** The run is claimed: what its row knows is now known here. */
export function enliven(database: Database, n: number): void {
  database.run(
    `insert into live (run, fence, length, steps, last) select n, fence, length, steps, last from run where n = ?`,
    n,
  )
}

/** The run is given up: what was known here goes back to its row. */
export function leave(database: Database, n: number): void {
  database.run(
    `update run set (length, steps, last) = (select length, steps, last from live where live.run = run.n) where n = ?`,
    n,
  )
  database.run('delete from live where run = ?', n)
}
