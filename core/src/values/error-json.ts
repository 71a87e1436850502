/**
 * Errors as entries keep them, and back.
 *
 * An error is recorded as its name, message, code, a few frames of its stack, its causes and its own enumerable
 * properties (`details`). What cannot be recorded is left out: recording an error never throws, because it happens
 * where something has failed already. Errors of Selvage and of the language come back as their class; others as
 * `Error` with their name. What was thrown and is no Error comes back as an Error called `Thrown` that holds it.
 *
 * Values inside errors are the codec's business, which hands itself in: it in turn hands over the errors it meets.
 */
import {
  CancelledError,
  ConflictError,
  EngineError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorJson,
  InterruptedError,
  LeaseLostError,
  NonDeterminismError,
  RetryableError,
  RunError,
  SelvageError,
  StepError,
  TerminalError,
  UsageError,
} from '../errors.ts'
import { plainAnswer } from './http-answer.ts'
import type { Json } from './json.ts'
import { setOwn } from './plain.ts'

/** How many frames of a stack are kept. */
export const STACK_FRAMES = 6
/** How many errors are kept one inside the other, by `cause` or otherwise. */
export const ERROR_DEPTH = 8
/** Characters of JSON text above which a property of an error is left out. */
export const DETAIL_CHARS: number = 32 * 1024

/** Name of the Error that stands for a thrown value that is none; the value is its property `thrown`. */
export const THROWN = 'Thrown'

const UNREADABLE = 'A value was thrown that cannot be read.'

/** Encodes a part of an error. `open`: the errors around it, outermost first. Throws where it cannot. */
export type EncodePart = (value: unknown, open: readonly unknown[]) => Json
export type DecodePart = (json: Json) => unknown

/** What has a place of its own in an ErrorJson. */
const OWN_FIELDS: readonly string[] = ['name', 'message', 'code', 'stack', 'cause']

const LANGUAGE = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError } as const
const SELVAGE = {
  SelvageError,
  UsageError,
  NonDeterminismError,
  StepError,
  RunError,
  ConflictError,
  LeaseLostError,
  EngineError,
} as const

/** Whether one more error may be recorded inside these. */
export function mayNest(error: unknown, open: readonly unknown[]): boolean {
  return open.length < ERROR_DEPTH && !open.includes(error)
}

export function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
}

/** Never throws. `open`: the errors around this one. */
export function recordError(error: unknown, open: readonly unknown[], encodePart: EncodePart): ErrorJson {
  try {
    return isError(error) ? fromError(error, [...open, error], encodePart) : fromThrown(error, open, encodePart)
  } catch {
    return { name: THROWN, message: UNREADABLE }
  }
}

/**
 * What was thrown, or an Error in its place where nobody can look at it: a proxy that was revoked, or whose traps throw. For
 * who asks what it is before it is recorded.
 */
export function readable(thrown: unknown): unknown {
  try {
    isError(thrown)
    SelvageError.is(thrown)
    return thrown
  } catch {
    return Object.assign(new Error(UNREADABLE), { name: THROWN })
  }
}

function fromError(error: Error & { code?: unknown }, open: readonly unknown[], encodePart: EncodePart): ErrorJson {
  const ours = SelvageError.is(error)
  const name = String(error.name)
  const kind = ourClass(error)
  const stack = frames(error)
  const details = ours
    ? properties(error.details ?? {}, [], open, encodePart)
    : properties(error, OWN_FIELDS, open, encodePart)
  if (!Object.hasOwn(details, 'errors') && Array.isArray((error as AggregateError).errors))
    setOwn(details, 'errors', list((error as AggregateError).errors, open, encodePart))
  return {
    name,
    message: String(error.message),
    ...(typeof error.code === 'string' || typeof error.code === 'number' ? { code: error.code } : {}),
    ...(kind !== undefined && kind !== name ? { class: kind } : {}),
    ...(ours && error.hint !== undefined ? { hint: error.hint } : {}),
    ...(stack === '' ? {} : { stack }),
    ...(error.cause !== undefined && mayNest(error.cause, open)
      ? { cause: recordError(error.cause, open, encodePart) }
      : {}),
    ...(Object.keys(details).length > 0 ? { details } : {}),
  }
}

function fromThrown(thrown: unknown, open: readonly unknown[], encodePart: EncodePart): ErrorJson {
  const details = properties({ thrown }, [], open, encodePart)
  const { message, code } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>
  return {
    name: THROWN,
    message: typeof message === 'string' ? message : describe(thrown, details.thrown),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    // `undefined` is a value that can be thrown, too.
    details: 'thrown' in details || thrown !== undefined ? details : { thrown: encodePart(undefined, open) },
  }
}

function describe(thrown: unknown, json: Json | undefined): string {
  if (typeof thrown !== 'object' || thrown === null) return String(thrown)
  return json === undefined ? Object.prototype.toString.call(thrown) : JSON.stringify(json).slice(0, 1_000)
}

/** The own enumerable properties that can be recorded. */
function properties(
  owner: object,
  except: readonly string[],
  open: readonly unknown[],
  encodePart: EncodePart,
): Record<string, Json> {
  const kept: Record<string, Json> = {}
  for (const key of Object.keys(owner)) {
    if (except.includes(key)) continue
    try {
      const value = (owner as Record<string, unknown>)[key]
      if (value === undefined) continue
      const json = encodePart(plainAnswer(value), open)
      if (JSON.stringify(json).length <= DETAIL_CHARS) setOwn(kept, key, json)
    } catch {
      // Left out: see above.
    }
  }
  return kept
}

function list(errors: readonly unknown[], open: readonly unknown[], encodePart: EncodePart): Json {
  return Object.values(properties(errors, [], open, encodePart))
}

/** The first frames, without the line that repeats name and message. */
function frames(error: Error): string {
  if (typeof error.stack !== 'string') return ''
  const message = error.stack.indexOf(error.message)
  const lines = error.stack.slice(message < 0 ? 0 : message + error.message.length).split('\n')
  return lines
    .filter((line) => /^\s*at |^\S*@/.test(line))
    .slice(0, STACK_FRAMES)
    .join('\n')
}

/** Which class of ours an error is of, whatever its author called it, and whatever a minifier calls the class. */
function ourClass(error: Error): string | undefined {
  if (error instanceof TerminalError) return 'TerminalError'
  if (error instanceof RetryableError) return 'RetryableError'
  if (error instanceof CancelledError) return 'CancelledError'
  return Object.entries(SELVAGE).findLast(([, type]) => error instanceof type)?.[0]
}

/** A new Error; what reads it cannot tell it from the one that was recorded but by its trimmed stack. */
export function rebuildError(json: ErrorJson, decodePart: DecodePart): Error {
  const details = (json.details == null ? {} : decodePart(json.details)) as Record<string, unknown>
  const error = create(json, details)
  hide(error, 'message', json.message)
  if (error.name !== json.name) hide(error, 'name', json.name)
  if (json.code !== undefined && (error as { code?: unknown }).code !== json.code) setOwn(error, 'code', json.code)
  if (json.cause !== undefined) hide(error, 'cause', rebuildCause(json.cause, decodePart))
  hide(error, 'stack', `${json.name}: ${json.message}${json.stack === undefined ? '' : `\n${json.stack}`}`)
  if (SelvageError.is(error)) return error
  for (const key of Object.keys(details)) {
    if (key === 'errors' && error instanceof AggregateError) continue
    setOwn(error, key, details[key])
  }
  return error
}

/** A cause, unlike what is thrown, comes back as it was even if it is no Error. */
function rebuildCause(json: ErrorJson, decodePart: DecodePart): unknown {
  const error = rebuildError(json, decodePart)
  return json.name === THROWN && 'thrown' in error ? error.thrown : error
}

function create(json: ErrorJson, details: Record<string, unknown>): Error {
  const type = json.class ?? json.name
  if (Object.hasOwn(SELVAGE, type) && isOurCode(json.code)) {
    const { hint } = json
    const end = hint === undefined ? '' : ` ${hint}`
    const message = json.message.endsWith(end) ? json.message.slice(0, json.message.length - end.length) : json.message
    return new SELVAGE[type as keyof typeof SELVAGE](json.code, message, {
      details,
      ...(hint === undefined ? {} : { hint }),
    })
  }
  if (type === 'TerminalError') return new TerminalError(json.message)
  if (type === 'RetryableError') return new RetryableError(json.message)
  if (type === 'CancelledError') return new CancelledError('', '')
  if (type === 'InterruptedError' && Array.isArray(details.interrupts)) return new InterruptedError(details.interrupts)
  if (type === 'AggregateError' && Array.isArray(details.errors))
    return new AggregateError(details.errors, json.message)
  return Object.hasOwn(LANGUAGE, type)
    ? new LANGUAGE[type as keyof typeof LANGUAGE](json.message)
    : new Error(json.message)
}

function isOurCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code)
}

/** As the language itself keeps message, stack and cause: own, not enumerable. */
function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: false })
}
