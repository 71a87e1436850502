/** Refusals that every such engine gives in the same words. `place`: where it keeps its runs, for people ("Restate"). */
import { EngineError, RunError, UsageError } from '../errors.ts'

export { ended as runEnded, startedOtherwise } from '../stores/refusals.ts'

export function noRun(place: string, runId: string): RunError {
  return new RunError('NOT_FOUND', `There is no run ${runId} in ${place}.`, {
    hint: 'Check the id, and that this is where it was started; ended runs are kept as long as the engine keeps them.',
    details: { runId },
  })
}

export function noQuestionIn(place: string, id: string): RunError {
  return new RunError('NOT_FOUND', `There is no question ${id} in ${place}.`, { details: { id } })
}

export function retriedBefore(runId: string): EngineError {
  return new EngineError('JOURNAL_GAP', `Run ${runId} was retried by somebody else.`)
}

export function notRegistered(runId: string, program: string, version: string | undefined): UsageError {
  const label = version === undefined ? program : `${program} version ${version}`
  return new UsageError('NOT_REGISTERED', `Run ${runId} waits: no worker here has the program ${label}.`, {
    hint: 'Register it, under the version that the run was started with.',
  })
}

export function engineClosed(place: string): EngineError {
  return new EngineError('UNAVAILABLE', `The engine on ${place} was closed.`, { hint: 'Open it again to go on.' })
}

/** BAD_INPUT. */
export function checkConcurrency(place: string, concurrency: number): void {
  if (Number.isInteger(concurrency) && concurrency >= 1) return
  throw new UsageError('BAD_INPUT', `The option concurrency of the engine on ${place} is ${String(concurrency)}.`, {
    hint: 'Give a whole number of at least 1.',
  })
}
