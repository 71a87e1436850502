/**
 * Which errors leave open whether an effect happened: the call went out, and no answer came that says how it went.
 *
 *   open        connection lost, time-out, abort, 5xx of which nobody says that it was refused
 *   not done    never connected, 429 and 503, every other 4xx
 *   as thrown   whatever an author's code says by itself
 *
 * Of an effect `once` an open failure is no failure: it may have happened, and another attempt may be the second one.
 */
import { chainOf, classify, type FailureKind } from './classify.ts'

const OPEN: ReadonlySet<FailureKind> = new Set(['connection', 'timeout', 'server', 'cancelled'])

/** Codes of calls that never left: nobody can have acted on them. */
const NEVER_SENT: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'ENOTFOUND',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
  'ConnectionRefused',
])

export function leavesOpen(error: unknown): boolean {
  return OPEN.has(classify(error).kind) && !chainOf(error).some(({ code }) => NEVER_SENT.has(code))
}
