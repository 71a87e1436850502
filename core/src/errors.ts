/**
 * Every error that Selvage throws: a code, an owner and a next action.
 *
 * The class says who must act (author, caller, operator), the code says what happened, the message which run and what
 * to do. `docs/errors.md` lists the codes; a test keeps the two equal. Classes are recognised by a brand rather than by
 * `instanceof`, so that two copies of this package in one process understand each other.
 */
import type { Json } from './values/json.ts'

const BRAND = Symbol.for('selvage.error')

/**
 * Code → the class that carries it, and what it means in one line: two columns of docs/errors.md.
 *
 * UsageError: the author fixes code. StepError: a step gave up. RunError and ConflictError: seen by callers.
 * LeaseLostError: never reaches authors. EngineError: infrastructure, may work later.
 */
export const ERROR_CODES = {
  UNSUPPORTED: {
    class: 'UsageError',
    meaning: 'The engine, or this Node, lacks this ability, or it is not built yet.',
  },
  NOT_SERIALISABLE: {
    class: 'UsageError',
    meaning: 'A value cannot be recorded; the path of the offending part is given.',
  },
  KEY_IN_USE: { class: 'UsageError', meaning: 'Two steps or waits with one key are open at the same time.' },
  BAD_INPUT: { class: 'UsageError', meaning: 'An argument or the input of a run is not valid.' },
  NOT_REGISTERED: { class: 'UsageError', meaning: 'No program of that name and version is registered here.' },
  ALREADY_REGISTERED: { class: 'UsageError', meaning: 'Two programs with one name and version.' },
  ALREADY_OPEN: {
    class: 'UsageError',
    meaning: 'The object was closed, or is used in a way its state does not allow.',
  },
  NON_DETERMINISM: {
    class: 'NonDeterminismError',
    meaning: 'Code no longer matches the journal; entry, expected and got are shown.',
  },
  STEP_FAILED: { class: 'StepError', meaning: 'A step failed for good; the cause is the author’s error.' },
  STEP_TIMEOUT: { class: 'StepError', meaning: 'An attempt of a step took longer than its timeoutMs.' },
  OUTCOME_UNKNOWN: { class: 'StepError', meaning: 'An effect `once` may or may not have happened; nobody can tell.' },
  WAIT_TIMEOUT: { class: 'StepError', meaning: 'A wait for a signal or callback was over before an answer came.' },
  APPROVAL_TIMEOUT: { class: 'StepError', meaning: 'Nobody answered an approval in time, and it has no onTimeout.' },
  REJECTED: { class: 'StepError', meaning: 'Somebody said no to an approval whose rejection ends the run.' },
  RUN_FAILED: { class: 'RunError', meaning: 'The run ended with an error; the cause is that error.' },
  RUN_CANCELLED: { class: 'RunError', meaning: 'The run was cancelled.' },
  RUN_CONFLICT: { class: 'ConflictError', meaning: 'The run id exists with another program or input.' },
  RUN_HELD: { class: 'RunError', meaning: 'Another live process is running this run.' },
  RUN_ENDED: { class: 'RunError', meaning: 'The run has ended; nothing more can be sent to it.' },
  RUN_UNDONE: { class: 'RunError', meaning: 'What the run did was undone by its compensations: it cannot be retried.' },
  NOT_FOUND: { class: 'RunError', meaning: 'No such run, approval or callback.' },
  ALREADY_ANSWERED: { class: 'RunError', meaning: 'The question was answered before; by whom, when and how is given.' },
  NOT_ASKED: { class: 'RunError', meaning: 'The question goes to others than the one who answers it.' },
  INPUT_MISMATCH: {
    class: 'RunError',
    meaning: 'The answer was given to other arguments than those that the question shows.',
  },
  LINK_INVALID: { class: 'RunError', meaning: 'A link to a question is damaged, or signed with another secret.' },
  LINK_EXPIRED: { class: 'RunError', meaning: 'A link to a question came too late.' },
  WEBHOOK_INVALID: { class: 'RunError', meaning: 'A webhook is not signed with the secret, or is too old.' },
  LINK_USED: { class: 'RunError', meaning: 'A link to a question has answered it before.' },
  SESSION_BUSY: {
    class: 'RunError',
    meaning: 'The session is answering another message, and this one was not to wait.',
  },
  DEADLINE: { class: 'RunError', meaning: 'The run did not end before its deadline.' },
  RUN_TIMEOUT: { class: 'RunError', meaning: 'The run took longer than its program may.' },
  CRASH_LOOP: { class: 'RunError', meaning: 'The process died too often at the same place of the run.' },
  BUDGET_EXCEEDED: { class: 'RunError', meaning: 'A call would take a pot of the run above its cap.' },
  LOOP_DETECTED: { class: 'RunError', meaning: 'An agent made the same call with the same result too often.' },
  CODE_CHANGED: { class: 'RunError', meaning: 'An agent’s prompt, tools or model changed and onCodeChange is "stop".' },
  LEASE_LOST: { class: 'LeaseLostError', meaning: 'Another worker holds the run; this one stopped.' },
  UNAVAILABLE: { class: 'EngineError', meaning: 'The engine or its store cannot be reached, or is closed.' },
  STALE_ADVANCE: { class: 'EngineError', meaning: 'An advance that a later one has overtaken.' },
  CORRUPT: { class: 'EngineError', meaning: 'Stored data cannot be read.' },
  SCHEMA_TOO_NEW: { class: 'EngineError', meaning: 'The database was written by a newer version of Selvage.' },
  READ_ONLY: { class: 'EngineError', meaning: 'The database or its folder cannot be written.' },
  DISK_FULL: {
    class: 'EngineError',
    meaning: 'The disk or the database’s size limit is full; nothing acknowledged was lost.',
  },
  JOURNAL_GAP: { class: 'EngineError', meaning: 'An append did not start where the journal ends.' },
} as const

export type ErrorCode = keyof typeof ERROR_CODES

export interface ErrorOptions {
  readonly hint?: string
  readonly details?: { readonly [key: string]: unknown }
  readonly cause?: unknown
}

/** What any error becomes in an entry: see error-json.ts. */
export interface ErrorJson {
  readonly name: string
  readonly message: string
  readonly code?: string | number
  /** The class of ours that it is of, where its author gave it another name. */
  readonly class?: string
  /** Of a SelvageError; the message ends with it. */
  readonly hint?: string
  /** Its first frames, without the line of name and message. */
  readonly stack?: string
  readonly cause?: ErrorJson
  /** Encoded: of a SelvageError its details, of any other its own enumerable properties. */
  readonly details?: Json
}

export class SelvageError extends Error {
  override readonly name: string = 'SelvageError'
  readonly code: ErrorCode
  /** What to do about it. */
  readonly hint: string | undefined
  readonly details: { readonly [key: string]: unknown }

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(
      options.hint === undefined ? message : `${message} ${options.hint}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.hint = options.hint
    this.details = options.details ?? {}
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** True for errors of any copy of Selvage; with a code, only for that one. */
  static is(error: unknown, code?: ErrorCode): error is SelvageError {
    return (
      typeof error === 'object' &&
      error !== null &&
      BRAND in error &&
      (code === undefined || (error as { code?: unknown }).code === code)
    )
  }
}

/** The author fixes code. */
export class UsageError extends SelvageError {
  override readonly name = 'UsageError'
}

/** Code no longer matches the journal. `details`: { runId, seq, expected, got }. */
export class NonDeterminismError extends SelvageError {
  override readonly name = 'NonDeterminismError'
}

/** A step gave up. `details`: { runId, step, attempt }; `cause` is the author's error, the same shape live and replayed. */
export class StepError extends SelvageError {
  override readonly name = 'StepError'
}

/** Seen by callers of a run. `details.runId`; where a child of a child failed first, `details.origin`: { runId, message } of that. */
export class RunError extends SelvageError {
  override readonly name = 'RunError'
}

/** The run id exists with another program or input. */
export class ConflictError extends SelvageError {
  override readonly name = 'ConflictError'
}

/** Fenced out. The worker drops the run quietly; never reaches authors. */
export class LeaseLostError extends SelvageError {
  override readonly name = 'LeaseLostError'
}

/** Infrastructure; may work later. */
export class EngineError extends SelvageError {
  override readonly name = 'EngineError'
}

/** Thrown by authors: do not retry this step. */
export class TerminalError extends Error {
  override readonly name: string = 'TerminalError'
}

/** Thrown by authors: retry this step, `after` so many milliseconds if given. */
export class RetryableError extends Error {
  override readonly name: string = 'RetryableError'
  readonly after: number | undefined

  constructor(message: string, options: { readonly after?: number; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.after = options.after
  }
}

/** What pending steps and waits of a cancelled run reject with: an ordinary AbortError. */
export class CancelledError extends Error {
  override readonly name = 'AbortError'
  readonly code = 'RUN_CANCELLED'

  constructor(runId: string, reason: string) {
    super(`Run ${runId} was cancelled: ${reason}`)
  }
}

/** Thrown inside a step by an integration: the body stopped to ask. Recorded as the step's outcome. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
  readonly interrupts: readonly Json[]

  constructor(interrupts: readonly Json[]) {
    super(`${interrupts.length} interrupt(s) raised`)
    this.interrupts = interrupts
  }
}

/**
 * Thrown inside a step by an integration: make the step again because of `cause` if its policy says so, else record what
 * `value` gives as its result. For failures that are an answer: the error that a tool tells a model.
 */
export class FailedResult extends Error {
  override readonly name = 'FailedResult'
  /** Called if it stands. */
  readonly value: () => unknown

  constructor(cause: unknown, value: () => unknown) {
    super('failed, with a result', { cause })
    this.value = value
  }
}

/**
 * Thrown inside a step by an integration: unless its policy says that it is made again because of `cause`, reject with
 * that and record nothing, so that the same key runs again when it is asked for again. For failures that somebody else
 * retries (an SDK's own back-off).
 */
export class UnrecordedError extends Error {
  override readonly name = 'UnrecordedError'

  constructor(cause: unknown) {
    super('not recorded', { cause })
  }
}

/** What infrastructure throws, of any copy of Selvage: it says nothing of the run, and the same can be tried again. */
export function isInfrastructure(error: unknown): error is EngineError {
  return SelvageError.is(error) && error.name === 'EngineError'
}
