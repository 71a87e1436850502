/** Steps of which nobody knows whether they happened. */
import type { Page, UnknownQuery, UnknownStep } from '@selvage/core'
import { limitOf, pageOf, parseCursor } from '@selvage/core/stores'
import { Conditions } from '../conditions.ts'
import type { Database } from '../database.ts'
import { fromText } from '../text.ts'

interface UnknownRow {
  readonly n: number
  readonly id: string
  readonly seq: number
}

/** Newest first. */
export async function unknownSteps(database: Database, query: UnknownQuery): Promise<Page<UnknownStep>> {
  const limit = limitOf(query.limit)
  const all = new Conditions()
  if (query.after !== undefined) all.add((place) => `unknown_step.n < ${place}`, ...parseCursor(query.after, 1))
  const sql = `select unknown_step.n, run.id, seq from unknown_step join run on run.n = unknown_step.run ${all.where}
    order by unknown_step.n desc limit ${all.place(limit + 1)}`
  const found = await database.statement((rows) => rows.all<UnknownRow>(sql, ...all.values))
  return pageOf(
    found,
    limit,
    ({ id, seq }) => ({ runId: fromText(id), seq }),
    ({ n }) => [n],
  )
}
