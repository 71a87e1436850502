/**
 * Opening a database: folder, pragmas, migrations, and the refusal of files that are not ours to write.
 *
 * `application_id` says that a file is ours, `user_version` how many of the files in schema/ it has seen. Each file
 * there is one migration; they run in order, all in one transaction, by whichever process comes first.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { EngineError, UsageError } from '@selvage/core'
import { Database } from './database.ts'
import { failure } from './failure.ts'
import type { Turns } from './file/turns.ts'
import { MIGRATIONS } from './migrations.ts'

/** "selv" */
export const APPLICATION_ID = 0x73656c76
/** The packing of bodies (body.ts) is made for it. */
export const PAGE_BYTES = 2048
const CACHE_KIB = 16 * 1024
/** A write-ahead log that grew beyond this is cut back when it is reused. */
const LOG_BYTES = 16 * 1024 * 1024
/** So many pages in the log, and they are moved into the file (checkpoints.ts). */
export const CHECKPOINT_PAGES = 1000
/** Of the log when it is checkpointed, and of the commit that lets it be. */
export const LOG_ROOM_BYTES: number = 1.25 * CHECKPOINT_PAGES * (PAGE_BYTES + 24)

export interface Pragmas {
  readonly durability: 'full' | 'normal'
  readonly maxBytes: number | undefined
}

/** Opens or creates; waits while another process does the same. */
export async function openDatabase(path: string, pragmas: Pragmas, turns: Turns): Promise<Database> {
  let database: Database | undefined
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true })
    const opened = new Database(path)
    database = opened
    await turns.retry(() => prepare(opened, pragmas))
    return opened
  } catch (error) {
    database?.close()
    throw failure(path, error)
  }
}

function prepare(database: Database, { durability, maxBytes }: Pragmas): void {
  refuseStrangers(database)
  database.exec(`pragma page_size = ${PAGE_BYTES}`)
  database.exec('pragma journal_mode = wal')
  database.exec(syncing(durability))
  database.exec(`pragma journal_size_limit = ${LOG_BYTES}`)
  database.exec(`pragma wal_autocheckpoint = ${2 * CHECKPOINT_PAGES}`)
  database.exec(`pragma cache_size = -${CACHE_KIB}`)
  database.exec('pragma temp_store = memory')
  database.exec('pragma foreign_keys = off')
  if (maxBytes !== undefined) database.exec(`pragma max_page_count = ${Math.max(1, Math.floor(maxBytes / PAGE_BYTES))}`)
  migrate(database)
}

/** Pragmas of every connection. */
export function syncing(durability: Pragmas['durability']): string {
  // Elsewhere than on macOS the others do nothing; there fsync alone leaves data in the cache of the drive.
  const isFull = durability === 'full'
  return `pragma synchronous = ${durability}; pragma fullfsync = ${isFull}; pragma checkpoint_fullfsync = ${isFull}`
}

/** Before anything is changed in the file. One read transaction: another process may be creating the schema meanwhile. */
function refuseStrangers(database: Database): void {
  database.exec('begin')
  try {
    const id = database.get<{ application_id: number }>('pragma application_id')?.application_id
    if (id === APPLICATION_ID) return
    const used = database.get('select 1 from sqlite_schema limit 1') !== undefined || schemaVersion(database) !== 0
    if (id === 0 && !used) return
  } finally {
    database.rollback()
  }
  throw new UsageError('BAD_INPUT', `The file ${database.path} is the SQLite database of another application.`, {
    hint: 'Give Selvage a file of its own.',
    details: { path: database.path },
  })
}

function migrate(database: Database): void {
  // The transaction also shows whether the file can be written at all.
  database.exec('begin immediate')
  try {
    const version = schemaVersion(database)
    if (version > MIGRATIONS.length) {
      throw new EngineError(
        'SCHEMA_TOO_NEW',
        `The database ${database.path} has schema ${version}, and this version of Selvage knows schemas up to ${MIGRATIONS.length}.`,
        { hint: 'Update Selvage.', details: { path: database.path, version } },
      )
    }
    for (const sql of MIGRATIONS.slice(version)) {
      // SQLite keeps the text of each statement: comments and blanks would be pages in every database.
      database.exec(sql.replace(/--.*$/gm, '').replace(/\s+/g, ' '))
    }
    if (version < MIGRATIONS.length) {
      database.exec(`pragma user_version = ${MIGRATIONS.length}`)
      database.exec(`pragma application_id = ${APPLICATION_ID}`)
    }
    database.exec('commit')
  } catch (error) {
    database.rollback()
    throw error
  }
}

function schemaVersion(database: Database): number {
  return database.get<{ user_version: number }>('pragma user_version')?.user_version ?? 0
}
