import { createHash } from 'node:crypto'
import { nodeRuntime } from '@selvage/runtime-node'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EngineError, RunError } from '../errors.ts'
import type { Blobs } from '../ports.ts'
import { decode, encode } from './codec.ts'
import type { Json } from './json.ts'
import { createOffload, OFFLOAD_BYTES } from './offload.ts'

const runtime = nodeRuntime()

/** Blobs in memory, and what was put. */
function memory() {
  const kept = new Map<string, Uint8Array>()
  const blobs: Blobs = {
    async put(bytes) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      kept.set(hash, bytes)
      return hash
    },
    async get(hash) {
      const bytes = kept.get(hash)
      if (bytes === undefined) throw new RunError('NOT_FOUND', `No blob ${hash}.`)
      return bytes
    },
  }
  return { kept, blobs, offload: createOffload({ blobs, runtime }) }
}

const long = 'all work and no play '.repeat(5_000)

describe('pack', () => {
  test('leaves what is small where it is, at once', () => {
    const { kept, offload } = memory()
    for (const json of [null, true, 1, 'short', [], { a: ['x'.repeat(OFFLOAD_BYTES - 20)] }]) {
      expect(offload.pack(json)).toBe(json)
      expect(offload.unpack(json)).toBe(json)
    }
    expect(kept.size).toBe(0)
  })

  test('counts bytes of UTF-8: the threshold is the last that stays', async () => {
    const { offload } = memory()
    expect(offload.pack('x'.repeat(OFFLOAD_BYTES - 2))).toHaveLength(OFFLOAD_BYTES - 2)
    expect(await offload.pack('x'.repeat(OFFLOAD_BYTES - 1))).toMatchObject({
      $s: ['blob', expect.any(String), OFFLOAD_BYTES + 1],
    })
    expect(await offload.pack('€'.repeat(OFFLOAD_BYTES / 3 + 1))).toHaveProperty('$s')
    expect(createOffload({ blobs: memory().blobs, runtime, thresholdBytes: 4 }).pack('xx')).toBe('xx')
    expect(await createOffload({ blobs: memory().blobs, runtime, thresholdBytes: 4 }).pack('xxx')).toHaveProperty('$s')
  })

  test('stores a value once, compressed', async () => {
    const { kept, offload } = memory()
    const one = await offload.pack({ long })
    const two = await offload.pack({ long })
    expect(one).toEqual({ $s: ['blob', expect.any(String), long.length + '{"long":""}'.length] })
    expect(two).toEqual(one)
    const [blob] = [...kept.values()]
    expect(kept.size).toBe(1)
    expect(blob?.[0]).toBe(1)
    expect(blob?.length).toBeLessThan(long.length / 50)
  })

  test.each([
    [0.89, 1],
    [0.91, 0],
  ])('compressed to %d of its size, its flag is %d', async (share, flag) => {
    const { kept, blobs } = memory()
    const deflate = (bytes: Uint8Array) => bytes.subarray(0, bytes.length * share)
    const offload = createOffload({ blobs, runtime: { deflate, inflate: runtime.inflate } })
    const reference = await offload.pack(long)
    expect([...kept.values()][0]?.[0]).toBe(flag)
    if (flag === 0) expect(await offload.unpack(reference)).toBe(long)
  })
})

describe('without blobs', () => {
  const manifest = { name: 'small', limits: { entryBytes: 1_000 } }

  test('what the engine does not keep is refused, with the size and the way out', () => {
    const offload = createOffload({ runtime, manifest })
    const fits = 'x'.repeat(990)
    expect(offload.pack(fits)).toBe(fits)
    expect(() => offload.pack('x'.repeat(1_000))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringMatching(/small.*1002 bytes: 1000/) }),
    )
  })

  test('an engine without such a limit keeps everything', () => {
    expect(createOffload({ runtime, manifest: { name: 'wide', limits: {} } }).pack(long)).toBe(long)
  })
})

describe('unpack', () => {
  test('gives back what was packed: I12', async () => {
    const { offload } = memory()
    const tiny = createOffload({ blobs: memory().blobs, runtime, thresholdBytes: 0 })
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const json = JSON.parse(JSON.stringify(value)) as Json
        expect(await tiny.unpack(await tiny.pack(json))).toEqual(json)
      }),
    )
    const value = { when: new Date(0), text: `${long}\ud800`, bytes: new Uint8Array(50_000).fill(7) }
    expect(decode(await offload.unpack(await offload.pack(encode(value, 'it'))))).toStrictEqual(value)
  })

  test('an author’s value that looks like a reference is none', async () => {
    const { offload } = memory()
    const mimic = { $s: ['blob', 'abc', 5] }
    const encoded = encode(mimic, 'it')
    expect(decode(await offload.unpack(await offload.pack(encoded)))).toEqual(mimic)
  })

  test('says which blob is missing', async () => {
    const { kept, offload } = memory()
    const reference = (await offload.pack(long)) as { $s: [string, string, number] }
    kept.clear()
    await expect(offload.unpack(reference)).rejects.toMatchObject({
      name: 'EngineError',
      code: 'CORRUPT',
      message: expect.stringContaining(reference.$s[1]),
      cause: { code: 'NOT_FOUND' },
    })
  })

  test.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['empty', () => new Uint8Array()],
    ['cut short', (bytes) => bytes.subarray(0, -5)],
    ['of an unknown flag', (bytes) => Uint8Array.from(bytes, (byte, at) => (at === 0 ? 9 : byte))],
    ['another value', () => Uint8Array.from([0, 0x31])],
  ])('says which blob is damaged: %s', async (_, damage) => {
    const { kept, offload } = memory()
    const reference = (await offload.pack(long)) as { $s: [string, string, number] }
    for (const [hash, bytes] of kept) kept.set(hash, damage(bytes))
    await expect(offload.unpack(reference)).rejects.toMatchObject({
      code: 'CORRUPT',
      details: { hash: reference.$s[1] },
    })
  })

  test('a store that is away is not corrupt', async () => {
    const away = new EngineError('UNAVAILABLE', 'The bucket does not answer.')
    const blobs: Blobs = { put: () => Promise.reject(away), get: () => Promise.reject(away) }
    const offload = createOffload({ blobs, runtime })
    await expect(offload.unpack({ $s: ['blob', 'abc', 5] })).rejects.toBe(away)
    await expect(offload.pack(long)).rejects.toBe(away)
  })
})

test('without blobs everything stays where it is', () => {
  const offload = createOffload({ runtime })
  expect(offload.pack(long)).toBe(long)
  const reference = { $s: ['blob', 'abc', 5] }
  expect(offload.unpack(reference)).toBe(reference)
})
