import { DatabaseSync } from 'node:sqlite'
import type { Value } from '../src/database.ts'

/** What SQLite would do: `SEARCH run USING INDEX …`, `SCAN run`, `USE TEMP B-TREE FOR ORDER BY`, … */
export function plan(path: string, sql: string, values: readonly Value[]): string[] {
  const database = new DatabaseSync(path)
  try {
    return database
      .prepare(`explain query plan ${sql}`)
      .all(...values)
      .map(({ detail }) => String(detail))
  } finally {
    database.close()
  }
}
