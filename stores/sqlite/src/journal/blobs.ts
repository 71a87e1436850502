/** Blobs: bytes under their SHA-256, stored once whoever puts them. */
import { createHash } from 'node:crypto'
import { type Blobs, probe } from '@selvage/core'
import type { Database } from '../database.ts'
import { corrupt } from '../failure.ts'
import type { Commits } from './commit.ts'
import { isDoomed, spare } from './doomed.ts'

export function blobs(commits: Commits, database: Database): Blobs {
  return {
    async put(bytes: Uint8Array): Promise<string> {
      // The caller may use its buffer again before the commit.
      const copy = bytes.slice()
      const hash = sha256(copy)
      const isKept = await commits.read(
        () => database.get('select 1 from blob where hash = ?', hash) !== undefined && !isDoomed(database, hash),
      )
      if (isKept) return hash
      probe('store.before-blob')
      await commits.write(
        () => {
          database.run('insert or ignore into blob (hash, bytes) values (?, ?)', hash, copy)
          spare(database, hash)
        },
        { plain: true },
      )
      probe('store.after-blob')
      return hash
    },

    async get(hash: string): Promise<Uint8Array> {
      const row = await commits.read(() =>
        database.get<{ bytes: Uint8Array }>('select bytes from blob where hash = ?', hash),
      )
      if (row === undefined) throw corrupt(database.path, `The blob ${hash} is missing in ${database.path}.`)
      if (sha256(row.bytes) !== hash) throw corrupt(database.path, `The blob ${hash} in ${database.path} is damaged.`)
      return row.bytes
    },
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
