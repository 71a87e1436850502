/**
 * The outbox on PostgreSQL: rows that point to the entries which carry the messages, so that no payload is stored twice.
 * States: core/src/outbox.ts; which rows are due: schema/0001.sql. Who moves the first of a lane holds the row of its run, as
 * who puts one behind it does.
 */
import {
  type Delivered,
  EngineError,
  type Entry,
  type ErrorJson,
  type Json,
  type MessageClaim,
  type MessageQuery,
  type MessageRecord,
  type MessageState,
  type OutboxMessage,
  type OutboxStore,
  type Page,
} from '@selvage/core'
import { badInput, isNotDead, limitOf, messageLost, noMessage, pageOf, parseCursor } from '@selvage/core/stores'
import { Conditions } from '../conditions.ts'
import type { Database, Rows } from '../database.ts'
import { fromRow } from '../journal/entries.ts'
import { requireEnlisted } from '../runs/enlisted.ts'
import { MINE, Taking } from '../runs/taking.ts'
import { fromText, toText } from '../text.ts'
import { subscribe } from './notices.ts'

const STATES: readonly MessageState[] = ['waiting', 'delivering', 'delivered', 'dead']

const IS_OPEN = `state in ('waiting', 'delivering')`
const ENQUEUE = `insert into outbox (run, lane, id, topic, seq, place, sent_at, state, due)
  select $1::bigint, $2::text, $3, $4, $5::int, $6::int, $7::float8, 'waiting',
    case when exists (select from outbox where run = $1 and lane = $2 and ${IS_OPEN}) then null else $7::float8 end
  on conflict (id) do nothing`
const NEXT_IN_LANE = `update outbox set due = $3 where state = 'waiting' and due is null
  and n = (select min(n) from outbox where run = $1 and lane = $2 and ${IS_OPEN})`
const DUE = `select n from unnest($1::text[]) as asked(topic), lateral (
    select n, due from outbox where outbox.topic = asked.topic and due <= $2 order by due, n limit $3
    for update skip locked) as first
  order by due, n limit $3`
const NEXT_DUE = `select min(due) as due from unnest($1::text[]) as asked(topic), lateral (
    select due from outbox where outbox.topic = asked.topic and due is not null order by due limit 1) as first`

/** Nobody has tried to deliver it. */
const GIVE_BACK = `update outbox set state = 'waiting', due = 0, owner = null, attempts = attempts - 1 from ${MINE}
  where outbox.n = mine.n and outbox.owner = mine.owner and outbox.fence = mine.fence and state = 'delivering'`

interface MessageRow {
  readonly n: number
  readonly id: string
  readonly run: number
  readonly run_id: string
  readonly topic: string
  readonly lane: string
  readonly seq: number | null
  readonly place: number | null
  readonly notice: string | null
  readonly sent_at: number
  readonly state: MessageState
  readonly due: number | null
  readonly fence: number
  readonly owner: string | null
  readonly attempts: number
  readonly settled: number | null
  readonly error: string | null
  /** The entry that carries it; null: it is a notice. */
  readonly body: string | null
}

const COLUMNS = `outbox.n, outbox.id, outbox.run, run.id as run_id, topic, lane, outbox.seq, place, notice, sent_at, state,
  outbox.due, outbox.fence, outbox.owner, attempts, settled, error, entry.body`
const JOIN = `join run on run.n = outbox.run left join entry on entry.run = outbox.run and entry.seq = outbox.seq`
const SELECT = `select ${COLUMNS} from outbox ${JOIN}`

/** Inside a transaction: the messages of an entry that was just appended. A step that is made again after it was void has sent them. */
export async function enqueue(rows: Rows, run: number, entry: Entry): Promise<void> {
  for (const [place, { id, topic }] of (entry.sent ?? []).entries()) {
    const lane = topic.startsWith('$') ? toText(topic) : ''
    await rows.run(ENQUEUE, run, lane, toText(id), toText(topic), entry.seq, place, entry.at)
  }
}

/** Inside a transaction: what a dead worker was delivering can be claimed. Resolves with how many. */
export function orphan(rows: Rows, workerId: string, now: number): Promise<number> {
  return rows.run(
    `update outbox set state = 'waiting', due = $2 where state = 'delivering' and owner = $1`,
    workerId,
    now,
  )
}

export function outbox(database: Database): OutboxStore {
  const taking = new Taking(database, GIVE_BACK)
  return {
    claim: (workerId, topics, limit, now) => claim(taking, workerId, topics, limit, now),
    settle: (claim, how, now) => database.write((rows) => settle(rows, claim, how, now), 'soon'),
    resend: (id, now) => database.write((rows) => resend(rows, id, now), 'now'),
    async nextDue(topics) {
      if (taking.isInDoubt) return 0
      const row = await database.statement((rows) => rows.get<{ due: number | null }>(NEXT_DUE, topics.map(toText)))
      return row?.due ?? undefined
    },
    list: (query) => list(database, query),
    message: async (id) => recordOf(await database.statement((rows) => rowOf(rows, id))),
    subscribe: (subscriptions, now) => database.writeUntilKnown((rows) => subscribe(rows, subscriptions, now)),
  }
}

function claim(
  taking: Taking,
  workerId: string,
  topics: readonly string[],
  limit: number,
  now: number,
): Promise<readonly MessageClaim[]> {
  return taking.take('soon', async (rows, mine) => {
    await requireEnlisted(rows, workerId)
    const due = await rows.all<{ n: number }>(DUE, topics.map(toText), now, Math.max(0, limit))
    if (due.length === 0) return []
    // `former`: the dead worker that delivered it.
    const taken = await rows.all<MessageRow & { former: string | null }>(
      `with former as (select n, owner from outbox where n = any($1::bigint[])), taken as (
         update outbox set state = 'delivering', due = null, owner = $2, fence = fence + 1, attempts = attempts + 1
           where n = any($1::bigint[]) returning *
       )
       select ${COLUMNS.replaceAll('outbox.', 'taken.')}, former.owner as former
         from taken ${JOIN.replaceAll('outbox.', 'taken.')} join former on former.n = taken.n`,
      due.map(({ n }) => n),
      toText(workerId),
    )
    mine.push(...taken.map(({ n, fence }) => ({ workerId: toText(workerId), n, fence })))
    const byKey = new Map(taken.map((row) => [row.n, row]))
    return due.flatMap(({ n }) => {
      const row = byKey.get(n)
      return row === undefined ? [] : [claimOf(row, row.former)]
    })
  })
}

function claimOf(row: MessageRow, former: string | null): MessageClaim {
  return {
    ...messageOf(row),
    runId: fromText(row.run_id),
    fence: row.fence,
    attempt: row.attempts,
    ...(former === null ? {} : { recoveredFrom: fromText(former) }),
  }
}

async function settle(rows: Rows, { id, fence, runId }: MessageClaim, how: Delivered, now: number): Promise<void> {
  await rows.run('select from run where id = $1 for update', toText(runId))
  const row = await rows.get<{ n: number; run: number; lane: string; attempts: number }>(
    `select n, run, lane, attempts from outbox where id = $1 and fence = $2 and state = 'delivering' for update`,
    toText(id),
    fence,
  )
  if (row === undefined) throw messageLost(id, fence)
  const isOpen = how.kind === 'retry' || how.kind === 'released'
  await rows.run(
    `update outbox set state = $2, owner = null, due = $3, attempts = $4, settled = $5, error = coalesce($6, error)
       where n = $1`,
    row.n,
    isOpen ? 'waiting' : how.kind,
    how.kind === 'retry' ? how.at : how.kind === 'released' ? now : null,
    how.kind === 'released' ? row.attempts - 1 : row.attempts,
    isOpen ? null : now,
    how.kind === 'retry' || how.kind === 'dead' ? JSON.stringify(how.error) : null,
  )
  if (how.kind === 'delivered') await rows.run('delete from outbox where n = $1 and notice is not null', row.n)
  if (!isOpen) await rows.run(NEXT_IN_LANE, row.run, row.lane, now)
}

async function resend(rows: Rows, id: string, now: number): Promise<void> {
  await rows.run('select from run where n = (select run from outbox where id = $1) for update', toText(id))
  const row = await rowOf(rows, id)
  if (row.state !== 'dead') {
    throw isNotDead(id, row.state)
  }
  await rows.run(
    `update outbox set state = 'waiting', attempts = 0, settled = null, due = case when exists (
       select from outbox where run = $2 and lane = $3 and ${IS_OPEN}) then null else $4::float8 end where n = $1`,
    row.n,
    row.run,
    row.lane,
    now,
  )
}

async function rowOf(rows: Rows, id: string): Promise<MessageRow> {
  const row = await rows.get<MessageRow>(`${SELECT} where outbox.id = $1`, toText(id))
  if (row === undefined) throw noMessage(id)
  return row
}

/** Newest first. */
async function list(
  database: Database,
  { runId, state, topic, after, ...query }: MessageQuery,
): Promise<Page<MessageRecord>> {
  const limit = limitOf(query.limit)
  const all = new Conditions()
  if (runId !== undefined) all.add((place) => `outbox.run = (select n from run where id = ${place})`, toText(runId))
  if (state !== undefined) {
    if (!STATES.includes(state)) {
      throw badInput(`Messages have no state "${state}".`, `It is one of ${STATES.join(', ')}.`)
    }
    all.add((place) => `state = ${place}`, state)
  }
  if (topic !== undefined) all.add((place) => `topic = ${place}`, toText(topic))
  if (after !== undefined) all.add((place) => `outbox.n < ${place}`, ...parseCursor(after, 1))
  const sql = `${SELECT} ${all.where} order by outbox.n desc limit ${all.place(limit + 1)}`
  const found = await database.statement((rows) => rows.all<MessageRow>(sql, ...all.values))
  return pageOf(found, limit, recordOf, (row) => [row.n])
}

function recordOf(row: MessageRow): MessageRecord {
  const { state, due, settled, error } = row
  return {
    ...messageOf(row),
    runId: fromText(row.run_id),
    state,
    attempts: row.attempts,
    sentAt: row.sent_at,
    ...(due === null ? {} : { dueAt: due }),
    ...(settled === null ? {} : { settledAt: settled }),
    ...(error === null ? {} : { error: JSON.parse(error) as ErrorJson }),
  }
}

function messageOf(row: MessageRow): OutboxMessage {
  const runId = fromText(row.run_id)
  if (row.notice !== null) {
    return { id: fromText(row.id), topic: fromText(row.topic), payload: JSON.parse(row.notice) as Json }
  }
  const entry = row.body === null || row.seq === null ? undefined : fromRow({ seq: row.seq, body: row.body }, runId)
  const message = entry?.sent?.[row.place ?? 0]
  if (message !== undefined) return message
  throw new EngineError('CORRUPT', `The entry that carries message ${row.id} of run ${runId} has no such message.`, {
    hint: 'The database is damaged; put a backup in its place.',
    details: { runId, messageId: row.id },
  })
}
