/** Pots in tables: each function is one transaction, which locks the pots that it counts in, in the order of their ids. */
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
  type Settlement,
  type Spend,
} from '@selvage/core'
import { noPot } from '@selvage/core/stores'
import type { Database, Rows } from '../database.ts'
import { fromText, toText } from '../text.ts'

/** In the order of `valuesOf`. */
const AMOUNTS = 'tokens, nano_usd, model_calls, tool_calls, work_ms'
const POT = `select n, id, policy, downgrade_at, caps, ask, raised, ${AMOUNTS} from pot`

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
  readonly policy: OnExceeded
  readonly downgrade_at: number
  readonly caps: string
  readonly ask: string | null
  readonly raised: string
}

/** Each of them may be done twice: it counts once. */
export function postgresPots(database: Database): Pots {
  return {
    open: (specs) => database.writeUntilKnown((rows) => open(rows, specs)),
    read: (ids) => database.snapshot((rows) => read(rows, ids)),
    reserve: (reservation) => database.writeUntilKnown((rows) => reserve(rows, reservation)),
    settle: (settlement) => database.writeUntilKnown((rows) => settle(rows, settlement)),
    raise: (id, by, raiseId) => database.writeUntilKnown((rows) => raise(rows, id, by, raiseId)),
  }
}

async function open(rows: Rows, specs: readonly PotSpec[]): Promise<void> {
  const inOrder = specs.map((spec) => ({ ...spec, id: toText(spec.id) })).sort((a, b) => (a.id < b.id ? -1 : 1))
  for (const { id, onExceeded, downgradeAt, caps, ask } of inOrder) {
    await rows.run(
      `insert into pot (id, policy, downgrade_at, caps, ask) values ($1, $2, $3, $4, $5)
         on conflict (id) do update set policy = excluded.policy, downgrade_at = excluded.downgrade_at,
           caps = excluded.caps, ask = excluded.ask`,
      id,
      onExceeded,
      downgradeAt,
      JSON.stringify(caps),
      ask === undefined ? null : JSON.stringify(ask),
    )
  }
}

async function read(rows: Rows, ids: readonly string[]): Promise<Pot[]> {
  const found = await rows.all<PotRow>(`${POT} where id = any($1::text[])`, ids.map(toText))
  const pots: Pot[] = []
  for (const id of ids) {
    const row = found.find((each) => each.id === toText(id))
    if (row !== undefined) pots.push(await withReserved(rows, row))
  }
  return pots
}

async function reserve(rows: Rows, { runId, key, attempt, pots, amount, hasCheaper }: Reservation): Promise<Grant> {
  const step = [toText(runId), toText(key), toText(attempt)] as const
  const locked = await rows.all<PotRow>(`${POT} where id = any($1::text[]) order by id for update`, pots.map(toText))
  const isThere = 'select 1 as one from reservation where run = $1 and key = $2 and attempt = $3 limit 1'
  if (locked.length === 0 || (await rows.get(isThere, ...step)) !== undefined) return { granted: true }
  // What is told is the first in the order asked for.
  const inOrder = pots.flatMap((id) => locked.find((row) => row.id === toText(id)) ?? [])
  for (const row of inOrder) {
    const lacks = lackOf(counted(row), amount, hasCheaper)
    if (lacks !== undefined) return { granted: false, pot: await withReserved(rows, row), lacks }
  }
  for (const { n } of new Set(inOrder)) {
    await rows.run(
      `insert into reservation (run, key, attempt, pot, ${AMOUNTS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      ...step,
      n,
      ...valuesOf(amount),
    )
    await add(rows, n, amount)
  }
  return { granted: true }
}

async function settle(rows: Rows, { runId, key, attempt, amount, pricesOthers }: Settlement): Promise<void> {
  const step = [toText(runId), toText(key)] as const
  const pots = 'select pot from reservation where run = $1 and key = $2'
  await rows.run(`select from pot where n in (${pots}) order by id for update`, ...step)
  const open = await rows.all<AmountRow & { attempt: string; pot: number }>(
    `select attempt, pot, ${AMOUNTS} from reservation where run = $1 and key = $2`,
    ...step,
  )
  const own = open.filter((row) => fromText(row.attempt) === attempt)
  if (own.length === 0) return
  for (const row of pricesOthers ? open : own) {
    const reserved = amountOf(row)
    const isOwn = fromText(row.attempt) === attempt
    const worth = isOwn ? amount : { ...reserved, tokens: amount.tokens, nanoUsd: amount.nanoUsd }
    await add(rows, row.pot, minus(worth, reserved))
    const sql = 'delete from reservation where run = $1 and key = $2 and attempt = $3 and pot = $4'
    await rows.run(sql, ...step, row.attempt, row.pot)
  }
}

async function raise(rows: Rows, id: string, by: Caps, raiseId: string): Promise<Pot> {
  const row = await rows.get<PotRow>(`${POT} where id = $1 for update`, toText(id))
  if (row === undefined) throw noPot(id)
  const raises = raisesOf(row)
  if (Object.hasOwn(raises, raiseId)) return await withReserved(rows, row)
  const raised = JSON.stringify({ ...raises, [raiseId]: by })
  await rows.run('update pot set raised = $2 where n = $1', row.n, raised)
  return await withReserved(rows, { ...row, raised })
}

// ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** All of it as spent: enough for a grant. */
function counted(row: PotRow): Pot {
  return {
    id: fromText(row.id),
    caps: JSON.parse(row.caps) as Caps,
    raised: Object.values(raisesOf(row)).reduce(addSpend, {}),
    onExceeded: row.policy,
    downgradeAt: row.downgrade_at,
    ...(row.ask !== null && { ask: JSON.parse(row.ask) as JsonObject }),
    spent: amountOf(row),
    reserved: NOTHING_SPENT,
  }
}

async function withReserved(rows: Rows, row: PotRow): Promise<Pot> {
  const pot = counted(row)
  const open = await rows.all<AmountRow>(`select ${AMOUNTS} from reservation where pot = $1`, row.n)
  const reserved = open.map(amountOf).reduce((sum, amount) => addSpend(sum, amount) as Spend, NOTHING_SPENT)
  return { ...pot, spent: minus(pot.spent, reserved), reserved }
}

function raisesOf(row: PotRow): { readonly [raiseId: string]: Caps } {
  return JSON.parse(row.raised) as { readonly [raiseId: string]: Caps }
}

async function add(rows: Rows, n: number, amount: Spend): Promise<void> {
  const sql = `update pot set tokens = tokens + $2, nano_usd = nano_usd + $3, model_calls = model_calls + $4,
    tool_calls = tool_calls + $5, work_ms = work_ms + $6 where n = $1`
  await rows.run(sql, n, ...valuesOf(amount))
}

function valuesOf({ tokens, nanoUsd, modelCalls, toolCalls, workMs }: Spend): number[] {
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
