/**
 * What a step costs beside one bare `insert` of the same bytes, on the server of a url, else on one that is started for it:
 * `npx tsc -b && node stores/postgres/test/figures.ts [postgres://…]`.
 */
import { postgresStore } from '@selvage/store-postgres'
import { PostgresTestServer } from '@selvage/testing/servers'
import { step } from '@selvage/testing/store'
import pg from 'pg'

const STEPS = 1_000
const TOGETHER = 64
const ROUNDS = 3

const given = process.argv[2]
const server = given === undefined ? await PostgresTestServer.open() : undefined
const url = given ?? (await server?.createDatabase()) ?? ''
const schema = `figures ${process.pid}`
const client = new pg.Client({ connectionString: url })
await client.connect()
const store = await postgresStore({ url, schema })
try {
  await client.query(`set search_path to "${schema}"`)
  await client.query('create table bare (n bigint generated always as identity primary key, body text)')
  await store.enlist({ id: 'w', pid: process.pid, host: 'here' }, 600_000, Date.now())
  const body = JSON.stringify(step(1))
  const bare = { name: 'bare', text: 'insert into bare (body) values ($1)', values: [body] }
  // Taken in turn: the machine may have other work.
  const lone: number[] = []
  const inserts: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    inserts.push(await perStep(STEPS, () => client.query(bare)))
    const at = await claimed(`lone ${round}`)
    lone.push(await perStep(STEPS, (n) => store.append(at.runId, at.fence, n, [step(n)])))
  }
  const runs = await Promise.all(Array.from({ length: TOGETHER }, (_, n) => claimed(`run ${n}`)))
  const each = STEPS / 10
  const began = performance.now()
  await Promise.all(
    runs.map(async ({ runId, fence }) => {
      for (let n = 1; n <= each; n++) await store.append(runId, fence, n, [step(n)])
    }),
  )
  const together = (each * TOGETHER * 1_000) / (performance.now() - began)
  const { rows } = await client.query<{ bytes: string }>(
    `select pg_total_relation_size('entry') / (select count(*) from entry) as bytes`,
  )
  console.log(`one bare insert     ${ms(inserts)} ms`)
  console.log(`a step, alone       ${ms(lone)} ms`)
  console.log(`steps of ${TOGETHER} runs   ${Math.round(together)} a second`)
  console.log(`bytes of a step     ${rows[0]?.bytes} (body ${body.length})`)
} finally {
  await store.close()
  await client.query(`drop schema "${schema}" cascade`)
  await client.end()
  await server?.close()
}

async function claimed(runId: string): Promise<{ readonly runId: string; readonly fence: number }> {
  await store.create({ runId, start: { program: 'p', input: null }, salt: 's', inputHash: 'h', at: Date.now() })
  return await store.claimRun('w', runId, Date.now())
}

async function perStep(count: number, body: (n: number) => Promise<unknown>): Promise<number> {
  const began = performance.now()
  for (let n = 1; n <= count; n++) await body(n)
  return (performance.now() - began) / count
}

function ms(rounds: readonly number[]): string {
  return Math.min(...rounds).toFixed(2)
}
