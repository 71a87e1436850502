/**
 * Appending to a journal.
 *
 * An append is one `insert … select … from run where n = ? and fence = ? and status = running` for each entry: the
 * fence costs no statement of its own, and the row of the run is not touched. Only every 256 entries does that row take
 * along how many steps there are, so that reading the number looks at 256 entries at most.
 *
 * Where a journal ends is remembered for the runs that this process holds. That memory is never trusted alone: it only
 * grows by commits, so an append that lies beyond the real end contradicts it, and one that lies before the real end
 * violates the unique index.
 */
import type { Entry } from '@selvage/core'
import type { Commits } from './commit.ts'
import type { Database, Value } from './database.ts'
import { toRow } from './entries.ts'
import { isConstraint } from './failure.ts'
import { recordSignal } from './inbox.ts'
import { COUNT, INSERT, lengthOf } from './journal.ts'
import { openQuestion, settleQuestion } from './questions.ts'
import { gap, notFound, refused } from './refusals.ts'
import { RUNNING } from './status.ts'
import { toText } from './text.ts'

const COUNT_EVERY = 256

/** A run that this process holds, as its own commits left it. */
export interface Held {
  readonly n: number
  readonly fence: number
  length: number
}

export type HeldRuns = Map<string, Held>

const APPEND = `${INSERT}
  select n, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? from run where n = ? and fence = ? and status = ${RUNNING}`

export async function append(
  commits: Commits,
  database: Database,
  held: HeldRuns,
  runId: string,
  fence: number,
  at: number,
  entries: readonly Entry[],
): Promise<void> {
  if (entries.length === 0) return
  const rows = entries.map((entry, index) => {
    if (entry.seq !== at + index) throw gap(runId, at + index, entry.seq)
    return toRow(entry)
  })
  const projected = entries.filter(isProjected)
  const counts = Math.floor(at / COUNT_EVERY) !== Math.floor((at + entries.length) / COUNT_EVERY)
  const single = rows.length === 1 && !counts
  await commits.write(
    () => {
      const run = holding(database, held, runId, fence)
      if (run.length !== at) run.length = lengthOf(database, run.n)
      if (run.length !== at && holds(database, run)) throw gap(runId, run.length, at)
      rows.forEach((row, index) => {
        insert(database, held, runId, run, at + index, row)
      })
      for (const entry of projected) project(database, runId, run.n, entry)
      if (counts) database.run(`update run set ${COUNT} where n = ?`, run.n)
      run.length = at + rows.length
      held.set(runId, run)
    },
    {
      ring: projected.some((entry) => entry.type === 'open') ? 'now' : 'soon',
      form: projected.length > 0 ? 'atomic' : single ? 'single' : 'plain',
    },
  )
}

function holding(database: Database, held: HeldRuns, runId: string, fence: number): Held {
  const known = held.get(runId)
  if (known?.fence === fence) return known
  const row = database.get<{ n: number }>('select n from run where id = ?', toText(runId))
  if (row === undefined) throw notFound(runId)
  return { n: row.n, fence, length: lengthOf(database, row.n) }
}

function holds(database: Database, run: Held): boolean {
  const sql = `select 1 from run where n = ? and fence = ? and status = ${RUNNING}`
  return database.get(sql, run.n, run.fence) !== undefined
}

function insert(database: Database, held: HeldRuns, runId: string, run: Held, seq: number, row: Value[]): void {
  try {
    if (database.run(APPEND, seq, ...row, run.n, run.fence) > 0) return
    if (held.get(runId) === run) held.delete(runId)
    throw refused(database, runId, run.fence)
  } catch (error) {
    if (!isConstraint(error)) throw error
    run.length = lengthOf(database, run.n)
    throw gap(runId, run.length, seq)
  }
}

type Projected = Extract<Entry, { type: 'signal' | 'open' | 'wait' }>

function isProjected(entry: Entry): entry is Projected {
  return entry.type === 'signal' || entry.type === 'open' || entry.type === 'wait'
}

function project(database: Database, runId: string, n: number, entry: Projected): void {
  switch (entry.type) {
    case 'signal':
      recordSignal(database, runId, n, entry)
      break
    case 'open':
      openQuestion(database, runId, n, entry)
      break
    case 'wait':
      settleQuestion(database, n, entry)
      break
  }
}
