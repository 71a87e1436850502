/**
 * Options that nobody knows are refused where they are given: a misspelt one must never be ignored.
 *
 * What is known is said once, and the compiler sees to it that no name is missing and none is too many:
 *
 *     const STEP: OptionNames<StepOptions<unknown>> = { key: true, retry: true, … }
 *
 * An option whose value is undefined counts as not given. One that is inherited counts: it would be read.
 */
import { type ErrorOptions, UsageError } from './errors.ts'

/** `false`: reserved. Whoever owns it says so, and no hint names it. */
export type OptionNames<Options> = { readonly [Name in keyof Required<Options>]: boolean }

/** Names of whatever options. */
export interface KnownOptions {
  readonly [name: string]: boolean
}

/** UsageError BAD_INPUT for an option that is not known, and for what is no object. `what`: who has no such option. */
export function refuseUnknown(
  what: string,
  given: unknown,
  known: KnownOptions,
  details?: ErrorOptions['details'],
): void {
  if (!hasOnly(given, known)) throw unknownOption(what, given, known, details)
}

/** Whether there is nothing to refuse. For hot paths: it allocates nothing, and `unknownOption` makes the error. */
export function hasOnly(given: unknown, known: KnownOptions): boolean {
  return given === undefined || (isObject(given) && firstUnknown(given, known) === undefined)
}

/** The error for what `hasOnly` has found. */
export function unknownOption(
  what: string,
  given: unknown,
  known: KnownOptions,
  details: ErrorOptions['details'] = {},
): UsageError {
  if (!isObject(given)) return noObject(what, given, details)
  const names = Object.keys(known).filter((name) => known[name])
  return new UsageError('BAD_INPUT', `${what} has no option "${firstUnknown(given, known)}".`, {
    hint: `It knows ${names.join(', ')}.`,
    details,
  })
}

/** For what reads one of its options before it knows them all. */
export function refuseNoObject(what: string, given: unknown): void {
  if (given !== undefined && !isObject(given)) throw noObject(what, given)
}

/**
 * BAD_INPUT for a name, key or id that is no text: the id of a row may be a number, which a type of `any` hides until
 * something keeps it as text. `what`: whose it is.
 */
export function refuseNoText(what: string, given: unknown, details?: ErrorOptions['details']): asserts given is string {
  if (typeof given !== 'string') throw noText(what, given, details)
}

/** The error for what is no text. */
export function noText(what: string, given: unknown, details: ErrorOptions['details'] = {}): UsageError {
  return new UsageError('BAD_INPUT', `${what} is ${shown(given)}, and must be a text.`, {
    hint: 'Make a text of it: String(id).',
    details,
  })
}

/** BAD_INPUT for what is no object of texts, unless it is not given. */
export function refuseNoTexts(what: string, given: unknown): void {
  if (given === undefined) return
  if (!isObject(given)) {
    throw new UsageError('BAD_INPUT', `${what} is ${shown(given)}, and must be an object of texts.`, {
      hint: "Write { team: 'a' }.",
    })
  }
  for (const [name, value] of Object.entries(given)) refuseNoText(`"${name}" of ${what}`, value)
}

/**
 * BAD_INPUT for what cannot be called, unless it is not given: what is only called when something fails is found out here,
 * and not then. `what`: as for `refuseNoText`, here and below.
 */
export function refuseNoFunction(what: string, given: unknown): void {
  if (given === undefined || typeof given === 'function') return
  throw new UsageError('BAD_INPUT', `${what} is ${shown(given)}, and must be a function.`, {
    hint: 'Write a function, or leave it out.',
  })
}

/** BAD_INPUT for a port without one of its functions, unless it is not given. */
export function refuseNoPort(what: string, given: unknown, functions: readonly string[]): void {
  if (given === undefined) return
  const missing = functions.find((name) => typeof Reflect.get(Object(given), name) !== 'function')
  if (missing === undefined) return
  throw new UsageError('BAD_INPUT', `${what} is ${shown(given)} without a function ${missing}.`, {
    hint: `It has ${functions.join(', ')}.`,
  })
}

/** BAD_INPUT for neither true nor false, unless it is not given: the text 'false' counts as true. */
export function refuseNoSwitch(what: string, given: unknown): void {
  if (given === undefined || typeof given === 'boolean') return
  throw new UsageError('BAD_INPUT', `${what} is ${shown(given)}, and must be true or false.`, {
    hint: 'Give a boolean.',
  })
}

/** BAD_INPUT for none of these, unless it is not given. */
export function refuseOther(what: string, given: unknown, choices: readonly string[]): void {
  if (given === undefined || choices.includes(given as string)) return
  throw new UsageError('BAD_INPUT', `${what} is ${shown(given)}.`, { hint: `It is one of ${choices.join(', ')}.` })
}

/** What the number of an option may be. */
export interface Bounds {
  readonly least: number
  readonly most?: number
  readonly isWhole?: boolean
}

/** BAD_INPUT for what is none of these numbers, unless it is not given. */
export function refuseNumber(
  what: string,
  given: unknown,
  { least, most = Number.MAX_VALUE, isWhole = false }: Bounds,
  details: ErrorOptions['details'] = {},
): void {
  if (given === undefined) return
  const isGood = typeof given === 'number' && given >= least && given <= most
  if (isGood && (!isWhole || Number.isInteger(given))) return
  const bounds = most === Number.MAX_VALUE ? `of at least ${least}` : `from ${least} to ${most}`
  throw new UsageError('BAD_INPUT', `${what} is ${shown(given)}.`, {
    hint: `Give a ${isWhole ? 'whole number' : 'number'} ${bounds}.`,
    details,
  })
}

/** The options over their defaults. BAD_INPUT for what is no object: spread, it would be lost. */
export function withDefaults<Defaults extends object, Options extends object>(
  what: string,
  defaults: Defaults,
  options: Options,
): Defaults & Options {
  refuseNoObject(what, options)
  return { ...defaults, ...options }
}

function isObject(given: unknown): given is { readonly [name: string]: unknown } {
  return typeof given === 'object' && given !== null && !Array.isArray(given)
}

function firstUnknown(given: { readonly [name: string]: unknown }, known: KnownOptions): string | undefined {
  // By the type of what is found: what every object inherits is no option.
  for (const name in given) if (given[name] !== undefined && typeof known[name] !== 'boolean') return name
  return undefined
}

function noObject(what: string, given: unknown, details: ErrorOptions['details'] = {}): UsageError {
  return new UsageError('BAD_INPUT', `${what} was given ${shown(given)} where its options belong.`, {
    hint: 'Give an object.',
    details,
  })
}

/** For messages. */
function shown(given: unknown): string {
  if (Array.isArray(given)) return 'a list'
  if (typeof given === 'function') return 'a function'
  if (typeof given === 'object' && given !== null) return 'an object'
  return typeof given === 'string' ? JSON.stringify(given) : String(given)
}
