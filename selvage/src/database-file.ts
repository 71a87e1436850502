/** A database as a file: looked at, or copied, without being opened as one. Nothing is created in it, migrated or claimed. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type OptionNames, refuseUnknown, UsageError } from '@selvage/core'
import { type Backup, backUpDatabase, type Inspection, inspectDatabase } from '@selvage/store-sqlite'
import { locate, noDatabase } from './url.ts'

export interface InspectOptions {
  /** As for openSelvage. */
  readonly url?: string
}

export interface BackupOptions extends InspectOptions {
  /** Path of the copy: a file that is not there yet, in a folder that is. */
  readonly to: string
}

const INSPECT: OptionNames<InspectOptions> = { url: true }
const BACKUP: OptionNames<BackupOptions> = { url: true, to: true }

/** Looks at the file of a database. UNAVAILABLE if there is none, CORRUPT if it is no database. */
export function inspect(options: InspectOptions = {}): Inspection {
  refuseUnknown('inspect()', options, INSPECT)
  return inspectDatabase(fileOf(options.url, "Look at it as at any other: openSelvage({ url }), or 'selvage doctor'."))
}

/**
 * Copies the file of a database as it is at one moment, while programs work on it, this process among them. What a restored copy
 * means: docs/guarantees.md.
 *
 * Rejects with BAD_INPUT if there is a file at `to`, or what is to be copied is no database of Selvage; UNAVAILABLE if there is none;
 * DISK_FULL, READ_ONLY.
 */
export async function backUp(options: BackupOptions): Promise<Backup> {
  refuseUnknown('backUp()', options, BACKUP)
  if (typeof options?.to !== 'string' || options.to === '') {
    throw new UsageError('BAD_INPUT', 'backUp() needs the path of the copy.', {
      hint: "Give it: backUp({ to: 'copy.db' }).",
    })
  }
  const file = fileOf(options.url, 'Use its own tools: pg_dump takes a copy while programs work on it.')
  return await backUpDatabase(file, options.to)
}

function fileOf(url: string | undefined, onServer: string): string {
  const location = locate(url, process.env)
  if (location.kind === 'memory') {
    throw new UsageError('BAD_INPUT', 'sqlite::memory: has no file.', { hint: 'Give the path of a file.' })
  }
  if (location.kind === 'postgres') {
    throw new UsageError('UNSUPPORTED', 'A database on a server has no file of ours.', { hint: onServer })
  }
  const path = resolve(location.path)
  if (!existsSync(path)) throw noDatabase(location, path)
  return path
}
