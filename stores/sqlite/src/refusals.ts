/** Refusals that several transitions share. */
import { EngineError, LeaseLostError, RunError, UsageError } from '@selvage/core'
import type { Database } from './database.ts'
import { toText } from './text.ts'

/** Why a write that carried a fence changed nothing. */
export function refused(database: Database, runId: string, fence: number): Error {
  const run = database.get<{ fence: number }>('select fence from run where id = ?', toText(runId))
  if (run === undefined) return notFound(runId)
  const why = run.fence === fence ? 'was given up or taken back' : `is at claim ${run.fence}, this was claim ${fence}`
  return new LeaseLostError('LEASE_LOST', `Run ${runId} ${why}; the write was refused.`, {
    hint: 'Drop the run here; its next claim goes on with it.',
    details: { runId, fence },
  })
}

export function notFound(runId: string): RunError {
  return new RunError('NOT_FOUND', `There is no run ${runId}.`, {
    hint: 'Check the id and the database.',
    details: { runId },
  })
}

export function ended(runId: string, status: string): RunError {
  return new RunError('RUN_ENDED', `Run ${runId} has ended: ${status}.`, {
    hint: 'Start a new run, or retry it if it failed or was cancelled.',
    details: { runId, status },
  })
}

export function gap(runId: string, expected: number, got: number): EngineError {
  return new EngineError('JOURNAL_GAP', `The journal of run ${runId} goes on at entry ${expected}, not at ${got}.`, {
    hint: 'Load the journal again and go on from its end.',
    details: { runId, expected, got },
  })
}

export function badInput(message: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', message, { hint })
}
