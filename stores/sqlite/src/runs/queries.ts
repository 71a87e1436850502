/**
 * Runs as they are read. Every label, and the status, is an index that ends in (created, n), the order of the list. One
 * of them is walked (which-index.ts), the other filters are checked on its rows: a page costs what it shows and what it
 * passes over.
 */
import type { Json, Page, RunDescription, RunGlance, RunQuery, RunSummary } from '@selvage/core'
import { ANY_RUN, badInput, limitOf, notFound, pageOf, parseCursor } from '@selvage/core/stores'
import type { Database, Value } from '../database.ts'
import type { Commits } from '../journal/commit.ts'
import { entryOf, startOf } from '../journal/journal.ts'
import { caughtUp, JOIN_LIVE, TAIL, type TailRow } from '../journal/live.ts'
import type { Waits } from '../questions/inbox.ts'
import { hasEnded, RUNNING, SUSPENDED, statusCode, statusName } from '../status.ts'
import { fromText, fromTextOrNull, toText } from '../text.ts'
import { type Index, indexesOf, shortest } from './which-index.ts'

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

const GLANCE = `select run.id, status, owner, ${TAIL} from json_each(?) as asked cross join run on run.id = asked.value ${JOIN_LIVE}`

export function glance(commits: Commits, database: Database, runIds: readonly string[]): Promise<RunGlance[]> {
  return commits.read(() => {
    const rows = database.all<TailRow & Pick<RunRow, 'id' | 'status' | 'owner'>>(
      GLANCE,
      JSON.stringify(runIds.map(toText)),
    )
    return rows.map((row) => {
      const { id, status, owner } = row
      const seen = { runId: fromText(id), status: statusName(status), entries: caughtUp(database, row).length }
      return status === RUNNING && owner !== null ? { ...seen, worker: fromText(owner) } : seen
    })
  })
}

/** Newest first. */
export function list(commits: Commits, database: Database, query: RunQuery): Promise<Page<RunSummary>> {
  return commits.read(() => {
    const limit = limitOf(query.limit)
    const statuses = statusesOf(query)
    const first = (index: Index, rows: number): Statement => matchingStatement(query, index, rows, limit + 1)
    const index = shortest(database, indexesOf(query), statuses, first, limit + 1)
    const rows = listStatements(query, limit + 1, index)
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

interface Statement {
  readonly sql: string
  readonly values: Value[]
}

/** Statement that walks an index, or one for each status asked for where that is it: their pages are merged. */
export function listStatements(query: RunQuery, limit: number, index: Index | undefined): Statement[] {
  return walksOf(query, index).map(({ from, created, n, filters }) => {
    const all = [...filters, ...bounds(query, created, n)]
    return {
      sql: `${SELECT} from ${from} ${JOIN_LAST} where ${all.map(({ sql }) => sql).join(' and ')}
        order by ${created} desc, ${n} desc limit ?`,
      values: [...all.flatMap(({ values }) => values), limit],
    }
  })
}

/** Counts what of the first `rows` of a label's index is in the list, up to `limit`. */
export function matchingStatement(query: RunQuery, index: Index, rows: number, limit: number): Statement {
  const [walk] = walksOf(query, index)
  if (walk === undefined) return { sql: 'select 0 as count', values: [] }
  const { index: own, from, created, n, filters } = walk
  const inner = [...own, ...bounds(query, created, n)]
  const outer = filters.filter((filter) => !own.includes(filter))
  return {
    sql: `select count(*) as count from (
        select 1 from (select ${n} as walked from ${from.split(' ')[0]}
          where ${inner.map(({ sql }) => sql).join(' and ')} order by ${created} desc, ${n} desc limit ?)
        cross join run on run.n = walked ${outer.length === 0 ? '' : `where ${outer.map(({ sql }) => sql).join(' and ')}`}
        limit ?)`,
    values: [...inner.flatMap(({ values }) => values), rows, ...outer.flatMap(({ values }) => values), limit],
  }
}

interface Filter {
  readonly sql: string
  readonly values: Value[]
}

interface Walk {
  readonly from: string
  readonly created: string
  readonly n: string
  /** All of them, and those that are the index. */
  readonly filters: readonly Filter[]
  readonly index: readonly Filter[]
}

function walksOf(query: RunQuery, index: Index = ANY_RUN): Walk[] {
  const statuses = statusesOf(query)
  const filters = filtersOf(query, index)
  if (index === 'status') {
    return statuses.map((status) => {
      const own = [{ sql: 'run.status = ?', values: [status] }]
      return { from: 'run', created: 'run.created', n: 'run.n', filters: [...own, ...filters], index: own }
    })
  }
  const [name, value] = index
  const own = [{ sql: 'label.name = ? and label.value = ?', values: [toText(name), toText(value)] }]
  const all: Filter[] = [...own, ...filters]
  if (query.status !== undefined) {
    all.push({ sql: `run.status in (${statuses.map(() => '?').join(', ')})`, values: statuses })
  }
  const from = 'label cross join run on run.n = label.run'
  return [{ from, created: 'label.created', n: 'label.run', filters: all, index: own }]
}

/** What is asked of the row of the run, whichever index it was found by; and of its tag, unless that is the index. */
function filtersOf({ tag, parent, tenant, version, program }: RunQuery, index: Index): Filter[] {
  const columns = Object.entries({ parent, tenant, version, program }).flatMap(([column, value]) =>
    value === undefined ? [] : [{ sql: `run.${column} = ?`, values: [toText(value)] }],
  )
  if (tag === undefined || index[0] === `tag ${tag.key}`) return columns
  const sql = `exists (select 1 from label as tagged
      where tagged.name = ? and tagged.value = ? and tagged.created = run.created and tagged.run = run.n)`
  return [...columns, { sql, values: [toText(`tag ${tag.key}`), toText(tag.value)] }]
}

function bounds({ createdFrom, createdBefore, after }: RunQuery, created: string, n: string): Filter[] {
  const all: Filter[] = []
  if (createdFrom !== undefined) all.push({ sql: `${created} >= ?`, values: [createdFrom] })
  if (createdBefore !== undefined) all.push({ sql: `${created} < ?`, values: [createdBefore] })
  if (after !== undefined) all.push({ sql: `(${created}, ${n}) < (?, ?)`, values: parseCursor(after, 2) })
  return all
}

function statusesOf({ status }: RunQuery): number[] {
  if (status === undefined) return []
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
