/**
 * The connection of a store that stays: it hears what other processes have committed, and holds the locks by which the
 * workers of this store are known to live. The server frees those when the connection ends, whatever ended it.
 *
 * When it is lost it is made again, and every lock taken again that nobody has taken away meanwhile: who was buried has no
 * row in `worker` any more, and learns so by its next heartbeat, which goes through this connection. So a heartbeat that
 * came back is also a proof that the lock is held.
 *
 * Who asks first behind a loss hears of it before anybody else. The same is asked again on the next connection: each
 * statement and each transaction here may happen twice.
 *
 * It is there from the first use on, and keeps no process alive.
 */
import pg from 'pg'
import { type Database, sleep, type Value } from './database.ts'
import { closedError, isLost } from './failure.ts'

const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 2_000
/** The server finds a machine that is gone without a word out after about 20 s. */
const KEEPALIVE = ['set tcp_keepalives_idle to 10', 'set tcp_keepalives_interval to 5', 'set tcp_keepalives_count to 2']
/** Two numbers name a lock: this one says that it is a worker's, and of which schema. */
const LOCK_CLASS = "(hashtext('selvage worker ' || current_schema()) & 2147483647)"

/** Of a row of `worker`: whether its lock is held. */
export const LOCKED: string = `worker.number in (select objid::bigint from pg_locks where locktype = 'advisory'
  and granted and objsubid = 2 and classid::bigint = ${LOCK_CLASS}
  and database = (select oid from pg_database where datname = current_database()))`
export const LOCK: string = `select pg_try_advisory_lock(${LOCK_CLASS}, $1) as got`
const UNLOCK = `select pg_advisory_unlock(${LOCK_CLASS}, $1)`
/** Since when the server runs: one that was started anew has freed all locks, though nobody has died. */
export const SERVER = 'extract(epoch from pg_postmaster_start_time())::double precision'

/** What the typings of the driver leave out. */
type Client = pg.Client & { ref(): void; unref(): void }
type Ask = <Row>(sql: string, ...values: Value[]) => Promise<{ readonly rows: Row[]; readonly count: number }>

export class Session {
  readonly #database: Database
  readonly #locks: Set<number> = new Set()
  #channel: string | undefined
  #onNotice: ((payload: string) => void) | undefined
  #onReconnect: () => void = () => {}
  #client: Client | undefined
  #last: Promise<unknown> = Promise.resolve()
  #again: NodeJS.Timeout | undefined
  #retryMs = FIRST_RETRY_MS
  #closed = false

  constructor(database: Database) {
    this.#database = database
  }

  /** One statement, behind those that were asked for before. */
  query<Row>(sql: string, ...values: Value[]): Promise<{ readonly rows: Row[]; readonly count: number }> {
    return this.#inTurn((ask) => ask<Row>(sql, ...values))
  }

  /** A transaction. A lock that is taken in it is held from here on, by later connections too. */
  enlist(body: (ask: Ask) => Promise<number>): Promise<number> {
    return this.#inTurn(async (ask) => {
      try {
        await ask('begin')
        const number = await body(ask)
        await ask('commit')
        this.#locks.add(number)
        return number
      } catch (error) {
        // Its locks outlive a rollback, but not the connection.
        this.#drop()
        throw error
      }
    })
  }

  async free(number: number): Promise<void> {
    if (!this.#locks.delete(number) || this.#client === undefined) return
    await this.query(UNLOCK, number).catch(() => {})
  }

  /** `onReconnect`: something may have been missed. */
  async listen(channel: string, onNotice: (payload: string) => void, onReconnect: () => void): Promise<void> {
    this.#onNotice = onNotice
    this.#onReconnect = onReconnect
    this.#channel = channel
    await this.query(`listen ${pg.escapeIdentifier(channel)}`)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#again)
    await this.#last
    const client = this.#client
    this.#client = undefined
    // Who waits for the end must not find that nothing keeps the process alive.
    client?.ref()
    await client?.end().catch(() => {})
  }

  #inTurn<T>(body: (ask: Ask) => Promise<T>): Promise<T> {
    const asked = this.#last.then(() => this.#database.patiently(() => this.#asked(body)))
    this.#last = asked.catch(() => {})
    return asked
  }

  async #asked<T>(body: (ask: Ask) => Promise<T>): Promise<T> {
    if (this.#closed) throw closedError(this.#database.location)
    const client = await this.#connected()
    client.ref()
    try {
      return await body(async <Row>(sql: string, ...values: Value[]) => {
        const { rows, rowCount } = await client.query(sql, values as unknown[])
        return { rows: rows as Row[], count: rowCount ?? 0 }
      })
    } catch (error) {
      if (isLost(error)) this.#drop()
      throw error
    } finally {
      client.unref()
    }
  }

  async #connected(): Promise<Client> {
    if (this.#client !== undefined) return this.#client
    const client = (await this.#database.dedicated()) as Client
    try {
      for (const sql of KEEPALIVE) await client.query(sql)
      client.on('notification', ({ payload = '' }) => this.#onNotice?.(payload))
      client.on('end', () => this.#lost(client))
      if (this.#channel !== undefined) await client.query(`listen ${pg.escapeIdentifier(this.#channel)}`)
      for (const number of this.#locks) await this.#lockAgain(client, number)
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
    this.#client = client
    this.#retryMs = FIRST_RETRY_MS
    client.unref()
    return client
  }

  /** The server may not know yet that the connection before is gone. */
  async #lockAgain(client: pg.Client, number: number): Promise<void> {
    for (;;) {
      const { rows } = await client.query<{ got: boolean }>(LOCK, [number])
      if (rows[0]?.got) break
      await sleep(FIRST_RETRY_MS)
    }
    const { rowCount } = await client.query(`update worker set server = ${SERVER} where number = $1`, [number])
    if (rowCount === 0) {
      this.#locks.delete(number)
      await client.query(UNLOCK, [number])
    }
  }

  #drop(): void {
    const client = this.#client
    if (client === undefined) return
    void client.end().catch(() => {})
    this.#lost(client)
  }

  #lost(client: Client): void {
    if (this.#client !== client) return
    this.#client = undefined
    if (this.#locks.size > 0 || this.#channel !== undefined) this.#reconnect()
  }

  #reconnect(): void {
    if (this.#closed) return
    clearTimeout(this.#again)
    this.#again = setTimeout(() => {
      this.query('select 1').then(
        () => this.#onReconnect(),
        () => this.#reconnect(),
      )
    }, this.#retryMs).unref()
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2)
  }
}
