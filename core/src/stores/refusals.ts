/** Refusals that every store gives in the same words. */
import { ConflictError, EngineError, LeaseLostError, RunError, UsageError } from '../errors.ts'

/** Why a write that carried a fence changed nothing. `current`: the fence of the run; undefined: there is no such run. */
export function fencedOut(runId: string, fence: number, current: number | undefined): Error {
  if (current === undefined) return notFound(runId)
  const why = current === fence ? 'was given up or taken back' : `is at claim ${current}, this was claim ${fence}`
  return new LeaseLostError('LEASE_LOST', `Run ${runId} ${why}; the write was refused.`, {
    hint: 'Drop the run here; its next claim goes on with it.',
    details: { runId, fence },
  })
}

export function notEnlisted(workerId: string): LeaseLostError {
  return new LeaseLostError('LEASE_LOST', `Worker ${workerId} is not enlisted, or was declared dead.`, {
    hint: 'Drop its runs and enlist a new worker.',
    details: { workerId },
  })
}

export function notFound(runId: string): RunError {
  return new RunError('NOT_FOUND', `There is no run ${runId}.`, {
    hint: 'Check the id and the database.',
    details: { runId },
  })
}

export function held(
  runId: string,
  owner: { readonly worker: string; readonly pid: number; readonly host: string },
): RunError {
  return new RunError('RUN_HELD', `Run ${runId} is running in process ${owner.pid} on ${owner.host}.`, {
    hint: 'Wait until that process has ended, or use another run id.',
    details: { runId, ...owner },
  })
}

export function ended(runId: string, status: string): RunError {
  return new RunError('RUN_ENDED', `Run ${runId} has ended: ${status}.`, {
    hint: 'Start a new run, or retry it if it failed or was cancelled.',
    details: { runId, status },
  })
}

export function startedOtherwise(runId: string, program: string): ConflictError {
  return new ConflictError('RUN_CONFLICT', `Run ${runId} exists with another program or input.`, {
    hint: 'Use another run id, or start it with the same program and input.',
    details: { runId, program },
  })
}

export function gap(runId: string, expected: number, got: number): EngineError {
  return new EngineError('JOURNAL_GAP', `The journal of run ${runId} goes on at entry ${expected}, not at ${got}.`, {
    hint: 'Load the journal again and go on from its end.',
    details: { runId, expected, got },
  })
}

export function noEnd(runId: string): EngineError {
  return new EngineError('JOURNAL_GAP', `The journal of run ${runId} does not end with an end entry.`, {
    hint: 'Append the end, then finish the run.',
    details: { runId },
  })
}

export function journaledBefore(runId: string, signalId: string): EngineError {
  return new EngineError('JOURNAL_GAP', `The signal ${signalId} is in the journal of run ${runId} already.`, {
    hint: 'Load the journal again and go on from its end.',
    details: { runId, signalId },
  })
}

export function askedByAnother(runId: string, questionId: string): UsageError {
  return new UsageError('BAD_INPUT', `The question ${questionId} of run ${runId} was asked by another run.`, {
    hint: 'Ids of questions are unique over all runs.',
    details: { runId, questionId },
  })
}

export function noQuestion(questionId: string): RunError {
  return new RunError('NOT_FOUND', `There is no question ${questionId}.`, {
    hint: 'Check the id and the database.',
    details: { questionId },
  })
}

export function noMessage(messageId: string): RunError {
  return new RunError('NOT_FOUND', `There is no message ${messageId}.`, {
    hint: 'Check the id and the database.',
    details: { messageId },
  })
}

export function messageLost(messageId: string, fence: number): LeaseLostError {
  return new LeaseLostError('LEASE_LOST', `Message ${messageId} is no longer in the hands of this worker.`, {
    hint: 'Whoever has it now delivers it again, with the same idempotency key.',
    details: { messageId, fence },
  })
}

export function noPot(pot: string): RunError {
  return new RunError('NOT_FOUND', `There is no pot ${pot}.`, {
    hint: 'A pot is there once its first call was made; a run without a budget has none.',
    details: { pot },
  })
}

export function badInput(message: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', message, { hint })
}

// Of a right argument, as the run or message stands: `status` in the details tells these from a wrong argument.

function notAsItStands(
  message: string,
  hint: string,
  details: { readonly status: string; readonly [name: string]: string | number },
): UsageError {
  return new UsageError('BAD_INPUT', message, { hint, details })
}

export function isActive(runId: string, status: string): UsageError {
  const message = `Run ${runId} is ${status}; only a failed or cancelled run can be retried.`
  return notAsItStands(message, 'Wait until it ends, or cancel it first.', { runId, status })
}

export function hasNotEnded(runId: string, status: string): UsageError {
  const message = `Run ${runId} is ${status}; only runs that have ended can be discarded.`
  return notAsItStands(message, 'Cancel it first.', { runId, status })
}

export function isChildOf(runId: string, status: string, parent: string): UsageError {
  const hint = `Discard ${parent}: what is below it goes with it.`
  return notAsItStands(`Run ${runId} is a child of run ${parent}.`, hint, { runId, status, parent })
}

export function stillSends(runId: string, status: string, messages: number): UsageError {
  const message = `Run ${runId} has ${messages} messages that are not delivered.`
  return notAsItStands(message, 'Let them be delivered, or use force.', { runId, status, messages })
}

export function stillAsks(runId: string, status: string, questionId: string): UsageError {
  const hint = 'Answer it, or use force.'
  return notAsItStands(`Run ${runId} asks somebody: ${questionId}.`, hint, { runId, status, questionId })
}

export function isNotDead(messageId: string, status: string): UsageError {
  const hint = 'Only a message that is dead can be sent again.'
  return notAsItStands(`Message ${messageId} is ${status}.`, hint, { messageId, status })
}
