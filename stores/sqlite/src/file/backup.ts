/**
 * A copy of a database at one moment, while programs work on it. For `selvage backup`.
 *
 * The file alone is not a copy: what was committed last is in the log beside it. SQLite writes the copy (`vacuum into`) from
 * one read, in a thread of its own, so nobody waits for it; the log grows meanwhile.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SelvageError, UsageError } from '@selvage/core'
import { failure } from '../failure.ts'
import { APPLICATION_ID } from '../open.ts'
import { DatabaseSync } from '../sqlite.ts'
import { realPath } from './real-path.ts'

export interface Backup {
  /** Of the copy, absolute. */
  readonly path: string
  readonly bytes: number
}

/** So long it waits where a process recovers the log after a crash. */
const BUSY_MS = 10_000

/**
 * Copies the database at `path` to `to`, a file that is not there yet. It is there when it is whole and on the disk: what a
 * killed backup leaves is a file `<to>.….partial`, to be deleted.
 *
 * Rejects with BAD_INPUT (UsageError) where `to` is there or `path` is no database of Selvage; else with the errors of
 * `sqliteStore`.
 */
export async function backUpDatabase(path: string, to: string): Promise<Backup> {
  const source = realPath(path)
  const target = resolve(to)
  if (existsSync(target)) {
    throw new UsageError('BAD_INPUT', `There is a file at ${target} already.`, {
      hint: 'A backup replaces nothing: give the path of a new file.',
      details: { path: target },
    })
  }
  requireOurs(source)
  // Of its own: another backup may be on its way to the same file.
  const partial = `${target}.${randomBytes(4).toString('hex')}.partial`
  try {
    await vacuumInto({ source, partial, busyMs: BUSY_MS })
    sync(partial)
    renameSync(partial, target)
    sync(dirname(target))
  } catch (error) {
    rmSync(partial, { force: true })
    const ofTarget = failure(target, error)
    // What is damaged is what was read.
    throw SelvageError.is(ofTarget) && ofTarget.code === 'CORRUPT' ? failure(source, error) : ofTarget
  }
  return { path: target, bytes: statSync(target).size }
}

function requireOurs(path: string): void {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS })
    if (database.prepare('pragma application_id').get()?.application_id === APPLICATION_ID) return
    throw new UsageError('BAD_INPUT', `The file ${path} is no database of Selvage.`, { details: { path } })
  } catch (error) {
    throw failure(path, error)
  } finally {
    database?.close()
  }
}

interface Copying {
  readonly source: string
  readonly partial: string
  readonly busyMs: number
}

/** What SQLite says is wrong. An error that comes from another thread has its message only. */
interface Wrong {
  readonly message: string
  readonly errcode: number | undefined
}

async function vacuumInto(copying: Copying): Promise<void> {
  const wrong = await new Promise<Wrong | undefined>((resolve, reject) => {
    const script = `require('node:worker_threads').parentPort.postMessage((${copy})(require('node:worker_threads').workerData))`
    const thread = new Worker(script, { eval: true, workerData: copying, execArgv: [], env: {} })
    thread.once('message', resolve)
    thread.once('error', reject)
  })
  if (wrong !== undefined) throw Object.assign(new Error(wrong.message), { errcode: wrong.errcode })
}

/** The thread, by its text: it has what Node has and what is given to it. No function of it has a name, which bundlers keep by one of theirs. */
function copy({ source, partial, busyMs }: Copying): Wrong | undefined {
  // Node has said already that its SQLite is new.
  process.removeAllListeners('warning')
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
  const opened: DatabaseSync[] = []
  try {
    const from = new DatabaseSync(source, { readOnly: true, timeout: busyMs })
    opened.push(from)
    from.prepare('vacuum into ?').run(partial)
    const made = new DatabaseSync(partial)
    opened.push(made)
    // Whoever works on the original has no lease here.
    made.exec('update worker set lease_until = 0')
    return undefined
  } catch (error) {
    const { message, errcode } = error as Error & { readonly errcode?: number }
    return { message, errcode }
  } finally {
    for (const database of opened) database.close()
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
