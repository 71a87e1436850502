/** What an advance leaves in the engine's own record: all that the loop of a run needs when it is replayed, and the entries. */
import type { Entry, Op, Outcome } from '../journal/entry.ts'
import type { Progress } from '../ports.ts'
import type { Json } from '../values/json.ts'

/** `Entries`: as they are, or what stands for them where they are too large for the record. */
export type Advanced<Entries = readonly Entry[]> = {
  readonly cursor: number
  readonly entries: Entries
  readonly mark?: string
  /** What is about to run: names for the engine's console. */
  readonly next: readonly Pick<Op, 'key' | 'kind' | 'name'>[]
  readonly received: readonly string[]
  readonly status?: Json
  /** When it was over. Epoch milliseconds. */
  readonly at: number
  /** Steps with an outcome, over all stretches of the run. */
  readonly steps: number
} & (
  | { readonly kind: 'continue' }
  | { readonly kind: 'wait'; readonly signals: readonly string[]; readonly until?: number }
  | { readonly kind: 'rotate'; readonly seed: { readonly cursor: number } }
  | { readonly kind: 'done'; readonly outcome: Outcome }
)

/** What makes an ended run go on: the entry `reopen` at place `entries`, which no advance brings. */
export interface Reopen {
  /** Epoch milliseconds. */
  readonly at: number
  readonly entries: number
  readonly voided: readonly string[]
}

export function reopenEntry({ at, entries: seq, voided }: Reopen): Entry {
  return { seq, at, type: 'reopen', voided }
}

/** Of a reply. Inputs of steps are in their entries, if anywhere: what is about to run is named only. */
export function advancedBy(progress: Progress, at: number, stepsBefore: number): Advanced {
  const next = progress.next.map(({ key, kind, name }) => ({ key, kind, name }))
  return { ...progress, next, at, steps: stepsBefore + stepsIn(progress.entries) }
}

/** Whether that is what an advance came to, among the results of other steps of the engine's. */
export function isAdvanced(result: unknown): result is Advanced<unknown> {
  return typeof result === 'object' && result !== null && 'cursor' in result
}

/** Entries from `from` on, at most `limit`, of a journal in two parts: `stored`, which are so many, and those behind them. */
export async function entriesBetween(
  before: number,
  stored: () => Promise<readonly Entry[]>,
  behind: readonly Entry[],
  from: number,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<readonly Entry[]> {
  const first = from < before ? await stored() : []
  return [...first, ...behind.slice(Math.max(0, from - before))].slice(0, limit)
}

export function stepsIn(entries: readonly Entry[]): number {
  return entries.filter(({ type }) => type === 'step').length
}

export function reopeningsIn(entries: readonly Entry[]): number {
  return entries.filter(({ type }) => type === 'reopen').length
}
