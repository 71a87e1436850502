/**
 * Children: runs of their own, started by a run that waits for them.
 *
 *   starting (a step) ──▶ open ──(signal child:<id>)──▶ done
 *                           └──(the parent completes or is cancelled)──▶ cancelled, unless onParentEnd is 'abandon'
 *
 * The child's id follows from the parent's, so starting it twice starts it once. Its host signals `child:<id>` before
 * the child ends: a parent that was away finds the outcome in its inbox. A parent that fails leaves its children alone:
 * they are what its retry goes on with.
 */
import type { Durable, Outcome, StepBehaviour } from '@selvage/core'
import { canonical, decode, encode, errorFromJson, RunError, SelvageError } from '@selvage/core'
import { type StandardSchema, validateInput } from './input.ts'
import { retryBehaviour } from './retry.ts'

/** What can be run as a child: any program, and every handle that names one. */
export interface ChildProgram<Input = unknown, Result = unknown> {
  readonly name: string
  readonly version?: string | undefined
  /** Validates the input before the child starts. */
  readonly input?: StandardSchema<unknown, unknown> | undefined
  /** Only for types. */
  readonly '~types'?: { readonly input: Input; readonly result: Result } | undefined
}

export interface ChildOptions {
  /** The last part of the child's run id. Unique among the children of a run. Default `<program>#<n>`. */
  key?: string
  /** What becomes of an unfinished child when this run completes or is cancelled. Default `cancel`. */
  onParentEnd?: 'cancel' | 'abandon'
}

export interface Child {
  readonly id: string
  /** Rejects with RunError RUN_FAILED or RUN_CANCELLED, or with StepError if it could not be started. */
  readonly result: Promise<unknown>
  /** Resolves once the child has been told to stop. Never rejects. */
  cancel(shielded: Durable): Promise<void>
}

/** Starts a child under `key` and follows it to its end. */
export function startChild(durable: Durable, program: ChildProgram, input: unknown, key: string): Child {
  const id = `${durable.runId}/${key}`
  const stepKey = `child:${key}`
  let started: Promise<unknown> = Promise.resolve()

  const start = async (): Promise<void> => {
    const { tenant, queue, deadline } = durable.start
    const valid = program.input === undefined ? input : await validateInput(program.input, input)
    await durable.outbound.start(id, {
      program: program.name,
      ...(program.version !== undefined && { version: program.version }),
      input: encode(valid, `the input of child ${id}`),
      parent: { runId: durable.runId, key },
      ...(tenant !== undefined && { tenant }),
      ...(queue !== undefined && { queue }),
      ...(deadline !== undefined && { deadline }),
    })
  }

  const follow = async (): Promise<unknown> => {
    const check = durable.id('', canonical(encode(input, `the input of child ${id}`)))
    const op = { key: stepKey, kind: 'child', name: program.name, check } as const
    await durable.step(op, () => (started = start()), whileUnavailable(durable, stepKey))
    const result = await durable.wait(`${stepKey}/done`, `child:${id}`)
    // Without a deadline a wait is only over by its signal.
    if (!result.ok) return undefined
    const outcome = result.signal.payload as unknown as Outcome
    if ('ok' in outcome) return decode(outcome.ok)
    const failure = failureOf(id, outcome)
    durable.blame(failure, `${stepKey}/done`)
    throw failure
  }

  const cancel = async (shielded: Durable): Promise<void> => {
    // A start that is still under way would come after the cancel.
    await started.catch(() => {})
    const op = { key: `${stepKey}/cancel`, kind: 'child', name: program.name } as const
    const reason = `its parent ${durable.runId} has ended`
    const stop = async (): Promise<void> => {
      try {
        await durable.outbound.cancel(id, reason)
      } catch (error) {
        if (!SelvageError.is(error, 'NOT_FOUND') && !SelvageError.is(error, 'RUN_ENDED')) throw error
      }
    }
    await shielded.step(op, stop, whileUnavailable(durable, op.key)).catch(() => {})
  }

  return { id, result: follow(), cancel }
}

/** How a child that did not complete rejects. */
export function failureOf(id: string, outcome: Exclude<Outcome, { ok: unknown }>): RunError {
  const details = { runId: id }
  if ('cancelled' in outcome) {
    return new RunError('RUN_CANCELLED', `Child ${id} was cancelled: ${outcome.cancelled}.`, { details })
  }
  const cause = errorFromJson(outcome.error)
  return new RunError('RUN_FAILED', `Child ${id} failed: ${cause.message}`, { cause, details })
}

/** An engine that is away is asked again; everything else is final. */
function whileUnavailable(durable: Durable, key: string): StepBehaviour<void> {
  const policy = { maxAttempts: 10, on: (error: unknown) => SelvageError.is(error, 'UNAVAILABLE') }
  return { retryAfterMs: retryBehaviour(policy, () => durable.random(`retry:${key}`)) }
}
