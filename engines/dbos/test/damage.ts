import pg from 'pg'
import { DATABASE, nameOf } from './under-test.ts'

/** Cuts short what DBOS has recorded of the first advance that brought a step. Resolves with what puts it back. */
export async function damage(folder: string, runId: string): Promise<() => Promise<void>> {
  const workflow = `${nameOf(folder)}:${runId}#0`
  const { function_id: step, output } = await first(workflow)
  await write(workflow, step, output.slice(0, output.length / 2))
  return () => write(workflow, step, output)
}

interface Recorded {
  readonly function_id: number
  readonly output: string
}

async function first(workflow: string): Promise<Recorded> {
  const sql = `select function_id, output from dbos.operation_outputs
    where workflow_uuid = $1 and output like '%"type":"step"%' order by function_id limit 1`
  const [row] = await rows(sql, [workflow])
  if (row === undefined) throw new Error(`workflow ${workflow} has no step to damage`)
  return row as Recorded
}

async function write(workflow: string, step: number, output: string): Promise<void> {
  const sql = 'update dbos.operation_outputs set output = $3 where workflow_uuid = $1 and function_id = $2'
  await rows(sql, [workflow, step, output])
}

async function rows(sql: string, values: readonly unknown[]): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: process.env[DATABASE] })
  await client.connect()
  try {
    return (await client.query(sql, [...values])).rows
  } finally {
    await client.end()
  }
}
