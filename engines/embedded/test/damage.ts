import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Cuts the first step in the journal of a run short. Resolves with what puts it back. */
export async function damage(folder: string, runId: string): Promise<() => Promise<void>> {
  const path = join(folder, 'selvage.db')
  const [kept] = at(path, (database) => {
    const rows = database
      .prepare(
        `select entry.n as n, entry.body as body from entry join run on run.n = entry.run
         where run.id = ? and entry.type = 0 order by entry.seq limit 1`,
      )
      .all(runId)
    const [row] = rows
    if (row === undefined) throw new Error(`run ${runId} has no step to damage`)
    database.prepare('update entry set body = ? where n = ?').run('{"id":"refu', row.n as number)
    return rows
  })
  return async () => {
    at(path, (database) => {
      database.prepare('update entry set body = ? where n = ?').run(kept?.body as string, kept?.n as number)
    })
  }
}

function at<T>(path: string, body: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path)
  try {
    return body(database)
  } finally {
    database.close()
  }
}
