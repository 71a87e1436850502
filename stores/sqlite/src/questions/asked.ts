/** Questions as they are read: with what was asked, from the journal, and the answer, from the inbox. */
import {
  EngineError,
  type Page,
  QUESTION_KINDS,
  type QuestionQuery,
  type QuestionRecord,
  RunError,
} from '@selvage/core'
import { badInput, limitOf, pageOf, parseCursor } from '@selvage/core/stores'
import type { Database, Value } from '../database.ts'
import type { Commits } from '../journal/commit.ts'
import { entryOf } from '../journal/journal.ts'
import { fromText, toText } from '../text.ts'
import { findSignal } from './inbox.ts'
import { QUESTION_STATUSES } from './questions.ts'
import { delegationsOf, votesOf } from './said.ts'
import { hasSeats } from './seats.ts'

interface QuestionRow {
  readonly n: number
  readonly id: string
  readonly run: number
  readonly run_id: string
  readonly entry: number
  readonly assignee: string | null
  readonly status: number
}

const SELECT = `select question.n, question.id, question.run, run.id as run_id, question.entry, assignee, question.status
  from question cross join run on run.n = question.run`

/** Newest first. */
export function questions(commits: Commits, database: Database, query: QuestionQuery): Promise<Page<QuestionRecord>> {
  return commits.read(() => {
    const limit = limitOf(query.limit)
    const { sql, values } = questionsStatement(query, limit + 1, query.assignee !== undefined && hasSeats(database))
    const rows = database.all<QuestionRow>(sql, ...values)
    return pageOf(
      rows,
      limit,
      (row) => record(database, row),
      (row) => [row.n],
    )
  })
}

export function question(commits: Commits, database: Database, id: string): Promise<QuestionRecord> {
  return commits.read(() => {
    const row = database.get<QuestionRow>(`${SELECT} where question.id = ?`, toText(id))
    if (row !== undefined) return record(database, row)
    throw new RunError('NOT_FOUND', `There is no question ${id}.`, {
      hint: 'Check the id and the database.',
      details: { questionId: id },
    })
  })
}

/** The first filter present, in this order, is the one whose index is walked; `+` keeps the planner from the others. */
export function questionsStatement(
  query: QuestionQuery,
  limit: number,
  seats: boolean,
): { sql: string; values: Value[] } {
  const filters: Filter[] = []
  if (query.runId !== undefined) {
    filters.push({ column: 'question.run = (select n from run where id = ?)', value: toText(query.runId) })
  }
  if (query.assignee !== undefined) filters.push(ofAssignee(query.assignee, query.status, seats))
  if (query.status !== undefined) {
    filters.push({ column: 'question.status = ?', value: codeOf('status', QUESTION_STATUSES, query.status) })
  }
  if (query.kind !== undefined) {
    filters.push({ column: 'question.kind = ?', value: codeOf('kind', QUESTION_KINDS, query.kind) })
  }
  const where = filters.map(({ column }, index) => (index === 0 ? column : `+${column}`))
  const values = filters.flatMap(({ value, again = [] }) => [value, ...again])
  if (query.tag !== undefined) {
    where.push('exists (select 1 from label where name = ? and value = ? and created = run.created and run = run.n)')
    values.push(toText(`tag ${query.tag.key}`), toText(query.tag.value))
  }
  if (query.after !== undefined) {
    where.push('question.n < ?')
    values.push(...parseCursor(query.after, 1))
  }
  values.push(limit)
  const condition = where.length === 0 ? '' : `where ${where.join(' and ')}`
  return { sql: `${SELECT} ${condition} order by question.n desc limit ?`, values }
}

interface Filter {
  readonly column: string
  readonly value: Value
  readonly again?: readonly Value[]
}

/** Of an open question to several people only those who have not voted yet. */
function ofAssignee(assignee: string, status: QuestionQuery['status'], hasSeats: boolean): Filter {
  if (!hasSeats) return { column: 'assignee = ?', value: toText(assignee) }
  const seats = `select question from seat where assignee = ?${status === 'open' ? ' and voted = 0' : ''}`
  const name = toText(assignee)
  return {
    column: `question.n in (select n from question where assignee = ? union all ${seats})`,
    value: name,
    again: [name],
  }
}

function codeOf(what: string, names: readonly string[], name: string): number {
  const code = names.indexOf(name)
  if (code >= 0) return code
  throw badInput(`Questions have no ${what} "${name}".`, `It is one of ${names.join(', ')}.`)
}

function record(database: Database, row: QuestionRow): QuestionRecord {
  const runId = fromText(row.run_id)
  const entry = entryOf(database, runId, row.entry)
  const status = QUESTION_STATUSES[row.status]
  if (entry.type !== 'open' || status === undefined) {
    throw new EngineError('CORRUPT', `Question ${row.id} of run ${runId} cannot be read.`, {
      hint: 'The database is damaged; put a backup in its place.',
      details: { runId, questionId: row.id },
    })
  }
  const { question } = entry
  const answer = findSignal(database, runId, row.run, question.id)
  const delegations = delegationsOf(database, runId, row.run, question.id)
  return {
    ...question,
    ...(row.assignee === null ? {} : { assignee: fromText(row.assignee) }),
    runId,
    key: entry.key,
    openedAt: entry.at,
    status,
    ...(answer === undefined ? {} : { answer }),
    ...(delegations.length === 0 ? {} : { delegations }),
    ...(question.quorum === undefined ? {} : { votes: votesOf(database, runId, row.run, question.id) }),
  }
}
