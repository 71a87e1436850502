/**
 * Pots: what budgets are counted in. A pot belongs to a run or a tenant, and is shared by all processes that spend from
 * it at the same time: children in other workers, sub-agents, retries, resumes and forks.
 *
 *   reserve ──granted──▶ counted as reserved ──settle──▶ counted as what it was
 *      └──refused: nothing changed               └──its process died: stays counted as reserved, until another attempt
 *                                                   of the same step is settled; then it is worth what that one was
 *
 * A reservation is known by run, step key and attempt. An attempt here is one real call: a process that takes a run over
 * makes another one, whatever the journal's count of attempts says, because a call that was under way may have been paid.
 *
 * What is never true: a call that was begun without a reservation in every pot of its run; a grant that takes a pot
 * above a cap; a settlement that counts twice.
 */
import type { Start } from './journal/entry.ts'
import type { JsonObject } from './values/json.ts'

/** What calls use, in whole numbers. */
export interface Spend {
  readonly tokens: number
  /** 1e-9 US dollars. */
  readonly nanoUsd: number
  readonly modelCalls: number
  readonly toolCalls: number
  /** Milliseconds during which steps were in flight. */
  readonly workMs: number
}

export type Quantity = keyof Spend

export const QUANTITIES: readonly Quantity[] = ['tokens', 'nanoUsd', 'modelCalls', 'toolCalls', 'workMs']

export const NOTHING_SPENT: Spend = { tokens: 0, nanoUsd: 0, modelCalls: 0, toolCalls: 0, workMs: 0 }

export type Caps = Partial<Spend>

export function addSpend(one: Caps, other: Caps): Caps {
  const sum: { -readonly [quantity in Quantity]?: number } = { ...one }
  for (const quantity of QUANTITIES) {
    const more = other[quantity]
    if (more !== undefined) sum[quantity] = (sum[quantity] ?? 0) + more
  }
  return sum
}

/** What follows when a call does not fit. */
export type OnExceeded = 'ask' | 'downgrade' | 'stop'

export interface PotSpec {
  /** `run:<run id>` or `tenant:<tenant>[/<period>]`. */
  readonly id: string
  /** As declared, without what was raised. */
  readonly caps: Caps
  readonly onExceeded: OnExceeded
  /** Of `downgrade`: the part of a cap, above 0 and at most 1, from which on only a cheaper model is granted a call. */
  readonly downgradeAt: number
  /** Of `ask`: whom, and for how long. For programs; no pot looks at it. */
  readonly ask?: JsonObject
}

export interface Pot extends PotSpec {
  /** What was added to the declared caps. */
  readonly raised: Caps
  /** Of calls that are over. */
  readonly spent: Spend
  /** Of calls under way, and of those whose process died. */
  readonly reserved: Spend
}

/** A call that is about to be made. */
export interface Reservation {
  readonly runId: string
  readonly key: string
  /** Unique among the attempts of that step, in all processes. */
  readonly attempt: string
  /** Ids. Those that do not exist limit nothing. */
  readonly pots: readonly string[]
  readonly amount: Spend
  /** There is a cheaper way to make it: pots that downgrade refuse tokens and money above their `downgradeAt`. */
  readonly hasCheaper: boolean
}

export type Grant =
  | { readonly granted: true }
  /** The first pot that it does not fit into, and what it lacks. */
  | { readonly granted: false; readonly pot: Pot; readonly lacks: Quantity }

export interface Settlement extends Pick<Reservation, 'runId' | 'key' | 'attempt'> {
  readonly amount: Spend
  /** It is known what the call was worth: other attempts of that step that nobody settled are worth the same. */
  readonly pricesOthers: boolean
}

/** All are idempotent and resolve when durable. */
export interface Pots {
  /** Makes the pots that are not there; the others get these caps and this policy, and keep what was spent and raised. */
  open(specs: readonly PotSpec[]): Promise<void>
  /** Those that exist, in the order asked for. */
  read(ids: readonly string[]): Promise<readonly Pot[]>
  /** In all pots, or in none. */
  reserve(reservation: Reservation): Promise<Grant>
  /** Nothing happens if that attempt has no reservation, or was settled. */
  settle(settlement: Settlement): Promise<void>
  /** Adds to the caps of a pot, once for each `raiseId`: quantities without a cap stay without. NOT_FOUND. */
  raise(id: string, by: Caps, raiseId: string): Promise<Pot>
}

/** The cap of a pot as it is now; undefined: none. */
export function capOf({ caps, raised }: Pick<Pot, 'caps' | 'raised'>, quantity: Quantity): number | undefined {
  const declared = caps[quantity]
  return declared === undefined ? undefined : declared + (raised[quantity] ?? 0)
}

/**
 * What a pot lacks for a call, if anything. Time cannot be reserved, since nobody knows how long a call takes: there
 * a call is granted as long as something is left.
 */
export function lackOf(pot: Pot, amount: Spend, hasCheaper: boolean): Quantity | undefined {
  return QUANTITIES.find((quantity) => {
    const cap = capOf(pot, quantity)
    if (cap === undefined) return false
    const counted = pot.spent[quantity] + pot.reserved[quantity]
    if (quantity === 'workMs') return counted >= cap
    const isSoft = hasCheaper && pot.onExceeded === 'downgrade' && (quantity === 'tokens' || quantity === 'nanoUsd')
    return amount[quantity] > 0 && counted + amount[quantity] > (isSoft ? cap * pot.downgradeAt : cap)
  })
}

/** The pot of a run that has a budget of its own: a fork has that of its original. */
export function ownPotOf(runId: string, { forkedFrom }: Pick<Start, 'forkedFrom'>): string {
  return `run:${forkedFrom?.runId ?? runId}`
}

/** What programs need for budgets beside the pots. */
export interface Money {
  readonly pots: Pots
  /** An id that no process has been given before. */
  unique(): string
  /** In 1e-9 US dollars, rounded up; undefined: the model has no price. */
  costOf(model: string, usage: TokenUsage): number | undefined
  /** The pot that runs of a tenant draw on at that time (epoch milliseconds), if the tenant has a budget. */
  tenantPot(tenant: string, at: number): PotSpec | undefined
}

export interface TokenUsage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cacheReadInputTokens?: number
  readonly cacheWriteInputTokens?: number
}
