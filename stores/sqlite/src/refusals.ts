/** Why a write was refused, from what the database says. */
import { fencedOut } from '@selvage/core/stores'
import type { Database } from './database.ts'
import { toText } from './text.ts'

/** Why a write that carried a fence changed nothing. */
export function refused(database: Database, runId: string, fence: number): Error {
  const run = database.get<{ fence: number }>('select fence from run where id = ?', toText(runId))
  return fencedOut(runId, fence, run?.fence)
}
