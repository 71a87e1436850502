/** Large values, in a table beside the runs. */
import { createHash } from 'node:crypto'
import { type Blobs, EngineError, probe } from '@selvage/core'
import type { Database } from './database.ts'

export function postgresBlobs(db: Database): Blobs {
  return {
    async put(bytes) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      probe('store.before-blob')
      const sql = `insert into ${db.schema}.blob (hash, bytes) values ($1, $2) on conflict do nothing`
      await db.rows(sql, [hash, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)])
      probe('store.after-blob')
      return hash
    },
    async get(hash) {
      const sql = `select bytes from ${db.schema}.blob where hash = $1`
      const [row] = await db.rows<{ bytes: Buffer }>(sql, [hash])
      if (row === undefined)
        throw new EngineError('CORRUPT', `DBOS's database holds no blob ${hash}.`, { details: { hash } })
      return new Uint8Array(row.bytes)
    },
  }
}
