/**
 * What SQLite says, in our words: which file, what happened, what to do. BUSY is not among them: it is waited out where
 * it arises (`turns.ts`) and reaches nobody.
 */
import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { EngineError, SelvageError, UsageError } from '@selvage/core'

const BUSY = 5
const OUT_OF_MEMORY = 7
const READ_ONLY = 8
const IO_ERROR = 10
const CORRUPT = 11
const FULL = 13
const CANNOT_OPEN = 14
const CONSTRAINT = 19
const NOT_A_DATABASE = 26

/** Less free space than this, and an I/O error is put down to a full disk. */
const NEARLY_FULL_BYTES = 256 * 1024

/** The primary result code of an error of node:sqlite; undefined for any other error. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === BUSY
}

/** Not the fault of a statement: whoever waits for the commit must know, and nothing that was written with it stands. */
export function isInfrastructure(error: unknown): boolean {
  const code = resultCode(error)
  return code !== undefined && [BUSY, OUT_OF_MEMORY, READ_ONLY, IO_ERROR, CORRUPT, FULL, NOT_A_DATABASE].includes(code)
}

export function isConstraint(error: unknown): boolean {
  return resultCode(error) === CONSTRAINT
}

/** Turns any error into one of ours; ours are returned as they are. */
export function failure(path: string, error: unknown): Error {
  if (SelvageError.is(error)) return error
  const code = resultCode(error) ?? systemCode(error)
  const details = { path }
  switch (code) {
    case READ_ONLY:
      return readOnly(path, error)
    case FULL:
      return full(path, error)
    case IO_ERROR:
      if (diskIsFull(path)) return full(path, error)
      return new EngineError('UNAVAILABLE', `The database ${path} cannot be read or written: ${text(error)}.`, {
        hint: 'The disk reports an I/O error; look at the system log.',
        details,
        cause: error,
      })
    case CORRUPT:
      return corrupt(path, `The database ${path} is damaged: ${text(error)}.`, error)
    case NOT_A_DATABASE:
      return corrupt(path, `The file ${path} is damaged, or no SQLite database.`, error)
    case CANNOT_OPEN:
      if (!isWritable(path)) return readOnly(path, error)
      return new UsageError('BAD_INPUT', `The database ${path} cannot be opened.`, {
        hint: 'Give the path of a file, in a folder that can be entered.',
        details,
        cause: error,
      })
    default:
      return new EngineError('UNAVAILABLE', `The database ${path} failed: ${text(error)}.`, { details, cause: error })
  }
}

export function corrupt(path: string, message: string, cause?: unknown): EngineError {
  return new EngineError('CORRUPT', message, {
    hint: 'Move the file and its -wal and -shm away, and put a backup in their place (`sqlite3 <file> .recover` saves what is readable).',
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  })
}

function readOnly(path: string, cause: unknown): EngineError {
  return new EngineError('READ_ONLY', `The database ${path} or its folder cannot be written.`, {
    hint: 'Give this user write access to the folder (SQLite keeps files beside the database), or use another path.',
    details: { path },
    cause,
  })
}

function full(path: string, cause: unknown): EngineError {
  return new EngineError('DISK_FULL', `There is no space left for the database ${path}.`, {
    hint: 'Nothing that was acknowledged is lost. Make room (or raise maxBytes); the store then goes on by itself.',
    details: { path },
    cause,
  })
}

function systemCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return READ_ONLY
    case 'ENOSPC':
    case 'EDQUOT':
      return FULL
    case 'ENOTDIR':
    case 'EISDIR':
    case 'EEXIST':
    case 'ENOENT':
      return CANNOT_OPEN
    default:
      return undefined
  }
}

/** The folder (of those above it the first that is there), and the file if it is. Asking opens none: see database.ts. */
function isWritable(path: string): boolean {
  try {
    let folder = dirname(path)
    while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
    accessSync(folder, constants.W_OK)
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch (error) {
    return systemCode(error) !== READ_ONLY
  }
}

function diskIsFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize < NEARLY_FULL_BYTES
  } catch {
    return false
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
