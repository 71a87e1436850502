/** How a run stands, as an engine knows it, and as people and lists are shown it. */
import type { Outcome, Start } from '../journal/entry.ts'
import type {
  Page,
  QuestionQuery,
  QuestionRecord,
  RunDescription,
  RunQuery,
  RunStatus,
  RunSummary,
} from '../records.ts'
import type { Json } from '../values/json.ts'
import type { Advanced } from './advanced.ts'
import { pageOf, questionMatches, runMatches } from './queries.ts'

type WaitsFor = NonNullable<RunDescription['waitsFor']>

export interface Standing {
  readonly start: Start
  readonly status: RunStatus
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly updatedAt: number
  readonly entries: number
  readonly steps: number
  readonly crashes: number
  /** Undefined while it goes on. */
  readonly outcome?: Outcome | undefined
  /** Default: `updatedAt`. */
  readonly endedAt?: number | undefined
  /** What it has said that it waits for: shown while it is suspended. */
  readonly waitsFor?: WaitsFor | undefined
  readonly note?: Json | undefined
}

export function described(id: string, standing: Standing): RunDescription {
  const { start, status, createdAt, updatedAt, entries, steps, crashes, outcome, waitsFor, note } = standing
  const { program, version, parent, tenant, queue, tags = {} } = start
  const { endedAt = updatedAt } = standing
  return {
    ...{ id, status, program, start, tags, createdAt, updatedAt, entries, steps, crashes },
    ...(version !== undefined && { version }),
    ...(parent !== undefined && { parent: parent.runId }),
    ...(tenant !== undefined && { tenant }),
    ...(queue !== undefined && { queue }),
    ...(outcome !== undefined && { outcome, endedAt }),
    ...(status === 'suspended' && waitsFor !== undefined && { waitsFor: waitsOf(waitsFor) }),
    ...(note !== undefined && { note }),
  }
}

/** What the engine's own record of a run tells, where nothing else is kept of it. */
export interface Recorded {
  /** Undefined while the run goes on. */
  readonly outcome: Outcome | undefined
  /** The newest advance that is over. */
  readonly last: Advanced<unknown> | undefined
  /** Another one has begun. */
  readonly isAdvancing: boolean
  /** Nobody has begun it, or begun it again, unless there is an advance. */
  readonly isNew: boolean
}

export function standingBy(recorded: Recorded): Pick<Standing, 'status' | 'outcome' | 'waitsFor' | 'note'> {
  const { outcome, last, isAdvancing, isNew } = recorded
  const going = last?.kind === 'wait' && !isAdvancing ? 'suspended' : 'running'
  const status = isNew && last === undefined && !isAdvancing ? 'pending' : going
  return {
    status: outcome === undefined ? status : endStatus(outcome),
    outcome,
    waitsFor: last?.kind === 'wait' ? last : undefined,
    note: last?.status,
  }
}

export function endStatus(outcome: Outcome): RunStatus {
  if ('ok' in outcome) return 'completed'
  return 'error' in outcome ? 'failed' : 'cancelled'
}

export function summaryOf(run: RunDescription): RunSummary {
  const { start: _, outcome: __, waitsFor: ___, note: ____, ...summary } = run
  return summary
}

/** For engines that read what they list. */
export function pageOfRuns(runs: readonly RunDescription[], query: RunQuery): Page<RunSummary> {
  const found = runs.map(summaryOf).filter((run) => runMatches(run, query))
  return pageOf(found, ({ createdAt, id }) => [createdAt, id], query)
}

/** `tags`: those of a run; asked where the query is for one. */
export function pageOfQuestions(
  records: readonly QuestionRecord[],
  query: QuestionQuery,
  tags: (runId: string) => RunSummary['tags'] | undefined,
): Page<QuestionRecord> {
  const found = records.filter((record) => questionMatches(record, query, query.tag && tags(record.runId)))
  return pageOf(found, ({ openedAt, id }) => [openedAt, id], query)
}

function waitsOf({ signals, until }: WaitsFor): WaitsFor {
  return { signals, ...(until !== undefined && { until }) }
}
