/**
 * Text in columns. SQLite keeps UTF-8, which cannot hold a lone surrogate: such a string would come back as another
 * one. It is kept as a JSON string instead, which escapes them; so that the two can be told apart, a string that begins
 * with a quotation mark is kept that way too. All other text stands as it is, for people and for indexes.
 */
import { refuseNoText } from '@selvage/core'

const QUOTE = 34

/** BAD_INPUT for what is no text: an error of one unit of a commit, and of no other. */
export function toText(value: string): string {
  refuseNoText('What the database is to keep as text', value)
  return value.charCodeAt(0) === QUOTE || !value.isWellFormed() ? JSON.stringify(value) : value
}

export function fromText(text: string): string {
  return text.charCodeAt(0) === QUOTE ? (JSON.parse(text) as string) : text
}

export function toTextOrNull(value: string | undefined): string | null {
  return value === undefined ? null : toText(value)
}

export function fromTextOrNull(text: string | null): string | undefined {
  return text === null ? undefined : fromText(text)
}

const HASH = /^(?:[A-Za-z0-9_-]{4}){2,}$/

/** A hash in base64url takes three quarters of the space as bytes. Other text stands as it is. */
export function toHash(value: string | undefined): string | Uint8Array | null {
  if (value === undefined) return null
  return HASH.test(value) ? Buffer.from(value, 'base64url') : toText(value)
}

export function fromHash(hash: string | Uint8Array | null): string | undefined {
  if (hash === null) return undefined
  return typeof hash === 'string'
    ? fromText(hash)
    : Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString('base64url')
}
