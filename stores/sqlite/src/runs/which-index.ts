/**
 * Which index a list walks. Each filter that was asked for is one: a label, or the status. Where the one that is likely
 * to be short fills the page after a look at its first rows, it is taken. Otherwise most of what it leads to does not
 * match, and the shortest is found by counting: then a page passes over no more rows than the rarest filter has.
 */
import type { RunQuery } from '@selvage/core'
import type { Label } from '@selvage/core/stores'
import type { Database, Value } from '../database.ts'
import { toText } from '../text.ts'

/** By status; or by a label. */
export type Index = 'status' | Label

/** Rows that are looked at before anything is counted. */
const FIRST_ROWS = 1_000
/** Each index is counted up to the first of these that one of them does not reach. Beyond the last all are long. */
const COUNTED = [1_000, 16_000, 128_000]

/** Those that the query may walk, the likely shortest first; none: every run is asked for. */
export function indexesOf(query: RunQuery): readonly Index[] {
  return query.status === undefined ? labelsIn(query) : [...labelsIn(query), 'status']
}

/** `matching`: the statement that counts what of the first rows of an index is in the list, up to a page. */
export function shortest(
  database: Database,
  indexes: readonly Index[],
  statuses: readonly number[],
  matching: (index: Index, rows: number) => { readonly sql: string; readonly values: readonly Value[] },
  page: number,
): Index | undefined {
  const [likely, ...others] = indexes
  if (likely === undefined || others.length === 0) return likely
  const { sql, values } = matching(likely, FIRST_ROWS)
  if (countedBy(database, sql, values) >= page) return likely
  for (const most of COUNTED) {
    const counts = indexes.map((index) => ({ index, count: lengthOf(database, index, statuses, most) }))
    const [least] = counts.sort((a, b) => a.count - b.count)
    if (least !== undefined && least.count < most) return least.index
  }
  return likely
}

function lengthOf(database: Database, index: Index, statuses: readonly number[], most: number): number {
  if (index === 'status') {
    const sql = 'select count(*) as count from (select 1 from run where status = ? limit ?)'
    return statuses.reduce((sum, status) => sum + countedBy(database, sql, [status, most]), 0)
  }
  const [name, value] = index
  const sql = 'select count(*) as count from (select 1 from label where name = ? and value = ? limit ?)'
  return countedBy(database, sql, [toText(name), toText(value), most])
}

function countedBy(database: Database, sql: string, values: readonly Value[]): number {
  return database.get<{ count: number }>(sql, ...values)?.count ?? 0
}

/** The labels that a query asks for, those that fewest runs are likely to share first. */
function labelsIn({ tag, parent, tenant, version, program }: RunQuery): Label[] {
  const labels: Label[] = tag === undefined ? [] : [[`tag ${tag.key}`, tag.value]]
  for (const [name, value] of Object.entries({ parent, tenant, version, program })) {
    if (value !== undefined) labels.push([name, value])
  }
  return labels
}
