/**
 * The bodies of entries, cut so that they fill pages.
 *
 * SQLite keeps a row in one page if it fits, and begins a new page where it does not fit any more: rows of two thirds of
 * a page would leave a third of each page empty. A longer row keeps a part in the page and gives the rest pages of its
 * own, all full but the last. So where the part in the page would be larger than a third of it, the end of the body is
 * cut off, in pieces of which exactly four fill a page; or, where that wastes little, blanks make the row so long that
 * SQLite keeps the least of it in its page: that is one statement in place of four. (Sizes:
 * https://sqlite.org/fileformat.html#b_tree_pages, for a usable size of 2,048.) Whatever the size of results, a file is then
 * within a few per cent of its content.
 */
import type { Database } from '../database.ts'
import type { EntryRow } from './entries.ts'

/** Keys of `rest` for each entry; an entry has fewer pieces. */
export const REST_KEYS = 4
const PIECE_BYTES = 496

/** 2,013, and as much as the size of a row may be misjudged: cutting is right on both sides of that. */
const MAX_LOCAL = 2013 + 40
const MIN_LOCAL = 232
const OVERFLOW = 2044
const THIRD = 620
/** Of a row, beside its texts, roughly. */
const FIXED = 40
/** The part of a row that may be lost to blanks, and to the end of the last page that it needs for them. */
const BLANK = 1 / 16

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** `beside`: how long the other texts of the row are, roughly. */
export function cut(
  body: string | null,
  beside: number,
): { readonly head: string | Uint8Array | null; readonly rest: readonly Uint8Array[] } {
  // No character takes more than three bytes for each of its UTF-16 units.
  if (body === null || body.length * 3 + beside + FIXED <= THIRD) return { head: body, rest: [] }
  const length = Buffer.byteLength(body)
  const row = length + beside + FIXED
  const part = local(row)
  const pieces = Math.ceil((part - THIRD) / PIECE_BYTES)
  if (pieces <= 0) return { head: body, rest: [] }
  // JSON may end in blanks.
  if (MIN_LOCAL + OVERFLOW - part <= row * BLANK)
    return { head: body.padEnd(body.length + MAX_LOCAL + 1 - part), rest: [] }
  const bytes = encoder.encode(body)
  const first = length - pieces * PIECE_BYTES
  return {
    head: bytes.subarray(0, first),
    rest: Array.from({ length: pieces }, (_, i) =>
      bytes.subarray(first + i * PIECE_BYTES, first + (i + 1) * PIECE_BYTES),
    ),
  }
}

export function readBody(database: Database, { n, body }: Pick<EntryRow, 'n' | 'body'>): string | null {
  if (body === null || typeof body === 'string') return body
  const rest = database.all<{ bytes: Uint8Array }>(
    'select bytes from rest where n >= ? and n < ? order by n',
    n * REST_KEYS,
    (n + 1) * REST_KEYS,
  )
  return decoder.decode(Buffer.concat([body, ...rest.map(({ bytes }) => bytes)]))
}

/** How much of a row stays in its page. */
function local(row: number): number {
  if (row <= MAX_LOCAL) return row
  const part = MIN_LOCAL + ((row - MIN_LOCAL) % OVERFLOW)
  return part <= MAX_LOCAL ? part : MIN_LOCAL
}
