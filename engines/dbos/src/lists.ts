/** Runs and questions, by index, a page at a time. */
import {
  type Page,
  pageOf,
  placeIn,
  type Question,
  type QuestionQuery,
  type QuestionRecord,
  type RunQuery,
  type RunSummary,
  type Signal,
} from '@selvage/core'
import { noQuestionIn, summaryOf } from '@selvage/core/engines'
import type { Database, Row } from './database.ts'
import { PLACE } from './errors.ts'
import { describe, type RunRow } from './runs.ts'

interface QuestionRow extends Row {
  readonly id: string
  readonly run: string
  readonly key: string
  readonly opened_at: string
  readonly status: QuestionRecord['status']
  readonly body: string
  readonly answer: string | null
}

interface Paging {
  readonly limit?: number
  readonly after?: string
}

/** The parts of a `where`, with their values. */
class Where {
  readonly values: unknown[] = []
  private readonly parts: string[] = []

  /** `sql` of the value's place; left out without a value. */
  add(value: unknown, sql: (place: string) => string): void {
    if (value === undefined) return
    this.values.push(value)
    this.parts.push(sql(`$${this.values.length}`))
  }

  /** Behind the last item of the page before. */
  behind({ after }: Paging, at: string, id: string): void {
    if (after === undefined) return
    const [placeAt, placeId] = placeIn(after)
    this.values.push(placeAt, placeId)
    const [last, name] = [`$${this.values.length - 1}`, `$${this.values.length}`]
    this.parts.push(`(${at} < ${last} or (${at} = ${last} and ${id} collate "C" > ${name}))`)
  }

  get sql(): string {
    return this.parts.length === 0 ? '' : `where ${this.parts.join(' and ')}`
  }
}

export async function listRuns(db: Database, query: RunQuery): Promise<Page<RunSummary>> {
  const { status, program, version, parent, tenant, tag, createdFrom, createdBefore } = query
  const where = new Where()
  where.add(typeof status === 'string' ? [status] : status, (value) => `status = any(${value})`)
  where.add(program, (value) => `program = ${value}`)
  where.add(version, (value) => `version = ${value}`)
  where.add(parent, (value) => `parent = ${value}`)
  where.add(tenant, (value) => `tenant = ${value}`)
  where.add(tag && { [tag.key]: tag.value }, (value) => `tags @> ${value}`)
  where.add(createdFrom, (value) => `created_at >= ${value}`)
  where.add(createdBefore, (value) => `created_at < ${value}`)
  where.behind(query, 'created_at', 'id')
  const rows = await db.rows<RunRow>(
    `select * from ${db.schema}.run ${where.sql} order by created_at desc, id collate "C" limit ${oneMore(query)}`,
    where.values,
  )
  return pageOf(
    rows.map((row) => summaryOf(describe(row))),
    ({ createdAt, id }) => [createdAt, id],
    query,
  )
}

/** Answered as soon as its answer is accepted, be it that nobody has taken it up yet; closed while its run is over. */
const ASKED = (schema: string): string => `
  select question.id, question.run, key, opened_at, question.body, given.body as answer, kind, assignee, tags,
    case when question.status = 'open' and outcome is not null then 'closed'
      when question.status in ('open', 'answered') and given.body is not null then 'answered'
      else question.status end as status
  from ${schema}.question join ${schema}.run on run.id = question.run
  left join ${schema}.signal as given on given.run = question.run and given.id = question.id`

export async function listQuestions(db: Database, query: QuestionQuery): Promise<Page<QuestionRecord>> {
  const { status, runId, assignee, kind, tag } = query
  const where = new Where()
  where.add(status, (value) => `status = ${value}`)
  where.add(runId, (value) => `run = ${value}`)
  where.add(assignee, (value) => `assignee = ${value}`)
  where.add(kind, (value) => `kind = ${value}`)
  where.add(tag && { [tag.key]: tag.value }, (value) => `tags @> ${value}`)
  where.behind(query, 'opened_at', 'id')
  const rows = await db.rows<QuestionRow>(
    `select * from (${ASKED(db.schema)}) as asked ${where.sql}
       order by opened_at desc, id collate "C" limit ${oneMore(query)}`,
    where.values,
  )
  return pageOf(rows.map(recordOf), ({ openedAt, id }) => [openedAt, id], query)
}

export async function findQuestion(db: Database, id: string): Promise<QuestionRecord> {
  const [row] = await db.rows<QuestionRow>(`${ASKED(db.schema)} where question.id = $1`, [id])
  if (row !== undefined) return recordOf(row)
  throw noQuestionIn(PLACE, id)
}

/** The last one says that there is another page; what is no limit is refused by `pageOf`. */
function oneMore({ limit = 50 }: Paging): number {
  return Number.isInteger(limit) && limit > 0 ? limit + 1 : 1
}

function recordOf({ run, key, opened_at, status, body, answer }: QuestionRow): QuestionRecord {
  const question = JSON.parse(body) as Question
  const isGiven = status === 'answered' && answer !== null
  return {
    ...question,
    runId: run,
    key,
    openedAt: Number(opened_at),
    status,
    ...(isGiven && { answer: JSON.parse(answer) as Signal }),
  }
}
