/**
 * A part of a journal as rows, made for a process that has just started and reads ten thousand of them: what a row costs there
 * is the values that are made of it. So the numbers of a step come as one, its check as text, the name of a model or tool as
 * its number; and the bodies of a page are parsed together. A row that does not fit is read by itself, and so are all
 * of a page if they cannot be parsed together: that finds the one that is damaged.
 */
import type { Entry } from '@selvage/core'
import { readBody } from './body.ts'
import type { Database } from './database.ts'
import { type EntryRow, fromParts, fromRow, ROW, unreadable } from './entries.ts'
import type { Names } from './names.ts'
import { fromText } from './text.ts'

/** The columns of a `PageRow`. */
const RADIX = 64
const ATTEMPTS = 1_024
const TOOK = 2 ** 30
const HEAD = `case
    when type not between 0 and ${RADIX - 1} then null
    when op is null then type
    when op between 0 and ${RADIX - 1} and attempt between 1 and ${ATTEMPTS - 1}
      and (took is null or (typeof(took) = 'integer' and took between 0 and ${TOOK - 2}))
      then type + ${RADIX} * (op + ${RADIX} * (attempt + ${ATTEMPTS} * coalesce(took + 1, 0)))
  end`
const CHECK = `case typeof("check") when 'blob' then hex("check") when 'text' then '=' || "check" end`
export const PAGE_ROW: string = `entry.n, entry.seq, ${HEAD} as head, at, key, name, ${CHECK} as hash, timeout, body`

const CHECK_AT = 6

export type PageRow = readonly [
  n: number,
  seq: number,
  /** type + 64 × (op + 64 × (attempt + 1,024 × (took + 1))); null: one of them is out of its range. */
  head: number | null,
  at: number,
  key: string | null,
  name: number | string | null,
  check: string | null,
  timeout: number | null,
  body: EntryRow['body'],
]

/** In the order of the rows. EngineError CORRUPT names the entry that cannot be read. */
export function readPage(database: Database, names: Names, rows: readonly PageRow[], runId: string): Entry[] {
  const texts = rows.map(([n, , , , , , , , body]) => readBody(database, { n, body }))
  const bodies = parseAll(texts)
  if (bodies === undefined) return rows.map(([n, seq]) => readOne(database, n, seq, runId))
  const checks = readChecks(rows)
  return rows.map((row, index) => {
    const [n, seq, head, at, key, name, , timeout] = row
    if (head === null) return readOne(database, n, seq, runId)
    const type = head % RADIX
    const numbers = (head - type) / RADIX
    const isOp = numbers > 0
    const op = numbers % RADIX
    const attempt = ((numbers - op) / RADIX) % ATTEMPTS
    const took = ((numbers - op) / RADIX - attempt) / ATTEMPTS - 1
    try {
      return fromParts(
        {
          seq,
          type,
          at,
          key,
          op: isOp ? op : null,
          name: typeof name === 'number' ? names.textOf(name) : name,
          check: checks[index],
          attempt: isOp ? attempt : null,
          took: took < 0 ? null : took,
          timeout,
        },
        texts[index] === null ? undefined : bodies[index],
      )
    } catch (cause) {
      throw unreadable(runId, seq, cause)
    }
  })
}

/** Undefined: not each of them is a text of JSON. */
function parseAll(texts: readonly (string | null)[]): readonly unknown[] | undefined {
  try {
    const values = JSON.parse(`[${texts.map((text) => text ?? 'null').join()}]`) as readonly unknown[]
    return values.length === texts.length ? values : undefined
  } catch {
    return undefined
  }
}

function readOne(database: Database, n: number, seq: number, runId: string): Entry {
  const row = database.get<EntryRow>(`select ${ROW} from entry where n = ?`, n)
  if (row === undefined) throw unreadable(runId, seq, new Error('its row is gone'))
  return fromRow(row, readBody(database, row), runId)
}

/** Those that are bytes are made of hex all at once. */
function readChecks(rows: readonly PageRow[]): (string | undefined)[] {
  let hex = ''
  for (const row of rows) {
    const check = row[CHECK_AT]
    if (check !== null && isHex(check)) hex += check
  }
  const bytes = Buffer.from(hex, 'hex')
  let from = 0
  return rows.map((row) => {
    const check = row[CHECK_AT]
    if (check === null) return undefined
    if (!isHex(check)) return fromText(check.slice(1))
    const to = from + check.length / 2
    const text = bytes.toString('base64url', from, to)
    from = to
    return text
  })
}

function isHex(check: string): boolean {
  return !check.startsWith('=')
}
