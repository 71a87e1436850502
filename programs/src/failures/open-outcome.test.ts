import { RetryableError, StepError, TerminalError } from '@selvage/core'
import { expect, it } from 'vitest'
import { leavesOpen } from './open-outcome.ts'

const failed = (properties: object): Error => Object.assign(new Error('no'), properties)
const fetchFailed = (code?: string): Error =>
  new TypeError('fetch failed', code === undefined ? {} : { cause: failed({ code }) })

it.each<readonly [string, unknown]>([
  ['a reset connection', failed({ code: 'ECONNRESET' })],
  ['the same, of fetch', fetchFailed('UND_ERR_SOCKET')],
  ['a fetch that says nothing more', fetchFailed()],
  ['an answer that came too late', new DOMException('late', 'TimeoutError')],
  ['a call that was given up', new DOMException('stop', 'AbortError')],
  ...[408, 500, 502, 504].map((status) => [`status ${status}`, failed({ status })] as const),
])('open: %s', (_, error) => expect(leavesOpen(error)).toBe(true))

it.each<readonly [string, unknown]>([
  ['a refused connection', fetchFailed('ECONNREFUSED')],
  ['an unknown host', fetchFailed('ENOTFOUND')],
  ['a connection that was never made', fetchFailed('UND_ERR_CONNECT_TIMEOUT')],
  ...[400, 402, 404, 409, 422, 429, 503].map((status) => [`status ${status}`, failed({ status })] as const),
  ['what an author says', new Error('The card was declined.')],
  ['a bug', new TypeError('x is not a function')],
  ['no more attempts', new TerminalError('never', { cause: failed({ code: 'ECONNRESET' }) })],
  ['another attempt', new RetryableError('again', { cause: failed({ code: 'ECONNRESET' }) })],
  ['a step that is unknown itself', new StepError('OUTCOME_UNKNOWN', 'who knows')],
])('not open: %s', (_, error) => expect(leavesOpen(error)).toBe(false))
