/**
 * Exit codes: what a script can tell without reading a word. docs/cli.md and `--help` show this table.
 */
import { SelvageError } from '@selvage/core'

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_MEANING: { readonly [name in keyof typeof EXIT]: string } = {
  ok: 'done',
  failure: 'could not be done: the database cannot be used, a check of doctor failed, or something unforeseen',
  usage: 'a wrong argument, something that is not built yet, or a Node that is too old',
  notFound: 'no such run, approval or database',
  conflict:
    'it cannot be done, or not any more: answered before, expired, ended, asked of others, or held by another process',
}

const BY_CODE: { readonly [code: string]: ExitCode } = {
  BAD_INPUT: EXIT.usage,
  UNSUPPORTED: EXIT.usage,
  NOT_SERIALISABLE: EXIT.usage,
  NOT_FOUND: EXIT.notFound,
  ALREADY_ANSWERED: EXIT.conflict,
  NOT_ASKED: EXIT.conflict,
  INPUT_MISMATCH: EXIT.conflict,
  WAIT_TIMEOUT: EXIT.conflict,
  RUN_ENDED: EXIT.conflict,
  RUN_UNDONE: EXIT.conflict,
  RUN_HELD: EXIT.conflict,
  RUN_CONFLICT: EXIT.conflict,
  ALREADY_OPEN: EXIT.conflict,
}

export function exitCodeOf(error: unknown): ExitCode {
  if (!SelvageError.is(error)) return EXIT.failure
  if (error.code === 'UNAVAILABLE' && error.details.missing === true) return EXIT.notFound
  // The argument was right, and what it names does not stand so.
  if (error.code === 'BAD_INPUT' && error.details.status !== undefined) return EXIT.conflict
  return BY_CODE[error.code] ?? EXIT.failure
}
