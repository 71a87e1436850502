import { createHash } from 'node:crypto'
import { nodeRuntime } from '@selvage/runtime-node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chainHash, deriveId, hashJson, idempotencyKey, seededRandom } from './keys.ts'

const runtime = nodeRuntime()

describe('idempotencyKey', () => {
  test('is what its definition says, and never changes: it is sent to other systems', () => {
    const key = idempotencyKey(runtime, 'salt', 'q4', 'tool:charge')
    expect(key).toBe(createHash('sha256').update('["salt","q4","tool:charge"]').digest('base64url'))
    expect(key).toBe('IUd87U7G_Aw__GYbIwfF6Lfeb1UuVc1fVa0v9sAyluc')
  })

  test('other parts, other key: nothing moves from one part into the next', () => {
    const parts = fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }))
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const same = one.every((part, at) => part === other[at])
        expect(idempotencyKey(runtime, ...one) === idempotencyKey(runtime, ...other)).toBe(same)
      }),
    )
    expect(idempotencyKey(runtime, 'a', 'bc', 'd')).not.toBe(idempotencyKey(runtime, 'ab', 'c', 'd'))
    expect(idempotencyKey(runtime, 'a', 'b', '\ud800')).not.toBe(idempotencyKey(runtime, 'a', 'b', '\ud801'))
  })
})

describe('seededRandom', () => {
  test('is in [0, 1), even, and the same again', () => {
    const numbers = Array.from({ length: 10_000 }, (_, n) => seededRandom(runtime, 'salt', 'default', n))
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...numbers)).toBeLessThan(1)
    expect(new Set(numbers).size).toBe(numbers.length)
    const tenths = new Array(10).fill(0)
    for (const number of numbers) tenths[Math.floor(number * 10)]++
    for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150)
    expect(seededRandom(runtime, 'salt', 'default', 7)).toBe(numbers[7])
    expect(seededRandom(runtime, 'salt', 'other', 7)).not.toBe(numbers[7])
    expect(seededRandom(runtime, 'pepper', 'default', 7)).not.toBe(numbers[7])
  })

  test('uses 53 bits: all of them, and no more', () => {
    const of = (byte: number) => seededRandom({ sha256: () => new Uint8Array(32).fill(byte) }, '', '', 0)
    expect(of(0)).toBe(0)
    expect(of(255)).toBe(1 - 2 ** -53)
  })
})

test('deriveId: prefix and 22 characters, of run, salt, prefix and label', () => {
  const id = deriveId(runtime, 'salt', 'q4', 'ap_', 'publish')
  expect(id).toMatch(/^ap_[\w-]{22}$/)
  expect(deriveId(runtime, 'salt', 'q4', 'ap_', 'publish')).toBe(id)
  for (const other of [
    deriveId(runtime, 'pepper', 'q4', 'ap_', 'publish'),
    deriveId(runtime, 'salt', 'q5', 'ap_', 'publish'),
    deriveId(runtime, 'salt', 'q4', 'cb_', 'publish'),
    deriveId(runtime, 'salt', 'q4', 'ap_', 'unpublish'),
  ]) {
    expect(other.slice(3)).not.toBe(id.slice(3))
  }
})

test('hashJson: 16 characters, whatever the order of keys', () => {
  expect(hashJson(runtime, { a: 1, b: [2] })).toMatch(/^[\w-]{16}$/)
  expect(hashJson(runtime, { a: 1, b: [2] })).toBe(hashJson(runtime, { b: [2], a: 1 }))
  expect(hashJson(runtime, { a: 1 })).not.toBe(hashJson(runtime, { a: '1' }))
})

test('chainHash: of the whole sequence, one element at a time', () => {
  const chain = (...texts: string[]) => texts.reduce((previous, text) => chainHash(runtime, previous, text), '')
  expect(chain('a', 'b')).toMatch(/^[\w-]{22}$/)
  expect(chain('a', 'b')).toBe(chainHash(runtime, chain('a'), 'b'))
  const sequences = [
    chain('a'),
    chain('b'),
    chain('a', 'b'),
    chain('b', 'a'),
    chain('ab'),
    chain('', 'ab'),
    chain('ab', ''),
  ]
  expect(new Set(sequences).size).toBe(sequences.length)
})
