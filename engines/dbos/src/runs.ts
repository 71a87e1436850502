/**
 * What is known of runs: our index of them, and, of a run that goes on, the results of the steps of its workflow, which are
 * its journal. A run is driven by one workflow of DBOS after the other, its generations:
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
  noRun,
  type Reopen,
  reopenEntry,
  runEnded,
  type Stretch,
  stepsIn,
} from '@selvage/core/engines'
import type pg from 'pg'
import type { Database, Row } from './database.ts'
import { PLACE } from './errors.ts'
import type { Names } from './names.ts'

export interface RunRow extends Row {
  readonly id: string
  readonly program: string
  readonly version: string | null
  readonly parent: string | null
  readonly tenant: string | null
  readonly tags: { readonly [key: string]: string }
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
type Stood = Pick<Stretch, 'cursor' | 'steps' | 'at' | 'note'>

/** Of a run that is not there yet. */
interface Beginning {
  readonly workflow: string
  readonly parked?: boolean
  readonly entries?: readonly Entry[]
}

type Client = Pick<pg.PoolClient, 'query'>

/** Newest outputs that are looked at for the last advance: a wait may stand behind it. */
const LAST = 3

export class Runs {
  private readonly db: Database
  private readonly names: Names
  private readonly s: string

  constructor(db: Database, names: Names) {
    this.db = db
    this.names = names
    this.s = db.schema
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * `enqueue` makes the workflow of generation 0 in the same commit. `entries`: its journal begins with them. Resolves with how
   * the run was started that has the id already.
   */
  async start(
    runId: string,
    start: Start,
    now: number,
    { workflow, parked = false, entries = [] }: Beginning,
    enqueue: (client: pg.PoolClient) => Promise<void>,
  ): Promise<Start | undefined> {
    const { program, version = null, parent, tenant = null, tags = {} } = start
    return await this.db.transaction(async (client) => {
      const { rowCount } = await client.query(
        `insert into ${this.s}.run (id, program, version, parent, tenant, tags, start, created_at, updated_at, status,
           generation, workflow, parked, entries, steps)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $8, 'pending', 0, $9, $10, $11, $12) on conflict do nothing`,
        [
          ...[runId, program, version, parent?.runId ?? null, tenant, tags, JSON.stringify(start), now],
          ...[workflow, parked, entries.length, stepsIn(entries)],
        ],
      )
      if (rowCount === 1) {
        if (entries.length > 0) await client.query(this.keeping, keptAs(runId, entries))
        await enqueue(client)
        await this.ring(client, runId)
        return undefined
      }
      const { rows } = await client.query<RunRow>(`select start from ${this.s}.run where id = $1`, [runId])
      return JSON.parse(rows[0]?.start ?? '{}') as Start
    })
  }

  /** `wake` makes a parked run go on: before the commit, so that nobody who dies in between leaves it asleep. */
  async signal(runId: string, signal: Signal, wake: (run: RunRow) => Promise<void>): Promise<SignalReceipt> {
    return await this.db.transaction(async (client) => {
      const run = await this.locked(client, runId)
      const { rows } = await client.query(`select body from ${this.s}.signal where run = $1 and id = $2`, [
        runId,
        signal.id,
      ])
      if (rows[0] !== undefined) return { accepted: false, first: JSON.parse(rows[0].body) as Signal }
      if (run.outcome !== null) throw runEnded(runId, run.status)
      await client.query(
        `insert into ${this.s}.signal (run, seq, id, body)
           values ($1, (select coalesce(max(seq) + 1, 0) from ${this.s}.signal where run = $1), $2, $3)`,
        [runId, signal.id, JSON.stringify(signal)],
      )
      await this.ring(client, runId)
      if (run.parked) await wake(run)
      return { accepted: true }
    })
  }

  /** Makes an ended run go on in a new generation. False: somebody else was faster. */
  async reopen(
    runId: string,
    reopen: Reopen,
    enqueue: (client: pg.PoolClient, run: RunRow) => Promise<string>,
  ): Promise<boolean> {
    const { entries: at, at: now, voided } = reopen
    return await this.db.transaction(async (client) => {
      const run = await this.locked(client, runId)
      if (run.outcome === null || run.entries !== at) return false
      const entry = reopenEntry(reopen)
      await client.query(`insert into ${this.s}.entry values ($1, $2, $3)`, [runId, at, JSON.stringify(entry)])
      await client.query(`delete from ${this.s}.question where run = $1 and key = any($2)`, [runId, [...voided]])
      await client.query(`update ${this.s}.question set status = 'open' where run = $1 and status = 'closed'`, [runId])
      const workflow = await enqueue(client, run)
      await client.query(
        `update ${this.s}.run set status = 'pending', outcome = null, updated_at = $2, generation = generation + 1,
           workflow = $3, entries = entries + 1, reopenings = reopenings + 1, crashes = 0 where id = $1`,
        [runId, now, workflow],
      )
      await this.ring(client, runId)
      return true
    })
  }

  // ── what a worker says of the run that it drives ──────────────────────────────────────────────────────────────────

  /**
   * An attempt takes up an advance, which an earlier one may have begun: how many have by now. Undefined: a later generation
   * has begun.
   */
  async claim(runId: string, generation: number, advance: string): Promise<number | undefined> {
    const [row] = await this.db.rows<{ crashes: number }>(
      `with claimed as (
         update ${this.s}.run set status = 'running', parked = false, waits_for = null, claim = $3,
           crashes = case when claim = $3 then crashes + 1 else 1 end
         where id = $1 and generation = $2 and outcome is null returning crashes
       ) select crashes, pg_notify($4, $5) from claimed`,
      [runId, generation, advance, this.names.channel, runId],
    )
    return row?.crashes
  }

  /** The attempt failed, but its process lives: nothing crashed. */
  async spare(runId: string): Promise<void> {
    await this.db.rows(`update ${this.s}.run set crashes = 0 where id = $1`, [runId])
  }

  async suspend(
    runId: string,
    generation: number,
    { cursor, steps, at, note }: Stood,
    waitsFor: NonNullable<RunDescription['waitsFor']>,
  ): Promise<void> {
    await this.db.rows(
      `with stood as (
         update ${this.s}.run set status = 'suspended', waits_for = $3, entries = $4, steps = $5, updated_at = $6, note = $7,
           crashes = 0 where id = $1 and generation = $2 and outcome is null returning id
       ) select pg_notify($8, id) from stood`,
      [runId, generation, JSON.stringify(waitsFor), cursor, steps, at, jsonOf(note), this.names.channel],
    )
  }

  async resume(runId: string, generation: number): Promise<void> {
    await this.db.rows(
      `with woken as (
         update ${this.s}.run set status = 'running', waits_for = null
         where id = $1 and generation = $2 and status = 'suspended' returning id
       ) select pg_notify($3, id) from woken`,
      [runId, generation, this.names.channel],
    )
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

  /** Entries of a generation that is over. Said again, nothing changes: they are what DBOS has recorded. */
  async keep(runId: string, entries: readonly Entry[]): Promise<void> {
    if (entries.length > 0) await this.db.rows(this.keeping, keptAs(runId, entries))
  }

  private get keeping(): string {
    return `insert into ${this.s}.entry select $1, seq, body from unnest($2::int[], $3::text[]) as new (seq, body)
      on conflict do nothing`
  }

  /** The next generation is there. Whether it waits though somebody has called. */
  async handOn(
    runId: string,
    generation: number,
    next: { readonly workflow: string; readonly parked: boolean; readonly heard: number; readonly entries: number },
  ): Promise<boolean> {
    const { workflow, parked, heard, entries } = next
    return await this.db.transaction(async (client) => {
      await client.query(
        `update ${this.s}.run set generation = $2 + 1, workflow = $3, parked = $4, entries = $5, claim = null
           where id = $1 and generation = $2 and outcome is null`,
        [runId, generation, workflow, parked, entries],
      )
      if (!parked) return false
      const { rowCount } = await client.query(`select 1 from ${this.s}.signal where run = $1 and seq >= $2 limit 1`, [
        runId,
        heard,
      ])
      return rowCount !== 0
    })
  }

  async end(runId: string, generation: number, { cursor, steps, at, note }: Stood, outcome: Outcome): Promise<void> {
    const status = endStatus(outcome)
    await this.db.transaction(async (client) => {
      const { rowCount } = await client.query(
        `update ${this.s}.run set status = $3, outcome = $4, entries = $5, steps = $6, updated_at = $7, note = $8,
           waits_for = null, crashes = 0, claim = null where id = $1 and generation = $2 and outcome is null`,
        [runId, generation, status, JSON.stringify(outcome), cursor, steps, at, jsonOf(note)],
      )
      if (rowCount === 0) return
      await client.query(`update ${this.s}.question set status = 'closed' where run = $1 and status = 'open'`, [runId])
      await this.ring(client, runId)
    })
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

  /** Of generations that are over. */
  async kept(runId: string, from: number, limit: number): Promise<Entry[]> {
    const rows = await this.db.rows<{ body: string }>(
      `select body from ${this.s}.entry where run = $1 and seq >= $2 order by seq limit $3`,
      [runId, from, limit],
    )
    return rows.map(({ body }) => JSON.parse(body) as Entry)
  }

  async entries(runId: string, from: number, limit: number): Promise<readonly Entry[]> {
    const run = await this.row(runId)
    const kept = await this.kept(runId, from, limit)
    if (kept.length >= limit || run.outcome !== null) return kept
    const rows = await this.db.rows<{ output: string }>(
      `select output from dbos.operation_outputs where workflow_uuid = $1 and output is not null order by function_id`,
      [run.workflow],
    )
    const next = kept.at(-1)?.seq ?? from - 1
    const going = rows.flatMap(({ output }) => advancedOf(output)?.entries ?? []).filter(({ seq }) => seq > next)
    const entries = [...kept, ...going].slice(0, limit)
    // Where a generation ended between the two looks, its entries are kept now.
    const isWhole = entries.every(({ seq }, index) => seq === from + index)
    return isWhole ? entries : await this.kept(runId, from, limit)
  }

  async describe(runId: string): Promise<RunDescription> {
    const row = await this.row(runId)
    return describe(row, await this.last(row))
  }

  /** How far a run that goes on has come since its row was written. */
  private async last({ status, workflow }: RunRow): Promise<Advanced | undefined> {
    if (status !== 'running') return undefined
    const rows = await this.db.rows<{ output: string }>(
      `select output from dbos.operation_outputs where workflow_uuid = $1 and output is not null
         order by function_id desc limit ${LAST}`,
      [workflow],
    )
    return rows.map(({ output }) => advancedOf(output)).find((advanced) => advanced !== undefined)
  }

  private async locked(client: Client, runId: string): Promise<RunRow> {
    const { rows } = await client.query(`select * from ${this.s}.run where id = $1 for update`, [runId])
    if (rows[0] === undefined) throw noRun(PLACE, runId)
    return rows[0] as RunRow
  }

  private async ring(client: Client, runId: string): Promise<void> {
    await client.query('select pg_notify($1, $2)', [this.names.channel, runId])
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

/** Results of other steps (waits, the start of the next generation) are none. */
function advancedOf(output: string): Advanced | undefined {
  const value = JSON.parse(output) as Advanced | null
  return typeof value === 'object' && value !== null && 'cursor' in value ? value : undefined
}

/** Values for `keeping`. */
function keptAs(runId: string, entries: readonly Entry[]): unknown[] {
  return [runId, entries.map(({ seq }) => seq), entries.map((entry) => JSON.stringify(entry))]
}

function jsonOf(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}
