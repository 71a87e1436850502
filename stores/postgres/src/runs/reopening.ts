/**
 * An ended run that goes on because somebody has answered what it left open: its end is void, nothing else. A transition
 * of its own beside `reopen` (runs.ts), in the commit that accepts the answer.
 */
import type { Rows } from '../database.ts'
import { extend, type Tail } from '../journal/journal.ts'

/** Inside a transaction that has locked the run, which must have ended and left a question open. */
export async function goOn(rows: Rows, n: number, now: number): Promise<void> {
  const tail = await rows.get<Tail>('select n, length, steps from run where n = $1', n)
  if (tail === undefined) return
  const { length } = await extend(rows, tail, { seq: tail.length, at: now, type: 'reopen', voided: [], undo: true })
  await rows.run(
    `update run set status = 'pending', updated = $2, ended = null, due = $2, length = $3, last_at = $2 where n = $1`,
    n,
    now,
    length,
  )
}
