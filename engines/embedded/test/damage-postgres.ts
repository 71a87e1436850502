import { basename } from 'node:path'
import pg from 'pg'
import { DATABASE } from './under-test-postgres.ts'

/** Cuts the first step in the journal of a run short. Resolves with what puts it back. */
export async function damage(folder: string, runId: string): Promise<() => Promise<void>> {
  const table = (name: string): string => `${pg.escapeIdentifier(basename(folder))}.${name}`
  const [row] = await rows(
    `select entry.run, entry.seq, entry.body from ${table('entry')} join ${table('run')} on run.n = entry.run
       where run.id = $1 and entry.kind = 'step' order by entry.seq limit 1`,
    [runId],
  )
  if (row === undefined) throw new Error(`run ${runId} has no step to damage`)
  const { run, seq, body } = row
  const write = async (text: string): Promise<void> => {
    await rows(`update ${table('entry')} set body = $3 where run = $1 and seq = $2`, [run, seq, text])
  }
  await write(body.slice(0, body.length / 2))
  return () => write(body)
}

interface Row {
  readonly run: string
  readonly seq: number
  readonly body: string
}

async function rows(sql: string, values: readonly unknown[]): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: process.env[DATABASE] })
  await client.connect()
  try {
    return (await client.query<Row>(sql, [...values])).rows
  } finally {
    await client.end()
  }
}
