/** node steps.ts <folder> <shape> <PostgreSQL url>: the floor. One prepared insert, its own transaction, nothing else. */
import pg from 'pg'
import type { StepShape } from '../../src/contender.ts'
import { payloads } from '../../src/payload.ts'
import { serveSteps } from '../../src/serve-steps.ts'

const [, shape = '{}', url = ''] = process.argv.slice(2)
const payload = payloads((JSON.parse(shape) as StepShape).bytes)
const client = new pg.Client({ connectionString: url })
await client.connect()
await client.query('create table if not exists floor (n bigserial primary key, body text not null)')
const insert = (n: number): Promise<unknown> =>
  client.query({
    name: 'insert',
    text: 'insert into floor (body) values ($1)',
    values: [JSON.stringify(payload(n))],
  })

serveSteps({
  async inOneRun(count) {
    const times: number[] = []
    for (let n = 0; n < count; n++) {
      const began = performance.now()
      await insert(n)
      times.push(performance.now() - began)
    }
    return times
  },
  async count() {
    const { rows } = await client.query('select count(*)::int as count from floor')
    return rows[0].count
  },
  close: () => client.end(),
})
