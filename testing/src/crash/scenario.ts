/**
 * What is run, killed and finished: programs, what is sent to them and answered, and what must hold of their effects. A
 * scenario is a module, so that each child process loads it anew.
 */
import type { Entry, Json, OutboxHandler, Program, QuestionRecord, Signal, Start } from '@selvage/core'
import type { LedgerLine } from './effects-ledger.ts'
import type { Outside } from './outside.ts'

export interface Scenario {
  programs(outside: Outside): readonly Program[]
  readonly start: Start
  /** What delivers the messages that the programs send; the run is over when none is left. */
  outbox?(outside: Outside): readonly OutboxHandler[]
  /** Sent as soon as the run is there, by every process that drives it. */
  readonly signals?: readonly Signal[]
  /** The payload that answers a question. Truthful: asked whether an effect happened, it looks at the outside. */
  answer?(question: QuestionRecord, outside: Outside): Json | Promise<Json>
  /**
   * Of a step, by its key: the keys whose steps and waits are durable before its effect happens. Keys of children of the
   * run are unlike those of the run.
   */
  readonly needs?: { readonly [key: string]: readonly string[] }
  /** How the run ends. Default `completed`. */
  readonly ends?: 'completed' | 'failed' | 'cancelled'
  /** What is wrong with what happened outside, once the run has ended. */
  judge?(lines: readonly LedgerLine[]): readonly string[]
  /** More that must be the same however often a process died, beside the outcome. */
  extract?(entries: readonly Entry[]): unknown
}

export interface ScenarioModule {
  readonly scenario: Scenario
}
