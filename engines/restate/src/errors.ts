/** What Restate answers when it does not do as it is asked, as errors of ours. */
import { EngineError, RunError, UsageError } from '@selvage/core'

/** Where its runs lie, for people. */
export const PLACE = 'Restate'

export function unreachable(url: string, cause: unknown): EngineError {
  return new EngineError('UNAVAILABLE', `Restate cannot be reached at ${url}.`, {
    hint: 'Check that the server runs, and the urls of ingress and admin.',
    details: { url },
    cause,
  })
}

const HINTS: { readonly [status: number]: string } = {
  401: 'Hand in what it wants to see: restateEngine({ headers }).',
  403: 'Hand in what it wants to see: restateEngine({ headers }).',
  404: 'It knows no such service: start a worker once, which registers it.',
  413: 'The value is larger than the server takes: hand in blobs for it.',
}

export function refused(url: string, status: number, text: string): EngineError {
  const hint = HINTS[status]
  return new EngineError('UNAVAILABLE', `Restate answered ${status} at ${url}: ${text.slice(0, 500)}`, {
    ...(hint !== undefined && { hint }),
    details: { url, status },
  })
}

/** A warning: what began there is called there. */
export function movedAddress(name: string, before: string, uri: string): UsageError {
  return new UsageError('BAD_INPUT', `Workers of '${name}' were registered at ${before}, and now are at ${uri}.`, {
    hint: `Runs that began at the old address go on only there. Give all workers one: restateEngine({ advertise }).`,
    details: { before, uri },
  })
}

/** Its invocation was killed, or is gone. */
export function endedByRestate(runId: string): RunError {
  return new RunError('RUN_FAILED', `Restate ended the invocation of run ${runId} before the run had ended.`, {
    hint: 'It was killed or purged there. While it keeps the journal, a day by default, a retry goes on with what is recorded.',
    details: { runId },
  })
}

export function journalGone(runId: string): EngineError {
  return new EngineError('CORRUPT', `Run ${runId} cannot be retried: Restate no longer has its journal.`, {
    hint: 'What it did is not known any more: look at its effects, and start a run with another id.',
    details: { runId },
  })
}
