import { DatabaseSync } from 'node:sqlite'
import { onProbe } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Place, place } from '../../test/place.ts'

let here: Place
beforeEach(() => {
  here = place()
})
afterEach(() => here.close())

describe('a blob', () => {
  it('is kept once under its SHA-256, whatever becomes of the buffer', async () => {
    const store = await here.open()
    const bytes = new Uint8Array([1, 2, 3])
    const put = store.blobs.put(bytes)
    bytes.fill(0)
    const hash = await put
    expect(hash).toBe('039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81')
    expect(await store.blobs.get(hash)).toEqual(new Uint8Array([1, 2, 3]))
    const again = await Promise.all([1, 2, 3].map(() => store.blobs.put(new Uint8Array([1, 2, 3]))))
    expect(new Set(again)).toEqual(new Set([hash]))
    expect(await store.blobs.get(await store.blobs.put(new Uint8Array(0)))).toEqual(new Uint8Array(0))
  })

  it('passes the probes of a durable write', async () => {
    const store = await here.open()
    const seen: string[] = []
    const stop = onProbe((name) => seen.push(name))
    await store.blobs.put(new Uint8Array([1])).finally(stop)
    expect(seen).toEqual(['store.before-blob', 'store.before-commit', 'store.after-commit', 'store.after-blob'])
  })

  it('is not handed out when it is missing or damaged', async () => {
    const store = await here.open()
    await expect(store.blobs.get('00')).rejects.toMatchObject({ name: 'EngineError', code: 'CORRUPT' })
    const hash = await store.blobs.put(new Uint8Array([1, 2, 3]))
    const other = new DatabaseSync(here.path)
    other.exec("update blob set bytes = x'010204'")
    other.close()
    await expect(store.blobs.get(hash)).rejects.toMatchObject({ code: 'CORRUPT', details: { path: here.path } })
  })
})
