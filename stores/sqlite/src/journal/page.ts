/**
 * A part of a journal as rows, made for a process that has just started and reads ten thousand of them: what a row costs there
 * is the values that are made of it. So the numbers of a step come as one, its check as text, the name of a model or tool as
 * its number; and the bodies of a page are parsed together. A row that does not fit is read by itself, and so are all
 * of a page if they cannot be parsed together: that finds the one that is damaged.
 */
import type { Entry } from '@selvage/core'
import type { Database } from '../database.ts'
import type { Names } from '../names.ts'
import { fromText } from '../text.ts'
import { readBody } from './body.ts'
import { type EntryHead, type EntryRow, fromParts, fromRow, ROW, unreadable } from './entries.ts'

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
/** The columns of a `PageRow`. */
export const PAGE_ROW: string = `entry.n, entry.seq, ${HEAD} as head, at, key, name, ${CHECK} as hash, timeout, body`

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

// Rows are read by these: in code that has just been loaded, taking an array apart costs several times as much.
const N = 0
const SEQ = 1
const HEAD_AT = 2
const AT = 3
const KEY = 4
const NAME = 5
const CHECK_AT = 6
const TIMEOUT = 7
const BODY = 8

/** Characters of three bytes. */
const HEX_GROUP = 6
const BASE64_GROUP = 4

/** In the order of the rows. EngineError CORRUPT names the entry that cannot be read. */
export function readPage(database: Database, names: Names, rows: readonly PageRow[], runId: string): Entry[] {
  const texts: string[] = []
  // By index: in code this young an iterator makes an object for each.
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] as PageRow
    const body = row[BODY]
    texts.push(typeof body === 'string' ? body : (readBody(database, { n: row[N], body }) ?? 'null'))
  }
  const bodies = parseAll(texts)
  if (bodies === undefined) return rows.map((row) => readOne(database, row, runId))
  const checks = readChecks(rows)
  const entries: Entry[] = []
  // One for all rows: nothing of it is in an entry.
  const head: Writable<EntryHead> = { ...NO_HEAD }
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] as PageRow
    entries.push(
      readHead(head, row, names, checks[index])
        ? readParts(head, row[BODY] === null ? undefined : bodies[index], runId)
        : readOne(database, row, runId),
    )
  }
  return entries
}

function readParts(head: EntryHead, body: unknown, runId: string): Entry {
  try {
    return fromParts(head, body)
  } catch (cause) {
    throw unreadable(runId, head.seq, cause)
  }
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

const NO_HEAD: EntryHead = {
  seq: 0,
  type: 0,
  at: 0,
  key: null,
  op: null,
  name: null,
  check: undefined,
  attempt: null,
  took: null,
  timeout: null,
}

/** False: the row does not fit. */
function readHead(head: Writable<EntryHead>, row: PageRow, names: Names, check: string | undefined): boolean {
  const packed = row[HEAD_AT]
  if (packed === null) return false
  const numbers = Math.floor(packed / RADIX)
  const isOp = numbers > 0
  const beside = isOp ? Math.floor(numbers / RADIX) : 0
  const took = isOp ? Math.floor(beside / ATTEMPTS) - 1 : -1
  const name = row[NAME]
  head.seq = row[SEQ]
  head.type = packed - numbers * RADIX
  head.at = row[AT]
  head.key = row[KEY]
  head.op = isOp ? numbers - beside * RADIX : null
  head.name = typeof name === 'number' ? names.textOf(name) : name
  head.check = check
  head.attempt = isOp ? beside - (took + 1) * ATTEMPTS : null
  head.took = took < 0 ? null : took
  head.timeout = row[TIMEOUT]
  return true
}

/** Undefined: not each of them is a text of JSON. The texts are changed: brackets around what they are joined to would copy it. */
function parseAll(texts: string[]): readonly unknown[] | undefined {
  if (texts.length === 0) return []
  texts[0] = `[${texts[0]}`
  texts[texts.length - 1] += ']'
  try {
    const values = JSON.parse(texts.join()) as readonly unknown[]
    return values.length === texts.length ? values : undefined
  } catch {
    return undefined
  }
}

function readOne(database: Database, one: PageRow, runId: string): Entry {
  const row = database.get<EntryRow>(`select ${ROW} from entry where n = ?`, one[N])
  if (row === undefined) throw unreadable(runId, one[SEQ], new Error('its row is gone'))
  return fromRow(row, readBody(database, row), runId)
}

/**
 * Those that are bytes are made of hex all at once. They are whole groups of three bytes (text.ts), so that their texts are
 * parts of the text of all.
 */
function readChecks(rows: readonly PageRow[]): (string | undefined)[] {
  let hex = ''
  for (let index = 0; index < rows.length; index++) {
    const check = (rows[index] as PageRow)[CHECK_AT]
    if (check !== null && isHex(check)) hex += check
  }
  const texts = Buffer.from(hex, 'hex').toString('base64url')
  let from = 0
  return rows.map((row) => {
    const check = row[CHECK_AT]
    if (check === null) return undefined
    if (!isHex(check)) return fromText(check.slice(1))
    const to = from + (check.length / HEX_GROUP) * BASE64_GROUP
    const text = texts.slice(from, to)
    from = to
    return text
  })
}

function isHex(check: string): boolean {
  return !check.startsWith('=')
}
