/** Blobs on any place that keeps bytes by a name: the name is the hash of the bytes, so what is there need not be written. */
import { createHash } from 'node:crypto'
import { type Blobs, EngineError, probe } from '@selvage/core'

/** What the place brings. `place`: for people. */
export interface BlobPlace {
  readonly place: string
  /** Resolves when the bytes are durable. */
  write(hash: string, bytes: Uint8Array): Promise<void>
  /** Undefined: it holds none of that name. */
  read(hash: string): Promise<Uint8Array | undefined>
}

export function hashedBlobs({ place, write, read }: BlobPlace): Blobs {
  return {
    async put(bytes) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      probe('store.before-blob')
      await write(hash, bytes)
      probe('store.after-blob')
      return hash
    },
    async get(hash) {
      const bytes = await read(hash)
      if (bytes !== undefined) return bytes
      throw new EngineError('CORRUPT', `${place} holds no blob ${hash}.`, { details: { place, hash } })
    },
  }
}
