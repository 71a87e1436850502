/**
 * What is known of runs: our index of them, and their inboxes. A run is driven by one workflow of DBOS after the other, its
 * generations:
 *
 *   start ──▶ generation 0 ──(waits for long, or its history is full)──▶ generation 1 ──▶ … ──▶ ended ──retry──▶ n + 1
 *
 * Whoever changes a run has its row locked, and rings the bell with it.
 */
import type { Entry, Json, Outcome, RunDescription, RunStatus, Signal, SignalReceipt, Start } from '@selvage/core'
import {
  type Advanced,
  described,
  endStatus,
  isOfChild,
  noRun,
  type Reopen,
  reopenEntry,
  runEnded,
  stepsIn,
} from '@selvage/core/engines'
import type pg from 'pg'
import type { Database, Row } from './database.ts'
import { PLACE } from './errors.ts'
import { Journal } from './journal.ts'
import { type Begin, workflowOf } from './names.ts'
import type { Queues } from './queues.ts'

export interface RunRow extends Row {
  readonly id: string
  readonly start: string
  readonly created_at: string
  readonly updated_at: string
  readonly status: RunStatus
  readonly generation: number
  readonly workflow: string
  readonly parked: boolean
  readonly entries: number
  readonly steps: number
  readonly reopenings: number
  readonly crashes: number
  readonly waits_for: string | null
  readonly note: string | null
  readonly outcome: string | null
}

/** How a generation stands, as far as its steps are durable. */
interface Stood {
  readonly cursor: number
  readonly steps: number
  readonly at: number
  readonly note: Json | undefined
}

type Client = Pick<pg.PoolClient, 'query'>

export class Runs {
  readonly db: Database
  readonly journal: Journal
  private readonly queues: Queues
  private readonly s: string

  constructor(db: Database, queues: Queues) {
    this.db = db
    this.queues = queues
    this.journal = new Journal(db)
    this.s = db.schema
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Its journal begins with these entries. Resolves with how the run was started that has the id already. */
  async start(start: Start, begin: Begin, entries: readonly Entry[], delayMs: number): Promise<Start | undefined> {
    const { program, version = null, parent, tenant = null, tags = {} } = start
    const { runId, steps, at } = begin
    return await this.db.transaction(async (client) => {
      const { rowCount } = await client.query(
        `insert into ${this.s}.run (id, program, version, parent, tenant, tags, start, created_at, updated_at, status,
           generation, workflow, parked, entries, steps)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $8, 'pending', 0, $9, $10, $11, $12) on conflict do nothing`,
        [
          ...[runId, program, version, parent?.runId ?? null, tenant, tags, JSON.stringify(start), at],
          ...[workflowOf(this.s, begin), delayMs > 0, entries.length, steps],
        ],
      )
      if (rowCount === 1) {
        await this.journal.keep(runId, entries, client)
        await this.queues.enqueue(client, begin, start, delayMs)
        await this.ring(client, runId)
        return undefined
      }
      const { rows } = await client.query<RunRow>(`select start from ${this.s}.run where id = $1`, [runId])
      return JSON.parse(rows[0]?.start ?? '{}') as Start
    })
  }

  async signal(runId: string, signal: Signal): Promise<SignalReceipt> {
    return await this.db.transaction(async (client) => {
      const run = await this.locked(client, runId)
      const { rows } = await client.query(`select body from ${this.s}.signal where run = $1 and id = $2`, [
        runId,
        signal.id,
      ])
      if (rows[0] !== undefined) return { accepted: false, first: JSON.parse(rows[0].body) as Signal }
      if (run.outcome !== null && !isOfChild(signal.name)) throw runEnded(runId, run.status)
      await client.query(
        `insert into ${this.s}.signal (run, seq, id, body)
           values ($1, (select coalesce(max(seq) + 1, 0) from ${this.s}.signal where run = $1), $2, $3)`,
        [runId, signal.id, JSON.stringify(signal)],
      )
      await this.ring(client, runId)
      // Before the time of its start only a command is heard.
      if (run.status !== 'pending' || signal.name.startsWith('$')) await this.unpark(client, run)
      return { accepted: true }
    })
  }

  /** Makes it go on where it is parked. */
  async wake(runId: string): Promise<void> {
    await this.db.transaction(async (client) => this.unpark(client, await this.locked(client, runId)))
  }

  /** Makes a run go on whose workflow was cancelled in DBOS. Who comes second may find that another worker has it by then. */
  async resume({ id, workflow, start }: RunRow): Promise<void> {
    await this.db.transaction(async (client) => {
      await this.locked(client, id)
      const isCancelled = `select from dbos.workflow_status where workflow_uuid = $1 and status = 'CANCELLED'`
      const { rowCount } = await client.query(isCancelled, [workflow])
      if (rowCount === 1) await this.queues.resume(workflow, JSON.parse(start))
    })
  }

  /** Makes an ended run go on in a new generation. False: somebody else was faster. */
  async reopen(runId: string, reopen: Reopen): Promise<boolean> {
    const { entries, at, voided } = reopen
    return await this.db.transaction(async (client) => {
      const run = await this.locked(client, runId)
      if (run.outcome === null || run.entries !== entries) return false
      await this.journal.keep(runId, [reopenEntry(reopen)], client)
      await client.query(`delete from ${this.s}.question where run = $1 and key = any($2)`, [runId, [...voided]])
      const counts = { generation: run.generation + 1, entries: entries + 1, steps: run.steps }
      const heard = await this.putBack(client, runId)
      const workflow = await this.queues.enqueue(client, { runId, ...counts, heard, at }, JSON.parse(run.start))
      await client.query(
        `update ${this.s}.run set status = 'pending', outcome = null, updated_at = $2, generation = generation + 1,
           workflow = $3, parked = false, entries = entries + 1, reopenings = reopenings + 1, crashes = 0 where id = $1`,
        [runId, at, workflow],
      )
      await this.ring(client, runId)
      return true
    })
  }

  /**
   * What was accepted and not taken stands behind everything that was, from the number on that is given back. What was taken is
   * never heard again: the retry has made some of it void, a cancel or the failure of a child, and the program would take it anew.
   */
  private async putBack(client: Client, runId: string): Promise<number> {
    const { rows } = await client.query<{ next: number }>(
      `select coalesce(max(seq) + 1, 0) as next from ${this.s}.signal where run = $1`,
      [runId],
    )
    const next = rows[0]?.next ?? 0
    await client.query(
      `with rest as (
         select id, row_number() over (order by seq) - 1 as place from ${this.s}.signal where run = $1 and not exists (
           select from ${this.s}.entry where entry.run = signal.run
             and body::json ->> 'type' = 'signal' and body::json -> 'signal' ->> 'id' = signal.id)
       ) update ${this.s}.signal set seq = $2 + place from rest where run = $1 and signal.id = rest.id`,
      [runId, next],
    )
    return next
  }

  // ── what a worker says of the run that it drives ──────────────────────────────────────────────────────────────────

  /**
   * An attempt takes up an advance, which an earlier one may have begun: how many have by now. Undefined: a later generation
   * has begun.
   */
  async claim(runId: string, generation: number, advance: string): Promise<number | undefined> {
    const row = await this.say(
      [runId, generation, advance],
      `status = 'running', parked = false, waits_for = null, claim = $3,
        crashes = case when claim = $3 then crashes + 1 else 1 end`,
    )
    return row?.crashes
  }

  /** The attempt failed, but its process lives: nothing crashed. Or it waits: those before it did, which are `left`. */
  async spare(runId: string, left: number): Promise<void> {
    await this.db.rows(`update ${this.s}.run set crashes = $2 where id = $1`, [runId, left])
  }

  async suspend(
    runId: string,
    generation: number,
    { cursor, steps, at, note }: Stood,
    waitsFor: NonNullable<RunDescription['waitsFor']>,
  ): Promise<void> {
    await this.say(
      [runId, generation, JSON.stringify(waitsFor), cursor, steps, at, jsonOf(note)],
      `status = 'suspended', waits_for = $3, entries = $4, steps = $5, updated_at = $6, note = $7, crashes = 0`,
    )
  }

  /** The next generation begins, unless it has: after that time, or when somebody calls. */
  async handOn(next: Begin, note: Json | undefined, entries: readonly Entry[], delayMs: number): Promise<void> {
    const { runId, generation, heard, steps, at } = next
    await this.db.transaction(async (client) => {
      const run = await this.locked(client, runId)
      if (run.generation >= generation || run.outcome !== null) return
      await this.journal.keep(runId, entries, client)
      const { rowCount } = await client.query(`select from ${this.s}.signal where run = $1 and seq >= $2 limit 1`, [
        runId,
        heard,
      ])
      const parked = delayMs > 0 && rowCount === 0
      const workflow = await this.queues.enqueue(client, next, JSON.parse(run.start), parked ? delayMs : 0)
      await client.query(
        `update ${this.s}.run set generation = $2, workflow = $3, parked = $4, entries = $5, steps = $6, updated_at = $7,
           note = $8, claim = null where id = $1`,
        [runId, generation, workflow, parked, next.entries, steps, at, jsonOf(note)],
      )
    })
  }

  /**
   * Ends a run whose workflow DBOS has ended. Nothing where somebody else has, and it may have been retried by then: `row` is
   * of the moment when the workflow was seen to be over.
   */
  async fail({ id, generation, workflow }: RunRow, outcome: Outcome, at: number): Promise<void> {
    // Nothing is recorded in that workflow any more.
    const entries = await this.journal.entries(id, workflow, 0, Number.MAX_SAFE_INTEGER)
    const all: readonly Entry[] = [...entries, { seq: entries.length, at, type: 'end', outcome }]
    await this.db.transaction(async (client) => {
      const run = await this.locked(client, id)
      if (run.generation !== generation || run.outcome !== null) return
      await this.journal.keep(id, all, client)
      await client.query(
        `update ${this.s}.run set status = $2, outcome = $3, entries = $4, steps = $5, updated_at = $6, waits_for = null,
           crashes = 0, claim = null where id = $1`,
        [id, endStatus(outcome), JSON.stringify(outcome), all.length, stepsIn(all), at],
      )
      await this.ring(client, id)
    })
  }

  async end(runId: string, generation: number, { cursor, steps, at, note }: Stood, outcome: Outcome): Promise<void> {
    await this.say(
      [runId, generation, endStatus(outcome), JSON.stringify(outcome), cursor, steps, at, jsonOf(note)],
      `status = $3, outcome = $4, entries = $5, steps = $6, updated_at = $7, note = $8,
        waits_for = null, crashes = 0, claim = null`,
    )
  }

  /** Of the run `$1` in its generation `$2`; nothing where a later one has begun, or the run has ended. */
  private async say(
    values: readonly [runId: string, generation: number, ...unknown[]],
    set: string,
  ): Promise<Pick<RunRow, 'crashes'> | undefined> {
    const [row] = await this.db.rows<Pick<RunRow, 'crashes'> & Row>(
      `with said as (
         update ${this.s}.run set ${set} where id = $1 and generation = $2 and outcome is null returning id, crashes
       ) select crashes, pg_notify('${this.s}', id) from said`,
      values,
    )
    return row
  }

  /** What has become of questions in these entries. */
  async asked(runId: string, entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) {
      if (entry.type === 'open') {
        const { key, question, at } = entry
        await this.db.rows(
          `insert into ${this.s}.question (id, run, key, kind, assignee, opened_at, status, body)
             values ($1, $2, $3, $4, $5, $6, 'open', $7) on conflict do nothing`,
          [question.id, runId, key, question.kind, question.assignee ?? null, at, JSON.stringify(question)],
        )
      } else if (entry.type === 'wait') {
        await this.db.rows(
          `update ${this.s}.question set status = $3 where run = $1 and key = $2 and status = 'open'`,
          [runId, entry.key, entry.signalId === undefined ? 'expired' : 'answered'],
        )
      }
    }
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** NOT_FOUND. */
  async row(runId: string): Promise<RunRow> {
    const [row] = await this.db.rows<RunRow>(`select * from ${this.s}.run where id = $1`, [runId])
    if (row === undefined) throw noRun(PLACE, runId)
    return row
  }

  async signals(runId: string, from: number): Promise<readonly { readonly seq: number; readonly signal: Signal }[]> {
    const rows = await this.db.rows<{ seq: number; body: string }>(
      `select seq, body from ${this.s}.signal where run = $1 and seq >= $2 order by seq`,
      [runId, from],
    )
    return rows.map(({ seq, body }) => ({ seq, signal: JSON.parse(body) as Signal }))
  }

  async entries(runId: string, from: number, limit: number): Promise<readonly Entry[]> {
    const { outcome, workflow } = await this.row(runId)
    return await this.journal.entries(runId, outcome === null ? workflow : undefined, from, limit)
  }

  async describe(runId: string): Promise<RunDescription> {
    const row = await this.row(runId)
    return describe(row, row.status === 'running' ? await this.journal.last(row.workflow) : undefined)
  }

  private async locked(client: Client, runId: string): Promise<RunRow> {
    const { rows } = await client.query(`select * from ${this.s}.run where id = $1 for update`, [runId])
    if (rows[0] === undefined) throw noRun(PLACE, runId)
    return rows[0] as RunRow
  }

  /** With what has called it, in one commit: nobody who dies in between leaves it asleep. */
  private async unpark(client: Client, run: RunRow): Promise<void> {
    if (!run.parked || run.outcome !== null) return
    await client.query(`update ${this.s}.run set parked = false where id = $1`, [run.id])
    await this.queues.unpark(client, run.workflow)
  }

  private async ring(client: Client, runId: string): Promise<void> {
    await client.query('select pg_notify($1, $2)', [this.s, runId])
  }
}

export function describe(row: RunRow, last?: Advanced): RunDescription {
  const { id, status, outcome, waits_for: waitsFor, note } = row
  return described(id, {
    start: JSON.parse(row.start) as Start,
    status,
    createdAt: Number(row.created_at),
    updatedAt: Math.max(Number(row.updated_at), last?.at ?? 0),
    entries: Math.max(row.entries, last?.cursor ?? 0),
    steps: Math.max(row.steps, last?.steps ?? 0),
    crashes: Math.max(0, row.crashes - 1),
    outcome: outcome === null ? undefined : (JSON.parse(outcome) as Outcome),
    waitsFor: waitsFor === null ? undefined : (JSON.parse(waitsFor) as NonNullable<RunDescription['waitsFor']>),
    note: last !== undefined ? last.status : note === null ? undefined : (JSON.parse(note) as Json),
  })
}

function jsonOf(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}
