import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type OptionNames, refuseUnknown, UsageError } from '@selvage/core'
import { type Inspection, inspectDatabase } from '@selvage/store-sqlite'
import { locate, noDatabase } from './url.ts'

export interface InspectOptions {
  /** As for openSelvage. */
  readonly url?: string
}

const OPTIONS: OptionNames<InspectOptions> = { url: true }

/**
 * Looks at the file of a database without opening it as one: nothing is created, migrated or claimed. UNAVAILABLE if
 * there is none, CORRUPT if it is no database.
 */
export function inspect(options: InspectOptions = {}): Inspection {
  refuseUnknown('inspect()', options, OPTIONS)
  const location = locate(options.url, process.env)
  if (location.kind === 'memory') {
    throw new UsageError('BAD_INPUT', 'sqlite::memory: has no file to look at.', { hint: 'Give the path of a file.' })
  }
  if (location.kind === 'postgres') {
    throw new UsageError('UNSUPPORTED', 'A database on a server has no file to look at.', {
      hint: "Look at it as at any other: openSelvage({ url }), or 'selvage doctor'.",
    })
  }
  const path = resolve(location.path)
  if (!existsSync(path)) throw noDatabase(location, path)
  return inspectDatabase(path)
}
