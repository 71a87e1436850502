/** What a budget is as its author declares it, and as pots count it. */
import {
  type Caps,
  capOf,
  type Duration,
  encode,
  type JsonObject,
  type OnExceeded,
  type OptionNames,
  type Pot,
  type PotSpec,
  type Quantity,
  RunError,
  refuseUnknown,
  toMs,
  UsageError,
} from '@selvage/core'
import { type ApprovalPolicy, checkApproval } from '../people/approval-options.ts'

/** What is limited. At least one of them; what is left out has no limit. */
export interface Limits {
  /** Of all model calls, input and output, as the provider counts them. */
  readonly tokens?: number
  /** US dollars, by the price table of `openSelvage({ prices })`. */
  readonly usd?: number
  readonly modelCalls?: number
  readonly toolCalls?: number
  /** Time in which model calls, tools and steps are under way, of all runs added up. Waiting for people costs none. */
  readonly wallClock?: Duration
}

export interface BudgetOptions extends Limits {
  /**
   * What follows when a call would go beyond. `ask` (default): a question of kind `budget` waits for somebody, whose yes
   * raises the cap. `stop`: the run fails with BUDGET_EXCEEDED; `run.retry()` goes on once the cap was raised.
   * `downgrade`: a cheaper model answers from `downgradeAt` on, and at the cap the run stops.
   */
  readonly onExceeded?: OnExceeded
  /** For `downgrade`: the part of the caps of tokens and usd from which on the cheaper model answers. Default 0.8. */
  readonly downgradeAt?: number
  /** For `ask`: whom, for how long, with which reminders. As for approvals, but of one person. */
  readonly ask?: Omit<ApprovalPolicy, 'quorum' | 'of'>
}

export interface Budget {
  readonly caps: Caps
  readonly onExceeded: OnExceeded
  readonly downgradeAt: number
  readonly ask: NonNullable<BudgetOptions['ask']>
}

const LIMITS: OptionNames<Limits> = { tokens: true, usd: true, modelCalls: true, toolCalls: true, wallClock: true }

export const BUDGET_OPTIONS: OptionNames<BudgetOptions> = { ...LIMITS, onExceeded: true, downgradeAt: true, ask: true }

export const NANO_USD = 1_000_000_000

/** UsageError BAD_INPUT for what makes no sense. */
export function readBudget(what: string, options: BudgetOptions): Budget {
  refuseUnknown(`The budget of ${what}`, options, BUDGET_OPTIONS)
  const { onExceeded = 'ask', downgradeAt = 0.8, ask = {} } = options
  const caps = readLimits(`The budget of ${what}`, options)
  if (Object.keys(caps).length === 0)
    throw bad(what, 'limits nothing', `Give one of ${Object.keys(LIMITS).join(', ')}.`)
  if (onExceeded !== 'ask' && onExceeded !== 'stop' && onExceeded !== 'downgrade') {
    throw bad(what, `has onExceeded: "${String(onExceeded)}"`, 'Use ask, stop or downgrade.')
  }
  if (!(downgradeAt > 0 && downgradeAt <= 1)) {
    throw bad(what, `has downgradeAt: ${String(downgradeAt)}`, 'Give a part of the cap, such as 0.8.')
  }
  if (options.downgradeAt !== undefined && onExceeded !== 'downgrade') {
    throw bad(what, `has downgradeAt with onExceeded: '${onExceeded}'`, "Set onExceeded: 'downgrade'.")
  }
  if (options.ask !== undefined && onExceeded !== 'ask') {
    throw bad(what, `has ask with onExceeded: '${onExceeded}'`, "Set onExceeded: 'ask', or leave ask out.")
  }
  checkApproval(`budget of ${what}`, ask)
  return { caps, onExceeded, downgradeAt, ask }
}

/** UsageError BAD_INPUT for amounts that are none. */
export function readLimits(what: string, limits: Limits): Caps {
  const caps: { -readonly [quantity in Quantity]?: number } = {}
  for (const name of ['tokens', 'modelCalls', 'toolCalls'] as const) {
    const value = limits[name]
    if (value === undefined) continue
    if (!(Number.isSafeInteger(value) && value >= 0)) throw badLimit(what, name, value, 'a whole number')
    caps[name] = value
  }
  const { usd, wallClock } = limits
  if (usd !== undefined) {
    const isAmount = typeof usd === 'number' && usd >= 0 && Number.isSafeInteger(Math.round(usd * NANO_USD))
    if (!isAmount) throw badLimit(what, 'usd', usd, 'US dollars')
    caps.nanoUsd = Math.round(usd * NANO_USD)
  }
  if (wallClock !== undefined) caps.workMs = toMs(wallClock, `wallClock of ${what}`)
  return caps
}

export function specOf(id: string, { caps, onExceeded, downgradeAt, ask }: Budget): PotSpec {
  const policy = Object.keys(ask).length === 0 ? {} : { ask: encode(ask, `ask of pot ${id}`) as JsonObject }
  return { id, caps, onExceeded, downgradeAt, ...policy }
}

// ── for people ──────────────────────────────────────────────────────────────────────────────────────────────────────

const NAMES: { readonly [quantity in Quantity]: string } = {
  tokens: 'tokens',
  nanoUsd: 'usd',
  modelCalls: 'modelCalls',
  toolCalls: 'toolCalls',
  workMs: 'wallClock',
}

/** The name that the author knows it by. */
export function limitName(quantity: Quantity): string {
  return NAMES[quantity]
}

/** In the unit of the author: wallClock in milliseconds. */
export function inUnits(quantity: Quantity, amount: number): number {
  return quantity === 'nanoUsd' ? amount / NANO_USD : amount
}

/** What a question of kind `budget` shows, and the details of BUDGET_EXCEEDED. */
export interface BudgetFacts {
  readonly pot: string
  /** tokens, usd, modelCalls, toolCalls or wallClock (milliseconds). */
  readonly limit: string
  readonly cap: number
  readonly spent: number
  /** By calls under way, and by those whose process died. */
  readonly reserved: number
  /** What the call that was refused was expected to need. */
  readonly needed: number
}

export function factsOf(pot: Pot, lacks: Quantity, needed: number): BudgetFacts {
  return {
    pot: pot.id,
    limit: limitName(lacks),
    cap: inUnits(lacks, capOf(pot, lacks) ?? 0),
    spent: inUnits(lacks, pot.spent[lacks]),
    reserved: inUnits(lacks, pot.reserved[lacks]),
    needed: inUnits(lacks, needed),
  }
}

export function exceeded(runId: string, step: string, facts: BudgetFacts, why = ''): RunError {
  const { pot, limit, cap, spent, reserved, needed } = facts
  const held = reserved > 0 ? ` and ${reserved} reserved` : ''
  const wants = needed > 0 ? `, and ${step} may need ${needed} more` : ''
  return new RunError(
    'BUDGET_EXCEEDED',
    `Run ${runId} is at the end of its budget: of ${cap} ${limit} in pot ${pot}, ${spent} are spent${held}${wants}.${why}`,
    {
      hint: `Raise it with run.raiseBudget({ ${limit}: … }), then retry the run.`,
      details: { runId, step, ...facts },
    },
  )
}

function bad(what: string, problem: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', `The budget of ${what} ${problem}.`, { hint })
}

function badLimit(what: string, name: string, value: unknown, expected: string): UsageError {
  return new UsageError('BAD_INPUT', `${what}: ${name} is ${String(value)}.`, {
    hint: `Give ${expected} of at least 0.`,
  })
}
