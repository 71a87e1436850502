/**
 * Spending of one run, in one process, from all the pots that concern it: its own, those of the runs that it descends
 * from, and that of its tenant.
 *
 * A call is reserved just before it is made and settled just after it, before its step is recorded: the settlement is
 * queued in front of the record, so a store that commits in order never has a record without it. If the process dies
 * between the two, the call is made and counted again, as it was paid again.
 *
 * Time is counted while at least one call of the run is under way in this process; each settlement brings what has
 * passed since the one before it. That of a call whose process died is not counted: nobody knows how long it lived.
 */
import {
  type Durable,
  type Grant,
  type Money,
  NOTHING_SPENT,
  ownPotOf,
  type PotSpec,
  QUANTITIES,
  type Quantity,
  type Spend,
  type TokenUsage,
  UsageError,
} from '@selvage/core'
import { type Budget, specOf } from './budget.ts'

/** A reservation that was granted. */
export interface Ticket {
  /** The call is under way from here on: its time counts. */
  begin(): void
  readonly isOver: boolean
  /** What the call was worth, its time aside. `pricesOthers`: and so the ones of that step whose process died. */
  settle(worth: Spend, pricesOthers?: boolean): void
  /** Nobody knows yet what it was worth: it stays counted as reserved until an attempt of its step is settled. */
  leave(): void
}

export type Refusal = Extract<Grant, { granted: false }> & { readonly amount: Spend }

export class Meter {
  readonly budget: Budget | undefined
  readonly #durable: Durable
  readonly #money: Money
  readonly #own: PotSpec | undefined
  /** Of the process, so that its attempts are not those of another. */
  readonly #process: string
  #attempts = 0
  #limited: Promise<ReadonlySet<Quantity>> | undefined
  /** The tenant's pot as it was opened last: another one begins with each period. */
  #tenant: PotSpec | undefined
  readonly #stopwatch: Stopwatch

  private constructor(durable: Durable, money: Money, budget: Budget | undefined) {
    this.#durable = durable
    this.#money = money
    this.budget = budget
    this.#own = budget === undefined ? undefined : specOf(ownPotOf(durable.runId, durable.start), budget)
    this.#process = money.unique()
    this.#stopwatch = new Stopwatch(durable)
  }

  /** Undefined where no pot concerns the run. UNSUPPORTED for a budget on an engine without pots. */
  static of(durable: Durable, budget: Budget | undefined): Meter | undefined {
    const { money } = durable.outbound
    const { tenant, pots = [] } = durable.start
    if (money === undefined) {
      if (budget === undefined && pots.length === 0) return undefined
      throw new UsageError('UNSUPPORTED', `Run ${durable.runId} has a budget, and its engine keeps no pots.`, {
        hint: "Use the embedded engine, or the SDK's limits (turns, totalTokens), which begin anew with each resume.",
        details: { runId: durable.runId },
      })
    }
    const hasTenant = tenant !== undefined && money.tenantPot(tenant, durable.clock()) !== undefined
    if (budget === undefined && pots.length === 0 && !hasTenant) return undefined
    return new Meter(durable, money, budget)
  }

  /** What children draw on beside their own. */
  get passedOn(): readonly string[] {
    const { pots = [] } = this.#durable.start
    return this.#own === undefined ? pots : [...pots, this.#own.id]
  }

  /** Which quantities any pot of the run limits. Opens those that are declared here. */
  limited(): Promise<ReadonlySet<Quantity>> {
    this.#limited ??= this.#open()
    return this.#limited
  }

  async limits(quantity: Quantity): Promise<boolean> {
    return (await this.limited()).has(quantity)
  }

  /** `hasCheaper`: a refusal is not the last word, see `Reservation`. */
  async reserve(key: string, amount: Spend, hasCheaper = false): Promise<Ticket | Refusal> {
    await this.limited()
    const tenant = await this.#openTenant()
    const { runId } = this.#durable
    const attempt = `${this.#process}/${++this.#attempts}`
    const pots = [...this.passedOn, ...(tenant === undefined ? [] : [tenant.id])]
    const grant = await this.#money.pots.reserve({ runId, key, attempt, pots, amount, hasCheaper })
    if (!grant.granted) return { ...grant, amount }
    return new Granted(this.#stopwatch, (worth, workMs, pricesOthers) => {
      const settlement = { runId, key, attempt, amount: { ...worth, workMs }, pricesOthers }
      // Not waited for: the record of the step is queued behind it. If it fails, the call stays counted as reserved.
      this.#money.pots.settle(settlement).catch(() => {})
    })
  }

  /** In 1e-9 US dollars. BAD_INPUT where a pot is limited in usd and the model has no price. */
  async costOf(model: string, usage: TokenUsage): Promise<number> {
    const cost = this.#money.costOf(model, usage)
    if (cost !== undefined) return cost
    if (!(await this.limits('nanoUsd'))) return 0
    throw new UsageError(
      'BAD_INPUT',
      `Model "${model}" has no price, and a budget of run ${this.#durable.runId} is in usd.`,
      {
        hint: `Say what it costs for a million tokens: openSelvage({ prices: { '${model}': { input, output } } }); then retry the run.`,
        details: { runId: this.#durable.runId, model },
      },
    )
  }

  async #open(): Promise<ReadonlySet<Quantity>> {
    const { pots } = this.#money
    if (this.#own !== undefined) await pots.open([this.#own])
    const tenant = await this.#openTenant()
    const all = await pots.read([...this.passedOn, ...(tenant === undefined ? [] : [tenant.id])])
    return new Set(QUANTITIES.filter((quantity) => all.some(({ caps }) => caps[quantity] !== undefined)))
  }

  async #openTenant(): Promise<PotSpec | undefined> {
    const { tenant } = this.#durable.start
    if (tenant === undefined) return undefined
    const spec = this.#money.tenantPot(tenant, this.#durable.clock())
    if (spec !== undefined && spec.id !== this.#tenant?.id) {
      await this.#money.pots.open([spec])
      this.#tenant = spec
    }
    return spec
  }
}

class Granted implements Ticket {
  readonly #stopwatch: Stopwatch
  readonly #settle: (worth: Spend, workMs: number, pricesOthers: boolean) => void
  #hasBegun = false
  isOver = false

  constructor(stopwatch: Stopwatch, settle: (worth: Spend, workMs: number, pricesOthers: boolean) => void) {
    this.#stopwatch = stopwatch
    this.#settle = settle
  }

  begin(): void {
    if (this.#hasBegun || this.isOver) return
    this.#hasBegun = true
    this.#stopwatch.begin()
  }

  settle(worth: Spend, pricesOthers = false): void {
    if (this.isOver) return
    this.#end()
    this.#settle(worth, this.#stopwatch.take(), pricesOthers)
  }

  leave(): void {
    if (!this.isOver) this.#end()
  }

  #end(): void {
    this.isOver = true
    if (this.#hasBegun) this.#stopwatch.end()
  }
}

/** Runs while anything is under way. */
class Stopwatch {
  readonly #durable: Durable
  #underWay = 0
  #since = 0
  #ms = 0

  constructor(durable: Durable) {
    this.#durable = durable
  }

  begin(): void {
    this.#lap()
    this.#underWay++
  }

  end(): void {
    this.#lap()
    this.#underWay--
  }

  /** What has passed and was not taken yet. */
  take(): number {
    this.#lap()
    const ms = this.#ms
    this.#ms = 0
    return ms
  }

  #lap(): void {
    const now = this.#durable.clock()
    if (this.#underWay > 0) this.#ms += Math.max(0, now - this.#since)
    this.#since = now
  }
}

export function isRefusal(answer: Ticket | Refusal): answer is Refusal {
  return 'granted' in answer
}

export const ONE_TOOL_CALL: Spend = { ...NOTHING_SPENT, toolCalls: 1 }
