/**
 * Runs as they are read. Every label, and the status, is an index that ends in (created, n), the order of the list. One
 * of them is walked, the other filters are checked on its rows: a page costs what it shows and what it passes over.
 */
import type { EntryOf, Json, Page, RunDescription, RunGlance, RunQuery, RunStatus, RunSummary } from '@selvage/core'
import {
  ANY_RUN,
  badInput,
  limitOf,
  notFound,
  pageOf,
  parseCursor,
  rarestLabel,
  type Waits,
} from '@selvage/core/stores'
import { Conditions } from '../conditions.ts'
import type { Database, Value } from '../database.ts'
import { fromRow } from '../journal/entries.ts'
import { fromText, toText } from '../text.ts'

interface RunRow {
  readonly n: number
  readonly id: string
  readonly status: RunStatus
  readonly program: string
  readonly version: string | null
  readonly parent: string | null
  readonly tenant: string | null
  readonly queue: string | null
  readonly tags: string | null
  readonly created: number
  readonly updated: number
  readonly ended: number | null
  readonly waits: string | null
  readonly note: string | null
  readonly held_from: number
  readonly crashes: number
  readonly length: number
  readonly steps: number
  readonly last_at: number
  readonly owner: string | null
  readonly pid: number | null
  readonly host: string | null
}

interface WholeRow extends RunRow {
  /** Entry 0, and the last one. */
  readonly first: string
  readonly latest: string
}

const STATUSES: readonly RunStatus[] = ['pending', 'running', 'suspended', 'completed', 'failed', 'cancelled']

const COLUMNS = `run.n, run.id, run.status, program, version, parent, tenant, queue, tags, run.created, updated, ended,
    waits, note, held_from, crashes, length, steps, last_at, worker.id as owner, pid, host`
const JOIN_OWNER = `left join worker on worker.id = run.owner and run.status = 'running'`
const DESCRIBE = `select ${COLUMNS}, first.body as first, latest.body as latest from run ${JOIN_OWNER}
  join entry as first on first.run = run.n and first.seq = 0
  join entry as latest on latest.run = run.n and latest.seq = run.length - 1 where run.id = $1`

export function describe(database: Database, runId: string): Promise<RunDescription> {
  return database.statement(async (rows) => {
    const row = await rows.get<WholeRow>(DESCRIBE, toText(runId))
    if (row === undefined) throw notFound(runId)
    const { start } = fromRow({ seq: 0, body: row.first }, runId) as EntryOf<'start'>
    const end = row.ended === null ? undefined : fromRow({ seq: row.length - 1, body: row.latest }, runId)
    return {
      ...summary(row),
      start,
      ...(end?.type === 'end' ? { outcome: end.outcome } : {}),
      ...(row.status === 'suspended' && row.waits !== null ? { waitsFor: JSON.parse(row.waits) as Waits } : {}),
      ...(row.note === null ? {} : { note: JSON.parse(row.note) as Json }),
    }
  })
}

const GLANCE = `select run.id, status, length, worker.id as owner from run ${JOIN_OWNER} where run.id = any($1::text[])`

export function glance(database: Database, runIds: readonly string[]): Promise<RunGlance[]> {
  return database.statement(async (rows) => {
    const found = await rows.all<Pick<RunRow, 'id' | 'status' | 'length' | 'owner'>>(GLANCE, runIds.map(toText))
    return found.map(({ id, status, length, owner }) => ({
      ...{ runId: fromText(id), status, entries: length },
      ...(owner !== null && { worker: fromText(owner) }),
    }))
  })
}

/** Newest first. */
export function list(database: Database, query: RunQuery): Promise<Page<RunSummary>> {
  return database.statement(async (rows) => {
    const limit = limitOf(query.limit)
    const { sql, values } = listStatement(query, limit + 1)
    const found = await rows.all<RunRow>(sql, ...values)
    return pageOf(found, limit, summary, (row) => [row.created, row.n])
  })
}

export function listStatement(query: RunQuery, limit: number): { sql: string; values: Value[] } {
  const statuses = statusesOf(query)
  const label = rarestLabel(query) ?? (statuses === undefined ? ANY_RUN : undefined)
  const all = new Conditions()
  const [created, n] = label === undefined ? ['run.created', 'run.n'] : ['label.created', 'label.run']
  if (label !== undefined) {
    all.add((name, value) => `label.name = ${name} and label.value = ${value}`, toText(label[0]), toText(label[1]))
  }
  for (const column of ['parent', 'tenant', 'version', 'program'] as const) {
    const value = query[column]
    if (value !== undefined) all.add((place) => `run.${column} = ${place}`, toText(value))
  }
  if (statuses !== undefined) all.add((place) => `run.status = any(${place}::text[])`, statuses)
  if (query.createdFrom !== undefined) all.add((place) => `${created} >= ${place}`, query.createdFrom)
  if (query.createdBefore !== undefined) all.add((place) => `${created} < ${place}`, query.createdBefore)
  if (query.after !== undefined) {
    all.add((at, key) => `(${created}, ${n}) < (${at}, ${key})`, ...parseCursor(query.after, 2))
  }
  const from = label === undefined ? 'run' : 'label join run on run.n = label.run'
  const sql = `select ${COLUMNS} from ${from} ${JOIN_OWNER} ${all.where}
    order by ${created} desc, ${n} desc limit ${all.place(limit)}`
  return { sql, values: all.values }
}

function statusesOf({ status }: RunQuery): RunStatus[] | undefined {
  if (status === undefined) return undefined
  return [...new Set(typeof status === 'string' ? [status] : status)].map((name) => {
    if (STATUSES.includes(name)) return name
    throw badInput(`Runs have no status "${name}".`, `It is one of ${STATUSES.join(', ')}.`)
  })
}

function summary(row: RunRow): RunSummary {
  const { version, parent, tenant, queue, owner } = row
  return {
    id: fromText(row.id),
    status: row.status,
    program: fromText(row.program),
    ...(version === null ? {} : { version: fromText(version) }),
    ...(parent === null ? {} : { parent: fromText(parent) }),
    ...(tenant === null ? {} : { tenant: fromText(tenant) }),
    ...(queue === null ? {} : { queue: fromText(queue) }),
    tags: row.tags === null ? {} : (JSON.parse(row.tags) as RunSummary['tags']),
    createdAt: row.created,
    updatedAt: Math.max(row.updated, row.last_at),
    ...(row.ended === null ? {} : { endedAt: row.ended }),
    entries: row.length,
    steps: row.steps,
    crashes: row.status === 'running' && row.length > row.held_from ? 0 : row.crashes,
    ...(owner === null
      ? {}
      : { owner: { worker: fromText(owner), pid: row.pid ?? 0, host: fromText(row.host ?? '') } }),
  }
}
