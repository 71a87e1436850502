/**
 * What kind of failure an error is: asked before every retry, fallback and time-out.
 *
 *   transient   the same call may go well later         overload, timeout, connection, server, retryable
 *   permanent   it will fail again                      auth, not-found, invalid, quota, bug, …, unrecognised
 *   model       it may go well if asked otherwise       refusal, context-overflow, malformed-output, max-tokens
 *
 * The rules of an author are asked first. Then the error and its causes are looked at, outermost first; the first that
 * carries a sign (failure-signs.ts) decides, and of its signs code before name before HTTP status before message. What
 * nothing is known of counts as permanent: who wants another attempt says so.
 *
 * Only what the journal keeps of an error is looked at, so an error that was rebuilt from it is of the kind that it was
 * live. `instanceof` is of no use: an error may come from another copy of a package, or from the journal.
 */
import { headerOf } from './error-headers.ts'
import {
  CLASS_OF,
  type FailureClass,
  type FailureKind,
  isFetchFailure,
  isOfLanguage,
  kindOfCode,
  kindOfMessage,
  kindOfName,
  kindOfStatus,
} from './failure-signs.ts'

export type { FailureClass, FailureKind } from './failure-signs.ts'

export interface Failure {
  readonly class: FailureClass
  readonly kind: FailureKind
}

/** A rule of an author: a class, a kind (which has its class), or undefined where it does not know. */
export type ClassifyRule = (error: unknown) => FailureClass | FailureKind | undefined

/** How many causes of an error are looked at. */
const DEPTH = 8

/** What the journal calls a thrown value that was no error; the value is its property `thrown`. */
const THROWN = 'Thrown'

/** Codes of ours that say only that something inside has failed. */
const WRAPPERS = ['STEP_FAILED', 'RUN_FAILED']

/** Of any error, also one from the journal. `rules`: an author's, asked in order, before those that are built in. */
export function classify(error: unknown, rules?: ClassifyRule | readonly ClassifyRule[]): Failure {
  const own = rules === undefined ? [] : typeof rules === 'function' ? [rules] : rules
  for (const rule of own) {
    const said = rule(error)
    if (said !== undefined) return failureOf(said)
  }
  const chain = chainOf(error)
  const kinds = chain.flatMap((link) => kindOf(link) ?? [])
  // A throttled call whose cause is an empty account is not throttled.
  const kind = kinds.includes('quota') ? 'quota' : kinds[0]
  if (kind !== undefined) return failureOf(kind)
  // The TypeError of a fetch says why only by its cause.
  if (chain.some(isFetchFailure)) return failureOf('connection')
  return failureOf(chain.some(({ name }) => isOfLanguage(name)) ? 'bug' : 'unrecognised')
}

/** A class stands for the kind of it of which nothing more is known. */
function failureOf(said: FailureClass | FailureKind): Failure {
  switch (said) {
    case 'transient':
      return { class: said, kind: 'server' }
    case 'permanent':
      return { class: said, kind: 'unrecognised' }
    case 'model':
      return { class: said, kind: 'malformed-output' }
    default:
      return { class: CLASS_OF[said], kind: said }
  }
}

type Link = { readonly [property: string]: unknown }

/** The error and what is inside of it, outermost first. */
export function chainOf(error: unknown): readonly Link[] {
  const chain: Link[] = []
  const open: unknown[] = [typeof error === 'string' ? { name: THROWN, message: error } : error]
  while (open.length > 0 && chain.length < DEPTH) {
    const next = open.shift()
    if (typeof next !== 'object' || next === null || chain.includes(next as Link)) continue
    const link = next as Link
    chain.push(link)
    open.push(
      link.cause,
      link.name === THROWN ? link.thrown : undefined,
      ...(Array.isArray(link.errors) ? link.errors : []),
    )
  }
  return chain
}

function kindOf(link: Link): FailureKind | undefined {
  if (typeof link.code === 'string' && WRAPPERS.includes(link.code)) return undefined
  const found = signOf(link)
  const should = headerOf(link, 'x-should-retry')
  // The server knows best.
  if (should === 'true') return found !== undefined && CLASS_OF[found] === 'transient' ? found : 'server'
  if (should === 'false' && (found === undefined || CLASS_OF[found] === 'transient')) return 'unrecognised'
  return found
}

function signOf(link: Link): FailureKind | undefined {
  const message = typeof link.message === 'string' ? link.message : ''
  const name = typeof link.name === 'string' ? link.name : ''
  const coded = kindOfCodes(link)
  const phrased = kindOfMessage(message)
  // Providers call an overflow an invalid request.
  if ((coded === undefined || coded === 'invalid') && phrased === 'context-overflow') return phrased
  return coded ?? retryableOfAws(link) ?? kindOfName(name) ?? kindOfStatuses(link) ?? phrased
}

/** `code` and `type`, of the error and of the body that came with it. The more exact one decides. */
function kindOfCodes(link: Link): FailureKind | undefined {
  const body = objectOf(link.error)
  const inner = objectOf(body?.error)
  const codes = [link, body, inner].flatMap((part) => [part?.code, part?.type])
  const kinds = codes.flatMap((code) => (typeof code === 'string' ? (kindOfCode(code) ?? []) : []))
  return kinds.find((kind) => kind !== 'invalid') ?? kinds[0]
}

function retryableOfAws(link: Link): FailureKind | undefined {
  const retryable = objectOf(link.$retryable)
  if (retryable === undefined) return undefined
  return retryable.throttling === true ? 'overload' : 'server'
}

function kindOfStatuses(link: Link): FailureKind | undefined {
  const places = [link, objectOf(link.$metadata), objectOf(link.response), objectOf(link.$response)]
  for (const place of places) {
    for (const status of [place?.status, place?.statusCode, place?.httpStatusCode]) {
      const kind = kindOfStatus(Number(status ?? Number.NaN))
      if (kind !== undefined) return kind
    }
  }
  return kindOfStatus(typeof link.code === 'number' ? link.code : Number.NaN)
}

function objectOf(value: unknown): Link | undefined {
  return typeof value === 'object' && value !== null ? (value as Link) : undefined
}
