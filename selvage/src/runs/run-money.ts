/** What a run may use and has used: its pots, and the model calls in its journal. */
import {
  type Caps,
  capOf,
  type Engine,
  type Entry,
  type ErrorJson,
  type OnExceeded,
  ownPotOf,
  type Pot,
  QUANTITIES,
  RunError,
  type Start,
} from '@selvage/core'
import { inUnits, type Limits, limitName, limitsIn, NANO_USD, type Prices } from '@selvage/programs'
import type { Treasury } from '../treasury.ts'

/** One limit of a pot. `usd` in US dollars, `wallClock` in milliseconds. */
export interface LimitState {
  /** Declared, and raised since. */
  readonly cap: number
  readonly spent: number
  /** By calls under way, and by those whose process died: until an attempt of that step succeeds. */
  readonly reserved: number
  /** Never below 0. */
  readonly left: number
}

export interface PotState {
  /** `run:<run id>` or `tenant:<tenant>[/<period>]`. */
  readonly id: string
  readonly onExceeded: OnExceeded
  /** tokens, usd, modelCalls, toolCalls, wallClock: those that have a cap. */
  readonly limits: { readonly [limit: string]: LimitState }
}

/** What model calls used. */
export interface ModelUsage {
  readonly model: string
  readonly calls: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cacheReadInputTokens: number
  readonly cacheWriteInputTokens: number
  /** As the providers count it. */
  readonly totalTokens: number
  /** US dollars by today's table; undefined: the model has no price. */
  readonly usd: number | undefined
}

export interface RunUsage extends Omit<ModelUsage, 'model'> {
  /** Of the models that have a price; undefined if none has. */
  readonly usd: number | undefined
  /** Used, and not in `usd`. */
  readonly unpriced: readonly string[]
  readonly models: readonly ModelUsage[]
  readonly toolCalls: number
  /** Runs that were looked at: 1, or those of the tree. */
  readonly runs: number
}

// ── pots ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function stateOf(pot: Pot): PotState {
  const limits = QUANTITIES.flatMap((quantity) => {
    const cap = capOf(pot, quantity)
    if (cap === undefined) return []
    const spent = pot.spent[quantity]
    const reserved = pot.reserved[quantity]
    const amounts = { cap, spent, reserved, left: Math.max(0, cap - spent - reserved) }
    const shown = Object.entries(amounts).map(([name, amount]) => [name, inUnits(quantity, amount)])
    return [[limitName(quantity), Object.fromEntries(shown) as LimitState] as const]
  })
  return { id: pot.id, onExceeded: pot.onExceeded, limits: Object.fromEntries(limits) }
}

/** The pots that a run draws on: its own, those of the runs above it, nearest first, and its tenant's of today. */
export function potIdsOf(runId: string, start: Start, treasury: Treasury, now: number): readonly string[] {
  const tenant = start.tenant === undefined ? undefined : treasury.tenantPot(start.tenant, now)?.id
  const own = ownPotOf(runId, start)
  return [own, ...[...(start.pots ?? [])].reverse(), ...(tenant === undefined ? [] : [tenant])]
}

/** Adds to a pot of that run: to its own, or to the nearest above it that has one. NOT_FOUND if none has. */
export async function raiseOfRun(
  treasury: Treasury,
  runId: string,
  start: Start,
  by: Limits,
  raiseId: string,
  now: number,
): Promise<PotState> {
  const caps = amountsOf(by)
  const [nearest] = await treasury.pots.read(potIdsOf(runId, start, treasury, now))
  if (nearest === undefined) {
    throw new RunError('NOT_FOUND', `Run ${runId} has no budget.`, {
      hint: 'Declare one where its program is registered. Its pot is there once it made its first call.',
      details: { runId },
    })
  }
  return stateOf(await treasury.pots.raise(nearest.id, caps, raiseId))
}

/** BAD_INPUT for what is no amount. */
export function amountsOf(by: Limits): Caps {
  return limitsIn(JSON.parse(JSON.stringify(by)))
}

// ── usage ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The runs of a tree, the root first. Needs an engine that lists. */
export async function treeOf(engine: Engine, root: string): Promise<readonly string[]> {
  const ids = [root]
  for (let index = 0; index < ids.length; index++) {
    for (let after: string | undefined; ; ) {
      const query = { parent: ids[index] as string, limit: 1_000 }
      const page = await engine.list?.(after === undefined ? query : { ...query, after })
      ids.push(...(page?.items ?? []).map(({ id }) => id))
      after = page?.next
      if (after === undefined) break
    }
  }
  return ids
}

/** Adds up what journals tell, entry by entry. */
export class UsageCount {
  readonly #models = new Map<string, { calls: number; usage: { [name in keyof typeof NO_TOKENS]: number } }>()
  /** Models that the next attempt of a step is made by. */
  readonly #standIns = new Map<string, string>()
  #toolCalls = 0
  #runs = 0

  add(entries: readonly Entry[]): void {
    this.#runs++
    for (const entry of entries) {
      // An answer that was paid and refused (an attempt that failed by what it said) is in the record of the attempt.
      if (entry.type === 'retry' && entry.op.kind === 'model') this.#addPaid(entry)
      if (entry.type !== 'step') continue
      if (entry.op.kind === 'tool' && !('interrupts' in entry.outcome)) this.#toolCalls++
      if (entry.op.kind === 'model') this.#addCall(entry)
    }
  }

  total(prices: Prices): RunUsage {
    const models = [...this.#models].map(([model, { calls, usage }]): ModelUsage => {
      const cost = prices.costOf(model, usage)
      return { model, calls, ...usage, usd: cost === undefined ? undefined : cost / NANO_USD }
    })
    const sum = (of: (model: ModelUsage) => number): number => models.reduce((total, model) => total + of(model), 0)
    const priced = models.filter(({ usd }) => usd !== undefined)
    return {
      calls: sum(({ calls }) => calls),
      inputTokens: sum(({ inputTokens }) => inputTokens),
      outputTokens: sum(({ outputTokens }) => outputTokens),
      cacheReadInputTokens: sum(({ cacheReadInputTokens }) => cacheReadInputTokens),
      cacheWriteInputTokens: sum(({ cacheWriteInputTokens }) => cacheWriteInputTokens),
      totalTokens: sum(({ totalTokens }) => totalTokens),
      usd: priced.length === 0 ? undefined : sum(({ usd = 0 }) => usd),
      unpriced: models.filter(({ usd }) => usd === undefined).map(({ model }) => model),
      models,
      toolCalls: this.#toolCalls,
      runs: this.#runs,
    }
  }

  #addPaid({ key, op, next }: Extract<Entry, { type: 'retry' }>): void {
    const { usage, model } = toldOf(next)
    if (usage !== undefined) this.#count(this.#standIns.get(key) ?? op.name, usage)
    if (model !== undefined) this.#standIns.set(key, model)
  }

  #addCall({ key, op, outcome }: Extract<Entry, { type: 'step' }>): void {
    if ('error' in outcome) {
      this.#count(this.#standIns.get(key) ?? op.name, usageOfError(outcome.error) ?? {})
      return
    }
    const { model = op.name, usage = {} } = 'ok' in outcome ? toldIn(outcome.ok) : {}
    this.#count(model, usage)
  }

  #count(model: string, usage: NonNullable<ToldCall['usage']>): void {
    const known = this.#models.get(model) ?? { calls: 0, usage: { ...NO_TOKENS } }
    this.#models.set(model, known)
    known.calls++
    for (const name of Object.keys(NO_TOKENS) as (keyof typeof NO_TOKENS)[]) known.usage[name] += usage[name] ?? 0
    if (usage.totalTokens === undefined) known.usage.totalTokens += (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0)
  }
}

const NO_TOKENS = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadInputTokens: 0,
  cacheWriteInputTokens: 0,
  totalTokens: 0,
}

/** What an integration records of a model call, as far as it concerns money. */
interface ToldCall {
  /** That answered, where it is not the one of the step. */
  readonly model?: string
  readonly usage?: { readonly [name in keyof typeof NO_TOKENS]?: number }
}

/** Of a failed attempt. */
function toldOf(next: unknown): ToldCall {
  return typeof next === 'object' && next !== null ? (next as ToldCall) : {}
}

/** Of an answer that was cut: of the error, or of the partial message in it. */
function usageOfError({ details }: ErrorJson): ToldCall['usage'] {
  if (typeof details !== 'object' || details === null) return undefined
  const { usage, partialMessage } = details as ToldCall & { partialMessage?: { metadata?: ToldCall } }
  return usage ?? partialMessage?.metadata?.usage
}

function toldIn(recorded: unknown): ToldCall {
  if (typeof recorded !== 'object' || recorded === null) return {}
  const { model, metadata, messageMetadata } = recorded as { [part: string]: { usage?: ToldCall['usage'] } | undefined }
  const usage = metadata?.usage ?? messageMetadata?.usage
  return {
    ...(typeof model === 'string' && { model }),
    ...(usage !== undefined && { usage }),
  }
}
