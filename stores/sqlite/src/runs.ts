/** Transitions of a run that no claim is needed for, or that give a claim up. What may follow what: schema/0001.sql. */
import { ConflictError, EngineError, type Entry, type Json, type NewRun, type Outcome } from '@selvage/core'
import type { HeldRuns } from './append.ts'
import type { Commits } from './commit.ts'
import type { Database } from './database.ts'
import { FINAL_STEPS, TYPE } from './entries.ts'
import { isWaitedFor, pendingOf, type Waits } from './inbox.ts'
import { appendUnfenced, COUNT, lengthOf } from './journal.ts'
import { closeQuestions, reopenQuestions } from './questions.ts'
import { badInput, ended, gap, notFound, refused } from './refusals.ts'
import { CANCELLED, COMPLETED, FAILED, PENDING, RUNNING, SUSPENDED, statusName, statusOf } from './status.ts'
import { fromText, toText, toTextOrNull } from './text.ts'

export async function create(commits: Commits, database: Database, run: NewRun): Promise<{ created: boolean }> {
  const { start, at } = run
  const id = toText(run.runId)
  const program = toText(start.program)
  const entry: Entry = { seq: 0, at, type: 'start', start, salt: run.salt }
  const tags = Object.entries(start.tags ?? {})
  return await commits.write(
    () => {
      const there = database.get<{ program: string; input_hash: string }>(
        'select program, input_hash from run where id = ?',
        id,
      )
      if (there !== undefined) {
        if (there.program === program && there.input_hash === run.inputHash) return { created: false }
        throw new ConflictError('RUN_CONFLICT', `Run ${run.runId} exists with another program or input.`, {
          hint: 'Use another run id, or start it with the same program and input.',
          details: { runId: run.runId, program: there.program },
        })
      }
      const row = database.get<{ n: number }>(
        `insert into run (id, status, program, version, parent, tenant, queue, tags, input_hash, created, updated, due)
           values (?, ${PENDING}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning n`,
        id,
        program,
        toTextOrNull(start.version),
        toTextOrNull(start.parent?.runId),
        toTextOrNull(start.tenant),
        toTextOrNull(start.queue),
        tags.length === 0 ? null : JSON.stringify(start.tags),
        run.inputHash,
        at,
        at,
        run.startAt ?? at,
      )
      const n = row?.n ?? 0
      for (const [key, value] of tags) {
        database.run(
          'insert into tag (key, value, created, run) values (?, ?, ?, ?)',
          toText(key),
          toText(value),
          at,
          n,
        )
      }
      appendUnfenced(database, n, entry)
      return { created: true }
    },
    { ring: 'now' },
  )
}

/** False, and nothing changed, if a signal that it would wait for is pending. */
export function suspend(
  commits: Commits,
  database: Database,
  held: HeldRuns,
  runId: string,
  fence: number,
  waits: Waits,
  note: Json | undefined,
  now: number,
): Promise<boolean> {
  const text = JSON.stringify({ signals: waits.signals, ...(waits.until === undefined ? {} : { until: waits.until }) })
  return commits.write(
    () => {
      const n = holderOf(database, runId, fence)
      if (pendingOf(database, n).some((signal) => isWaitedFor(signal.name, waits))) return false
      database.run(
        `update run set status = ${SUSPENDED}, owner = null, crashes = 0, updated = ?, due = ?, waits = ?,
           note = coalesce(?, note), ${COUNT} where n = ?`,
        now,
        waits.until ?? null,
        text,
        note === undefined ? null : JSON.stringify(note),
        n,
      )
      held.delete(runId)
      return true
    },
    { ring: 'now' },
  )
}

export function release(
  commits: Commits,
  database: Database,
  held: HeldRuns,
  runId: string,
  fence: number,
  now: number,
): Promise<void> {
  return commits.write(
    () => {
      const n = holderOf(database, runId, fence)
      database.run(
        `update run set status = ${PENDING}, owner = null, crashes = 0, updated = ?, due = ?, ${COUNT} where n = ?`,
        now,
        now,
        n,
      )
      held.delete(runId)
    },
    { ring: 'now' },
  )
}

export function finish(
  commits: Commits,
  database: Database,
  held: HeldRuns,
  runId: string,
  fence: number,
  outcome: Outcome,
  now: number,
): Promise<void> {
  return commits.write(
    () => {
      const n = holderOf(database, runId, fence)
      const last = database.get<{ type: number; seq: number }>(
        'select type, seq from entry where run = ? order by seq desc limit 1',
        n,
      )
      if (last?.type !== TYPE.end) {
        throw new EngineError('JOURNAL_GAP', `The journal of run ${runId} does not end with an end entry.`, {
          hint: 'Append the end, then finish the run.',
          details: { runId },
        })
      }
      database.run(
        `update run set status = ?, owner = null, crashes = 0, updated = ?, ended = ?, ${COUNT} where n = ?`,
        statusOf(outcome),
        now,
        now,
        n,
      )
      closeQuestions(database, n)
      held.delete(runId)
    },
    { ring: 'now' },
  )
}

export function reopen(
  commits: Commits,
  database: Database,
  runId: string,
  at: number,
  voided: readonly string[],
  now: number,
): Promise<void> {
  return commits.write(
    () => {
      const run = database.get<{ n: number; status: number }>('select n, status from run where id = ?', toText(runId))
      if (run === undefined) throw notFound(runId)
      if (run.status === COMPLETED) throw ended(runId, statusName(run.status))
      const length = lengthOf(database, run.n)
      if (length !== at) throw gap(runId, length, at)
      if (run.status !== FAILED && run.status !== CANCELLED) {
        throw badInput(`Run ${runId} is ${statusName(run.status)}.`, 'Only a failed or cancelled run can be retried.')
      }
      database.run(
        `update run set status = ${PENDING}, updated = ?, ended = null, due = ?, steps = ?, counted = ? where n = ?`,
        now,
        now,
        countSteps(database, run.n, voided),
        at,
        run.n,
      )
      appendUnfenced(database, run.n, { seq: at, at: now, type: 'reopen', voided })
      reopenQuestions(database, run.n, voided)
    },
    { ring: 'now' },
  )
}

/** Steps that stand once those of the keys `voided` are void too. A key may have been void before. */
function countSteps(database: Database, n: number, voided: readonly string[]): number {
  const rows = database.all<{ key: string | null; body: string | null }>(
    `select key, case type when ${TYPE.reopen} then body end as body from entry
       where run = ? and type in (${FINAL_STEPS}, ${TYPE.reopen}) order by seq`,
    n,
  )
  const standing = new Set<string>()
  for (const { key, body } of rows) {
    if (key !== null) standing.add(fromText(key))
    else for (const gone of voidedBy(body)) standing.delete(gone)
  }
  for (const key of voided) standing.delete(key)
  return standing.size
}

function voidedBy(body: string | null): readonly string[] {
  return body === null ? [] : (JSON.parse(body) as { voided: readonly string[] }).voided
}

/** The run's number, if that fence holds it. */
function holderOf(database: Database, runId: string, fence: number): number {
  const run = database.get<{ n: number }>(
    `select n from run where id = ? and fence = ? and status = ${RUNNING}`,
    toText(runId),
    fence,
  )
  if (run === undefined) throw refused(database, runId, fence)
  return run.n
}
