/** Blobs: bytes under their SHA-256, stored once whoever puts them. One that is doomed is spared by the next put. */
import { createHash } from 'node:crypto'
import { type Blobs, probe } from '@selvage/core'
import type { Database } from '../database.ts'
import { corrupt } from '../failure.ts'

export function blobs(database: Database): Blobs {
  return {
    async put(bytes: Uint8Array): Promise<string> {
      // The caller may use its buffer again before the commit.
      const copy = Buffer.from(bytes)
      const hash = sha256(copy)
      const sql = 'select 1 as one from blob where hash = $1 and doomed is null'
      if ((await database.statement((rows) => rows.get(sql, hash))) !== undefined) return hash
      probe('store.before-blob')
      const insert = `insert into blob (hash, bytes) values ($1, $2) on conflict (hash) do update set doomed = null`
      await database.writeUntilKnown((rows) => rows.run(insert, hash, copy))
      probe('store.after-blob')
      return hash
    },

    async get(hash: string): Promise<Uint8Array> {
      const sql = 'select bytes from blob where hash = $1'
      const row = await database.statement((rows) => rows.get<{ bytes: Buffer }>(sql, hash))
      const { location } = database
      if (row === undefined) throw corrupt(location, `The blob ${hash} is missing in ${location}.`)
      if (sha256(row.bytes) !== hash) throw corrupt(location, `The blob ${hash} in ${location} is damaged.`)
      return new Uint8Array(row.bytes)
    },
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
