/**
 * Who is to answer a question, while it is open: its assignee, or for a question to several people those on its seats.
 * Signals move them, in the commit that accepts the signal:
 *
 *   delegate:<id> { to, seat? }   the assignee, or who sits on that seat, is `to` from now on
 *   vote:<id> { seat, … }         that seat has voted, by whoever sits on it
 *
 * The signals themselves are the record of it. The table of seats is made with the first question to several people: most
 * databases never have one.
 */
import { delegatedQuestion, type Signal, votedQuestion } from '@selvage/core'
import { type Moved, movedBy } from '@selvage/core/stores'
import type { Database } from '../database.ts'
import { toText } from '../text.ts'

/** One row for each seat: who sits on it now, the seat as the question names it, and whether it has voted. */
const TABLE = `create table if not exists seat (assignee text not null, question integer not null, seat text not null,
  voted integer not null default 0, primary key (assignee, question, seat)) without rowid`
const SEAT = 'where assignee = ? and question = (select n from question where id = ?) and seat = ?'

/** Asked again after a retry, the seats are those of the first time. */
export function openSeats(database: Database, id: string, seats: readonly string[]): void {
  database.exec(TABLE)
  for (const seat of seats.map(toText)) {
    database.run(
      'insert or ignore into seat (question, seat, assignee) select n, ?, ? from question where id = ?',
      seat,
      seat,
      id,
    )
  }
}

/** Whether anything was ever asked of several people. */
export function hasSeats(database: Database): boolean {
  return database.get("select 1 from sqlite_schema where type = 'table' and name = 'seat'") !== undefined
}

/** Inside a unit: the run goes, with all that it has asked. */
export function removeSeats(database: Database, run: number): void {
  if (!hasSeats(database)) return
  database.run('delete from seat where question in (select n from question where run = ?)', run)
}

/** A signal was accepted. */
export function moveSeats(database: Database, signal: Signal): void {
  const delegated = delegatedQuestion(signal.name)
  if (delegated !== undefined) delegate(database, delegated, movedBy(signal.payload))
  const voted = votedQuestion(signal.name)
  if (voted !== undefined && signal.by !== undefined) vote(database, voted, movedBy(signal.payload), signal.by)
}

function delegate(database: Database, id: string, { from, to, seat }: Moved): void {
  if (to === undefined) return
  if (seat === undefined) {
    database.run('update question set assignee = ? where id = ? and status = 0', toText(to), toText(id))
  } else if (from !== undefined && hasSeats(database)) {
    database.run(`update seat set assignee = ? ${SEAT}`, toText(to), toText(from), toText(id), toText(seat))
  }
}

function vote(database: Database, id: string, { seat }: Moved, by: string): void {
  if (seat === undefined || !hasSeats(database)) return
  database.run(`update seat set voted = 1 ${SEAT}`, toText(by), toText(id), toText(seat))
}
