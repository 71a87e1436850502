import { describe, expect, onTestFinished, test } from 'vitest'
import {
  CancelledError,
  ConflictError,
  EngineError,
  type ErrorJson,
  InterruptedError,
  NonDeterminismError,
  RetryableError,
  RunError,
  SelvageError,
  StepError,
  TerminalError,
  UsageError,
} from '../errors.ts'
import { decode, encode, errorFromJson, errorToJson } from './codec.ts'
import { DETAIL_CHARS, ERROR_DEPTH, STACK_FRAMES } from './error-json.ts'

/** Recorded, stored, read. */
function again(error: unknown): Error {
  return errorFromJson(JSON.parse(JSON.stringify(errorToJson(error))))
}

describe('any error', () => {
  const cause = Object.assign(new TypeError('below'), { port: 80 })
  const error = Object.assign(new Error('above', { cause }), {
    code: 'E_UP',
    status: 503,
    at: new Date(0),
    f() {},
    none: undefined,
  })

  test('keeps name, message, code, cause and what can be recorded of its properties', () => {
    const copy = again(error)
    expect(copy).toBeInstanceOf(Error)
    expect(Object.entries(copy)).toEqual([
      ['code', 'E_UP'],
      ['status', 503],
      ['at', new Date(0)],
    ])
    expect(copy.message).toBe('above')
    expect(copy.cause).toBeInstanceOf(TypeError)
    expect(copy.cause).toMatchObject({ message: 'below', port: 80 })
    expect(Object.getOwnPropertyDescriptor(copy, 'cause')?.enumerable).toBe(false)
  })

  test('is the same after the second recording as after the first', () => {
    for (const one of [
      error,
      new RunError('NOT_FOUND', 'm', { hint: 'h', cause }),
      'thrown',
      new AggregateError([error, 1], 'm'),
    ]) {
      expect(errorToJson(again(one))).toEqual(errorToJson(again(again(one))))
      expect(errorToJson(again(one)).stack).toBe(errorToJson(one).stack)
    }
  })

  test(`keeps ${STACK_FRAMES} frames of the stack, and no line of the message`, () => {
    const deep = (n: number): Error => (n === 0 ? new Error('two\n    at lines') : deep(n - 1))
    const { stack = '' } = errorToJson(deep(20))
    expect(stack.split('\n')).toHaveLength(STACK_FRAMES)
    expect(stack).not.toContain('at lines')
    expect(again(deep(20)).stack).toBe(`Error: two\n    at lines\n${stack}`)
  })

  test('is an error as a value inside values, too', () => {
    const copy = decode(encode({ errors: [error] }, 'it')) as { errors: [Error] }
    expect(errorToJson(copy.errors[0])).toEqual(errorToJson(error))
  })

  test('keeps values that are no errors as causes', () => {
    expect(again(new Error('x', { cause: 'text' })).cause).toBe('text')
    expect(again(new Error('x', { cause: { n: 1n } })).cause).toEqual({ n: 1n })
  })

  test('keeps the errors of an AggregateError', () => {
    const copy = again(new AggregateError([new RangeError('a'), 'b'], 'all')) as AggregateError
    expect(copy).toBeInstanceOf(AggregateError)
    expect(copy.errors[0]).toBeInstanceOf(RangeError)
    expect(copy.errors[1]).toBe('b')
    expect(Object.keys(copy)).toEqual([])
  })

  test('an unknown class comes back as Error with its name', () => {
    class CardDeclined extends Error {
      override name = 'CardDeclined'
    }
    const copy = again(new CardDeclined('no'))
    expect(copy.name).toBe('CardDeclined')
    expect(String(copy)).toBe('CardDeclined: no')
    expect(Object.keys(copy)).toEqual([])
  })

  test('code may be a number; AbortError of the platform keeps its name', () => {
    expect(again(Object.assign(new Error(''), { code: 7 }))).toMatchObject({ code: 7 })
    expect(again(AbortSignal.abort().reason).name).toBe('AbortError')
  })
})

describe('recording never throws and always ends', () => {
  test('cycles and long chains are cut', () => {
    const error: Error & { self?: unknown } = new Error('loop')
    error.cause = error
    error.self = { error }
    expect(errorToJson(error)).toMatchObject({ name: 'Error', message: 'loop' })
    expect(errorToJson(error)).not.toHaveProperty('cause')
    let chain = new Error('0')
    for (let n = 1; n < 100; n++) chain = new Error(`${n}`, { cause: chain })
    let depth = 0
    for (let json: ErrorJson | undefined = errorToJson(chain); json !== undefined; json = json.cause) depth++
    expect(depth).toBe(ERROR_DEPTH)
  })

  test('properties that are large, hostile or alive are left out', () => {
    const error = Object.assign(new Error('m'), {
      body: 'x'.repeat(DETAIL_CHARS),
      socket: new (class Socket {})(),
      ok: 1,
    })
    Object.defineProperty(error, 'bomb', {
      enumerable: true,
      get() {
        throw new Error('boom')
      },
    })
    expect(errorToJson(error).details).toEqual({ ok: 1 })
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(errorToJson(proxy).name).toBe('Thrown')
  })

  test.each(['x', 7n, undefined, null, Symbol('s'), { message: 'm', code: 'E' }, () => 1])(
    'thrown without an Error: %s',
    (thrown) => {
      const copy = again(thrown)
      expect(copy).toBeInstanceOf(Error)
      expect(copy.name).toBe('Thrown')
      const recordable = typeof thrown !== 'symbol' && typeof thrown !== 'function'
      if (recordable) expect(copy).toHaveProperty('thrown', thrown)
      expect(copy.message).toBe(typeof thrown === 'object' && thrown !== null ? 'm' : String(thrown))
    },
  )
})

describe('errors of Selvage', () => {
  test.each([
    new UsageError('BAD_INPUT', 'm'),
    new NonDeterminismError('NON_DETERMINISM', 'm', { details: { runId: 'q4', seq: 3 } }),
    new StepError('STEP_FAILED', 'm', { details: { step: 's', attempt: 2 }, cause: new TypeError('below') }),
    new RunError('NOT_FOUND', 'm', { hint: 'Check the id.', details: { n: 1n } }),
    new ConflictError('RUN_CONFLICT', 'm'),
    new EngineError('CORRUPT', 'm', { hint: 'Restore.' }),
    new SelvageError('UNAVAILABLE', 'm'),
  ])('$name', (error) => {
    const copy = again(error)
    expect(SelvageError.is(copy, error.code)).toBe(true)
    expect(copy.constructor).toBe(error.constructor)
    const { name, message, hint, details } = error
    expect(copy).toMatchObject({ name, message, details })
    expect((copy as SelvageError).hint).toBe(hint)
    if (error.cause !== undefined) expect(copy.cause).toBeInstanceOf(TypeError)
  })

  test('are theirs also where a minifier has named their class otherwise', () => {
    const { name } = UsageError
    onTestFinished(() => void Object.defineProperty(UsageError, 'name', { value: name }))
    Object.defineProperty(UsageError, 'name', { value: 'e' })
    const copy = again(new UsageError('BAD_INPUT', 'm', { hint: 'h' }))
    expect(copy).toBeInstanceOf(UsageError)
    expect(copy).toMatchObject({ name: 'UsageError', code: 'BAD_INPUT', hint: 'h' })
  })

  test('those that authors throw', () => {
    expect(again(new TerminalError('no'))).toBeInstanceOf(TerminalError)
    expect(again(new RetryableError('later', { after: 500 }))).toMatchObject({ after: 500, name: 'RetryableError' })
    class CardDeclined extends TerminalError {
      override readonly name = 'CardDeclined'
    }
    const copy = again(new CardDeclined('no'))
    expect(copy).toBeInstanceOf(TerminalError)
    expect(copy.name).toBe('CardDeclined')
  })

  test('cancelled and interrupted', () => {
    const cancelled = again(new CancelledError('q4', 'no longer needed'))
    expect(cancelled).toBeInstanceOf(CancelledError)
    expect(cancelled).toMatchObject({
      name: 'AbortError',
      code: 'RUN_CANCELLED',
      message: 'Run q4 was cancelled: no longer needed',
    })
    expect(again(new InterruptedError([{ id: 'a' }]))).toMatchObject({ interrupts: [{ id: 'a' }] })
  })

  test('an error of the author’s that has the name of one of ours stays his', () => {
    const his = Object.assign(new Error('taken'), { name: 'ConflictError', code: 'E_TAKEN' })
    expect(SelvageError.is(again(his))).toBe(false)
    expect(again(his)).toMatchObject({ name: 'ConflictError', code: 'E_TAKEN' })
  })
})
