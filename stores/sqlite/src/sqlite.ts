/**
 * `node:sqlite`, asked for when this module is evaluated. An `import` of it would fail while modules are linked, before
 * any of them could say which Node is needed; and where it is missing nobody can tell from ERR_UNKNOWN_BUILTIN_MODULE.
 */
import type * as Sqlite from 'node:sqlite'
import { UsageError } from '@selvage/core'

export type { SQLInputValue, StatementSync } from 'node:sqlite'

export const DatabaseSync: typeof Sqlite.DatabaseSync = load().DatabaseSync
export type DatabaseSync = Sqlite.DatabaseSync

function load(): typeof Sqlite {
  // Not there before Node 20.16.
  const found = process.getBuiltinModule?.('node:sqlite')
  if (found !== undefined) return found
  throw new UsageError('UNSUPPORTED', `This Node (${process.versions.node}) has no 'node:sqlite'.`, {
    hint: 'Use Node 22.13 or newer, without --no-experimental-sqlite.',
    details: { node: process.versions.node },
  })
}
