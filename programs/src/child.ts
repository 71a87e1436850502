/**
 * Children: runs of their own, started by a run that waits for them.
 *
 *   starting (a step) ──▶ open ──(signal child:<id>)──▶ done
 *                           └──(the parent completes or is cancelled)──▶ cancelled, unless onParentEnd is 'abandon'
 *   cancelled with a parent that goes on, since it was retried ──▶ retried as well ──▶ open
 *
 * The child's id follows from the parent's, so starting it twice starts it once. Its host signals `child:<id>` before
 * the child ends: a parent that was away finds the outcome in its inbox. A parent that fails leaves its children alone:
 * they are what its retry goes on with.
 */
import type { Durable, Outcome, StepBehaviour } from '@selvage/core'
import { canonical, decode, encode, errorFromJson, RunError, SelvageError, senderFor, UsageError } from '@selvage/core'
import { isCancelled } from './cancellation.ts'
import { retryBehaviour } from './failures/retry.ts'
import { type StandardSchema, validateInput } from './input.ts'
import type { Compensate, CompensateUnknown } from './sagas/compensate.ts'

/**
 * Characters of a run id: it holds those of all parents, so that a program that starts itself comes to an end. PostgreSQL's index
 * takes about 2,700 bytes.
 */
const LONGEST_ID = 1_000

/** What can be run as a child: any program, and every handle that names one. */
export interface ChildProgram<Input = unknown, Result = unknown> {
  readonly name: string
  readonly version?: string | undefined
  /** Validates the input before the child starts. */
  readonly input?: StandardSchema<unknown, unknown> | undefined
  /** Only for types. */
  readonly '~types'?: { readonly input: Input; readonly result: Result } | undefined
}

export interface ChildOptions<Result = unknown> {
  /**
   * The last part of the child's run id, which is that of its parent, a slash and this, and has at most 1,000 characters
   * (BAD_INPUT). Unique among the children of a run. Default `<program>#<n>`.
   */
  key?: string
  /** What becomes of an unfinished child when this run completes or is cancelled. Default `cancel`. */
  onParentEnd?: 'cancel' | 'abandon'
  /** How it is undone when it has completed and this run fails or is cancelled. One that has not undoes itself. */
  compensate?: Compensate<Result>
  /** Whether it is undone where nobody knows if it completed. Default `ask`. */
  compensateUnknown?: CompensateUnknown
}

export interface Child {
  readonly id: string
  /** Rejects with RunError RUN_FAILED or RUN_CANCELLED, or with StepError if it could not be started. */
  readonly result: Promise<unknown>
  /**
   * Makes it go on once it has ended, and follows it to its next end: 2, 3, … Rejects as `result` does. Only where the
   * engine can retry.
   */
  again(life: number): Promise<unknown>
  /** Resolves once the child has been told to stop. Never rejects. */
  cancel(shielded: Durable): Promise<void>
}

/**
 * Starts a child under `key` and follows it to its end. One that was cancelled because this run was, and meets this run
 * at work again, goes on with it: no order of ends and retries makes it the failure of a run that wants its result.
 */
export function keepChild(durable: Durable, program: ChildProgram, input: unknown, key: string): Child {
  const child = startChild(durable, program, input, key)
  let isStopped = false

  const follow = async (): Promise<unknown> => {
    for (let life = 1; ; life++) {
      try {
        return await (life === 1 ? child.result : child.again(life))
      } catch (error) {
        const isWanted = !isStopped && !isCancelled(durable) && durable.outbound.retry !== undefined
        if (!isWanted || !isCancelledWith(durable, error)) throw error
      }
    }
  }

  const cancel = (shielded: Durable): Promise<void> => {
    isStopped = true
    return child.cancel(shielded)
  }

  return { ...child, result: follow(), cancel }
}

/** Starts a child under `key` and follows it to its first end. */
export function startChild(durable: Durable, program: ChildProgram, input: unknown, key: string): Child {
  const id = `${durable.runId}/${key}`
  const stepKey = `child:${key}`
  let started: Promise<unknown> = Promise.resolve()

  const start = async (): Promise<void> => {
    if (id.length > LONGEST_ID) throw tooLong(id)
    const { tenant, queue, deadline, pots } = durable.start
    const valid = program.input === undefined ? input : await validateInput(program.input, input)
    await durable.outbound.start(id, {
      program: program.name,
      ...(program.version !== undefined && { version: program.version }),
      input: encode(valid, `the input of child ${id}`),
      parent: { runId: durable.runId, key },
      ...(tenant !== undefined && { tenant }),
      ...(queue !== undefined && { queue }),
      ...(deadline !== undefined && { deadline }),
      ...(pots !== undefined && { pots }),
    })
  }

  const follow = async (): Promise<unknown> => {
    const check = durable.id('', canonical(encode(input, `the input of child ${id}`)))
    const op = { key: stepKey, kind: 'child', name: program.name, check } as const
    await durable.step(op, () => (started = start()), whileUnavailable(durable, stepKey))
    return ended(`${stepKey}/done`)
  }

  const ended = async (endKey: string): Promise<unknown> => {
    const result = await durable.wait(endKey, `child:${id}`)
    // Without a deadline a wait is only over by its signal.
    if (!result.ok) return undefined
    const outcome = result.signal.payload as unknown as Outcome
    if ('ok' in outcome) return decode(outcome.ok)
    const failure = failureOf(id, outcome)
    durable.blame(failure, endKey)
    throw failure
  }

  const again = async (life: number): Promise<unknown> => {
    const retry = async (): Promise<void> => {
      // It has ended once more already: this process's forerunner died behind the retry.
      if (durable.arrived(`child:${id}`)) return
      try {
        await durable.outbound.retry?.(id)
      } catch (error) {
        if (!SelvageError.is(error, 'RUN_ENDED')) throw error
      }
    }
    const op = { key: `${stepKey}/retry#${life}`, kind: 'child', name: program.name } as const
    await durable.step(op, retry, { retryAfterMs: untilEnded })
    return ended(`${stepKey}/done#${life}`)
  }

  const cancel = async (shielded: Durable): Promise<void> => {
    // A start that is still under way would come after the cancel.
    await started.catch(() => {})
    const op = { key: `${stepKey}/cancel`, kind: 'child', name: program.name } as const
    const reason = parentEnded(durable)
    const stop = async (): Promise<void> => {
      try {
        await durable.outbound.cancel(id, reason, senderFor('parent'))
      } catch (error) {
        if (!SelvageError.is(error, 'NOT_FOUND') && !SelvageError.is(error, 'RUN_ENDED')) throw error
      }
    }
    await shielded.step(op, stop, whileUnavailable(durable, op.key)).catch(() => {})
  }

  return { id, result: follow(), again, cancel }
}

function tooLong(id: string): UsageError {
  return new UsageError('BAD_INPUT', `The run id ${id.slice(0, 60)}… of a child has ${id.length} characters.`, {
    hint: `At most ${LONGEST_ID}: does a program start itself without an end? Else give children shorter keys.`,
  })
}

const parentEnded = ({ runId }: Durable): string => `its parent ${runId} has ended`

/** The child was told to stop by an end of this run that is void, if this run is at work: it was retried since. */
export function isCancelledWith(durable: Durable, error: unknown): boolean {
  if (!SelvageError.is(error, 'RUN_CANCELLED')) return false
  // Runs that were cancelled before outcomes said why say it in their reason.
  return error.details.because === 'parent' || error.details.reason === parentEnded(durable)
}

function failureOf(id: string, outcome: Exclude<Outcome, { ok: unknown }>): RunError {
  if ('cancelled' in outcome) {
    const { cancelled: reason, because } = outcome
    const details = { runId: id, reason, ...(because !== undefined && { because }) }
    const code = because === 'timeout' ? 'RUN_TIMEOUT' : because === 'deadline' ? 'DEADLINE' : 'RUN_CANCELLED'
    return new RunError(code, `Child ${id} was cancelled: ${outcome.cancelled}.`, { details })
  }
  const cause = errorFromJson(outcome.error)
  const origin = originOf(cause)
  const message = origin === undefined ? `failed: ${cause.message}` : `failed in ${origin.runId}: ${origin.message}`
  const details = { runId: id, ...(origin !== undefined && { origin }) }
  return new RunError('RUN_FAILED', `Child ${id} ${message}`, { cause, details })
}

interface Origin {
  readonly runId: string
  readonly message: string
}

/** The run that failed first, where an error is that of a child of a child: who is further up names that one, and none in between. */
function originOf(error: Error): Origin | undefined {
  if (!SelvageError.is(error, 'RUN_FAILED')) return undefined
  const { runId, origin } = error.details as { readonly runId?: string; readonly origin?: Origin }
  if (origin !== undefined || runId === undefined) return origin
  return { runId, message: error.cause instanceof Error ? error.cause.message : error.message }
}

/**
 * A child says that it has failed just before it ends, and only then can it be retried; an engine may be away. Both are
 * over soon. A child that was retried by a process that died then is asked until it has ended, at least every 10 s.
 */
export function untilEnded(error: unknown, attempt: number): number | undefined {
  const soon = SelvageError.is(error, 'BAD_INPUT') || SelvageError.is(error, 'UNAVAILABLE')
  return soon ? Math.min(10_000, 10 * 2 ** attempt) : undefined
}

/** An engine that is away is asked again; everything else is final. */
function whileUnavailable(durable: Durable, key: string): StepBehaviour<void> {
  const policy = { maxAttempts: 10, on: (error: unknown) => SelvageError.is(error, 'UNAVAILABLE') }
  return { retryAfterMs: retryBehaviour(policy, () => durable.random(`retry:${key}`)) }
}
