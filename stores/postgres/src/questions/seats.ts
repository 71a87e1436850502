/**
 * Who is to answer a question, while it is open: its assignee, or for a question to several people those on its seats.
 * Signals move them, in the commit that accepts the signal:
 *
 *   delegate:<id> { to, seat? }   the assignee, or who sits on that seat, is `to` from now on
 *   vote:<id> { seat, … }         that seat has voted, by whoever sits on it
 *
 * The signals themselves are the record of it.
 */
import { delegatedQuestion, type Signal, votedQuestion } from '@selvage/core'
import { type Moved, movedBy } from '@selvage/core/stores'
import type { Rows } from '../database.ts'
import { toText } from '../text.ts'

const SEAT = 'where assignee = $1 and question = (select n from question where id = $2) and seat = $3'

/** Asked again after a retry, the seats are those of the first time. */
export async function openSeats(rows: Rows, id: string, seats: readonly string[]): Promise<void> {
  await rows.run(
    `insert into seat (question, seat, assignee)
       select n, seat, seat from question, unnest($2::text[]) as seat where id = $1 on conflict do nothing`,
    id,
    seats.map(toText),
  )
}

/** A signal was accepted. */
export async function moveSeats(rows: Rows, signal: Signal): Promise<void> {
  const delegated = delegatedQuestion(signal.name)
  if (delegated !== undefined) await delegate(rows, delegated, movedBy(signal.payload))
  const voted = votedQuestion(signal.name)
  if (voted === undefined || signal.by === undefined) return
  const { seat } = movedBy(signal.payload)
  if (seat === undefined) return
  await rows.run(`update seat set voted = true ${SEAT}`, toText(signal.by), toText(voted), toText(seat))
}

async function delegate(rows: Rows, id: string, { from, to, seat }: Moved): Promise<void> {
  if (to === undefined) return
  if (seat === undefined) {
    const sql = `update question set assignee = $1 where id = $2 and status = 'open'`
    await rows.run(sql, toText(to), toText(id))
  } else if (from !== undefined) {
    await rows.run(`update seat set assignee = $4 ${SEAT}`, toText(from), toText(id), toText(seat), toText(to))
  }
}
