/** Steps of which nobody knows whether they happened. */
import type { Page, UnknownQuery, UnknownStep } from '@selvage/core'
import { limitOf, pageOf, parseCursor } from '@selvage/core/stores'
import { Conditions } from './conditions.ts'
import type { Database } from './database.ts'
import { fromText } from './text.ts'

interface UnknownRow {
  readonly id: string
  readonly run: number
  readonly seq: number
  readonly at: number
}

/** Newest first. */
export async function unknownSteps(database: Database, query: UnknownQuery): Promise<Page<UnknownStep>> {
  const limit = limitOf(query.limit)
  const all = new Conditions()
  all.texts.push(`kind = 'unknown'`)
  if (query.after !== undefined) {
    all.add(
      (at, run, seq) => `(entry.at, entry.run, entry.seq) < (${at}, ${run}, ${seq})`,
      ...parseCursor(query.after, 3),
    )
  }
  const sql = `select run.id, entry.run, entry.seq, entry.at from entry join run on run.n = entry.run ${all.where}
    order by entry.at desc, entry.run desc, entry.seq desc limit ${all.place(limit + 1)}`
  const found = await database.statement((rows) => rows.all<UnknownRow>(sql, ...all.values))
  return pageOf(
    found,
    limit,
    ({ id, seq }) => ({ runId: fromText(id), seq }),
    ({ at, run, seq }) => [at, run, seq],
  )
}
