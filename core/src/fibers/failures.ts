/**
 * What a program is told of a step that did not succeed, and which steps or waits stand behind the error that ended a
 * program, however it was wrapped: `run.retry()` begins there.
 */
import { InterruptedError, StepError } from '../errors.ts'
import type { EntryOf } from '../journal/entry.ts'
import { errorFromJson } from '../values/codec.ts'

/** How many causes of an error are looked through. */
const DEPTH = 16

export class Failures {
  private readonly keys = new WeakMap<object, string>()

  blame(error: object, key: string): void {
    this.keys.set(error, key)
  }

  /** More than one behind an AggregateError: it is all of its errors. */
  behind(error: unknown, depth: number = 0): readonly string[] {
    if (typeof error !== 'object' || error === null || depth > DEPTH) return []
    const key = this.keys.get(error)
    if (key !== undefined) return [key]
    const inner: readonly unknown[] = error instanceof AggregateError ? error.errors : []
    const found = inner.flatMap((each) => this.behind(each, depth + 1))
    return found.length > 0 ? found : this.behind((error as { cause?: unknown }).cause, depth + 1)
  }

  /** The error of a recorded outcome other than `ok`. */
  of(runId: string, entry: EntryOf<'step'>, idempotencyKey: () => string): StepError | InterruptedError {
    const { outcome, key, attempt } = entry
    if ('interrupts' in outcome) return new InterruptedError(outcome.interrupts)
    const details = { runId, step: key, attempt }
    let error: StepError
    if ('error' in outcome) {
      const cause = errorFromJson(outcome.error)
      const message = `Step ${key} of run ${runId} failed at attempt ${attempt}: ${cause.message}`
      error = new StepError('STEP_FAILED', message, { cause, details })
      this.blame(cause, key)
    } else {
      const why = 'unknown' in outcome ? outcome.unknown : ''
      const message = `Nobody can tell whether step ${key} of run ${runId} happened: ${why}.`
      const known = { ...details, startedAt: entry.startedAt, idempotencyKey: idempotencyKey() }
      error = new StepError('OUTCOME_UNKNOWN', message, { details: known })
    }
    this.blame(error, key)
    return error
  }
}
