/** The floor: the same bytes, inserted by a prepared statement that is its own transaction, and nothing else. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { StepSession, StepShape } from '../../contender.ts'
import { payloads } from '../../payload.ts'
import { isSetTo } from '../../synchronous.ts'

const FILE = 'floor.db'

export async function steps(folder: string, { durability, bytes }: StepShape): Promise<StepSession> {
  const database = new DatabaseSync(join(folder, FILE))
  database.exec(`pragma journal_mode = wal; pragma synchronous = ${durability}`)
  isSetTo(durability, database.prepare('pragma synchronous').get()?.synchronous)
  database.exec('create table step (n integer primary key, body text not null)')
  const insert = database.prepare('insert into step (body) values (?)')
  const payload = payloads(bytes)
  return {
    async inOneRun(count) {
      return timed(count, (n) => insert.run(JSON.stringify(payload(n))))
    },
    async atOnce(runs, each) {
      const began = performance.now()
      const stepMs = timed(each, (n) => {
        database.exec('begin immediate')
        for (let run = 0; run < runs; run++) insert.run(JSON.stringify(payload(n + run)))
        database.exec('commit')
      })
      return { ms: performance.now() - began, stepMs }
    },
    async close() {
      database.exec('pragma wal_checkpoint(truncate)')
      database.close()
    },
  }
}

function timed(count: number, step: (n: number) => void): number[] {
  const times = new Array<number>(count)
  for (let n = 0; n < count; n++) {
    const began = performance.now()
    step(n)
    times[n] = performance.now() - began
  }
  return times
}

export function countRows(folder: string): number {
  const database = new DatabaseSync(join(folder, FILE), { readOnly: true })
  try {
    return Number(database.prepare('select count(*) as count from step').get()?.count)
  } finally {
    database.close()
  }
}
