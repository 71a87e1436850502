/**
 * Questions to people and outside systems: a projection of the journal, for lists (`asked.ts` reads them).
 *
 *   open ──signal with its id accepted──▶ answered ──the run stopped waiting before it looked──▶ expired
 *     ├──the wait of its key over, by a signal──▶ answered, without one──▶ expired
 *     └──end of the run──▶ closed ──reopen, key not voided──▶ open
 *
 * Those of kind `compensation` stay open behind the end of their run: their answer lets it go on.
 *
 * What was asked stands in the `open` entry, the answer in the inbox or the journal: neither is stored here again. Who is to
 * answer may change while it is open (seats.ts).
 */
import { type EntryOf, QUESTION_KINDS, type QuestionRecord, UsageError } from '@selvage/core'
import type { Database } from '../database.ts'
import { watchSeats } from '../outbox/notices.ts'
import { toText, toTextOrNull } from '../text.ts'
import { openSeats } from './seats.ts'

export const QUESTION_STATUSES: readonly QuestionRecord['status'][] = ['open', 'answered', 'expired', 'closed']

const OPEN = 0
const ANSWERED = 1
const EXPIRED = 2
const CLOSED = 3

const COMPENSATION = QUESTION_KINDS.indexOf('compensation')

/** The same question asked again by its run (the step that asked was made void) takes its former place. */
export function openQuestion(database: Database, runId: string, n: number, entry: EntryOf<'open'>, row: number): void {
  const { question, key } = entry
  const id = toText(question.id)
  const asked = database.get<{ run: number }>('select run from question where id = ?', id)
  if (asked !== undefined && asked.run !== n) {
    throw new UsageError('BAD_INPUT', `The question ${question.id} of run ${runId} was asked by another run.`, {
      hint: 'Ids of questions are unique over all runs.',
      details: { runId, questionId: question.id },
    })
  }
  const answered = database.get('select 1 from inbox where run = ? and id = ?', n, id) !== undefined
  database.run(
    `insert into question (id, run, entry, key, kind, assignee, status, level) values (?, ?, ?, ?, ?, ?, ?, ?)
       on conflict (id) do update set entry = excluded.entry, key = excluded.key, kind = excluded.kind,
         assignee = excluded.assignee, status = excluded.status`,
    id,
    n,
    row,
    toText(key),
    QUESTION_KINDS.indexOf(question.kind),
    toTextOrNull(question.assignee),
    answered ? ANSWERED : OPEN,
    question.level ?? null,
  )
  if (question.quorum === undefined) return
  openSeats(database, id, question.quorum.of)
  watchSeats(database)
}

/** A signal of that id was accepted: if it is a question's, that one is answered. */
export function answerQuestion(database: Database, n: number, signalId: string): void {
  const sql = `update question set status = ${ANSWERED} where id = ? and run = ? and status = ${OPEN}`
  database.run(sql, toText(signalId), n)
}

/** The wait of a key is over: by time, whatever has come in meanwhile, or by a signal. */
export function settleQuestion(database: Database, n: number, entry: EntryOf<'wait'>): void {
  const status = entry.signalId === undefined ? EXPIRED : ANSWERED
  const sql = `update question set status = ? where run = ? and key = ? and status in (${OPEN}, ${ANSWERED})`
  database.run(sql, status, n, toText(entry.key))
}

/** The run has ended: nobody waits for what is still open, but for what it left to people. */
export function closeQuestions(database: Database, n: number): void {
  const sql = `update question set status = ${CLOSED} where run = ? and +status = ${OPEN} and +kind <> ${COMPENSATION}`
  database.run(sql, n)
}

/** Whether the answer to that question lets its ended run go on. */
export function outlivesRun(database: Database, n: number, id: string): boolean {
  const sql = `select 1 from question where id = ? and run = ? and kind = ${COMPENSATION} and status = ${OPEN}`
  return database.get(sql, toText(id), n) !== undefined
}

/** Whether an answer has come to what the run left to people, and its journal does not have it. */
export function hasLateAnswer(database: Database, n: number): boolean {
  const sql = `select 1 from inbox join question on question.id = inbox.id and question.run = inbox.run
    where inbox.run = ? and inbox.entry is null and question.kind = ${COMPENSATION}`
  return database.get(sql, n) !== undefined
}

/** The end of the run is void; what it still waits for, without the steps of the keys `voided`, is open again. */
export function reopenQuestions(database: Database, n: number, voided: readonly string[]): void {
  const sql = `update question set status = ${OPEN}
    where run = ? and +status = ${CLOSED} and key not in (select value from json_each(?))`
  database.run(sql, n, JSON.stringify(voided.map(toText)))
}
