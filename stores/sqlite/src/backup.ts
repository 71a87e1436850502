/**
 * A copy of a database at one moment, while programs work on it. For `selvage backup`.
 *
 * The file alone is not a copy: what was committed last is in the log beside it. SQLite writes the copy (`vacuum into`) from
 * one read, so nobody waits for it; the log grows meanwhile.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { SelvageError, UsageError } from '@selvage/core'
import { failure } from './failure.ts'
import { APPLICATION_ID } from './open.ts'
import { realPath } from './real-path.ts'
import { DatabaseSync } from './sqlite.ts'

export interface Backup {
  /** Of the copy, absolute. */
  readonly path: string
  readonly bytes: number
}

/** So long it waits where a process recovers the log after a crash. */
const BUSY_MS = 10_000

/**
 * Copies the database at `path` to `to`, a file that is not there yet. It is there when it is whole and on the disk: what a
 * killed backup leaves is `<to>.partial`, which the next one replaces.
 *
 * Throws BAD_INPUT (UsageError) where `to` is there or `path` is no database of Selvage; else the errors of `sqliteStore`.
 */
export function backUpDatabase(path: string, to: string): Backup {
  const source = realPath(path)
  const target = resolve(to)
  if (existsSync(target)) {
    throw new UsageError('BAD_INPUT', `There is a file at ${target} already.`, {
      hint: 'A backup replaces nothing: give the path of a new file.',
      details: { path: target },
    })
  }
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(source, { readOnly: true, timeout: BUSY_MS })
    requireOurs(database, source)
    write(database, target)
  } catch (error) {
    throw failure(source, error)
  } finally {
    database?.close()
  }
  return { path: target, bytes: statSync(target).size }
}

function requireOurs(database: DatabaseSync, path: string): void {
  if (database.prepare('pragma application_id').get()?.application_id === APPLICATION_ID) return
  throw new UsageError('BAD_INPUT', `The file ${path} is no database of Selvage.`, { details: { path } })
}

function write(database: DatabaseSync, target: string): void {
  const partial = `${target}.partial`
  try {
    rmSync(partial, { force: true })
    database.prepare('vacuum into ?').run(partial)
    sync(partial)
    renameSync(partial, target)
    sync(dirname(target))
  } catch (error) {
    rmSync(partial, { force: true })
    const ofTarget = failure(target, error)
    // What is damaged is what was read.
    throw SelvageError.is(ofTarget) && ofTarget.code === 'CORRUPT' ? error : ofTarget
  }
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
