/** What PostgreSQL and its driver say, in our words: which database, what happened, what to do. */
import { EngineError, SelvageError, UsageError } from '@selvage/core'

/** The other side is gone, or not there yet: the same may work in a moment. Class 08 as a whole. */
const LOST_STATES = ['25P03', '57P01', '57P02', '57P03', '57P05']
const LOST_CALLS = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH']
const LOST_WORDS = /^(?:Connection terminated|timeout exceeded when trying|Query read timeout|Client (?:has|was))/
/** The driver's own refusal, on a connection that had ended before. */
const UNSENT_WORDS = /^Client (?:has|was)/
/** Another transaction was in the way. */
const CROSSED_STATES = ['40001', '40P01', '55P03']
const TOO_MANY = '53300'

/** The SQLSTATE, or what the system calls it. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** What was sent may or may not have happened. */
export function isLost(error: unknown): boolean {
  const code = codeOf(error)
  if (LOST_STATES.includes(code) || code.startsWith('08') || LOST_CALLS.includes(code)) return true
  return code === '' && error instanceof Error && LOST_WORDS.test(error.message)
}

/** It is lost, and was not even sent. */
export function isUnsent(error: unknown): boolean {
  return codeOf(error) === '' && error instanceof Error && UNSENT_WORDS.test(error.message)
}

/** It did not happen, and may if it is tried again. */
export function isCrossed(error: unknown): boolean {
  return CROSSED_STATES.includes(codeOf(error))
}

export function isFull(error: unknown): boolean {
  return codeOf(error) === TOO_MANY
}

/** Turns any error into one of ours; ours are returned as they are. */
export function failure(location: string, error: unknown): Error {
  if (SelvageError.is(error)) return error
  const code = codeOf(error)
  const details = { location, ...(code !== '' && { code }) }
  const engine = (name: 'UNAVAILABLE' | 'DISK_FULL' | 'READ_ONLY' | 'CORRUPT', message: string, hint: string): Error =>
    new EngineError(name, message, { hint, details, cause: error })
  const usage = (message: string, hint: string): Error =>
    new UsageError('BAD_INPUT', message, { hint, details, cause: error })
  if (isLost(error)) {
    const hint = 'Look whether the server runs and can be reached. What was asked last may or may not have happened.'
    return engine('UNAVAILABLE', `The connection to ${location} failed: ${textOf(error)}.`, hint)
  }
  switch (code) {
    case TOO_MANY:
      return engine(
        'UNAVAILABLE',
        `${location} has no connection left: ${textOf(error)}.`,
        'Raise max_connections of the server, or give the store fewer: connections.',
      )
    case '28P01':
    case '28000':
      return usage(`${location} does not let this user in: ${textOf(error)}.`, 'Check user and password in the url.')
    case '3D000':
      return usage(`There is no such database: ${location}.`, 'Create it (createdb), or check the url.')
    case '42501':
      return engine(
        'READ_ONLY',
        `This user may not do that in ${location}: ${textOf(error)}.`,
        'To make the tables it needs a schema that it owns, or CREATE on the database; afterwards it must read and write them.',
      )
    case '25006':
      return engine(
        'READ_ONLY',
        `The server of ${location} takes no writes: ${textOf(error)}.`,
        'It is a replica, or set to read only: give the url of the primary.',
      )
    case '53100':
    case '53200':
      return engine(
        'DISK_FULL',
        `There is no space left for ${location}: ${textOf(error)}.`,
        'Nothing that was acknowledged is lost. Make room; the store then goes on by itself.',
      )
    case '54000':
      return usage(
        `${location} cannot hold that: ${textOf(error)}.`,
        'Give the engine blobs, so that large values are kept beside the journal.',
      )
    case '42P01':
    case '3F000':
    case 'XX001':
    case 'XX002':
      return corrupt(location, `${location} is damaged: ${textOf(error)}.`, error)
    default:
      return engine('UNAVAILABLE', `${location} failed: ${textOf(error)}.`, 'Look at the log of the server.')
  }
}

export function corrupt(location: string, message: string, cause?: unknown): EngineError {
  return new EngineError('CORRUPT', message, {
    hint: 'Restore the schema from a backup.',
    details: { location },
    ...(cause === undefined ? {} : { cause }),
  })
}

export function closedError(location: string): EngineError {
  return new EngineError('UNAVAILABLE', `The store ${location} is closed.`, { hint: 'Open it again.' })
}

function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return textOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
