/** Prices, and the budgets of tenants: what budgets need beside the pots of the engine. */
import {
  type Money,
  type OptionNames,
  type PotSpec,
  type Pots,
  type Runtime,
  refuseUnknown,
  type TokenUsage,
  UsageError,
} from '@selvage/core'
import { BUDGET_OPTIONS, type Budget, type BudgetOptions, Prices, readBudget, specOf } from '@selvage/programs'

export type Period = 'hour' | 'day' | 'month'

export interface TenantBudget extends BudgetOptions {
  /** A new pot begins with each hour, day or month of UTC. Default: one pot for ever. */
  readonly period?: Period
}

export interface TenantOptions {
  /** For all runs of the tenant together, beside the budgets that they have themselves. */
  readonly budget: TenantBudget
}

const BUDGET: OptionNames<TenantBudget> = { ...BUDGET_OPTIONS, period: true }
const TENANT: OptionNames<TenantOptions> = { budget: true }

/** Characters of an ISO date that name its period. */
const PERIODS: { readonly [period in Period]: number } = { hour: 13, day: 10, month: 7 }

export class Treasury implements Money {
  readonly prices: Prices = new Prices()
  readonly #pots: Pots | undefined
  readonly #runtime: Runtime
  readonly #tenants = new Map<string, { readonly budget: Budget; readonly period: Period | undefined }>()

  constructor(pots: Pots | undefined, runtime: Runtime) {
    this.#pots = pots
    this.#runtime = runtime
  }

  /** What programs are given; undefined where the engine keeps no pots. */
  get money(): Money | undefined {
    return this.#pots === undefined ? undefined : this
  }

  get pots(): Pots {
    if (this.#pots !== undefined) return this.#pots
    throw new UsageError('UNSUPPORTED', 'This engine keeps no pots, which budgets are counted in.', {
      hint: 'Use the embedded engine.',
    })
  }

  /** BAD_INPUT for a budget that makes no sense. */
  declareTenants(tenants: { readonly [tenant: string]: TenantOptions }): void {
    for (const [tenant, declared] of Object.entries(tenants)) {
      const what = `tenant "${tenant}"`
      refuseUnknown(`Tenant "${tenant}"`, declared, TENANT)
      const { budget: options } = declared
      refuseUnknown(`The budget of ${what}`, options, BUDGET)
      const { period, ...rest } = options
      if (period !== undefined && !Object.hasOwn(PERIODS, period)) {
        throw new UsageError('BAD_INPUT', `The budget of ${what} has the period "${String(period)}".`, {
          hint: `Use ${Object.keys(PERIODS).join(', ')}, or leave it out for one pot for ever.`,
        })
      }
      this.#tenants.set(tenant, { budget: readBudget(what, rest), period })
    }
    if (Object.keys(tenants).length > 0) void this.pots
  }

  unique(): string {
    return this.#runtime.random(8)
  }

  costOf(model: string, usage: TokenUsage): number | undefined {
    return this.prices.costOf(model, usage)
  }

  tenantPot(tenant: string, at: number): PotSpec | undefined {
    const declared = this.#tenants.get(tenant)
    if (declared === undefined) return undefined
    const { budget, period } = declared
    const id = period === undefined ? `tenant:${tenant}` : `tenant:${tenant}/${nameOf(period, at)}`
    return specOf(id, budget)
  }
}

/** `2026-11`, `2026-11-21`, `2026-11-21T09`: in UTC. */
function nameOf(period: Period, at: number): string {
  return new Date(at).toISOString().slice(0, PERIODS[period])
}
