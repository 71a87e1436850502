/**
 * Multiplies what the engine has made: node many-copies-process.js <folder> <made> <count>. Each copy is a second older:
 * rows with the ids and numbers that they would have.
 */
import { DatabaseSync } from 'node:sqlite'
import { databaseFile } from './database.ts'

const [folder = '', made = '0', count = '0'] = process.argv.slice(2)
copies(folder, Number(made), Number(count))
process.send?.({ copied: Number(count) })
process.disconnect()

function copies(folder: string, made: number, count: number): void {
  const database = new DatabaseSync(databaseFile(folder))
  const columns = (table: string): string[] =>
    database
      .prepare(`select name from pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => String(name))
  const insert = (table: string, changed: { readonly [column: string]: string }, from: string): void => {
    const all = columns(table)
    const values = all.map((column) => changed[column] ?? `"${column}"`)
    database.exec(`insert into ${table} (${all.map((column) => `"${column}"`).join(', ')})
      select ${values.join(', ')} from ${from}`)
  }
  try {
    database.exec('pragma synchronous = off; pragma cache_size = -524288')
    const { entries } = database.prepare('select max(n) as entries from entry').get() as { entries: number }
    // Its key begins with the name: there is no way to those of some runs but through all.
    database.exec('create temp table made as select * from label')
    for (let copy = 1; copy < count / made; copy++) {
      database.exec('begin')
      const [runs, rows, ms] = [copy * made, copy * entries, copy * 1_000]
      // In front: rows that are made together stand together in each index.
      const prefix = `${String(copy).padStart(3, '0')}-`
      const run = {
        n: `n + ${runs}`,
        id: `'${prefix}' || id`,
        last: `last + ${rows}`,
        created: `created - ${ms}`,
        updated: `updated - ${ms}`,
        ended: `ended - ${ms}`,
      }
      const entry = { n: `n + ${rows}`, run: `run + ${runs}`, previous: `previous + ${rows}`, at: `at - ${ms}` }
      // The one that each run has for itself; the other is shared by copies, too.
      const tagged = `case when name = 'tag customer' then '${prefix}' || value else value end`
      insert('run', run, `run where n <= ${made}`)
      insert('entry', entry, `entry where n <= ${entries}`)
      insert('label', { value: tagged, created: `created - ${ms}`, run: `run + ${runs}` }, 'made')
      database.exec('commit')
    }
    database.exec('pragma wal_checkpoint(truncate)')
    const counted = Number(database.prepare('select count(*) as count from run').get()?.count)
    if (counted !== count) throw new Error(`there should be ${count} runs, and there are ${counted}`)
  } finally {
    database.close()
  }
}
