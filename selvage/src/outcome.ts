import type { Json, Outcome } from '@selvage/core'
import { errorFromJson, RunError } from '@selvage/core'

/** What a program hands to its caller from what was recorded. */
export type Present<Result> = (recorded: Json) => Result

/** The result of an ended run, or the error that a caller is told. */
export function settle<Result>(runId: string, outcome: Outcome, present: Present<Result>): Result {
  if ('ok' in outcome) return present(outcome.ok)
  if ('cancelled' in outcome) {
    throw new RunError('RUN_CANCELLED', `Run ${runId} was cancelled: ${outcome.cancelled}`, {
      details: { runId, reason: outcome.cancelled },
    })
  }
  const at = outcome.step === undefined ? '' : ` in step '${outcome.step}'`
  throw new RunError('RUN_FAILED', `Run ${runId} failed${at}: ${outcome.error.message}`, {
    hint: 'run.retry() makes the failed step again.',
    cause: errorFromJson(outcome.error),
    details: { runId, ...(outcome.step === undefined ? {} : { step: outcome.step }) },
  })
}
