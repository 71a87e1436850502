/** Questions as they are read: with what was asked, from the journal, and the answer, from the inbox. */
import {
  delegationId,
  EngineError,
  type Page,
  QUESTION_KINDS,
  type QuestionQuery,
  type QuestionRecord,
  type Signal,
  voteId,
} from '@selvage/core'
import { badInput, delegationsIn, limitOf, noQuestion, pageOf, parseCursor, votesIn } from '@selvage/core/stores'
import { Conditions } from '../conditions.ts'
import type { Database, Rows, Value } from '../database.ts'
import { fromRow } from '../journal/entries.ts'
import { fromText, toText } from '../text.ts'
import { pendingSignal, signalsOf } from './inbox.ts'

const STATUSES: readonly string[] = ['open', 'answered', 'expired', 'closed']

interface QuestionRow {
  readonly n: number
  readonly id: string
  readonly run: number
  readonly run_id: string
  readonly seq: number
  readonly assignee: string | null
  readonly status: QuestionRecord['status']
  /** The `open` entry. */
  readonly body: string
  /** Of the answer: while it is pending in the inbox, else its entry. */
  readonly answer_name: string | null
  readonly answer_body: string | null
  readonly answer_seq: number | null
  readonly answer_entry: string | null
  /** Whether anything was ever given to others in its run. */
  readonly is_delegated: boolean
}

const SELECT = `select question.n, question.id, question.run, run.id as run_id, question.seq, question.assignee,
    question.status, entry.body, answer.name as answer_name, answer.body as answer_body, answer.seq as answer_seq,
    answered.body as answer_entry, exists (select from inbox where inbox.run = question.run
      and (starts_with(name, 'delegate:') or starts_with(name, '"delegate:'))) as is_delegated
  from question join run on run.n = question.run join entry on entry.run = question.run and entry.seq = question.seq
    left join inbox as answer on answer.run = question.run and answer.id = question.id
    left join entry as answered on answered.run = question.run and answered.seq = answer.seq`

/** Newest first. */
export async function questions(database: Database, query: QuestionQuery): Promise<Page<QuestionRecord>> {
  const limit = limitOf(query.limit)
  const { sql, values } = questionsStatement(query, limit + 1)
  return await database.snapshot(async (rows) => {
    const found = await rows.all<QuestionRow>(sql, ...values)
    const records = new Map<QuestionRow, QuestionRecord>()
    for (const row of found.slice(0, limit)) records.set(row, await record(rows, row))
    return pageOf(
      found,
      limit,
      (row) => records.get(row) as QuestionRecord,
      (row) => [row.n],
    )
  })
}

export function question(database: Database, id: string): Promise<QuestionRecord> {
  return database.snapshot(async (rows) => {
    const row = await rows.get<QuestionRow>(`${SELECT} where question.id = $1`, toText(id))
    if (row === undefined) throw noQuestion(id)
    return await record(rows, row)
  })
}

export function questionsStatement(query: QuestionQuery, limit: number): { sql: string; values: Value[] } {
  const { runId, assignee, status, kind, tag, after } = query
  const all = new Conditions()
  if (runId !== undefined) {
    all.add((place) => `question.run = (select n from run where id = ${place})`, toText(runId))
  }
  if (assignee !== undefined) {
    // Of an open question to several people only those who have not voted yet.
    const seats = `select question from seat where seat.assignee = `
    const unvoted = status === 'open' ? ' and not voted' : ''
    all.add((place) => {
      const own = `select n from question where assignee = ${place}`
      return `question.n in (${own} union all ${seats}${place}${unvoted})`
    }, toText(assignee))
  }
  if (status !== undefined) all.add((place) => `question.status = ${place}`, oneOf('status', STATUSES, status))
  if (kind !== undefined) all.add((place) => `question.kind = ${place}`, oneOf('kind', QUESTION_KINDS, kind))
  if (tag !== undefined) {
    all.add(
      (name, value) =>
        `exists (select from label where name = ${name} and value = ${value} and created = run.created and label.run = run.n)`,
      toText(`tag ${tag.key}`),
      toText(tag.value),
    )
  }
  if (after !== undefined) all.add((place) => `question.n < ${place}`, ...parseCursor(after, 1))
  return { sql: `${SELECT} ${all.where} order by question.n desc limit ${all.place(limit)}`, values: all.values }
}

function oneOf(what: string, names: readonly string[], name: string): string {
  if (names.includes(name)) return name
  throw badInput(`Questions have no ${what} "${name}".`, `It is one of ${names.join(', ')}.`)
}

async function record(rows: Rows, row: QuestionRow): Promise<QuestionRecord> {
  const runId = fromText(row.run_id)
  const entry = fromRow(row, runId)
  if (entry.type !== 'open') {
    throw new EngineError('CORRUPT', `Question ${row.id} of run ${runId} cannot be read.`, {
      hint: 'The database is damaged; put a backup in its place.',
      details: { runId, questionId: row.id },
    })
  }
  const { question } = entry
  const said = (prefix: string): Promise<Signal[]> => signalsOf(rows, runId, row.run, prefix)
  const answer = answerOf(row, runId)
  const delegations = row.is_delegated ? delegationsIn(await said(delegationId(question.id, 1).slice(0, -1))) : []
  return {
    ...question,
    ...(row.assignee === null ? {} : { assignee: fromText(row.assignee) }),
    runId,
    key: entry.key,
    openedAt: entry.at,
    status: row.status,
    ...(answer === undefined ? {} : { answer }),
    ...(delegations.length === 0 ? {} : { delegations }),
    ...(question.quorum === undefined ? {} : { votes: votesIn(await said(voteId(question.id, ''))) }),
  }
}

function answerOf(row: QuestionRow, runId: string): Signal | undefined {
  if (row.answer_name === null) return undefined
  if (row.answer_seq === null || row.answer_entry === null) {
    return pendingSignal({ id: row.id, name: row.answer_name, body: row.answer_body })
  }
  const entry = fromRow({ seq: row.answer_seq, body: row.answer_entry }, runId)
  return entry.type === 'signal' ? entry.signal : undefined
}
