/**
 * The row in `live`: what a claim creates, appends change, and giving the run up takes away.
 *
 * An append that had its transaction to itself need not change it (append.ts): the row then says that it is `behind`,
 * and how far is found by looking through the entries after its `last`. Those are few: the row is brought up to date
 * after 32 appends, with the next group of appends, and with the heartbeat of the worker.
 */
import type { Database } from '../database.ts'
import { refused } from '../refusals.ts'
import { toText } from '../text.ts'
import { FINAL_STEPS } from './entries.ts'

/** A run and how its journal ends. */
export interface Tail {
  readonly n: number
  readonly length: number
  /** Steps with a final outcome. */
  readonly steps: number
  /** The last entry; null in an empty journal. */
  readonly last: number | null
}

/** A tail as a row has it. */
export interface TailRow extends Tail {
  /** 1: there may be entries after `last`. */
  readonly behind: number
}

/** Columns of a `TailRow`, and of what they need beside `run`. */
export const TAIL = `run.n, coalesce(live.length, run.length) as length, coalesce(live.steps, run.steps) as steps,
  coalesce(live.last, run.last) as last, coalesce(live.behind, 0) as behind`
export const JOIN_LIVE = 'left join live on live.run = run.n'

/** With the time of the last entry, if there is one. */
const AFTER = `select count(*) as length, coalesce(sum(type in (${FINAL_STEPS})), 0) as steps, max(n) as last, at
  from entry where n > ? and run = ?`

const CATCH_UP = `update live set behind = 0, (length, steps, last) = (
    select live.length + count(*), live.steps + coalesce(sum(type in (${FINAL_STEPS})), 0), coalesce(max(n), live.last)
    from entry where n > live.last and run = live.run)
  where run = ? and behind = 1`

/** The row with what stands after its `last`. */
export function caughtUp<Row extends TailRow & { readonly last_at?: number }>(database: Database, row: Row): Row {
  if (row.behind === 0) return row
  const more = database.get<Tail & { at: number }>(AFTER, row.last, row.n)
  if (more === undefined || more.length === 0) return row
  return {
    ...row,
    length: row.length + more.length,
    steps: row.steps + more.steps,
    last: more.last,
    last_at: more.at,
  }
}

/** The run, if that fence holds it; else LeaseLostError. */
export function liveOf(database: Database, runId: string, fence: number): TailRow {
  const row = database.get<TailRow>(
    `select live.run as n, live.length, live.steps, live.last, live.behind from run cross join live on live.run = run.n
       where run.id = ? and live.fence = ?`,
    toText(runId),
    fence,
  )
  if (row === undefined) throw refused(database, runId, fence)
  return caughtUp(database, row)
}

/** The run is claimed: what its row knows is now known here. */
export function enliven(database: Database, n: number): void {
  database.run(
    `insert into live (run, fence, length, steps, last, behind) select n, fence, length, steps, last, 0 from run where n = ?`,
    n,
  )
}

/** Brings the row of a run up to date, if it has one and that is behind. */
export function catchUp(database: Database, n: number): void {
  database.run(CATCH_UP, n)
}

/** The same, if that fence still holds it: whoever has it by now counts on what the row says. */
export function catchUpHeld(database: Database, n: number, fence: number): void {
  database.run(`${CATCH_UP} and fence = ?`, n, fence)
}

/** The run is given up: what was known here goes back to its row. */
export function leave(database: Database, n: number): void {
  catchUp(database, n)
  database.run(
    `update run set (length, steps, last) = (select length, steps, last from live where live.run = run.n) where n = ?`,
    n,
  )
  database.run('delete from live where run = ?', n)
}
