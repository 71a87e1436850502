import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { forkChild } from '../../children.ts'
import type { Contender, SleepersWoken } from '../../contender.ts'
import { databaseFile } from './database.ts'
import { reportOf } from './report-of.ts'

export const sleepers: NonNullable<Contender['sleepers']> = {
  async make(folder, count) {
    await reportOf(run(folder, count, 'make'))
  },
  async wake(folder, count, woken, round) {
    return (await reportOf(run(folder, count, 'cold', woken, round))) as SleepersWoken
  },
  stored(folder) {
    const database = new DatabaseSync(databaseFile(folder), { readOnly: true })
    try {
      const sql = "select coalesce(sum(pgsize), 0) as bytes from dbstat where name in ('entry', 'entry_anchor', 'rest')"
      const suspended = Number(database.prepare('select count(*) as count from run where status = 2').get()?.count)
      const journal = Number(database.prepare(sql).get()?.bytes)
      return { file: statSync(databaseFile(folder)).size, journal, suspended }
    } finally {
      database.close()
    }
  },
}

function run(folder: string, count: number, mode: string, woken = 0, round = 0): ReturnType<typeof forkChild> {
  const asked = [folder, String(count), mode, String(woken), String(round)]
  return forkChild(new URL('./sleepers-process.js', import.meta.url), asked)
}
