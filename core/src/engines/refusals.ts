/** Refusals that every such engine gives in the same words. `place`: where it keeps its runs, for people ("Restate"). */
import { EngineError, RunError, UsageError } from '../errors.ts'
import { type Bounds, refuseNumber } from '../options.ts'

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

/** BAD_INPUT for an option that is none of these numbers; one that is undefined is not given. */
export function checkNumbers(
  place: string,
  options: { readonly [name: string]: number | undefined },
  bounds: Bounds,
): void {
  for (const [option, got] of Object.entries(options)) {
    refuseNumber(`The option ${option} of the engine on ${place}`, got, bounds, { option, got })
  }
}

/** BAD_INPUT for the name of an application under which `what` cannot be called. `hint`: what a name is made of. */
export function checkedName(place: string, what: string, name: string, isName: RegExp, hint: string): string {
  if (isName.test(name)) return name
  throw new UsageError('BAD_INPUT', `The engine on ${place} cannot name its ${what} '${name}'.`, { hint })
}
