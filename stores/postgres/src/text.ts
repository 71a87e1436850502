/**
 * Text in columns. PostgreSQL keeps UTF-8 without U+0000, which can hold neither that nor a lone surrogate: such a string
 * is kept as a JSON string, which escapes them; so that the two can be told apart, a string that begins with a quotation
 * mark is kept that way too. All other text stands as it is, for people and for indexes.
 */
import { refuseNoText } from '@selvage/core'

const QUOTE = 34

/** BAD_INPUT for what is no text. */
export function toText(value: string): string {
  refuseNoText('What the database is to keep as text', value)
  return value.charCodeAt(0) === QUOTE || !value.isWellFormed() || value.includes('\0') ? JSON.stringify(value) : value
}

export function fromText(text: string): string {
  return text.charCodeAt(0) === QUOTE ? (JSON.parse(text) as string) : text
}

export function toTextOrNull(value: string | undefined): string | null {
  return value === undefined ? null : toText(value)
}
