/** The connections to the database that DBOS and our own tables share, and who makes both schemas. */
import pg from 'pg'
import { handedOn, isSilent, schemaTaken, schemaTooNew, toSelvage } from './errors.ts'
import { SCHEMA_VERSION, schemaSql } from './schema.ts'
import { makeTables, SDK_VERSION } from './sdk.ts'

export interface DatabaseOptions {
  readonly url: string
  readonly schema: string
  readonly poolSize: number
  /** A connection that stands still inside of a transaction keeps others waiting no longer. Milliseconds. */
  readonly idleInTransactionMs: number
  /** A connection on which nothing comes back for so long is given up: nothing of ours takes as long. Milliseconds. */
  readonly silenceMs: number
  readonly report: (error: unknown) => void
}

export type Row = { readonly [column: string]: unknown }

const FIRST_AGAIN_MS = 50
const LONGEST_AGAIN_MS = 2_000
const CONNECT_MS = 10_000

/** Connections of `aside`, which are held for a statement or three. */
const ASIDE = 2

export class Database {
  readonly pool: pg.Pool
  /**
   * For what DBOS's client does in commits of its own while a transaction of ours holds a connection of `pool`: it must not
   * wait for another one of those, which may all be held by transactions that wait like it.
   */
  readonly aside: pg.Pool
  readonly schema: string
  readonly where: string
  private readonly options: DatabaseOptions
  private prepared: Promise<void> | undefined

  constructor(options: DatabaseOptions) {
    const { url, schema, poolSize } = options
    this.options = options
    this.schema = schema
    this.where = withoutPassword(url)
    this.pool = poolOf(options, poolSize)
    this.aside = poolOf(options, ASIDE)
  }

  /** Rows of one statement. */
  async rows<R extends Row>(sql: string, values: readonly unknown[] = []): Promise<readonly R[]> {
    return await this.reached(async () => (await this.pool.query<R>(sql, [...values])).rows)
  }

  async transaction<T>(body: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    return await this.reached(async () => {
      const client = await this.pool.connect()
      let broken: Error | undefined
      try {
        await client.query('begin')
        const result = await body(client)
        await client.query('commit')
        return result
      } catch (error) {
        if (isSilent(error)) broken = error
        else {
          await client.query('rollback').catch((failure: Error) => {
            broken = failure
          })
        }
        throw error
      } finally {
        client.release(broken)
      }
    })
  }

  /** Done again and again while the database is away: for what must not be given up halfway. `check` may throw. */
  async insist<T>(body: () => Promise<T>, check: () => Promise<void>): Promise<T> {
    for (let pauseMs = FIRST_AGAIN_MS; ; pauseMs = Math.min(LONGEST_AGAIN_MS, pauseMs * 2)) {
      await check()
      try {
        return await body()
      } catch (error) {
        await check()
        this.options.report(error)
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.pool.end(), this.aside.end()])
  }

  /** On the tables of DBOS and ours, which are made where they are not there yet. */
  private async reached<T>(body: () => Promise<T>): Promise<T> {
    try {
      this.prepared ??= this.migrate()
      await this.prepared.catch((error) => {
        this.prepared = undefined
        throw error
      })
      return await body()
    } catch (error) {
      throw toSelvage(error, this.where)
    }
  }

  private async migrate(): Promise<void> {
    const { schema } = this
    const wanted = `${SCHEMA_VERSION} ${SDK_VERSION}`
    const found = await this.migrated(this.pool)
    if (found === undefined) await createDatabase(this.options.url)
    if (await this.isHandedOn()) throw handedOn(this.where)
    if (found === wanted) return
    const version = Number(found?.split(' ')[0] ?? 0)
    if (version > SCHEMA_VERSION) throw schemaTooNew(schema, version)
    if (found === '' && (await this.isTaken())) throw schemaTaken(schema, this.where)
    const client = await this.pool.connect()
    try {
      await this.alone(client)
      if ((await this.migrated(client)) === wanted) return
      await makeTables(this.options.url, this.options.report)
      await client.query(schemaSql(schema))
      const set = 'on conflict (key) do update set value = excluded.value'
      await client.query(`insert into ${schema}.meta values ('version', $1) ${set}`, [wanted])
    } finally {
      // With the connection its lock goes.
      client.release(true)
    }
  }

  /**
   * Several processes may come here at once, and the migrations of DBOS leave a database for good where they run twice at a time.
   * Nobody waits inside of a statement: DBOS builds indexes concurrently, which wait for every statement that is going on.
   */
  private async alone(client: pg.PoolClient): Promise<void> {
    const lock = `select pg_try_advisory_lock(hashtextextended('selvage tables', 0)) as mine`
    while (!(await client.query(lock)).rows[0].mine) await new Promise((resolve) => setTimeout(resolve, FIRST_AGAIN_MS))
  }

  /**
   * By a pooler, to another process of the server with each transaction: locks and LISTEN, DBOS's as well, need one that stays.
   * Asked on one connection twice and on another once, the server itself answers from one process, the same, and another.
   */
  private async isHandedOn(): Promise<boolean> {
    const client = await this.pool.connect()
    try {
      const first = await processOf(client)
      return (await processOf(client)) !== first || (await processOf(this.aside)) === first
    } finally {
      client.release()
    }
  }

  /** By somebody else's tables. Ours come with `meta`, in one transaction: behind the same lookup another process may have made them. */
  private async isTaken(): Promise<boolean> {
    const { rows } = await this.pool.query(
      `select bool_and(tablename <> 'meta') as taken from pg_tables where schemaname = $1`,
      [this.schema],
    )
    return rows[0]?.taken === true
  }

  /** Undefined: there is no such database; empty: nothing in it is ours. */
  private async migrated(client: Pick<pg.PoolClient, 'query'>): Promise<string | undefined> {
    try {
      const { rows } = await client.query(`select value from ${this.schema}.meta where key = 'version'`)
      return rows[0]?.value ?? ''
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (code === '3D000') return undefined
      if (code === '3F000' || code === '42P01') return ''
      throw error
    }
  }
}

function poolOf({ url, idleInTransactionMs, silenceMs, report }: DatabaseOptions, max: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: silenceMs,
    keepAlive: true,
    allowExitOnIdle: true,
    // In a statement: PgBouncer refuses it as a parameter of a connection that is made.
    onConnect: async (client) => {
      await client.query(`set idle_in_transaction_session_timeout to ${idleInTransactionMs}`)
    },
  })
  // Of connections that nobody uses: the next one that is needed is made anew.
  pool.on('error', report)
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

async function processOf(place: Pick<pg.Pool, 'query'>): Promise<unknown> {
  return (await place.query('select pg_backend_pid() as pid')).rows[0]?.pid
}

/** From the database that every server has. Another process may be faster. */
async function createDatabase(url: string): Promise<void> {
  const { database } = new pg.Client(url)
  const admin = new pg.Client(Object.assign(new URL(url), { pathname: '/postgres' }).href)
  admin.on('error', () => {})
  await admin.connect()
  try {
    await admin.query(`create database ${pg.escapeIdentifier(database ?? '')}`)
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code !== '42P04' && code !== '23505') throw error
  } finally {
    await admin.end()
  }
}

function withoutPassword(url: string): string {
  try {
    const { host, pathname } = new URL(url)
    return `${host}${pathname}`
  } catch {
    return 'the given url'
  }
}
