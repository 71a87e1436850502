/** Large values, in a table beside the runs. */
import type { Blobs } from '@selvage/core'
import { hashedBlobs } from '@selvage/runtime-node'
import type { Database } from './database.ts'

export function postgresBlobs(db: Database): Blobs {
  return hashedBlobs({
    place: "DBOS's database",
    async write(hash, bytes) {
      const sql = `insert into ${db.schema}.blob (hash, bytes) values ($1, $2) on conflict do nothing`
      await db.rows(sql, [hash, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)])
    },
    async read(hash) {
      const [row] = await db.rows<{ bytes: Buffer }>(`select bytes from ${db.schema}.blob where hash = $1`, [hash])
      return row && new Uint8Array(row.bytes)
    },
  })
}
