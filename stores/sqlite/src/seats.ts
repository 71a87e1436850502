/**
 * Who is to answer a question, while it is open: its assignee, or for a question to several people those on its seats.
 * Signals move them, in the commit that accepts the signal:
 *
 *   delegate:<id> { to, seat? }   the assignee, or who sits on that seat, is `to` from now on
 *   vote:<id> { seat, … }         that seat has voted
 *
 * The signals themselves are the record of it.
 */
import { delegatedQuestion, type Json, type Signal, votedQuestion } from '@selvage/core'
import type { Database } from './database.ts'
import { toText } from './text.ts'

/** Asked again after a retry, the seats are those of the first time. */
export function openSeats(database: Database, id: string, seats: readonly string[]): void {
  for (const seat of seats.map(toText)) {
    database.run(
      'insert or ignore into seat (question, seat, assignee) select n, ?, ? from question where id = ?',
      seat,
      seat,
      id,
    )
  }
}

/** A signal was accepted. */
export function moveSeats(database: Database, signal: Signal): void {
  const delegated = delegatedQuestion(signal.name)
  if (delegated !== undefined) delegate(database, delegated, read(signal.payload))
  const voted = votedQuestion(signal.name)
  if (voted !== undefined) vote(database, voted, read(signal.payload))
}

function delegate(database: Database, id: string, { to, seat }: Moved): void {
  if (to === undefined) return
  if (seat === undefined) {
    database.run('update question set assignee = ? where id = ? and status = 0', toText(to), toText(id))
  } else {
    const sql = 'update seat set assignee = ? where question = (select n from question where id = ?) and seat = ?'
    database.run(sql, toText(to), toText(id), toText(seat))
  }
}

function vote(database: Database, id: string, { seat }: Moved): void {
  if (seat === undefined) return
  const sql = 'update seat set voted = 1 where question = (select n from question where id = ?) and seat = ?'
  database.run(sql, toText(id), toText(seat))
}

/** What the payloads of both say. */
export interface Moved {
  readonly from?: string
  readonly to?: string
  readonly seat?: string
  readonly reason?: string
  readonly approved?: boolean
}

/** What our own senders write; a stranger's signal of that name moves nothing. */
export function read(payload: Json): Moved {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return {}
  const texts = (['from', 'to', 'seat', 'reason'] as const).flatMap((name) => {
    const text = (payload as { readonly [name: string]: Json })[name]
    return typeof text === 'string' ? [[name, text] as const] : []
  })
  const { approved } = payload as { readonly approved?: Json }
  return { ...Object.fromEntries(texts), ...(typeof approved === 'boolean' ? { approved } : {}) }
}
