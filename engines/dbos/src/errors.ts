/** What goes wrong with DBOS and its database, as errors of ours. */
import { EngineError, RunError, SelvageError, UsageError } from '@selvage/core'

/** Where its runs lie, for people. */
export const PLACE = 'DBOS'

/** Classes of SQLSTATE that say that the server is away, starting, stopping or out of room, and the driver's own codes. */
const AWAY = /^(08|53|57P|55P03|40|25P03|ECONN|ENOTFOUND|EPIPE|ETIMEDOUT|EAI_)/

/** The driver's own word where nothing came back: what the server made of the statement, nobody knows. */
export function isSilent(error: unknown): error is Error {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** Whether the same may work later. */
function isAway(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (typeof code === 'string') return AWAY.test(code)
  if (error instanceof AggregateError) return error.errors.some(isAway)
  if (isSilent(error)) return true
  return (
    typeof message === 'string' && /connection|timeout exceeded when trying to connect|Client was closed/i.test(message)
  )
}

/** For who called: where the database was, and what to do. */
export function toSelvage(error: unknown, where: string): unknown {
  if (SelvageError.is(error)) return error
  const { code } = (error ?? {}) as { code?: unknown }
  if (code === '53100') {
    return new EngineError('DISK_FULL', `The disk of PostgreSQL at ${where} is full.`, { cause: error })
  }
  if (isAway(error)) {
    return new EngineError('UNAVAILABLE', `PostgreSQL cannot be reached at ${where}.`, {
      hint: 'Check that it runs, and the url of dbosEngine({ url }).',
      details: { where },
      cause: error,
    })
  }
  if (typeof code !== 'string' || code.length !== 5) return error
  const hint = code.startsWith('28')
    ? 'Check user and password in the url.'
    : code === '42501'
      ? 'Open it once with a user who has CREATE on the database; then one who may read and write in the schemas of DBOS and Selvage is enough.'
      : undefined
  return new EngineError('UNAVAILABLE', `PostgreSQL at ${where} refused: ${(error as Error).message} (${code}).`, {
    ...(hint !== undefined && { hint }),
    details: { where, sqlState: code },
    cause: error,
  })
}

export function handedOn(where: string): UsageError {
  return new UsageError('UNSUPPORTED', `${where} is a pooler that hands connections out by the transaction.`, {
    hint: 'Give the url of the server itself, or of a pooler in session mode: locks and LISTEN need a connection that stays.',
    details: { where },
  })
}

export function schemaTooNew(schema: string, version: number): EngineError {
  return new EngineError('SCHEMA_TOO_NEW', `Schema ${schema} was written by a newer version of Selvage (${version}).`, {
    hint: 'Install that version here too.',
  })
}

export function schemaTaken(schema: string, where: string): UsageError {
  return new UsageError('BAD_INPUT', `The schema ${schema} of ${where} holds tables of another application.`, {
    hint: 'The default engine on PostgreSQL keeps its runs in the schema selvage. Give dbosEngine({ url, name }) another name; runs stay with the engine that began them.',
    details: { where, schema },
  })
}

export function unreadable(what: string, cause: unknown): EngineError {
  return new EngineError('CORRUPT', `${what} cannot be read.`, {
    hint: 'The database is damaged; put a backup in its place.',
    cause,
  })
}

export function oneInAProcess(): UsageError {
  return new UsageError('BAD_INPUT', 'DBOS works in this process already, and there is one DBOS in a process.', {
    hint: 'Stop the other worker first, or give each a process of its own. Clients, which never serve, share a process.',
  })
}

/** DBOS has given up the workflow that drove it. */
export function endedByDbos(runId: string, message: string): RunError {
  return new RunError('RUN_FAILED', `DBOS ended the workflow of run ${runId}: ${message.slice(0, 500)}`, {
    hint: 'Look at the workflow in its console. What is recorded stands: retry the run, and it goes on in a new one.',
    details: { runId },
  })
}
