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
import type { EntryOf } from '@selvage/core'
import { askedByAnother } from '@selvage/core/stores'
import type { Rows } from '../database.ts'
import { toText, toTextOrNull } from '../text.ts'
import { openSeats } from './seats.ts'

/** The same question asked again by its run (the step that asked was made void) takes its former place. */
export async function openQuestion(rows: Rows, runId: string, n: number, entry: EntryOf<'open'>): Promise<void> {
  const { question, key } = entry
  const id = toText(question.id)
  const changed = await rows.run(
    `insert into question (id, run, seq, key, kind, assignee, status, level)
       select $1, $2::bigint, $3::int, $4, $5, $6,
         case when exists (select from inbox where run = $2 and id = $1) then 'answered' else 'open' end, $7::int
       on conflict (id) do update set seq = excluded.seq, key = excluded.key, kind = excluded.kind,
         assignee = excluded.assignee, status = excluded.status where question.run = excluded.run`,
    id,
    n,
    entry.seq,
    toText(key),
    question.kind,
    toTextOrNull(question.assignee),
    question.level ?? null,
  )
  if (changed === 0) throw askedByAnother(runId, question.id)
  if (question.quorum !== undefined) await openSeats(rows, id, question.quorum.of)
}

/** A signal of that id was accepted: if it is a question's, that one is answered. */
export async function answerQuestion(rows: Rows, n: number, signalId: string): Promise<void> {
  const sql = `update question set status = 'answered' where id = $1 and run = $2 and status = 'open'`
  await rows.run(sql, toText(signalId), n)
}

/** The wait of a key is over: by time, whatever has come in meanwhile, or by a signal. */
export async function settleQuestion(rows: Rows, n: number, entry: EntryOf<'wait'>): Promise<void> {
  const status = entry.signalId === undefined ? 'expired' : 'answered'
  const sql = `update question set status = $1 where run = $2 and key = $3 and status in ('open', 'answered')`
  await rows.run(sql, status, n, toText(entry.key))
}

/** The run has ended: nobody waits for what is still open, but for what it left to people. */
export async function closeQuestions(rows: Rows, n: number): Promise<void> {
  const sql = `update question set status = 'closed' where run = $1 and status = 'open' and kind <> 'compensation'`
  await rows.run(sql, n)
}

/** Whether the answer to that question lets its ended run go on. */
export async function outlivesRun(rows: Rows, n: number, id: string): Promise<boolean> {
  const sql = `select 1 as one from question where id = $1 and run = $2 and kind = 'compensation' and status = 'open'`
  return (await rows.get(sql, toText(id), n)) !== undefined
}

/** Whether an answer has come to what the run left to people, and its journal does not have it. */
export async function hasLateAnswer(rows: Rows, n: number): Promise<boolean> {
  const sql = `select 1 as one from inbox join question on question.id = inbox.id and question.run = inbox.run
    where inbox.run = $1 and inbox.seq is null and question.kind = 'compensation'`
  return (await rows.get(sql, n)) !== undefined
}

/** The end of the run is void; what it still waits for, without the steps of the keys `voided`, is open again. */
export async function reopenQuestions(rows: Rows, n: number, voided: readonly string[]): Promise<void> {
  const sql = `update question set status = 'open' where run = $1 and status = 'closed' and key <> all($2::text[])`
  await rows.run(sql, n, voided.map(toText))
}
