/**
 * Runs as they are read. Every label, and the status, is an index that ends in (created, n), the order of the list. One
 * of them is walked, the other filters are checked on its rows: a page costs what it shows and what it passes over.
 */
import type { Json, Page, RunDescription, RunQuery, RunSummary } from '@selvage/core'
import type { Commits } from './commit.ts'
import type { Database, Value } from './database.ts'
import type { Waits } from './inbox.ts'
import { entryOf, startOf } from './journal.ts'
import { ANY_RUN, rarestLabel } from './labels.ts'
import { caughtUp, JOIN_LIVE, TAIL } from './live.ts'
import { limitOf, pageOf, parseCursor } from './pages.ts'
import { badInput, notFound } from './refusals.ts'
import { hasEnded, RUNNING, SUSPENDED, statusCode, statusName } from './status.ts'
import { fromText, fromTextOrNull, toText } from './text.ts'

interface RunRow {
  readonly n: number
  readonly id: string
  readonly status: number
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
  readonly owner: string | null
  readonly held_from: number
  readonly crashes: number
  readonly length: number
  readonly steps: number
  readonly last: number
  readonly behind: number
  readonly last_at: number
}

const SELECT = `select run.id, status, program, version, parent, tenant, queue, tags, run.created, updated, ended,
    waits, note, owner, held_from, crashes, ${TAIL}, entry.at as last_at`
const JOIN_LAST = `${JOIN_LIVE} cross join entry on entry.n = coalesce(live.last, run.last)`

export function describe(commits: Commits, database: Database, runId: string): Promise<RunDescription> {
  return commits.read(() => {
    const found = database.get<RunRow>(`${SELECT} from run ${JOIN_LAST} where run.id = ?`, toText(runId))
    if (found === undefined) throw notFound(runId)
    const row = caughtUp(database, found)
    const end = hasEnded(row.status) ? entryOf(database, runId, row.last) : undefined
    return {
      ...summary(database, row),
      start: startOf(database, runId, row.n).start,
      ...(end?.type === 'end' ? { outcome: end.outcome } : {}),
      ...(row.status === SUSPENDED && row.waits !== null ? { waitsFor: JSON.parse(row.waits) as Waits } : {}),
      ...(row.note === null ? {} : { note: JSON.parse(row.note) as Json }),
    }
  })
}

/** Newest first. */
export function list(commits: Commits, database: Database, query: RunQuery): Promise<Page<RunSummary>> {
  return commits.read(() => {
    const limit = limitOf(query.limit)
    const rows = listStatements(query, limit + 1)
      .flatMap(({ sql, values }) => database.all<RunRow>(sql, ...values))
      .sort((a, b) => b.created - a.created || b.n - a.n)
    return pageOf(
      rows,
      limit,
      (row) => summary(database, caughtUp(database, row)),
      (row) => [row.created, row.n],
    )
  })
}

/** One statement, or one for each status asked for where that is the index to walk: their pages are merged. */
export function listStatements(query: RunQuery, limit: number): { sql: string; values: Value[] }[] {
  const statuses = statusesOf(query)
  const label = rarestLabel(query) ?? (statuses === undefined ? ANY_RUN : undefined)
  const filters = filtersOf(query)
  if (label === undefined) {
    return (statuses ?? []).map((status) =>
      statement('run', 'run.created', 'run.n', [{ sql: 'status = ?', values: [status] }, ...filters], query, limit),
    )
  }
  const [name, value] = label
  const all: Filter[] = [
    { sql: 'label.name = ? and label.value = ?', values: [toText(name), toText(value)] },
    ...filters,
  ]
  if (statuses !== undefined) all.push({ sql: `status in (${statuses.map(() => '?').join(', ')})`, values: statuses })
  return [statement('label cross join run on run.n = label.run', 'label.created', 'label.run', all, query, limit)]
}

interface Filter {
  readonly sql: string
  readonly values: Value[]
}

/** What is asked of the row of the run, whichever index it was found by. A tag is always that index. */
function filtersOf({ parent, tenant, version, program }: RunQuery): Filter[] {
  return Object.entries({ parent, tenant, version, program }).flatMap(([column, value]) =>
    value === undefined ? [] : [{ sql: `run.${column} = ?`, values: [toText(value)] }],
  )
}

function statement(
  from: string,
  created: string,
  n: string,
  filters: readonly Filter[],
  { createdFrom, createdBefore, after }: RunQuery,
  limit: number,
): { sql: string; values: Value[] } {
  const all = [...filters]
  if (createdFrom !== undefined) all.push({ sql: `${created} >= ?`, values: [createdFrom] })
  if (createdBefore !== undefined) all.push({ sql: `${created} < ?`, values: [createdBefore] })
  if (after !== undefined) all.push({ sql: `(${created}, ${n}) < (?, ?)`, values: parseCursor(after, 2) })
  return {
    sql: `${SELECT} from ${from} ${JOIN_LAST} where ${all.map(({ sql }) => sql).join(' and ')}
      order by ${created} desc, ${n} desc limit ?`,
    values: [...all.flatMap(({ values }) => values), limit],
  }
}

function statusesOf({ status }: RunQuery): number[] | undefined {
  if (status === undefined) return undefined
  return [...new Set(typeof status === 'string' ? [status] : status)].map((name) => {
    const code = statusCode(name)
    if (code >= 0) return code
    throw badInput(
      `Runs have no status "${name}".`,
      'It is one of pending, running, suspended, completed, failed, cancelled.',
    )
  })
}

function summary(database: Database, row: RunRow): RunSummary {
  const version = fromTextOrNull(row.version)
  const parent = fromTextOrNull(row.parent)
  const tenant = fromTextOrNull(row.tenant)
  const queue = fromTextOrNull(row.queue)
  const entries = row.length
  const owner = row.status === RUNNING ? ownerOf(database, row.owner) : undefined
  return {
    id: fromText(row.id),
    status: statusName(row.status),
    program: fromText(row.program),
    ...(version === undefined ? {} : { version }),
    ...(parent === undefined ? {} : { parent }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(queue === undefined ? {} : { queue }),
    tags: row.tags === null ? {} : (JSON.parse(row.tags) as RunSummary['tags']),
    createdAt: row.created,
    updatedAt: Math.max(row.updated, row.last_at),
    ...(row.ended === null ? {} : { endedAt: row.ended }),
    entries,
    steps: row.steps,
    crashes: row.status === RUNNING && entries > row.held_from ? 0 : row.crashes,
    ...(owner === undefined ? {} : { owner }),
  }
}

function ownerOf(database: Database, owner: string | null): RunSummary['owner'] {
  const sql = 'select id, pid, host from worker where id = ?'
  const row = database.get<{ id: string; pid: number; host: string }>(sql, owner)
  return row === undefined ? undefined : { worker: fromText(row.id), pid: row.pid, host: fromText(row.host) }
}
