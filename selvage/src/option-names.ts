/** What an opened Selvage, its handles and its runs can be told, by name: see the interfaces for what each means. */
import type { DiscardOptions, MessageQuery, OptionNames, RunQuery, ServeOptions } from '@selvage/core'
import type { ReferenceOptions } from './core-selvage.ts'
import type { ApprovalQuery } from './people/inbox.ts'
import type { SessionOptions, StartOptions } from './program-handle.ts'
import type { BulkQuery } from './runs/bulk.ts'
import type {
  AnswerOptions,
  ApproveOptions,
  JournalOptions,
  RaiseOptions,
  RejectOptions,
  ResultOptions,
  SignalOptions,
  UsageOptions,
} from './runs/run.ts'

// ── programs ────────────────────────────────────────────────────────────────────────────────────────────────────────

export const REFERENCE: OptionNames<ReferenceOptions<unknown>> = { version: true, input: true }
export const SESSION: OptionNames<SessionOptions> = { tenant: true, queue: true, tags: true }

export const START: OptionNames<StartOptions> = {
  runId: true,
  ...SESSION,
  startAt: true,
  deadline: true,
  concurrencyKey: false,
  priority: false,
}

export const SERVE: OptionNames<ServeOptions> = { concurrency: true, outbox: true }

// ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const RESULT: OptionNames<ResultOptions> = { abortSignal: true }
export const SIGNAL: OptionNames<SignalOptions> = { id: true, by: true }
export const ANSWER: OptionNames<AnswerOptions> = { by: true, inputHash: true }
export const APPROVE: OptionNames<ApproveOptions> = { ...ANSWER, input: true, value: true }
export const REJECT: OptionNames<RejectOptions> = { ...ANSWER, reason: true }
export const RAISE: OptionNames<RaiseOptions> = { id: true }
export const USAGE: OptionNames<UsageOptions> = { tree: true }
export const DISCARD: OptionNames<DiscardOptions> = { force: true }
export const JOURNAL: OptionNames<JournalOptions> = { from: true, limit: true }

// ── lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const PAGE = { limit: true, after: true } as const

const CHOSEN: OptionNames<Omit<RunQuery, 'parent'>> = {
  status: true,
  program: true,
  version: true,
  tenant: true,
  tag: true,
  createdFrom: true,
  createdBefore: true,
  ...PAGE,
}

export const RUNS: OptionNames<RunQuery> = { ...CHOSEN, parent: true }
export const RETRY_ALL: OptionNames<BulkQuery> = { ...CHOSEN, dryRun: true }
export const DISCARD_ALL: OptionNames<BulkQuery & DiscardOptions> = { ...RETRY_ALL, ...DISCARD }
export const MESSAGES: OptionNames<MessageQuery> = { state: true, topic: true, runId: true, ...PAGE }

export const APPROVALS: OptionNames<ApprovalQuery> = {
  status: true,
  runId: true,
  assignee: true,
  kind: true,
  tag: true,
  ...PAGE,
}
