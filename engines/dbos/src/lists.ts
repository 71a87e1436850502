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

/** What is not asked for is null, and what is null is left out: nothing of it is left in the plan of the statement. */
const RUNS = (schema: string): string => `
  select * from ${schema}.run where ($1::text[] is null or status = any($1)) and ($2::text is null or program = $2)
    and ($3::text is null or version = $3) and ($4::text is null or parent = $4) and ($5::text is null or tenant = $5)
    and ($6::jsonb is null or tags @> $6) and ($7::bigint is null or created_at >= $7)
    and ($8::bigint is null or created_at < $8)
    and ($9::bigint is null or created_at < $9 or (created_at = $9 and id collate "C" > $10))
  order by created_at desc, id collate "C" limit $11`

export async function listRuns(db: Database, query: RunQuery): Promise<Page<RunSummary>> {
  const { status, program, version, parent, tenant, tag, createdFrom, createdBefore } = query
  const statuses = typeof status === 'string' ? [status] : status
  const rows = await db.rows<RunRow>(
    RUNS(db.schema),
    valuesOf([statuses, program, version, parent, tenant, tagOf(tag), createdFrom, createdBefore], query),
  )
  const runs = rows.map((row) => summaryOf(describe(row)))
  return pageOf(runs, ({ createdAt, id }) => [createdAt, id], query)
}

/** Answered as soon as its answer is accepted, be it that nobody has taken it up yet; closed while its run is over. */
const ASKED = (schema: string): string => `
  select question.id, question.run, key, opened_at, question.body, given.body as answer, kind, assignee, tags,
    case when question.status = 'open' and outcome is not null then 'closed'
      when question.status in ('open', 'answered') and given.body is not null then 'answered'
      else question.status end as status
  from ${schema}.question join ${schema}.run on run.id = question.run
  left join ${schema}.signal as given on given.run = question.run and given.id = question.id`

const QUESTIONS = (schema: string): string => `
  select * from (${ASKED(schema)}) as asked where ($1::text is null or status = $1) and ($2::text is null or run = $2)
    and ($3::text is null or assignee = $3) and ($4::text is null or kind = $4) and ($5::jsonb is null or tags @> $5)
    and ($6::bigint is null or opened_at < $6 or (opened_at = $6 and id collate "C" > $7))
  order by opened_at desc, id collate "C" limit $8`

export async function listQuestions(db: Database, query: QuestionQuery): Promise<Page<QuestionRecord>> {
  const { status, runId, assignee, kind, tag } = query
  const rows = await db.rows<QuestionRow>(
    QUESTIONS(db.schema),
    valuesOf([status, runId, assignee, kind, tagOf(tag)], query),
  )
  return pageOf(rows.map(recordOf), ({ openedAt, id }) => [openedAt, id], query)
}

export async function findQuestion(db: Database, id: string): Promise<QuestionRecord> {
  const [row] = await db.rows<QuestionRow>(`${ASKED(db.schema)} where question.id = $1`, [id])
  if (row !== undefined) return recordOf(row)
  throw noQuestionIn(PLACE, id)
}

/** Filters; the last item of the page before; and one item more than is wanted, which says that there is another page. */
function valuesOf(filters: readonly unknown[], { limit = 50, after }: Paging): readonly unknown[] {
  const [at, id] = after === undefined ? [] : placeIn(after)
  // What is no limit is refused by `pageOf`.
  return [...filters, at, id, Number.isInteger(limit) && limit > 0 ? limit + 1 : 1].map((value) => value ?? null)
}

function tagOf(tag: RunQuery['tag']): RunSummary['tags'] | undefined {
  return tag && { [tag.key]: tag.value }
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
