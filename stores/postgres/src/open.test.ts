import type { Store } from '@selvage/core'
import { noPostgres, PostgresTestServer, TestPooler } from '@selvage/testing/servers'
import { claimed, enlisted, step } from '@selvage/testing/store'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
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

/** With a user of the server who may do nothing yet, called like the schema. */
async function asRole(body: (url: string, role: string) => Promise<void>): Promise<void> {
  const role = `"${here.schema}"`
  await sql(`create role ${role} login`)
  try {
    await body(Object.assign(new URL(url), { username: here.schema }).href, role)
  } finally {
    await here.close()
    await sql(`drop owned by ${role}; drop role ${role}`)
  }
}

/** How many entries a run has there after a step. */
async function worksOn(store: Store): Promise<number> {
  await enlisted(store)
  const { fence } = await claimed(store)
  await store.append('r', fence, 1, [step(1)])
  return (await store.load('r', 0)).length
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

  it('is made in a schema that a user was given, who may create none', async ({ skip }) => {
    if (server?.isOwn !== true) return skip('roles are made on a server of our own only')
    await asRole(async (url) => {
      await expect(here.open({ url })).rejects.toMatchObject({ code: 'READ_ONLY' })
      await sql(`create schema "${here.schema}" authorization "${here.schema}"`)
      expect(await worksOn(await here.open({ url }))).toBe(2)
    })
  })

  it('is used by who may only read and write its rows', async ({ skip }) => {
    if (server?.isOwn !== true) return skip('roles are made on a server of our own only')
    await here.open()
    await asRole(async (url, role) => {
      await sql(`grant usage on schema "${here.schema}" to ${role};
        grant select, insert, update, delete on all tables in schema "${here.schema}" to ${role};
        grant usage on all sequences in schema "${here.schema}" to ${role}`)
      expect(await worksOn(await here.open({ url }))).toBe(2)
    })
  })

  it('is there behind a pooler that keeps a connection for whom it has', async ({ skip }) => {
    if (server?.isOwn !== true) return skip('the pooler knows no passwords')
    const pooler = await TestPooler.open(url, 'session')
    onTestFinished(() => pooler.close())
    expect(await worksOn(await here.open({ url: pooler.url }))).toBe(2)
  })

  it('is refused behind a pooler that hands connections out by the transaction', async ({ skip }) => {
    if (server?.isOwn !== true) return skip('the pooler knows no passwords')
    const pooler = await TestPooler.open(url, 'transaction')
    onTestFinished(() => pooler.close())
    await expect(here.open({ url: pooler.url })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('hands connections out by the transaction'),
      hint: expect.stringContaining('session'),
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
