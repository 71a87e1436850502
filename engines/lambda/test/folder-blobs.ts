import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Blobs, probe } from '@selvage/core'

/** A file for each. */
export function folderBlobs(folder: string): Blobs {
  const at = join(folder, 'blobs')
  return {
    async put(bytes) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      probe('store.before-blob')
      await mkdir(at, { recursive: true })
      await writeFile(join(at, hash), bytes)
      probe('store.after-blob')
      return hash
    },
    async get(hash) {
      return new Uint8Array(await readFile(join(at, hash)))
    },
  }
}
