/** Blobs in a Map, for engines under test. */
import { hash } from 'node:crypto'
import { type Blobs, EngineError } from '@selvage/core'

export function memoryBlobs(): Blobs {
  const held = new Map<string, Uint8Array>()
  return {
    async put(bytes) {
      const key = hash('sha256', bytes)
      held.set(key, bytes.slice())
      return key
    },
    async get(key) {
      const bytes = held.get(key)
      if (bytes === undefined) throw new EngineError('CORRUPT', `No blob ${key}.`)
      return bytes.slice()
    },
  }
}
