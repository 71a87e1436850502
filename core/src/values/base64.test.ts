import fc from 'fast-check'
import { expect, test } from 'vitest'
import { base64url, fromBase64url } from './base64.ts'

test('writes what the platform writes, and reads it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = base64url(bytes)
      expect(text).toBe(Buffer.from(bytes).toString('base64url'))
      expect(fromBase64url(text)).toStrictEqual(bytes)
    }),
  )
})

test.each(['A', 'AAAAA', 'AA==', 'AA+A', 'AA/A', 'A A', 'AAé'])('does not read %j', (text) => {
  expect(fromBase64url(text)).toBeUndefined()
})
