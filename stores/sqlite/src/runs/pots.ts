/** Pots in tables: each function is one transaction, and all that a grant needs is in one row for each pot. */
import {
  addSpend,
  type Caps,
  type Grant,
  type JsonObject,
  lackOf,
  NOTHING_SPENT,
  type OnExceeded,
  type Pot,
  type PotSpec,
  type Pots,
  type Reservation,
  RunError,
  type Settlement,
  type Spend,
} from '@selvage/core'
import type { Database, Value } from '../database.ts'
import type { Commits } from '../journal/commit.ts'
import { fromText, toText } from '../text.ts'

const POLICIES: readonly OnExceeded[] = ['ask', 'downgrade', 'stop']

/** In the order of `valuesOf`. */
const AMOUNTS = 'tokens, nano_usd, model_calls, tool_calls, work_ms'

interface AmountRow {
  readonly tokens: number
  readonly nano_usd: number
  readonly model_calls: number
  readonly tool_calls: number
  readonly work_ms: number
}

interface PotRow extends AmountRow {
  readonly n: number
  readonly id: string
  readonly policy: number
  readonly downgrade_at: number
  readonly caps: string
  readonly ask: string | null
  readonly raised: string
}

export function sqlitePots(commits: Commits, database: Database): Pots {
  return {
    open: (specs) => commits.write(() => open(database, specs)),
    read: (ids) => commits.read(() => ids.flatMap((id) => potOf(database, id) ?? [])),
    reserve: (reservation) => commits.write(() => reserve(database, reservation), { plain: true }),
    settle: (settlement) => commits.write(() => settle(database, settlement), { plain: true }),
    raise: (id, by, raiseId) => commits.write(() => raise(database, id, by, raiseId), { plain: true }),
  }
}

function open(database: Database, specs: readonly PotSpec[]): void {
  for (const { id, onExceeded, downgradeAt, caps, ask } of specs) {
    database.run(
      `insert into pot (id, policy, downgrade_at, caps, ask) values (?, ?, ?, ?, ?)
         on conflict (id) do update set policy = excluded.policy, downgrade_at = excluded.downgrade_at,
           caps = excluded.caps, ask = excluded.ask`,
      toText(id),
      POLICIES.indexOf(onExceeded),
      downgradeAt,
      JSON.stringify(caps),
      ask === undefined ? null : JSON.stringify(ask),
    )
  }
}

function reserve(database: Database, { runId, key, attempt, pots, amount, hasCheaper }: Reservation): Grant {
  const step = [toText(runId), toText(key), toText(attempt)] as const
  const rows = pots.flatMap((id) => rowOf(database, id) ?? [])
  const isThere = `select 1 from reservation where run = ? and key = ? and attempt = ? limit 1`
  if (rows.length === 0 || database.get(isThere, ...step) !== undefined) return { granted: true }
  for (const row of rows) {
    const lacks = lackOf(counted(row), amount, hasCheaper)
    if (lacks !== undefined) return { granted: false, pot: withReserved(database, row), lacks }
  }
  for (const { n } of rows) {
    database.run(
      `insert into reservation (run, key, attempt, pot, ${AMOUNTS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...step,
      n,
      ...valuesOf(amount),
    )
    add(database, n, amount)
  }
  return { granted: true }
}

function settle(database: Database, { runId, key, attempt, amount, pricesOthers }: Settlement): void {
  const open = database.all<AmountRow & { attempt: string; pot: number }>(
    `select attempt, pot, ${AMOUNTS} from reservation where run = ? and key = ?`,
    toText(runId),
    toText(key),
  )
  const own = open.filter((row) => fromText(row.attempt) === attempt)
  if (own.length === 0) return
  for (const row of pricesOthers ? open : own) {
    const reserved = amountOf(row)
    const isOwn = fromText(row.attempt) === attempt
    const worth = isOwn ? amount : { ...reserved, tokens: amount.tokens, nanoUsd: amount.nanoUsd }
    add(database, row.pot, minus(worth, reserved))
    database.run(
      'delete from reservation where run = ? and key = ? and attempt = ? and pot = ?',
      toText(runId),
      toText(key),
      row.attempt,
      row.pot,
    )
  }
}

function raise(database: Database, id: string, by: Caps, raiseId: string): Pot {
  const row = rowOf(database, id)
  if (row === undefined) {
    throw new RunError('NOT_FOUND', `There is no pot ${id}.`, {
      hint: 'A pot is there once its first call was made; a run without a budget has none.',
      details: { pot: id },
    })
  }
  const raises = raisesOf(row)
  if (!Object.hasOwn(raises, raiseId)) {
    const raised = JSON.stringify({ ...raises, [raiseId]: by })
    database.run('update pot set raised = ? where n = ?', raised, row.n)
    return withReserved(database, { ...row, raised })
  }
  return withReserved(database, row)
}

// ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function rowOf(database: Database, id: string): PotRow | undefined {
  return database.get<PotRow>('select * from pot where id = ?', toText(id))
}

function potOf(database: Database, id: string): Pot | undefined {
  const row = rowOf(database, id)
  return row === undefined ? undefined : withReserved(database, row)
}

/** All of it as spent: enough for a grant. */
function counted(row: PotRow): Pot {
  return {
    id: fromText(row.id),
    caps: JSON.parse(row.caps) as Caps,
    raised: Object.values(raisesOf(row)).reduce(addSpend, {}),
    onExceeded: POLICIES[row.policy] ?? 'ask',
    downgradeAt: row.downgrade_at,
    ...(row.ask !== null && { ask: JSON.parse(row.ask) as JsonObject }),
    spent: amountOf(row),
    reserved: NOTHING_SPENT,
  }
}

function withReserved(database: Database, row: PotRow): Pot {
  const pot = counted(row)
  const open = database.all<AmountRow>(`select ${AMOUNTS} from reservation where pot = ?`, row.n)
  const reserved = open.map(amountOf).reduce((sum, amount) => addSpend(sum, amount) as Spend, NOTHING_SPENT)
  return { ...pot, spent: minus(pot.spent, reserved), reserved }
}

function raisesOf(row: PotRow): { readonly [raiseId: string]: Caps } {
  return JSON.parse(row.raised) as { readonly [raiseId: string]: Caps }
}

function add(database: Database, n: number, amount: Spend): void {
  const sql = `update pot set tokens = tokens + ?, nano_usd = nano_usd + ?, model_calls = model_calls + ?,
    tool_calls = tool_calls + ?, work_ms = work_ms + ? where n = ?`
  database.run(sql, ...valuesOf(amount), n)
}

function valuesOf({ tokens, nanoUsd, modelCalls, toolCalls, workMs }: Spend): Value[] {
  return [tokens, nanoUsd, modelCalls, toolCalls, workMs]
}

function amountOf({ tokens, nano_usd, model_calls, tool_calls, work_ms }: AmountRow): Spend {
  return { tokens, nanoUsd: nano_usd, modelCalls: model_calls, toolCalls: tool_calls, workMs: work_ms }
}

function minus(one: Spend, other: Spend): Spend {
  return {
    tokens: one.tokens - other.tokens,
    nanoUsd: one.nanoUsd - other.nanoUsd,
    modelCalls: one.modelCalls - other.modelCalls,
    toolCalls: one.toolCalls - other.toolCalls,
    workMs: one.workMs - other.workMs,
  }
}
