/** Transitions of a run that need no claim, or give one up. What may follow what: schema/0001.sql. */
import type { Entry, Json, NewRun, Outcome, RunStatus } from '@selvage/core'
import { ended, gap, isActive, labelsOf, noEnd, notFound, startedOtherwise, type Waits } from '@selvage/core/stores'
import type { Database, Rows } from '../database.ts'
import { heldRun, project } from '../journal/append.ts'
import { isFinalStep } from '../journal/entries.ts'
import { countSteps, entryOf, extend, insertEntries, type Tail } from '../journal/journal.ts'
import { hasAwaited } from '../questions/inbox.ts'
import { closeQuestions, hasLateAnswer, reopenQuestions } from '../questions/questions.ts'
import { fromText, toText, toTextOrNull } from '../text.ts'
import { servesOf } from './claims.ts'
import { goOn } from './reopening.ts'

export function create(database: Database, run: NewRun): Promise<{ created: boolean }> {
  const { runId, start, at, entries = [] } = run
  const program = { name: start.program, ...(start.version !== undefined && { version: start.version }) }
  const journal: Entry[] = [{ seq: 0, at, type: 'start', start, salt: run.salt }, ...entries]
  return database.writeUntilKnown(async (rows, mayStand) => {
    const made = await rows.get<{ n: number }>(
      `insert into run (id, status, program, version, serves, parent, tenant, queue, tags, input_hash, created, updated,
           due, length, steps, last_at)
         values ($1, 'pending', $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13, $14)
         on conflict (id) do nothing returning n`,
      toText(runId),
      toText(start.program),
      toTextOrNull(start.version),
      servesOf(program),
      toTextOrNull(start.parent?.runId),
      toTextOrNull(start.tenant),
      toTextOrNull(start.queue),
      start.tags === undefined ? null : JSON.stringify(start.tags),
      run.inputHash,
      at,
      run.startAt ?? at,
      journal.length,
      entries.filter(isFinalStep).length,
      journal.at(-1)?.at ?? at,
    )
    if (made === undefined) {
      if (mayStand && (await isOfSalt(rows, run))) return { created: true }
      return await refuseAnother(rows, run)
    }
    await insertEntries(rows, made.n, journal)
    await project(rows, runId, made.n, entries)
    const labels = labelsOf(start)
    await rows.run(
      'insert into label (name, value, created, run) select name, value, $3::float8, $4::bigint from unnest($1::text[], $2::text[]) as t (name, value)',
      labels.map(([name]) => toText(name)),
      labels.map(([, value]) => toText(value)),
      at,
      made.n,
    )
    return { created: true }
  }, 'now')
}

/** Each start draws a salt: that one is ours. */
async function isOfSalt(rows: Rows, { runId, salt }: NewRun): Promise<boolean> {
  const run = await rows.get<{ n: number }>('select n from run where id = $1', toText(runId))
  const first = run === undefined ? undefined : await entryOf(rows, runId, run.n, 0)
  return first?.type === 'start' && first.salt === salt
}

async function refuseAnother(rows: Rows, { runId, start, inputHash }: NewRun): Promise<{ created: false }> {
  const sql = 'select program, input_hash from run where id = $1'
  const there = await rows.get<{ program: string; input_hash: string }>(sql, toText(runId))
  if (there?.program === toText(start.program) && there.input_hash === inputHash) return { created: false }
  throw startedOtherwise(runId, fromText(there?.program ?? ''))
}

/** False, and nothing changed, if a signal that it would wait for is pending. */
export function suspend(
  database: Database,
  runId: string,
  fence: number,
  waits: Waits,
  note: Json | undefined,
  now: number,
): Promise<boolean> {
  return database.write(async (rows) => {
    const { n } = await heldRun(rows, runId, fence)
    if (await hasAwaited(rows, n, waits)) return false
    await putAside(rows, n, waits, note, now)
    return true
  }, 'now')
}

/** Whatever is pending: what tried to take it could not. */
export function postpone(
  database: Database,
  runId: string,
  fence: number,
  until: number,
  note: Json | undefined,
  now: number,
): Promise<void> {
  return database.write(async (rows) => {
    const { n } = await heldRun(rows, runId, fence)
    await putAside(rows, n, { signals: [], until }, note, now)
  }, 'now')
}

async function putAside(rows: Rows, n: number, waits: Waits, note: Json | undefined, now: number): Promise<void> {
  await rows.run(
    `update run set status = 'suspended', owner = null, crashes = 0, updated = $2, due = $3, waits = $4,
       note = coalesce($5, note) where n = $1`,
    n,
    now,
    waits.until ?? null,
    JSON.stringify({ signals: waits.signals, ...(waits.until === undefined ? {} : { until: waits.until }) }),
    note === undefined ? null : JSON.stringify(note),
  )
}

export async function show(database: Database, runId: string, fence: number, note: Json): Promise<void> {
  const sql = `update run set note = $3 where id = $1 and fence = $2 and status = 'running'`
  const changed = await database.statement((rows) => rows.run(sql, toText(runId), fence, JSON.stringify(note)))
  if (changed === 0) await database.statement((rows) => heldRun(rows, runId, fence))
}

export function release(database: Database, runId: string, fence: number, now: number): Promise<void> {
  return database.write(async (rows) => {
    const { n } = await heldRun(rows, runId, fence)
    const sql = `update run set status = 'pending', owner = null, crashes = 0, updated = $2, due = $2 where n = $1`
    await rows.run(sql, n, now)
  }, 'now')
}

export function finish(database: Database, runId: string, fence: number, outcome: Outcome, now: number): Promise<void> {
  return database.writeUntilKnown(async (rows, mayStand) => {
    if (mayStand && (await hasEndedBy(rows, runId, fence))) return
    const { n, length } = await heldRun(rows, runId, fence)
    const sql = 'select kind from entry where run = $1 and seq = $2'
    if ((await rows.get<{ kind: string }>(sql, n, length - 1))?.kind !== 'end') throw noEnd(runId)
    await rows.run(
      'update run set status = $2, owner = null, crashes = 0, updated = $3, ended = $3 where n = $1',
      n,
      statusOf(outcome),
      now,
    )
    await closeQuestions(rows, n)
    // An answer that came while the run was ending.
    if (await hasLateAnswer(rows, n)) await goOn(rows, n, now)
  }, 'now')
}

async function hasEndedBy(rows: Rows, runId: string, fence: number): Promise<boolean> {
  const sql = 'select 1 as one from run where id = $1 and fence = $2 and ended is not null'
  return (await rows.get(sql, toText(runId), fence)) !== undefined
}

export function reopen(
  database: Database,
  runId: string,
  at: number,
  voided: readonly string[],
  now: number,
): Promise<void> {
  return database.write(async (rows) => {
    const sql = 'select n, status, length, steps from run where id = $1 for update'
    const run = await rows.get<Tail & { status: RunStatus }>(sql, toText(runId))
    if (run === undefined) throw notFound(runId)
    if (run.status === 'completed') throw ended(runId, run.status)
    if (run.length !== at) throw gap(runId, run.length, at)
    if (run.status !== 'failed' && run.status !== 'cancelled') {
      throw isActive(runId, run.status)
    }
    const steps = await countSteps(rows, run.n, voided)
    const { length } = await extend(rows, run, { seq: at, at: now, type: 'reopen', voided })
    await rows.run(
      `update run set status = 'pending', updated = $2, ended = null, due = $2, length = $3, steps = $4, last_at = $2
         where n = $1`,
      run.n,
      now,
      length,
      steps,
    )
    await reopenQuestions(rows, run.n, voided)
    // It came while the run was ending, and was meant for that life of it.
    await rows.run("delete from inbox where run = $1 and seq is null and name = '$cancel'", run.n)
  }, 'now')
}

function statusOf(outcome: Outcome): RunStatus {
  if ('ok' in outcome) return 'completed'
  return 'cancelled' in outcome ? 'cancelled' : 'failed'
}
