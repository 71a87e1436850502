/** This engine as `npm run figures` measures it. */
import type { OpenedEngine } from '@selvage/testing/conformance'
import { PostgresTestServer } from '@selvage/testing/servers'
import pg from 'pg'
import { DATABASE, openIn } from './under-test.ts'

export const title = 'DBOS'
export const namesSteps = true
/** As users have it, unlike the tests. */
const DEFAULTS = { leaseMs: 5_000, pollMs: 200, lingerMs: 10_000 }

export async function begin() {
  const server = await PostgresTestServer.open()
  const url = await server.createDatabase()
  process.env[DATABASE] = url
  return {
    pid: () => server.pid,
    close: () => server.close(),
    /** In DBOS's table of steps, and in ours; without indexes. */
    async bytesOf(runId: string): Promise<number> {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      const { rows: schemas } = await client.query(`select table_schema as name from information_schema.tables
        where table_name = 'entry' and table_schema like 't%'`)
      const { rows } = await client.query(
        `select (select sum(pg_column_size(o.*)) from dbos.operation_outputs o where workflow_uuid like $1)
           + (select sum(pg_column_size(e.*)) from ${schemas[0].name}.entry e where run = $2) as bytes`,
        [`%:${runId}#%`, runId],
      )
      await client.end()
      return Number(rows[0].bytes)
    },
  }
}

export async function open(folder: string, options: { readonly namesSteps: boolean }): Promise<OpenedEngine> {
  return await openIn(folder, { ...DEFAULTS, ...options })
}
