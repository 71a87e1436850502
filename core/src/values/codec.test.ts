import { deepStrictEqual, notDeepStrictEqual } from 'node:assert'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EngineError, SelvageError } from '../errors.ts'
import { canonical, decode, encode, MAX_DEPTH } from './codec.ts'
import type { Json } from './json.ts'

/** What a reader in another process gets. */
function stored(json: Json): Json {
  return JSON.parse(JSON.stringify(json))
}

function refusal(value: unknown): SelvageError {
  try {
    encode(value, 'the result of step charge in run q4')
  } catch (error) {
    if (SelvageError.is(error, 'NOT_SERIALISABLE')) return error
  }
  throw new Error('It was recorded.')
}

// Strings with lone surrogates, and keys that are special to the language or to the codec.
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units)),
)
const key = fc.oneof(text, fc.constantFrom('$s', '__proto__', 'constructor', 'toString', '', '0', 'length'))
const leaf = fc.oneof(
  text,
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constantFrom(null, undefined, Number.NaN, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array(),
)

function object<T>(value: fc.Arbitrary<T>): fc.Arbitrary<object> {
  return fc.array(fc.tuple(key, value), { maxLength: 5 }).map((entries) => Object.fromEntries(entries))
}

/** Everything that comes back as it was, errors excepted. */
const { supported } = fc.letrec<{ supported: unknown }>((tie) => ({
  supported: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    leaf,
    fc.array(tie('supported'), { maxLength: 5 }),
    object(tie('supported')),
    fc.array(fc.tuple(tie('supported'), tie('supported')), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie('supported'), { maxLength: 4 }).map((members) => new Set(members)),
    // Looks like what the codec itself writes.
    fc.tuple(fc.constantFrom('date', 'object', 'blob', 'later'), tie('supported')).map((content) => ({ $s: content })),
  ),
}))

const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    fc.oneof(
      text,
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0)),
      fc.boolean(),
      fc.constant(null),
    ),
    fc.array(tie('json')),
    object(tie('json')).filter((it) => !Object.hasOwn(it, '$s')) as fc.Arbitrary<Json>,
  ),
}))

describe('round trip', () => {
  test('I12: a value is the same on the first pass and once stored', () => {
    fc.assert(
      fc.property(supported, (value) => {
        const encoded = encode(value, 'it')
        deepStrictEqual(decode(encoded), value)
        deepStrictEqual(decode(stored(encoded)), value)
        deepStrictEqual(encode(decode(encoded), 'it'), encoded)
      }),
      { numRuns: 1_000 },
    )
  })

  test('encoded values are values too: encoding twice loses nothing', () => {
    fc.assert(
      fc.property(supported, (value) => {
        const twice = stored(encode(encode(value, 'it'), 'it'))
        deepStrictEqual(decode(decode(twice) as Json), value)
      }),
    )
  })

  test('plain JSON is itself, and a copy both ways', () => {
    fc.assert(
      fc.property(json, (value) => {
        const encoded = encode(value, 'it')
        deepStrictEqual(encoded, value)
        deepStrictEqual(decode(encoded), value)
        if (typeof value !== 'object' || value === null) return
        expect(encoded).not.toBe(value)
        expect(decode(encoded)).not.toBe(encoded)
      }),
    )
  })

  test('what the author changes afterwards does not change what was recorded', () => {
    const value = { list: [{ n: 1 }] }
    const encoded = encode(value, 'it')
    value.list.push({ n: 2 })
    expect(encoded).toEqual({ list: [{ n: 1 }] })
  })

  test('no two places of a decoded value share anything', () => {
    const shared = { n: 1, bytes: new Uint8Array([1]) }
    const copy = decode(encode({ a: shared, b: shared }, 'it')) as { a: typeof shared; b: typeof shared }
    copy.a.n = 2
    copy.a.bytes[0] = 2
    expect(copy.b).toEqual({ n: 1, bytes: new Uint8Array([1]) })
    expect(shared.n).toBe(1)
  })

  test('the prototype of nothing can be reached through a key', () => {
    const value = JSON.parse('{"__proto__": {"polluted": 1}, "date": 0}')
    value.date = new Date(0)
    const copy = decode(stored(encode(value, 'it'))) as { polluted?: number }
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect(Object.keys(copy)).toEqual(['__proto__', 'date'])
    expect(copy.polluted).toBeUndefined()
  })

  test('bytes come back as Uint8Array, whatever window they were', () => {
    const window = Buffer.from('xxhello').subarray(2)
    expect(decode(encode(window, 'it'))).toStrictEqual(new Uint8Array([...'hello'].map((c) => c.charCodeAt(0))))
  })

  test('objects with toJSON come back as what it returns', () => {
    class Money {
      readonly cents = 5n
      toJSON() {
        return { cents: this.cents }
      }
    }
    expect(decode(encode({ price: new Money(), at: new URL('http://a/b') }, 'it'))).toEqual({
      price: { cents: 5n },
      at: 'http://a/b',
    })
    expect(encode({ toJSON: (name: string) => `as ${name}` }, 'it')).toBe('as ')
    expect(encode({ x: { toJSON: (name: string) => `as ${name}` } }, 'it')).toEqual({ x: 'as x' })
  })

  test('values of another realm are values', () => {
    const value = runInNewContext('({ list: [1, new Date(0)], map: { e: new RangeError("far") } })')
    const copy = decode(encode(value, 'it')) as { list: unknown[]; map: { e: Error } }
    expect(copy.list).toEqual([1, new Date(0)])
    expect(copy.map.e).toBeInstanceOf(RangeError)
  })

  test('what is said not to be kept is not kept', () => {
    class Tagged extends Map<number, number> {}
    expect(decode(encode(new Tagged([[1, 2]]), 'it'))).toStrictEqual(new Map([[1, 2]]))
    expect(decode(encode(Object.assign(Object.create(null), { a: 1 }), 'it'))).toStrictEqual({ a: 1 })
    // biome-ignore lint/suspicious/noSparseArray: the hole is the point
    expect(decode(encode([1, , 3], 'it'))).toStrictEqual([1, undefined, 3])
  })
})

describe('refusal', () => {
  test('names the value, the path, the problem and the way out', () => {
    const error = refusal({ items: [1, 2, 3, { handler() {} }] })
    expect(error.name).toBe('UsageError')
    expect(error.message).toBe(
      'Cannot record the result of step charge in run q4: $.items[3].handler is a function. Leave it out, or record what it needs to be made again.',
    )
    expect(error.details).toEqual({ what: 'the result of step charge in run q4', path: '$.items[3].handler' })
  })

  class Connection {}
  test.each([
    [{ 'a b': Symbol('s') }, '$["a b"] is a symbol.'],
    [new Connection(), '$ is a Connection.'],
    [[Promise.resolve()], '$[0] is a Promise. Await it first.'],
    [new Map([['k', [new Connection()]]]), '$[0][1][0] is a Connection.'],
    [new Set([1, new Connection()]), '$[1] is a Connection.'],
    [{ before: { deep: [1] }, after: new WeakMap() }, '$.after is a WeakMap.'],
    [new Float64Array(1), '$ is a Float64Array. Use Array.from(it).'],
    [new (class extends Array {})(), '$ is a '],
    [[{ a: 1 }, { toJSON: () => ({ f() {} }) }], '$[1].toJSON().f is a function.'],
  ])('%#', (value, message) => {
    expect(refusal(value).message).toContain(message)
  })

  test('of what throws when it is read, with the cause', () => {
    const cause = new Error('gone')
    const failing = {
      ok: { fine: 1 },
      get lazy() {
        throw cause
      },
    }
    expect(refusal({ failing })).toMatchObject({ cause, details: { path: '$.failing.lazy' } })
  })

  test('of cycles, with both ends', () => {
    const order: Record<string, unknown> = { id: 1 }
    order.lines = [{ order }]
    expect(refusal({ order }).message).toContain('$.order.lines[0].order refers back to $.order.')
    const self = new Map<string, unknown>()
    self.set('self', self)
    expect(refusal(self).message).toContain('refers back to $.')
  })

  test('of depth, however deep, before the stack overflows', () => {
    let value: unknown = 'bottom'
    for (let depth = 0; depth < 100_000; depth++) value = depth % 2 ? [value] : { value }
    const { message } = refusal(value)
    expect(message).toContain(`is nested more than ${MAX_DEPTH} deep`)
    expect(message.length).toBeLessThan(500)
    expect(() => decode(value as Json)).toThrow(EngineError)
  })

  test('the deepest value that is recorded can be written as text and read, in its most verbose form', () => {
    for (const wrap of [(v: unknown) => [v], (v: unknown) => ({ $s: v }), (v: unknown) => new Set([v])]) {
      let value: unknown = null
      for (let depth = 0; depth < MAX_DEPTH; depth++) value = wrap(value)
      const encoded = encode(value, 'it')
      canonical(encoded)
      expect(encode(decode(stored(encoded)), 'it')).toStrictEqual(encoded)
      expect(refusal(wrap(value)).message).toContain('deep')
    }
    let map: unknown = null
    for (let depth = 0; depth < MAX_DEPTH / 2; depth++) map = new Map([[map, null]])
    expect(decode(stored(encode(map, 'it')))).toBeInstanceOf(Map)
  })
})

describe('decode', () => {
  test('says that a newer Selvage wrote what it does not know', () => {
    const read = () => decode({ $s: ['temporal', '2030-01-01'] })
    expect(read).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
    expect(read).toThrow(/"temporal".*newer version of Selvage/)
  })

  test.each([
    [{ $s: 1 }],
    [{ $s: [] }],
    [{ $s: ['map', 1] }],
    [{ $s: ['map', [1]] }],
    [{ $s: ['bigint', 'x'] }],
    [{ $s: ['date', 'x'] }],
    [{ $s: ['bytes', '='] }],
    [{ $s: ['object', []] }],
    [{ $s: ['error', {}] }],
    [{ $s: ['blob', 'abc', 5] }],
  ])('refuses %j', (value) => {
    expect(() => decode(value as Json)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  })
})

describe('canonical', () => {
  test('is JSON, and equal for equal values only', () => {
    fc.assert(
      fc.property(json, json, (one, other) => {
        deepStrictEqual(JSON.parse(canonical(one)), one)
        if (canonical(one) === canonical(other)) deepStrictEqual(one, other)
        else notDeepStrictEqual(one, other)
      }),
    )
  })

  test('does not see the order of keys', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, json)), (entries) => {
        const unique = [...new Map(entries)]
        expect(canonical(Object.fromEntries(unique.toReversed()))).toBe(canonical(Object.fromEntries(unique)))
      }),
    )
    expect(canonical({ b: 1, a: [{ d: 1, c: '\ud800' }] })).toBe('{"a":[{"c":"\\ud800","d":1}],"b":1}')
  })
})
