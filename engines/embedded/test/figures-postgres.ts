/** This engine on PostgreSQL, as `npm run figures` measures it. */
import { basename } from 'node:path'
import { PostgresTestServer } from '@selvage/testing/servers'
import pg from 'pg'
import { DATABASE, open } from './under-test-postgres.ts'

export { open }
export const title = 'embedded, PostgreSQL'

export async function begin() {
  const server = await PostgresTestServer.open()
  const url = await server.createDatabase()
  process.env[DATABASE] = url
  return {
    pid: () => server.pid,
    close: () => server.close(),
    /** Rows of its entries; without indexes. */
    async bytesOf(runId: string, folder: string): Promise<number> {
      const schema = pg.escapeIdentifier(basename(folder))
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      const { rows } = await client.query(
        `select sum(pg_column_size(entry.*)) as bytes from ${schema}.entry join ${schema}.run on run.n = entry.run where id = $1`,
        [runId],
      )
      await client.end()
      return Number(rows[0].bytes)
    },
  }
}
