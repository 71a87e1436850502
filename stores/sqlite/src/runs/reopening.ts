/**
 * An ended run that goes on because somebody has answered what it left open: its end is void, nothing else. A transition
 * of its own beside `reopen` (runs.ts), in the commit that accepts the answer.
 */
import type { Database } from '../database.ts'
import { extend } from '../journal/journal.ts'
import { JOIN_LIVE, TAIL, type TailRow } from '../journal/live.ts'
import type { Names } from '../names.ts'
import { PENDING } from '../status.ts'

/** Inside a unit. The run must have ended, and left a question open. */
export function goOn(database: Database, names: Names, n: number, now: number): void {
  const tail = database.get<TailRow>(`select ${TAIL} from run ${JOIN_LIVE} where run.n = ?`, n)
  if (tail === undefined) return
  const entry = { seq: tail.length, at: now, type: 'reopen', voided: [], undo: true } as const
  const { length, steps, last } = extend(database, names, tail, entry)
  const sql = `update run set status = ${PENDING}, updated = ?, ended = null, due = ?, length = ?, steps = ?, last = ?
    where n = ?`
  database.run(sql, now, now, length, steps, last, n)
}
