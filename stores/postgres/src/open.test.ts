import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Place, place } from '../test/place.ts'
import { postgresStore } from './index.ts'

const missing = noPostgres()
const server = missing === undefined ? await PostgresTestServer.open() : undefined
const url = (await server?.createDatabase()) ?? ''
afterAll(() => server?.close())
if (missing !== undefined) console.info(`postgres: skipped: ${missing}`)

let here: Place
beforeEach(() => {
  here = place(url)
})
afterEach(() => here.close())

async function sql(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`set search_path to "${here.schema}"`)
    await client.query(text)
  } finally {
    await client.end()
  }
}

describe.skipIf(missing !== undefined)('a store', () => {
  it('is made by whichever comes first, and says what it survives and where it is, without the password', async () => {
    const stores = await Promise.all([here.open({ durability: 'full' }), here.open(), here.open()])
    expect(stores.map(({ survives }) => survives)).toEqual(['machine-crash', 'process', 'process'])
    const secret = new URL(url)
    secret.password = 'secret'
    expect((await here.open({ url: secret.href })).location).toBe(
      `postgres://${secret.host}${secret.pathname}#${here.schema}`,
    )
  })

  it('of a newer Selvage is refused, and left as it is', async () => {
    await here.open()
    await sql('insert into migration (version) values (99)')
    await expect(here.open()).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW', details: { version: 99 } })
  })

  it('is not made among tables of another application, nor where none is to be made', async () => {
    await expect(here.open({ create: false })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      details: { missing: true },
    })
    await sql(`create schema "${here.schema}"`)
    await sql('create table theirs (n int)')
    await expect(here.open()).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('another application'),
    })
  })

  it('that cannot be is refused with what to do', async () => {
    const other = new URL(url)
    other.pathname = '/nowhere'
    await expect(postgresStore({ url: other.href })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    const nobody = 'postgres://127.0.0.1:1/app'
    await expect(postgresStore({ url: nobody })).rejects.toMatchObject({ name: 'EngineError', code: 'UNAVAILABLE' })
    for (const options of [
      { url: 'mysql://localhost/app' },
      { url: 'data.db' },
      { url, schema: '' },
      { url, schema: 'pg_own' },
      { url, connections: 1 },
    ]) {
      await expect(postgresStore(options)).rejects.toMatchObject({ name: 'UsageError', code: 'BAD_INPUT' })
    }
  })

  it('lets its process end, and be waited for until it is closed', async () => {
    const child = here.child(`
      await store.enlist({ id: 'w', pid: process.pid, host: 'child' }, 10_000, Date.now())
      store.watch(() => {})
      await store.close()
      say('closed')
    `)
    expect(await child.line()).toBe('closed')
    expect(await child.exited).toBe(0)
  })

  it('that was closed says so', async () => {
    const store = await here.open()
    await store.close()
    await expect(store.describe('r')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(store.append('r', 1, 1, [])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})
