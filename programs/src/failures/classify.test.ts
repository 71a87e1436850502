import {
  CancelledError,
  errorFromJson,
  errorToJson,
  RetryableError,
  StepError,
  TerminalError,
  UsageError,
} from '@selvage/core'
import { describe, expect, it } from 'vitest'
import { chainOf, classify } from './classify.ts'
import { retryAfterOf } from './error-headers.ts'

const failed = (properties: object, message = 'no', cause?: unknown): Error =>
  Object.assign(new Error(message, cause === undefined ? {} : { cause }), properties)

const named = (name: string, message = 'no', properties: object = {}, cause?: unknown): Error => {
  const error = failed(properties, message, cause)
  Object.defineProperty(error, 'name', { value: name })
  return error
}

const SAMPLES: readonly (readonly [string, unknown, string])[] = [
  // Node and fetch.
  ['a reset connection', failed({ code: 'ECONNRESET' }), 'transient/connection'],
  ['no answer of a name server', failed({ code: 'EAI_AGAIN' }), 'transient/connection'],
  ['an unknown host', failed({ code: 'ENOTFOUND' }), 'permanent/not-found'],
  ['a time-out', failed({ code: 'ETIMEDOUT' }), 'transient/timeout'],
  ['undici, headers', failed({ code: 'UND_ERR_HEADERS_TIMEOUT' }), 'transient/timeout'],
  ['undici, socket', failed({ code: 'UND_ERR_SOCKET' }), 'transient/connection'],
  ['fetch failed', new TypeError('fetch failed'), 'transient/connection'],
  ['its cause', new TypeError('fetch failed', { cause: failed({ code: 'CERT_HAS_EXPIRED' }) }), 'permanent/invalid'],
  ['happy eyeballs', new AggregateError([failed({ code: 'ECONNREFUSED' })], ''), 'transient/connection'],
  ['AbortSignal.timeout', new DOMException('late', 'TimeoutError'), 'transient/timeout'],
  ['an abort', new DOMException('stop', 'AbortError'), 'permanent/cancelled'],
  ['a missing file', failed({ code: 'ENOENT' }), 'permanent/not-found'],
  ['a bug', new TypeError('x is not a function'), 'permanent/bug'],
  ['anything', new Error('no'), 'permanent/unrecognised'],
  ['a text', 'socket hang up', 'transient/connection'],
  ['a thrown object', { status: 502 }, 'transient/server'],
  // HTTP.
  ...[408, 425, 429, 500, 502, 503, 504, 520, 529].map(
    (status) => [`status ${status}`, failed({ status }), 'transient/'] as const,
  ),
  ...[400, 401, 402, 403, 404, 409, 422, 501].map(
    (status) => [`status ${status}`, failed({ status }), 'permanent/'] as const,
  ),
  ['a status in its response', failed({ response: { status: 503 } }), 'transient/overload'],
  ['of fetch', failed({ response: new Response('', { status: 503 }) }), 'transient/overload'],
  ['a status of a cause', failed({}, 'no', failed({ statusCode: 500 })), 'transient/server'],
  [
    'told not to',
    failed({ status: 503, headers: new Headers({ 'x-should-retry': 'false' }) }),
    'permanent/unrecognised',
  ],
  ['told to', failed({ status: 409, headers: new Headers({ 'X-Should-Retry': 'true' }) }), 'transient/server'],
  // Strands.
  ['ModelThrottledError', named('ModelThrottledError'), 'transient/overload'],
  ['ContextWindowOverflowError', named('ContextWindowOverflowError'), 'model/context-overflow'],
  ['MaxTokensError', named('MaxTokensError'), 'model/max-tokens'],
  ['StructuredOutputError', named('StructuredOutputError'), 'model/malformed-output'],
  ['unreadable tool input', named('ModelError', 'unable to parse tool input JSON'), 'model/malformed-output'],
  ['a cut stream', named('ModelError', 'Stream ended without completing a message'), 'transient/connection'],
  ['a stream cut inside an event (AWS)', new Error('Truncated event message received.'), 'transient/connection'],
  [
    'a stream cut inside an event (Google)',
    named('ModelError', 'Incomplete JSON segment at the end', {}, new Error('Incomplete JSON segment at the end')),
    'transient/connection',
  ],
  [
    'an empty account',
    named('ModelThrottledError', '429', {}, failed({ status: 429, code: 'insufficient_quota' })),
    'permanent/quota',
  ],
  // AWS.
  [
    'ThrottlingException',
    named('ThrottlingException', 'no', { $metadata: { httpStatusCode: 400 } }),
    'transient/overload',
  ],
  ['$retryable', named('SomeException', 'no', { $retryable: { throttling: false } }), 'transient/server'],
  ['$metadata', named('SomeException', 'no', { $metadata: { httpStatusCode: 500 } }), 'transient/server'],
  [
    'AccessDeniedException',
    named('AccessDeniedException', 'no', { $metadata: { httpStatusCode: 400 } }),
    'permanent/auth',
  ],
  [
    'Bedrock overflow',
    named('ValidationException', 'Input is too long for requested model.'),
    'model/context-overflow',
  ],
  // Anthropic.
  [
    'overloaded in the stream',
    failed({ status: undefined, type: 'overloaded_error', error: { error: { type: 'overloaded_error' } } }),
    'transient/overload',
  ],
  ['529', failed({ status: 529, error: { type: 'error', error: { type: 'overloaded_error' } } }), 'transient/overload'],
  [
    'a prompt too long',
    failed({ status: 400, type: 'invalid_request_error' }, '400 prompt is too long: 213462 tokens > 200000 maximum'),
    'model/context-overflow',
  ],
  ['APIConnectionTimeoutError', failed({}, 'Request timed out.'), 'transient/timeout'],
  ['APIUserAbortError', failed({}, 'Request was aborted.'), 'permanent/cancelled'],
  // OpenAI.
  ['rate_limit_exceeded', failed({ status: 429, code: 'rate_limit_exceeded', type: 'requests' }), 'transient/overload'],
  [
    'context_length_exceeded',
    failed({ status: 400, code: 'context_length_exceeded', type: 'invalid_request_error' }),
    'model/context-overflow',
  ],
  ['content_filter', failed({ status: 400, code: 'content_filter' }), 'model/refusal'],
  ['invalid_api_key', failed({ status: 401, code: 'invalid_api_key' }), 'permanent/auth'],
  ['model_not_found', failed({ status: 404, code: 'model_not_found' }), 'permanent/not-found'],
  // Ours.
  ['RetryableError', new RetryableError('again'), 'transient/retryable'],
  ['TerminalError', new TerminalError('never'), 'permanent/terminal'],
  ['UsageError', new UsageError('BAD_INPUT', 'no'), 'permanent/invalid'],
  ['a cancel', new CancelledError('r', 'no'), 'permanent/cancelled'],
  ['a step that took too long', new StepError('STEP_TIMEOUT', 'late'), 'transient/timeout'],
  ['an unknown outcome', new StepError('OUTCOME_UNKNOWN', 'who knows'), 'permanent/unknown'],
  ['a step that failed', new StepError('STEP_FAILED', 'no', { cause: failed({ status: 503 }) }), 'transient/overload'],
]

const told = (error: unknown): string => {
  const { class: of, kind } = classify(error)
  return `${of}/${kind}`
}

describe('classify', () => {
  it.each(SAMPLES)('%s', (_, error, expected) => {
    expect(told(error)).toMatch(new RegExp(`^${expected}`))
  })

  it.each(SAMPLES)('%s, read from a journal', (_, error) => {
    const read = errorFromJson(JSON.parse(JSON.stringify(errorToJson(error))))
    expect(told(read)).toBe(told(error))
  })

  it('asks the rules of an author first, in their order', () => {
    const error = failed({ status: 404 })
    expect(classify(error, () => 'transient')).toEqual({ class: 'transient', kind: 'server' })
    expect(classify(error, [() => undefined, () => 'overload', () => 'permanent']).kind).toBe('overload')
    expect(classify(error, () => undefined).kind).toBe('not-found')
  })
})

describe('retryAfterOf', () => {
  const now = Date.parse('2026-11-21T10:00:00Z')
  const asked = (headers: unknown, place = 'headers'): number | undefined =>
    retryAfterOf(chainOf(failed({}, 'no', failed({ [place]: headers }))), now)

  it.each([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'Retry-After': 0.5 }, 500],
    [new Headers({ 'retry-after': '7' }), 7_000],
    [new Map([['Retry-After', '7']]), 7_000],
    [{ 'retry-after': ['7'] }, 7_000],
    [{ 'retry-after-ms': '1250', 'retry-after': '2' }, 1_250],
    [{ 'retry-after': 'Sat, 21 Nov 2026 10:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Sat, 21 Nov 2026 09:00:00 GMT' }, 0],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('of %o', (headers, expected) => {
    expect(asked(headers)).toBe(expected)
    expect(asked({ headers }, 'response')).toBe(expected)
  })

  it('of an error that a journal kept, without its other headers', () => {
    const headers = new Headers({ 'retry-after': '7', 'set-cookie': 'secret' })
    const json = errorToJson(failed({ headers, response: new Response('', { status: 429, headers }) }))
    expect(JSON.stringify(json)).not.toContain('secret')
    expect(retryAfterOf(chainOf(errorFromJson(json)), now)).toBe(7_000)
  })
})
