/**
 * Appending to a journal, by the holder of a run. Its row in `live` carries the fence and the length to compare with:
 * looking for it, the insert and writing the new length down are three statements on two pages, whichever run it is.
 */
import type { Entry } from '@selvage/core'
import type { Commits } from './commit.ts'
import type { Database } from './database.ts'
import { toRow } from './entries.ts'
import { recordSignal } from './inbox.ts'
import { extend } from './journal.ts'
import { liveOf, writeLive } from './live.ts'
import { openQuestion, settleQuestion } from './questions.ts'
import { gap } from './refusals.ts'

export async function append(
  commits: Commits,
  database: Database,
  runId: string,
  fence: number,
  at: number,
  entries: readonly Entry[],
): Promise<void> {
  entries.forEach((entry, index) => {
    if (entry.seq !== at + index) throw gap(runId, at + index, entry.seq)
  })
  // Outside the transaction: what cannot be written concerns nobody else.
  const rows = entries.map(toRow)
  const projects = entries.some((entry) => entry.type === 'signal' || entry.type === 'open' || entry.type === 'wait')
  await commits.write(
    () => {
      const tail = liveOf(database, runId, fence)
      if (tail.length !== at) throw gap(runId, tail.length, at)
      const grown = extend(database, tail, entries, rows)
      writeLive(database, grown)
      if (projects) project(database, runId, tail.n, entries, grown.last ?? 0)
    },
    { ring: entries.some((entry) => entry.type === 'open') ? 'now' : 'soon', plain: !projects },
  )
}

/** Rows of one transaction follow each other. */
function project(database: Database, runId: string, n: number, entries: readonly Entry[], last: number): void {
  entries.forEach((entry, index) => {
    const row = last - (entries.length - 1 - index)
    if (entry.type === 'signal') recordSignal(database, runId, n, entry, row)
    else if (entry.type === 'open') openQuestion(database, runId, n, entry, row)
    else if (entry.type === 'wait') settleQuestion(database, n, entry)
  })
}
