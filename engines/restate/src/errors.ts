/** What Restate answers when it does not do as it is asked, as errors of ours: all of it is infrastructure. */
import { ConflictError, EngineError, RunError, UsageError } from '@selvage/core'

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

export function notFound(runId: string): RunError {
  return new RunError('NOT_FOUND', `There is no run ${runId} in Restate.`, { details: { runId } })
}

export function runEnded(runId: string): RunError {
  return new RunError('RUN_ENDED', `Run ${runId} has ended; nothing more can be sent to it.`, { details: { runId } })
}

export function conflict(runId: string): ConflictError {
  return new ConflictError('RUN_CONFLICT', `Run ${runId} exists with another program or input.`, {
    hint: 'Start it under another id, or with the same program and input.',
    details: { runId },
  })
}

export function notRegistered(runId: string, program: string, version: string | undefined): UsageError {
  const label = version === undefined ? program : `${program} version ${version}`
  return new UsageError('NOT_REGISTERED', `Run ${runId} waits: no worker here has the program ${label}.`, {
    hint: 'Register it, under the version that the run was started with.',
  })
}

export function closed(): EngineError {
  return new EngineError('UNAVAILABLE', 'The engine on Restate was closed.', { hint: 'Open it again to go on.' })
}
