/**
 * Opening a database: what server it is, and migrations. Each file in schema/ is one migration; the table `migration` has a
 * row for each that was made. They run in order, all in one transaction, by whichever process comes first: an advisory lock
 * keeps the others waiting.
 */
import { EngineError, type Store, UsageError } from '@selvage/core'
import pg from 'pg'
import { connect, type Settings } from './database.ts'
import { failure } from './failure.ts'
import { MIGRATIONS } from './migrations.ts'
import { isHandedOn } from './pooler.ts'

/** `pg_current_snapshot`, `gen_random_uuid`: PostgreSQL 13. */
const OLDEST_SERVER = 130_000

/** Rejects if the database cannot be used; resolves with what an acknowledgement survives there. */
export async function openDatabase(settings: Settings, mayCreate: boolean): Promise<Store['survives']> {
  const { location, durability } = settings
  try {
    const client = await connect(settings)
    try {
      const isSafe = await look(client, location)
      if (await isHandedOn(client, () => connect(settings))) throw handedOn(location)
      await migrate(client, settings, mayCreate)
      return durability === 'full' && isSafe ? 'machine-crash' : 'process'
    } finally {
      await client.end()
    }
  } catch (error) {
    throw failure(location, error)
  }
}

interface Server {
  readonly version: number
  readonly encoding: string
  readonly fsync: string
  readonly is_replica: boolean
}

async function look(client: pg.Client, location: string): Promise<boolean> {
  const { rows } = await client.query<Server>(
    `select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding,
       current_setting('fsync') as fsync, pg_is_in_recovery() as is_replica`,
  )
  const { version, encoding, fsync, is_replica } = rows[0] as Server
  if (version < OLDEST_SERVER) {
    throw new UsageError('UNSUPPORTED', `The server of ${location} is PostgreSQL ${Math.floor(version / 10_000)}.`, {
      hint: 'Selvage needs PostgreSQL 13 or newer.',
    })
  }
  if (encoding !== 'UTF8') {
    throw new UsageError('BAD_INPUT', `The database ${location} is encoded in ${encoding}.`, {
      hint: "Create one with encoding 'UTF8'.",
    })
  }
  if (is_replica) {
    throw new EngineError('READ_ONLY', `The server of ${location} is a replica.`, {
      hint: 'Give the url of the primary.',
    })
  }
  return fsync === 'on'
}

function handedOn(location: string): UsageError {
  return new UsageError('UNSUPPORTED', `${location} is a pooler that hands connections out by the transaction.`, {
    hint: 'Give the url of the server itself, or of a pooler in session mode: locks and LISTEN need a connection that stays.',
    details: { location },
  })
}

async function migrate(client: pg.Client, { schema, location }: Settings, mayCreate: boolean): Promise<void> {
  const found = await versionOf(client, schema, location, MIGRATIONS.length)
  if (found === MIGRATIONS.length) return
  if (found === 0 && !mayCreate) {
    throw new EngineError('UNAVAILABLE', `There is no schema ${schema} of Selvage in ${location}.`, {
      hint: 'A program that starts runs creates it; check the url.',
      details: { location, missing: true },
    })
  }
  await client.query('begin')
  await client.query(`select pg_advisory_xact_lock(hashtextextended('selvage migration ' || $1, 0))`, [schema])
  // Asked again: another process may have been first.
  const version = await versionOf(client, schema, location, MIGRATIONS.length)
  if (version === 0) {
    await createSchema(client, schema)
    await client.query('create table migration (version integer primary key, at timestamptz not null default now())')
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < version) continue
    await client.query(sql)
    await client.query('insert into migration (version) values ($1)', [index + 1])
  }
  await client.query('commit')
}

/** `create schema if not exists` asks for CREATE on the database also of whoever was given a schema that is there. */
async function createSchema(client: pg.Client, schema: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_namespace where nspname = $1', [schema])
  if (rowCount === 0) await client.query(`create schema ${pg.escapeIdentifier(schema)}`)
}

/** How many migrations it has seen. */
async function versionOf(client: pg.Client, schema: string, location: string, known: number): Promise<number> {
  const table = `${pg.escapeIdentifier(schema)}.migration`
  const { rows } = await client.query<{ there: boolean; others: boolean }>(
    `select to_regclass($1) is not null as there,
       to_regclass($1) is null and exists (select from pg_tables where schemaname = $2) as others`,
    [table, schema],
  )
  if (rows[0]?.others) {
    throw new UsageError('BAD_INPUT', `The schema ${schema} of ${location} holds tables of another application.`, {
      hint: 'Give Selvage a schema of its own: postgresStore({ url, schema }).',
    })
  }
  if (!rows[0]?.there) return 0
  const found = await client.query<{ version: number }>(`select coalesce(max(version), 0) as version from ${table}`)
  const version = found.rows[0]?.version ?? 0
  if (version <= known) return version
  throw new EngineError(
    'SCHEMA_TOO_NEW',
    `The database ${location} has schema ${version}, and this version of Selvage knows schemas up to ${known}.`,
    { hint: 'Update Selvage.', details: { location, version } },
  )
}
