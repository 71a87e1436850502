/** Transitions of a run that need no claim, or give one up. What may follow what: schema/0001.sql. */
import { EngineError, type Entry, type Json, type NewRun, type Outcome } from '@selvage/core'
import { ended, gap, isActive, labelsOf, notFound, startedOtherwise } from '@selvage/core/stores'
import type { Database } from '../database.ts'
import { project } from '../journal/append.ts'
import type { Commits } from '../journal/commit.ts'
import { toRow } from '../journal/entries.ts'
import { countSteps, entryOf, extend, insertEntry } from '../journal/journal.ts'
import { JOIN_LIVE, leave, liveOf, TAIL, type Tail, type TailRow } from '../journal/live.ts'
import type { Names } from '../names.ts'
import { isWaitedFor, pendingOf, type Waits } from '../questions/inbox.ts'
import { closeQuestions, hasLateAnswer, reopenQuestions } from '../questions/questions.ts'
import { refused } from '../refusals.ts'
import { CANCELLED, COMPLETED, FAILED, PENDING, SUSPENDED, statusName, statusOf } from '../status.ts'
import { fromText, toText, toTextOrNull } from '../text.ts'
import { goOn } from './reopening.ts'

export async function create(
  commits: Commits,
  database: Database,
  names: Names,
  run: NewRun,
): Promise<{ created: boolean }> {
  const { start, at } = run
  const id = toText(run.runId)
  const program = toText(start.program)
  const entry = { seq: 0, at, type: 'start', start, salt: run.salt } as const
  const row = toRow(entry)
  const labels = labelsOf(start)
  return await commits.write(
    () => {
      const there = database.get<{ program: string; input_hash: string }>(
        'select program, input_hash from run where id = ?',
        id,
      )
      if (there !== undefined) {
        if (there.program === program && there.input_hash === run.inputHash) return { created: false }
        throw startedOtherwise(run.runId, fromText(there.program))
      }
      const n = database.insert(
        `insert into run (id, status, program, version, parent, tenant, queue, tags, input_hash, created, updated, due,
             length, steps, last)
           values (?, ${PENDING}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, (select coalesce(max(n), 0) + 1 from entry))`,
        id,
        program,
        toTextOrNull(start.version),
        toTextOrNull(start.parent?.runId),
        toTextOrNull(start.tenant),
        toTextOrNull(start.queue),
        start.tags === undefined ? null : JSON.stringify(start.tags),
        run.inputHash,
        at,
        at,
        run.startAt ?? at,
      )
      const first = insertEntry(database, names, n, 0, null, row)
      if (run.entries !== undefined)
        beginWith(database, names, run.runId, { n, length: 1, steps: 0, last: first }, run.entries)
      for (const [name, value] of labels) {
        const sql = 'insert into label (name, value, created, run) values (?, ?, ?, ?)'
        database.run(sql, toText(name), toText(value), at, n)
      }
      return { created: true }
    },
    { ring: 'now' },
  )
}

/** Inside a unit: the journal of a fork begins with what it inherits. */
function beginWith(database: Database, names: Names, runId: string, start: Tail, entries: readonly Entry[]): void {
  let tail = start
  for (const entry of entries) {
    tail = extend(database, names, tail, entry)
    if (tail.last !== null) project(database, runId, tail.n, [entry], tail.last)
  }
  const sql = 'update run set length = ?, steps = ?, last = ? where n = ?'
  database.run(sql, tail.length, tail.steps, tail.last, tail.n)
}

/** False, and nothing changed, if a signal that it would wait for is pending. */
export function suspend(
  commits: Commits,
  database: Database,
  runId: string,
  fence: number,
  waits: Waits,
  note: Json | undefined,
  now: number,
): Promise<boolean> {
  return commits.write(
    () => {
      const { n } = liveOf(database, runId, fence)
      if (pendingOf(database, n).some((signal) => isWaitedFor(signal.name, waits))) return false
      putAside(database, n, waits, note, now)
      return true
    },
    { ring: 'now' },
  )
}

/** Whatever is pending: what tried to take it could not. */
export function postpone(
  commits: Commits,
  database: Database,
  runId: string,
  fence: number,
  until: number,
  note: Json | undefined,
  now: number,
): Promise<void> {
  return commits.write(
    () => {
      const { n } = liveOf(database, runId, fence)
      putAside(database, n, { signals: [], until }, note, now)
    },
    { ring: 'now' },
  )
}

function putAside(database: Database, n: number, waits: Waits, note: Json | undefined, now: number): void {
  leave(database, n)
  database.run(
    `update run set status = ${SUSPENDED}, owner = null, crashes = 0, updated = ?, due = ?, waits = ?,
       note = coalesce(?, note) where n = ?`,
    now,
    waits.until ?? null,
    JSON.stringify({ signals: waits.signals, ...(waits.until === undefined ? {} : { until: waits.until }) }),
    note === undefined ? null : JSON.stringify(note),
    n,
  )
}

/** Nobody waits for it, and who looks next sees it: neither a sync nor a bell. */
export function show(commits: Commits, database: Database, runId: string, fence: number, note: Json): Promise<void> {
  const sql = `update run set note = ? where id = ? and exists (select 1 from live where live.run = run.n and live.fence = ?)`
  return commits.write(
    () => {
      if (database.run(sql, JSON.stringify(note), toText(runId), fence) === 0) throw refused(database, runId, fence)
    },
    { durability: 'written', plain: true },
  )
}

export function release(
  commits: Commits,
  database: Database,
  runId: string,
  fence: number,
  now: number,
): Promise<void> {
  return commits.write(
    () => {
      const { n } = liveOf(database, runId, fence)
      leave(database, n)
      const sql = `update run set status = ${PENDING}, owner = null, crashes = 0, updated = ?, due = ? where n = ?`
      database.run(sql, now, now, n)
    },
    { ring: 'now' },
  )
}

export function finish(
  commits: Commits,
  database: Database,
  names: Names,
  runId: string,
  fence: number,
  outcome: Outcome,
  now: number,
): Promise<void> {
  return commits.write(
    () => {
      const { n, last } = liveOf(database, runId, fence)
      if (entryOf(database, runId, last ?? 0).type !== 'end') {
        throw new EngineError('JOURNAL_GAP', `The journal of run ${runId} does not end with an end entry.`, {
          hint: 'Append the end, then finish the run.',
          details: { runId },
        })
      }
      leave(database, n)
      const sql = 'update run set status = ?, owner = null, crashes = 0, updated = ?, ended = ? where n = ?'
      database.run(sql, statusOf(outcome), now, now, n)
      closeQuestions(database, n)
      // An answer that came while the run was ending.
      if (hasLateAnswer(database, n)) goOn(database, names, n, now)
    },
    { ring: 'now' },
  )
}

export function reopen(
  commits: Commits,
  database: Database,
  names: Names,
  runId: string,
  at: number,
  voided: readonly string[],
  now: number,
): Promise<void> {
  return commits.write(
    () => {
      const sql = `select status, ${TAIL} from run ${JOIN_LIVE} where run.id = ?`
      const run = database.get<TailRow & { status: number }>(sql, toText(runId))
      if (run === undefined) throw notFound(runId)
      if (run.status === COMPLETED) throw ended(runId, statusName(run.status))
      if (run.length !== at) throw gap(runId, run.length, at)
      if (run.status !== FAILED && run.status !== CANCELLED) {
        throw isActive(runId, statusName(run.status))
      }
      const steps = countSteps(database, run, voided)
      const { length, last } = extend(database, names, run, { seq: at, at: now, type: 'reopen', voided })
      database.run(
        `update run set status = ${PENDING}, updated = ?, ended = null, due = ?, length = ?, steps = ?, last = ?
           where n = ?`,
        now,
        now,
        length,
        steps,
        last,
        run.n,
      )
      reopenQuestions(database, run.n, voided)
      // It came while the run was ending, and was meant for that life of it.
      database.run("delete from inbox where run = ? and entry is null and name = '$cancel'", run.n)
    },
    { ring: 'now' },
  )
}
