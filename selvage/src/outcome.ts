import type { ErrorJson, Json, Outcome } from '@selvage/core'
import { deadlineReason, errorFromJson, RunError } from '@selvage/core'

/** What a program hands to its caller from what was recorded. */
export type Present<Result> = (recorded: Json) => Result

const UNDONE = 'What it did was undone, so it cannot be retried: fork it, or start a new run.'

/** The result of an ended run, or the error that a caller is told. `deadline`: that of the run, if it has one. */
export function settle<Result>(
  runId: string,
  outcome: Outcome,
  deadline: number | undefined,
  present: Present<Result>,
): Result {
  if ('ok' in outcome) return present(outcome.ok)
  if ('cancelled' in outcome) {
    if (outcome.because === 'timeout') {
      throw new RunError('RUN_TIMEOUT', `Run ${runId} was cancelled: ${outcome.cancelled}.`, {
        hint: outcome.undone ? UNDONE : 'A retry gives it that time anew; or raise the timeout of its program.',
        details: { runId },
      })
    }
    if (deadline !== undefined && (outcome.because === 'deadline' || outcome.cancelled === deadlineReason(deadline))) {
      throw new RunError('DEADLINE', `Run ${runId} was cancelled: ${outcome.cancelled}.`, {
        hint: outcome.undone
          ? UNDONE
          : 'Start it under another run id with a later deadline, or retry it: then it has none.',
        details: { runId, deadline },
      })
    }
    throw new RunError('RUN_CANCELLED', `Run ${runId} was cancelled: ${outcome.cancelled}`, {
      details: { runId, reason: outcome.cancelled },
    })
  }
  const at = outcome.step === undefined ? '' : ` in step '${outcome.step}'`
  throw new RunError('RUN_FAILED', `Run ${runId} failed${at}: ${sentence(whyOf(outcome))}`, {
    hint: outcome.undone ? UNDONE : 'A retry of the run makes again what failed; what was done stands.',
    cause: errorFromJson(outcome.error),
    details: { runId, ...(outcome.step === undefined ? {} : { step: outcome.step }) },
  })
}

/** What the author threw; the error around it would only say the step again. */
function whyOf({ error, step }: { readonly error: ErrorJson; readonly step?: string }): string {
  return (step !== undefined && error.code === 'STEP_FAILED' && error.cause?.message) || error.message
}

/** A message of an author's, so that a hint can stand behind it. */
function sentence(text: string): string {
  return /[.!?…:]$/.test(text) ? text : `${text}.`
}
