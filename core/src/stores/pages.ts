/**
 * Pages of lists, newest first. A cursor is the sort key of the last item that was shown, opaque to callers; rows that
 * come or change status meanwhile neither shift a page nor make it show an item twice.
 */
import type { Page } from '../records.ts'
import { base64url, fromBase64url } from '../values/base64.ts'
import { decodeText, encodeText } from '../values/text.ts'
import { badInput } from './refusals.ts'

const MAX_LIMIT = 1000
const DEFAULT_LIMIT = 50
const NUMBER = /^-?\d+(\.\d+)?$/

export function limitOf(limit: number | undefined): number {
  if (limit === undefined) return DEFAULT_LIMIT
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit
  throw badInput(`A page cannot have ${limit} items.`, `limit is a whole number from 1 to ${MAX_LIMIT}.`)
}

/** The numbers of a cursor, `count` of them. */
export function parseCursor(cursor: string, count: number): number[] {
  const numbers = decodeText(fromBase64url(cursor) ?? new Uint8Array()).split(',')
  if (numbers.length === count && numbers.every((number) => NUMBER.test(number))) return numbers.map(Number)
  throw badInput(`"${cursor}" is no cursor of this list.`, 'Pass `next` of the page before as `after`, as it is.')
}

/** `rows`: one more than the page may have, if there are so many. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
  sortKey: (row: Row) => readonly number[],
): Page<Item> {
  return pageTo(rows, limit, item, (last) => sortKey(last).join(','))
}

/** The same with a cursor that is more than numbers. */
export function pageTo<Row, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
  cursor: (last: Row) => string,
): Page<Item> {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const items = shown.map(item)
  if (rows.length <= limit || last === undefined) return { items }
  return { items, next: base64url(encodeText(cursor(last))) }
}
