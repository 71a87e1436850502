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
function whyOf({ error, step, undone }: Extract<Outcome, { readonly error: ErrorJson }>): string {
  const why = (step !== undefined && error.code === 'STEP_FAILED' && error.cause) || error
  return undone ? withoutHint(why) : why.message
}

/** What an error tells to do stands at the end, be it what its cause does: it was meant for a run that can go on. */
function withoutHint({ message, hint, cause }: ErrorJson): string {
  const told = hint ?? lastHint(cause)
  return told !== undefined && message.endsWith(told) ? message.slice(0, -told.length).trimEnd() : message
}

function lastHint(error: ErrorJson | undefined): string | undefined {
  return error && (error.hint ?? lastHint(error.cause))
}

/** A message of an author's, so that a hint can stand behind it. */
function sentence(text: string): string {
  return /[.!?…:]$/.test(text) ? text : `${text}.`
}
