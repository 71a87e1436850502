/**
 * The outbox on SQLite: rows that point to the entries which carry the messages, so that no payload is stored twice.
 * States: core/src/outbox.ts; which rows are due: schema/0002.sql.
 */
import {
  type Delivered,
  EngineError,
  type Entry,
  type ErrorJson,
  type Json,
  LeaseLostError,
  type MessageClaim,
  type MessageQuery,
  type MessageRecord,
  type MessageState,
  type Notice,
  type OutboxMessage,
  type OutboxStore,
  type Page,
  RunError,
} from '@selvage/core'
import { badInput, isNotDead, limitOf, pageOf, parseCursor } from '@selvage/core/stores'
import type { Database, Value } from '../database.ts'
import type { Commits } from '../journal/commit.ts'
import { entryOf } from '../journal/journal.ts'
import type { Workers } from '../runs/workers.ts'
import { fromText, toText } from '../text.ts'
import { subscribe } from './notices.ts'

const WAITING = 0
const DELIVERING = 1
const DELIVERED = 2
const DEAD = 3
const STATES: readonly MessageState[] = ['waiting', 'delivering', 'delivered', 'dead']

/** Parameters: run, lane. */
const OPEN_IN_LANE = `from outbox where run = ? and state in (${WAITING}, ${DELIVERING}) and lane is ?`
/** Run, lane, id, topic, entry and its place in it; run and lane again; when it is due. */
const ENQUEUE = `insert into outbox (run, lane, id, topic, entry, place, state, due)
  select ?, ?, ?, ?, ?, ?, ${WAITING}, case when exists (select 1 ${OPEN_IN_LANE}) then null else ? end
  where true on conflict (id) do nothing`
/** When it is due; run, lane. */
export const NEXT_IN_LANE: string = `update outbox set due = ?
  where n = (select min(n) ${OPEN_IN_LANE}) and state = ${WAITING} and due is null`
export const DUE_MESSAGES: string = 'select n, due from outbox where topic = ? and due <= ? order by due limit ?'
/** `state <> 2`: what the index says of itself; SQLite does not see that it follows. */
export const ORPHAN: string = `update outbox set state = ${WAITING}, due = ?
  where state <> ${DELIVERED} and state = ${DELIVERING} and owner = ?`
export const NEXT_DUE_MESSAGE: string = 'select min(due) as due from outbox where topic = ? and due is not null'

interface MessageRow {
  readonly n: number
  readonly id: string
  readonly run: number
  readonly run_id: string
  readonly topic: string
  readonly lane: string | null
  readonly entry: number
  readonly place: number
  readonly state: number
  readonly due: number | null
  readonly fence: number
  readonly owner: string | null
  readonly attempts: number
  readonly settled: number | null
  readonly error: string | null
  /** A message that no entry carries. */
  readonly notice: string | null
}

const SELECT = `select outbox.n, outbox.id, outbox.run, run.id as run_id, topic, lane, entry, place, state, outbox.due,
  outbox.fence, outbox.owner, attempts, settled, error, notice from outbox cross join run on run.n = outbox.run`

/** Inside a unit: the messages of an entry that was just appended. A step that is made again after it was void has sent them. */
export function enqueue(database: Database, run: number, entry: Entry, row: number): void {
  for (const [place, { id, topic }] of (entry.sent ?? []).entries()) {
    const lane = topic.startsWith('$') ? toText(topic) : null
    database.run(ENQUEUE, run, lane, toText(id), toText(topic), row, place, run, lane, entry.at)
  }
}

/** Inside a unit: what a dead worker was delivering can be claimed. Returns how many. */
export function orphan(database: Database, workerId: string, now: number): number {
  return database.run(ORPHAN, now, workerId)
}

export function outbox(commits: Commits, database: Database, workers: Workers): OutboxStore {
  return {
    async claim(workerId, topics, limit, now) {
      if (limit < 1 || (await commits.read(() => due(database, topics, 1, now))).length === 0) return []
      return await commits.write(
        () => {
          workers.requireEnlisted(workerId)
          return due(database, topics, limit, now).map((n) => take(database, workerId, n))
        },
        { ring: 'soon' },
      )
    },
    settle: (claim, how, now) => commits.write(() => settle(database, claim, how, now), { ring: 'soon' }),
    resend: (id, now) => commits.write(() => resend(database, id, now), { ring: 'now' }),
    nextDue: (topics) =>
      commits.read(() => {
        let next: number | undefined
        for (const topic of topics) {
          const due = database.get<{ due: number | null }>(NEXT_DUE_MESSAGE, toText(topic))?.due ?? undefined
          if (due !== undefined && (next === undefined || due < next)) next = due
        }
        return next
      }),
    list: (query) => commits.read(() => list(database, query)),
    message: (id) => commits.read(() => recordOf(database, rowOf(database, id))),
    subscribe: (subscriptions, now) => commits.write(() => subscribe(database, subscriptions, now)),
  }
}

function due(database: Database, topics: readonly string[], limit: number, now: number): number[] {
  return topics
    .flatMap((topic) => database.all<{ n: number; due: number }>(DUE_MESSAGES, toText(topic), now, limit))
    .sort((a, b) => a.due - b.due || a.n - b.n)
    .slice(0, limit)
    .map(({ n }) => n)
}

function take(database: Database, workerId: string, n: number): MessageClaim {
  const row = database.get<MessageRow>(`${SELECT} where outbox.n = ?`, n)
  if (row === undefined) throw new Error(`message ${n} is gone`)
  const sql = `update outbox set state = ${DELIVERING}, due = null, owner = ?, fence = ?, attempts = ? where n = ?`
  const fence = row.fence + 1
  const attempt = row.attempts + 1
  database.run(sql, toText(workerId), fence, attempt, n)
  return {
    ...messageOf(database, row),
    runId: fromText(row.run_id),
    fence,
    attempt,
    ...(row.owner === null ? {} : { recoveredFrom: fromText(row.owner) }),
  }
}

function settle(database: Database, { id, fence }: MessageClaim, how: Delivered, now: number): void {
  const row = database.get<{ n: number; run: number; lane: string | null; attempts: number }>(
    `select n, run, lane, attempts from outbox where id = ? and fence = ? and state = ${DELIVERING}`,
    toText(id),
    fence,
  )
  if (row === undefined) {
    throw new LeaseLostError('LEASE_LOST', `Message ${id} is no longer in the hands of this worker.`, {
      hint: 'Whoever has it now delivers it again, with the same idempotency key.',
      details: { messageId: id, fence },
    })
  }
  const open = how.kind === 'retry' || how.kind === 'released'
  const error = how.kind === 'retry' || how.kind === 'dead' ? JSON.stringify(how.error) : null
  database.run(
    `update outbox set state = ?, owner = null, due = ?, attempts = ?, settled = ?, error = coalesce(?, error) where n = ?`,
    open ? WAITING : how.kind === 'dead' ? DEAD : DELIVERED,
    how.kind === 'retry' ? how.at : how.kind === 'released' ? now : null,
    how.kind === 'released' ? row.attempts - 1 : row.attempts,
    open ? null : now,
    error,
    row.n,
  )
  if (how.kind === 'delivered') database.run('delete from outbox where n = ? and notice is not null', row.n)
  if (!open) database.run(NEXT_IN_LANE, now, row.run, row.lane)
}

function resend(database: Database, id: string, now: number): void {
  const row = rowOf(database, id)
  if (row.state !== DEAD) {
    throw isNotDead(id, STATES[row.state] as string)
  }
  const busy = database.get(`select 1 ${OPEN_IN_LANE} limit 1`, row.run, row.lane) !== undefined
  const sql = `update outbox set state = ${WAITING}, due = ?, attempts = 0, settled = null where n = ?`
  database.run(sql, busy ? null : now, row.n)
}

function rowOf(database: Database, id: string): MessageRow {
  const row = database.get<MessageRow>(`${SELECT} where outbox.id = ?`, toText(id))
  if (row !== undefined) return row
  throw new RunError('NOT_FOUND', `There is no message ${id}.`, {
    hint: 'Check the id and the database.',
    details: { messageId: id },
  })
}

/** Newest first. */
function list(database: Database, query: MessageQuery): Page<MessageRecord> {
  const limit = limitOf(query.limit)
  const { sql, values } = messagesStatement(query, limit + 1)
  const rows = database.all<MessageRow>(sql, ...values)
  return pageOf(
    rows,
    limit,
    (row) => recordOf(database, row),
    (row) => [row.n],
  )
}

/** The first filter present is the one whose index is walked; `+` keeps the planner from the others. */
export function messagesStatement(query: MessageQuery, limit: number): { sql: string; values: Value[] } {
  const where: string[] = []
  const values: Value[] = []
  const filter = (condition: string, value: Value): void => {
    where.push(where.length === 0 ? condition : `+${condition}`)
    values.push(value)
  }
  if (query.runId !== undefined) filter('outbox.run = (select n from run where id = ?)', toText(query.runId))
  if (query.state !== undefined) {
    const code = STATES.indexOf(query.state)
    if (code < 0) throw badInput(`Messages have no state "${query.state}".`, `It is one of ${STATES.join(', ')}.`)
    filter(code === DELIVERED ? 'outbox.state = ?' : `outbox.state <> ${DELIVERED} and outbox.state = ?`, code)
  }
  if (query.topic !== undefined) filter('outbox.topic = ?', toText(query.topic))
  if (query.after !== undefined) {
    where.push('outbox.n < ?')
    values.push(...parseCursor(query.after, 1))
  }
  const condition = where.length === 0 ? '' : `where ${where.join(' and ')}`
  values.push(limit)
  return { sql: `${SELECT} ${condition} order by outbox.n desc limit ?`, values }
}

function recordOf(database: Database, row: MessageRow): MessageRecord {
  const { state, due, settled, error } = row
  return {
    ...messageOf(database, row),
    runId: fromText(row.run_id),
    state: STATES[state] ?? 'waiting',
    attempts: row.attempts,
    sentAt: sentAt(database, row),
    ...(due === null ? {} : { dueAt: due }),
    ...(settled === null ? {} : { settledAt: settled }),
    ...(error === null ? {} : { error: JSON.parse(error) as ErrorJson }),
  }
}

/** Of a notice, where its commit did not say when: of the last thing that happened by then. */
function sentAt(database: Database, { run_id, entry, notice, due, settled }: MessageRow): number {
  if (notice === null) return entryOf(database, run_id, entry).at
  return (JSON.parse(notice) as Notice).at ?? due ?? settled ?? 0
}

function messageOf(database: Database, row: MessageRow): OutboxMessage {
  if (row.notice !== null) {
    return { id: fromText(row.id), topic: fromText(row.topic), payload: JSON.parse(row.notice) as Json }
  }
  const message = entryOf(database, row.run_id, row.entry).sent?.[row.place]
  if (message !== undefined) return message
  throw new EngineError(
    'CORRUPT',
    `The entry that carries message ${row.id} of run ${row.run_id} has no such message.`,
    {
      hint: 'The database is damaged; put a backup in its place.',
      details: { runId: row.run_id, messageId: row.id },
    },
  )
}
