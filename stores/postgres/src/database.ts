/**
 * Connections of one store. Only this file and session.ts touch the driver.
 *
 *   statement   one statement, its own transaction: one round trip
 *   write       several: `begin … commit`, and told to the bell; `writeUntilKnown` where they can tell that they stand
 *   snapshot    several reads that see one moment
 *
 * A connection that is lost before the commit was asked for has done nothing: the same is tried on another one, for 5 s.
 * Lost behind that, nobody knows, unless the transaction itself can tell; the error says so. Transactions that crossed others
 * are tried again at once.
 */
import { probe, SelvageError } from '@selvage/core'
import pg from 'pg'
import { closedError, failure, isCrossed, isFull, isLost, isUnsent } from './failure.ts'
import { statementName } from './names.ts'

export type Value = string | number | boolean | null | Uint8Array | readonly (string | number | null)[]

/** Who hears of a commit: nobody waits for it; readers follow it; somebody waits for it. */
export type Ring = 'none' | 'soon' | 'now'

/** How long a lost server is waited for. */
const PATIENCE_MS = 5_000
const FIRST_RETRY_MS = 20
const LONGEST_RETRY_MS = 500
/** Nothing of ours takes so long: the other side does not answer any more. */
const SILENCE_MS = 60_000
const CONNECT_MS = 10_000
/** A process that stands still in the middle of a transaction keeps rows locked for so long; it does the same again. */
const STANDSTILL_MS = 2_000
const INT8 = 20

export interface Settings {
  readonly url: string
  /** For messages: the url without its password. */
  readonly location: string
  readonly schema: string
  readonly durability: 'full' | 'normal'
  readonly connections: number
}

/** What runs statements: a connection in a transaction, or any connection of the pool. */
export interface Rows {
  /** All rows. The caller says what a row looks like: its columns are those of the statement beside it. */
  all<Row>(sql: string, ...values: readonly Value[]): Promise<Row[]>
  get<Row>(sql: string, ...values: readonly Value[]): Promise<Row | undefined>
  /** How many rows it changed. */
  run(sql: string, ...values: readonly Value[]): Promise<number>
}

export class Database {
  readonly location: string
  readonly schema: string
  readonly #settings: Settings
  readonly #pool: pg.Pool
  #ring: (ring: Ring) => void = () => {}
  #closed = false

  constructor(settings: Settings) {
    this.location = settings.location
    this.schema = settings.schema
    this.#settings = settings
    this.#pool = new pg.Pool({
      ...clientSettings(settings.url),
      max: settings.connections,
      // An idle connection keeps no process alive.
      allowExitOnIdle: true,
      onConnect: (client) => prepare(client, settings),
    })
    // Of idle connections: who asks next gets another one.
    this.#pool.on('error', () => {})
    // Of one that is lent, between two questions; who asks it the next one hears of it.
    this.#pool.on('connect', (client) => void client.on('error', () => {}))
  }

  onCommit(ring: (ring: Ring) => void): void {
    this.#ring = ring
  }

  /** A connection of its own, outside of the pool. */
  dedicated(): Promise<pg.Client> {
    return connect(this.#settings)
  }

  /** Reads in one statement. */
  statement<T>(body: (rows: Rows) => Promise<T>): Promise<T> {
    return this.patiently(async () => {
      const client = await this.#pool.connect()
      return await lent(client, () => body(rowsOf(client)))
    })
  }

  /** One statement that writes. What is lost on the way is for the caller to look after: nothing is tried again. */
  async once<T>(body: (rows: Rows) => Promise<T>): Promise<T> {
    this.#checkOpen()
    const client = await this.#pool.connect()
    return await lent(client, () => body(rowsOf(client)))
  }

  snapshot<T>(body: (rows: Rows) => Promise<T>): Promise<T> {
    return this.patiently(async () => {
      const client = await this.#pool.connect()
      return await lent(client, async () => {
        await client.query('begin isolation level repeatable read read only')
        try {
          return await body(rowsOf(client))
        } finally {
          await client.query('commit')
        }
      })
    })
  }

  /** Resolves with what `body` returned once that is durable. `body` may run more than once; only the last run counts. */
  async write<T>(body: (rows: Rows) => Promise<T>, ring: Ring = 'none'): Promise<T> {
    let unknown: unknown
    const value = await this.#transact(body, async (client) => {
      await client.query('commit').catch((error: unknown) => {
        if (isUnsent(error)) throw error
        unknown = error
      })
    })
    if (unknown !== undefined) throw failure(this.location, unknown)
    probe('store.after-commit')
    this.#ring(ring)
    return value
  }

  /**
   * As `write`, for a `body` that sees whether an earlier run of it stands, once it `mayStand`: it runs again also where the
   * answer to its commit was lost.
   */
  async writeUntilKnown<T>(body: (rows: Rows, mayStand: boolean) => Promise<T>, ring: Ring = 'none'): Promise<T> {
    let mayStand = false
    const value = await this.#transact(
      (rows) => body(rows, mayStand),
      async (client) => {
        mayStand = true
        await client.query('commit')
      },
    )
    probe('store.after-commit')
    this.#ring(ring)
    return value
  }

  #transact<T>(body: (rows: Rows) => Promise<T>, commit: (client: pg.PoolClient) => Promise<void>): Promise<T> {
    return this.patiently(async () => {
      const client = await this.#pool.connect()
      return await lent(client, async () => {
        const value = await inTransaction(client, body)
        probe('store.before-commit')
        await commit(client)
        return value
      })
    })
  }

  ring(ring: Ring): void {
    this.#ring(ring)
  }

  /** Takes nothing more; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#pool.end()
  }

  /** `body` until it succeeds, is refused for good, or patience ends. */
  async patiently<T>(body: () => Promise<T>): Promise<T> {
    const until = performance.now() + PATIENCE_MS
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)) {
      this.#checkOpen()
      try {
        return await body()
      } catch (error) {
        if (SelvageError.is(error)) throw error
        const passes = isLost(error) || isCrossed(error) || isFull(error)
        if (!passes || performance.now() > until || this.#closed) throw failure(this.location, error)
      }
      await sleep(retryMs)
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(this.location)
  }
}

export async function connect(settings: Settings): Promise<pg.Client> {
  const client = new pg.Client(clientSettings(settings.url))
  // Who asks it for something hears of it.
  client.on('error', () => {})
  await client.connect()
  await prepare(client, settings)
  return client
}

/** As it was before a test of an author's faked it. */
const later = setTimeout

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void later(resolve, ms))
}

async function inTransaction<T>(client: pg.PoolClient, body: (rows: Rows) => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    return await body(rowsOf(client))
  } catch (error) {
    if (!isLost(error)) await client.query('rollback')
    throw error
  }
}

/** One that is lost, or of which nobody knows what it is doing, is not used again. */
async function lent<T>(client: pg.PoolClient, body: () => Promise<T>): Promise<T> {
  try {
    const value = await body()
    client.release()
    return value
  } catch (error) {
    client.release(SelvageError.is(error) ? undefined : true)
    throw error
  }
}

function rowsOf(client: pg.ClientBase): Rows {
  const query = (text: string, values: readonly Value[]): Promise<pg.QueryResult> =>
    client.query({ name: statementName(text), text, values: values as unknown[] })
  return {
    all: async <Row>(sql: string, ...values: readonly Value[]) => (await query(sql, values)).rows as Row[],
    get: async <Row>(sql: string, ...values: readonly Value[]) => (await query(sql, values)).rows[0] as Row | undefined,
    run: async (sql, ...values) => (await query(sql, values)).rowCount ?? 0,
  }
}

function clientSettings(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    fallback_application_name: 'selvage',
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: SILENCE_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: CONNECT_MS,
    types: {
      // Counts and keys: far below 2^53.
      getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
    },
  }
}

/**
 * A new connection. A server that waits for replicas as well goes on to do so. Said in statements, since PgBouncer knows next to
 * none of the parameters that could be said while it is made.
 */
async function prepare(client: pg.ClientBase, { schema, durability }: Settings): Promise<void> {
  await client.query(
    `set search_path to ${pg.escapeIdentifier(schema)}; set idle_in_transaction_session_timeout to ${STANDSTILL_MS}`,
  )
  if (durability === 'normal') await client.query('set synchronous_commit to off')
  else {
    const { rows } = await client.query<{ synchronous_commit: string }>('show synchronous_commit')
    if (rows[0]?.synchronous_commit === 'off') await client.query('set synchronous_commit to on')
  }
}
