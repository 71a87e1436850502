import { DatabaseSync } from 'node:sqlite'
import { forkChild } from '../../children.ts'
import type { Contender, ManyLooked } from '../../contender.ts'
import { databaseFile } from './database.ts'
import { reportOf } from './report-of.ts'

export const many: NonNullable<Contender['many']> = {
  async make(folder, made, count) {
    await reportOf(run(folder, 'make', made))
    copies(folder, made, count)
  },
  async look(folder) {
    return (await reportOf(run(folder, 'look', 0))) as ManyLooked
  },
}

function run(folder: string, mode: string, count: number): ReturnType<typeof forkChild> {
  return forkChild(new URL('./many-process.js', import.meta.url), [folder, mode, String(count)])
}

/** Multiplies what the engine has made, each copy a second older: rows with the ids and numbers that they would have. */
function copies(folder: string, made: number, count: number): void {
  const database = new DatabaseSync(databaseFile(folder))
  const columns = (table: string): string[] =>
    database
      .prepare(`select name from pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => String(name))
  const insert = (table: string, changed: { readonly [column: string]: string }, extra: string): void => {
    const all = columns(table)
    const values = all.map((column) => changed[column] ?? `"${column}"`)
    database.exec(`insert into ${table} (${all.map((column) => `"${column}"`).join(', ')})
      select ${values.join(', ')} from ${table} where ${extra}`)
  }
  try {
    database.exec('pragma synchronous = off')
    const { entries } = database.prepare('select max(n) as entries from entry').get() as { entries: number }
    database.exec('begin')
    for (let copy = 1; copy < count / made; copy++) {
      const [runs, rows, ms] = [copy * made, copy * entries, copy * 1_000]
      const run = {
        n: `n + ${runs}`,
        id: `id || '-${copy}'`,
        last: `last + ${rows}`,
        created: `created - ${ms}`,
        updated: `updated - ${ms}`,
        ended: `ended - ${ms}`,
      }
      const entry = { n: `n + ${rows}`, run: `run + ${runs}`, previous: `previous + ${rows}`, at: `at - ${ms}` }
      const tagged = `case when name like 'tag %' then value || '-${copy}' else value end`
      insert('run', run, `n <= ${made}`)
      insert('entry', entry, `n <= ${entries}`)
      insert('label', { value: tagged, created: `created - ${ms}`, run: `run + ${runs}` }, `run <= ${made}`)
    }
    database.exec('commit')
    database.exec('pragma wal_checkpoint(truncate)')
    const counted = Number(database.prepare('select count(*) as count from run').get()?.count)
    if (counted !== count) throw new Error(`there should be ${count} runs, and there are ${counted}`)
  } finally {
    database.close()
  }
}
