/**
 * Whether a connection is one to the server as long as it lasts: locks and LISTEN belong to one. A pooler that hands connections
 * out by the transaction or statement (PgBouncer's modes of these names, port 6543 of Supabase) has others in between.
 */
import type pg from 'pg'

/** What the typings of the driver leave out: the process of the server, as it was said when the connection was made. */
type Client = pg.Client & { readonly processID?: number }

/** `another`: makes a second connection, which is needed only where something stands before the server. */
export async function isHandedOn(client: Client, another: () => Promise<pg.Client>): Promise<boolean> {
  const first = await processOf(client)
  // A pooler says one that it has made up: it does not know yet which it will be.
  if (client.processID === first) return false
  if ((await processOf(client)) !== first) return true
  const second = await another()
  try {
    return (await processOf(second)) === first
  } finally {
    await second.end()
  }
}

async function processOf(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid
}
