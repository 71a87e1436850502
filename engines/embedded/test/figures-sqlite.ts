/** This engine on SQLite, as `npm run figures` measures it. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { open } from './under-test.ts'

export { open }
export const title = 'embedded, SQLite'
export const steps = 5_000

export async function begin() {
  return {
    close: async () => {},
    /** Pages of the tables and indexes of the database, whose only large run it is. */
    async bytesOf(_runId: string, folder: string): Promise<number> {
      const database = new DatabaseSync(join(folder, 'selvage.db'), { readOnly: true })
      const { page_count: count } = database.prepare('pragma page_count').get() as { page_count: number }
      const { page_size: size } = database.prepare('pragma page_size').get() as { page_size: number }
      database.close()
      return count * size
    },
  }
}
