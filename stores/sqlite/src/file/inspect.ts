/**
 * Looking at a database without becoming part of it: read-only, no migration, no lock. For `selvage doctor`.
 */
import { statSync } from 'node:fs'
import type { RunStatus } from '@selvage/core'
import { failure } from '../failure.ts'
import { MIGRATIONS } from '../migrations.ts'
import { isLocked, lockFile } from '../runs/workers.ts'
import { DatabaseSync } from '../sqlite.ts'
import { statusName } from '../status.ts'
import { fromText } from '../text.ts'
import { realPath } from './real-path.ts'

export interface Inspection {
  readonly path: string
  /** Bytes of the file, and of the log that is not in it yet. */
  readonly bytes: number
  readonly logBytes: number
  /** Its schema, and the newest that this version knows. */
  readonly schema: number
  readonly knownSchema: number
  readonly journalMode: string
  /** What `pragma quick_check` found; empty for a sound file. */
  readonly damage: readonly string[]
  readonly runs: { readonly [status in RunStatus]?: number }
  readonly blobs: { readonly count: number; readonly bytes: number }
  readonly workers: readonly WorkerInspection[]
}

export interface WorkerInspection {
  readonly id: string
  readonly pid: number
  readonly host: string
  /** Epoch milliseconds. */
  readonly leaseUntil: number
  /** Its lock says that its process lives. Lease and lock together decide whether it keeps its runs. */
  readonly lives: boolean
}

/** Errors as of `sqliteStore`; UNAVAILABLE too while another process changes the schema. */
export function inspectDatabase(path: string): Inspection {
  const file = realPath(path)
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: 1_000 })
    return read(database, file)
  } catch (error) {
    throw failure(file, error)
  } finally {
    database?.close()
  }
}

function read(database: DatabaseSync, path: string): Inspection {
  const all = <Row>(sql: string): Row[] => database.prepare(sql).all() as unknown as Row[]
  const schema = all<{ user_version: number }>('pragma user_version')[0]?.user_version ?? 0
  const files = {
    path,
    bytes: sizeOf(path),
    logBytes: sizeOf(`${path}-wal`),
    schema,
    knownSchema: MIGRATIONS.length,
    journalMode: all<{ journal_mode: string }>('pragma journal_mode')[0]?.journal_mode ?? '',
    damage: all<{ quick_check: string }>('pragma quick_check(20)')
      .map((row) => row.quick_check)
      .filter((found) => found !== 'ok'),
  }
  if (files.damage.length > 0 || schema === 0 || schema > files.knownSchema) {
    return { ...files, runs: {}, blobs: { count: 0, bytes: 0 }, workers: [] }
  }
  const runs = all<{ status: number; count: number }>('select status, count(*) as count from run group by status')
  const [blobs] = all<{ count: number; bytes: number }>(
    'select count(*) as count, coalesce(sum(length(bytes)), 0) as bytes from blob',
  )
  const workers = all<{ id: string; pid: number; host: string; lease_until: number }>('select * from worker')
  return {
    ...files,
    runs: Object.fromEntries(runs.map(({ status, count }) => [statusName(status), count])),
    blobs: { count: blobs?.count ?? 0, bytes: blobs?.bytes ?? 0 },
    workers: workers.map((worker) => ({
      id: fromText(worker.id),
      pid: worker.pid,
      host: fromText(worker.host),
      leaseUntil: worker.lease_until,
      lives: isLocked(lockFile(`${path}-worker-`, fromText(worker.id))),
    })),
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
