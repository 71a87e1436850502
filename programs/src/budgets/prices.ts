/**
 * What tokens cost. A key of the table is the id of a model and stands for its snapshots too: `gpt-5` is also
 * `gpt-5-2025-08-07`, but neither `gpt-5-mini` nor `gpt-5.1`. A key that ends in `*` stands for every id that begins so.
 * Of several keys the longest counts, and those of the user count before the built-in ones.
 *
 * A model without a price is never free: where a pot is limited in usd its call is refused with an error that names it.
 */
import { type OptionNames, refuseUnknown, type TokenUsage, UsageError } from '@selvage/core'

/** US dollars for a million tokens. */
export interface Price {
  readonly input: number
  readonly output: number
  /** Tokens of the input that came from the provider's cache. Default: as `input`. */
  readonly cacheRead?: number
  /** Tokens of the input that were written to it. Default: as `input`. */
  readonly cacheWrite?: number
  /**
   * Whether the provider counts cached tokens among its input tokens, as OpenAI and Google do, or beside them, as
   * Anthropic does. Default false: in doubt they are paid in full.
   */
  readonly inputIncludesCache?: boolean
}

const PRICE: OptionNames<Price> = {
  input: true,
  output: true,
  cacheRead: true,
  cacheWrite: true,
  inputIncludesCache: true,
}

export type PriceTable = { readonly [model: string]: Price }

/**
 * Source: "Pricing" of Anthropic's documentation (docs.anthropic.com/en/docs/about-claude/pricing), as of August 2025; the
 * 4.5 models from their announcements of 29 September, 15 October and 24 November 2025, compared with two lists of others of
 * March 2026. Cache writes for 5 minutes. No tiers: Sonnet 4 and 4.5 were dearer for prompts of more than 200,000 tokens.
 */
const ANTHROPIC: PriceTable = {
  'claude-opus-4-5': { input: 5, output: 25, cacheRead: 0.5, cacheWrite: 6.25 },
  'claude-opus-4-1': { input: 15, output: 75, cacheRead: 1.5, cacheWrite: 18.75 },
  'claude-opus-4-0': { input: 15, output: 75, cacheRead: 1.5, cacheWrite: 18.75 },
  'claude-opus-4-20250514': { input: 15, output: 75, cacheRead: 1.5, cacheWrite: 18.75 },
  'claude-sonnet-4-5': { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 },
  'claude-sonnet-4-0': { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 },
  'claude-sonnet-4-20250514': { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 },
  'claude-3-7-sonnet': { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 },
  'claude-haiku-4-5': { input: 1, output: 5, cacheRead: 0.1, cacheWrite: 1.25 },
  'claude-3-5-haiku': { input: 0.8, output: 4, cacheRead: 0.08, cacheWrite: 1 },
  'claude-3-haiku': { input: 0.25, output: 1.25, cacheRead: 0.03, cacheWrite: 0.3 },
}

/**
 * Source: "Pricing" of OpenAI's documentation (platform.openai.com/docs/pricing), standard tier, as of August 2025; input and
 * output compared with a list of another's of March 2026, cache reads not.
 */
const OPENAI: PriceTable = {
  'gpt-5': { input: 1.25, output: 10, cacheRead: 0.125, inputIncludesCache: true },
  'gpt-5-mini': { input: 0.25, output: 2, cacheRead: 0.025, inputIncludesCache: true },
  'gpt-5-nano': { input: 0.05, output: 0.4, cacheRead: 0.005, inputIncludesCache: true },
  'gpt-4.1': { input: 2, output: 8, cacheRead: 0.5, inputIncludesCache: true },
  'gpt-4.1-mini': { input: 0.4, output: 1.6, cacheRead: 0.1, inputIncludesCache: true },
  'gpt-4.1-nano': { input: 0.1, output: 0.4, cacheRead: 0.025, inputIncludesCache: true },
  'gpt-4o': { input: 2.5, output: 10, cacheRead: 1.25, inputIncludesCache: true },
  'gpt-4o-mini': { input: 0.15, output: 0.6, cacheRead: 0.075, inputIncludesCache: true },
}

export const BUILT_IN_PRICES: PriceTable = { ...ANTHROPIC, ...OPENAI }

export class Prices {
  #own: PriceTable = {}

  /** Adds to the table, and replaces what is there under the same keys. UsageError BAD_INPUT for what is no price. */
  set(table: PriceTable): void {
    for (const [model, price] of Object.entries(table)) check(model, price)
    this.#own = { ...this.#own, ...table }
  }

  of(model: string): Price | undefined {
    return find(this.#own, model) ?? find(BUILT_IN_PRICES, model)
  }

  /** In 1e-9 US dollars, rounded up. Undefined: the model has no price. */
  costOf(model: string, usage: TokenUsage): number | undefined {
    const price = this.of(model)
    return price === undefined ? undefined : costAt(price, usage)
  }
}

/** A dollar for a million tokens is 1,000 billionths for each. */
const NANO_USD = 1_000

function costAt({ input, output, cacheRead, cacheWrite, inputIncludesCache }: Price, usage: TokenUsage): number {
  const { inputTokens, outputTokens, cacheReadInputTokens: read = 0, cacheWriteInputTokens: written = 0 } = usage
  const fresh = inputIncludesCache === true ? Math.max(0, inputTokens - read - written) : inputTokens
  const usd = fresh * input + read * (cacheRead ?? input) + written * (cacheWrite ?? input) + outputTokens * output
  return Math.ceil(usd * NANO_USD)
}

function find(table: PriceTable, model: string): Price | undefined {
  let found: string | undefined
  for (const key of Object.keys(table)) {
    if (standsFor(key, model) && key.length > (found?.length ?? 0)) found = key
  }
  return found === undefined ? undefined : table[found]
}

/** `-20250805`, `-2025-08-07`, `@20250805`, `-latest`. */
const SNAPSHOT = /^(?:[-@:](?:\d{8}|\d{4}-\d{2}-\d{2}|latest))?$/

function standsFor(key: string, model: string): boolean {
  if (key.endsWith('*')) return model.startsWith(key.slice(0, -1))
  return model.startsWith(key) && SNAPSHOT.test(model.slice(key.length))
}

function check(model: string, price: Price): void {
  refuseUnknown(`The price of model "${model}"`, price, PRICE)
  const { input, output, cacheRead = 0, cacheWrite = 0 } = price ?? {}
  const isPrice = [input, output, cacheRead, cacheWrite].every((usd) => Number.isFinite(usd) && usd >= 0)
  if (isPrice) return
  throw new UsageError('BAD_INPUT', `The price of model "${model}" is ${JSON.stringify(price)}.`, {
    hint: 'Give US dollars for a million tokens: { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 }.',
  })
}
