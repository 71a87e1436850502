/** What the service answers when it does not do as it is asked, as errors of ours. */
import { EngineError, RunError, UsageError } from '@selvage/core'

/** Where its runs lie, for people. */
export const PLACE = 'Lambda'

const HINTS: { readonly [name: string]: string } = {
  AccessDeniedException: 'Allow it in the role of this process: engines/lambda/README.md lists the actions.',
  ResourceNotFoundException: 'Check functionName and the region; the function must have a DurableConfig.',
  TooManyRequestsException: 'The service asks for patience: try again, or raise its quota.',
  RequestTooLargeException: 'Hand in blobs for large values: lambdaEngine({ blobs }).',
  InvalidParameterValueException:
    'Check functionName, its version or alias, and that the function has a DurableConfig.',
  CredentialsProviderError: 'Give this process credentials, or hand in a client that has them.',
}

export function unavailable(what: string, functionName: string, cause: unknown): EngineError {
  const { name = 'Error', message = String(cause) } = cause as { name?: string; message?: string }
  const hint = HINTS[name] ?? 'Check that the service can be reached from here; what is under way goes on by itself.'
  const text = `Lambda did not ${what} of function ${functionName}: ${name}: ${message.slice(0, 500)}`
  return new EngineError('UNAVAILABLE', text, { hint, details: { functionName, name }, cause })
}

export function tooLarge(what: string, bytes: number, limit: number): UsageError {
  return new UsageError('UNSUPPORTED', `Engine lambda keeps no ${what} of ${bytes} bytes: ${limit} at most.`, {
    hint: 'Hand in blobs, where it goes: lambdaEngine({ blobs: s3Blobs({ bucket }) }).',
    details: { bytes, limit },
  })
}

/** An execution that was ended by somebody or something else than its run. */
export function endedOutside(runId: string, status: string, message: string | undefined): RunError {
  const because = message === undefined ? '' : `: ${message}`
  const text = `Lambda ended the execution of run ${runId} (${status})${because}.`
  const hint = 'Look at the execution in its console. ExecutionTimeout of the function bounds how long a run takes.'
  return new RunError(status === 'TIMED_OUT' ? 'RUN_TIMEOUT' : 'RUN_FAILED', text, { hint, details: { runId, status } })
}

export function noRetryInside(runId: string): UsageError {
  return new UsageError('UNSUPPORTED', `Engine lambda cannot retry run ${runId}: it is a part of another execution.`, {
    hint: 'Catch its error in that handler and run it again under another key, or start it as a run of its own.',
    details: { runId },
  })
}
