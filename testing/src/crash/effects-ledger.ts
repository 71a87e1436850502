/** What was done outside, as the outside saw it: one line per effect, in the order in which they happened. */
import type { Effect } from '@selvage/core'
import type { LineFile } from '../line-file.ts'

export interface LedgerLine {
  readonly runId: string
  readonly key: string
  readonly name: string
  readonly effect: Effect
  readonly attempt: number
  readonly idempotencyKey: string
  /** The process that did it. */
  readonly pid: number
}

export type EffectsLedger = LineFile<LedgerLine>
