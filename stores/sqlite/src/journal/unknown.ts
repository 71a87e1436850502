/** Steps of which nobody knows whether they happened. */
import type { Page, UnknownQuery, UnknownStep } from '@selvage/core'
import { limitOf, pageOf, parseCursor } from '@selvage/core/stores'
import type { Database, Value } from '../database.ts'
import { fromText } from '../text.ts'
import type { Commits } from './commit.ts'
import { TYPE, typeThatSends } from './entries.ts'

interface UnknownRow {
  readonly n: number
  readonly id: string
  readonly seq: number
}

/** Its condition is word for word that of the index. */
const UNKNOWN = `select entry.n, run.id, entry.seq from entry cross join run on run.n = entry.run
  where type in (${TYPE.stepUnknown}, ${typeThatSends(TYPE.stepUnknown)})`

/** Newest first. */
export function unknownSteps(commits: Commits, database: Database, query: UnknownQuery): Promise<Page<UnknownStep>> {
  return commits.read(() => {
    const limit = limitOf(query.limit)
    const { sql, values } = unknownStatement(query, limit + 1)
    const rows = database.all<UnknownRow>(sql, ...values)
    return pageOf(
      rows,
      limit,
      ({ id, seq }) => ({ runId: fromText(id), seq }),
      ({ n }) => [n],
    )
  })
}

export function unknownStatement({ after }: UnknownQuery, limit: number): { sql: string; values: Value[] } {
  const values = after === undefined ? [] : parseCursor(after, 1)
  const behind = after === undefined ? '' : 'and entry.n < ?'
  return { sql: `${UNKNOWN} ${behind} order by entry.n desc limit ?`, values: [...values, limit] }
}
