/**
 * Who is alive. A worker is a row with a lease, and an advisory lock that the session of its store holds. The server frees
 * the lock when that connection ends, as it does at the death of the process; whoever looks at the locks of the server
 * knows. No pid is compared.
 *
 * A worker is dead when its lease has run out (it is stopped: SIGSTOP, a frozen container; or its machine is gone without a
 * word), or when its lock is free: at once where its process is seen to have died (presence.ts), and from another machine when
 * it has not been taken again for a moment, since a connection also ends where nobody has died. Its death takes its runs back in
 * the same transaction that deletes its row, and from then on its writes are refused, claimed by another or not. A server that
 * was started anew has freed every lock: until a worker has its lock again, its lease alone decides.
 *
 * Leases are in the time of the database (clock.ts).
 */
import type { WorkerIdentity } from '@selvage/core'
import { notEnlisted } from '@selvage/core/stores'
import { CLOCK, offsetOf } from '../clock.ts'
import type { Database, Rows } from '../database.ts'
import { forgetSubscribers } from '../outbox/notices.ts'
import { orphan } from '../outbox/outbox.ts'
import { LOCK, LOCKED, SERVER, type Session } from '../session.ts'
import { fromText, toText } from '../text.ts'
import { Presence } from './presence.ts'

interface WorkerRow {
  readonly id: string
  readonly pid: number
  readonly host: string
  readonly lease_until: number
  readonly is_locked: boolean
  readonly is_same_server: boolean
  /** Of the database. */
  readonly clock: number
}

/** A connection that broke is made again within a fraction of it (session.ts), unless the network is away. */
const RECONNECT_MS = 2_000

export interface Owner {
  readonly worker: string
  readonly pid: number
  readonly host: string
}

const SELECT = `select id, pid, host, lease_until, ${LOCKED} as is_locked, server = ${SERVER} as is_same_server, ${CLOCK}
  from worker`

export class Workers {
  readonly #database: Database
  readonly #session: Session
  readonly #presence: Presence
  /** Those that were enlisted here, with the numbers of their locks. */
  readonly #own: Map<string, number> = new Map()
  /** Workers whose lock is free and of whose process nothing is known here, since when they were seen so. */
  readonly #outOfSight: Map<string, number> = new Map()

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
    this.#presence = new Presence(database.location)
  }

  async enlist(worker: WorkerIdentity, leaseMs: number, now: number): Promise<void> {
    const id = toText(worker.id)
    await this.#presence.announce(worker.id)
    try {
      const number = await this.#session.enlist(async (ask) => {
        const offset = await this.#offset(async () => (await ask<{ clock: number }>(`select ${CLOCK}`)).rows[0]?.clock)
        const { rows } = await ask<{ number: number }>(
          // Its row may stand: the connection ended before that was known here, and with it the lock.
          `insert into worker (id, pid, host, lease_until, server) values ($1, $2, $3, $4, ${SERVER})
             on conflict (id) do update set lease_until = excluded.lease_until, server = excluded.server returning number`,
          id,
          worker.pid,
          toText(worker.host),
          now + offset + leaseMs,
        )
        const number = rows[0]?.number ?? 0
        // Nobody sees the row before the lock is held.
        await ask(LOCK, number)
        return number
      })
      this.#own.set(worker.id, number)
    } catch (error) {
      this.#presence.withdraw(worker.id)
      throw error
    }
    await this.#database.writeUntilKnown((rows) => forgetSubscribers(rows, now))
  }

  /** Through the session: that it comes back proves that the lock is held. */
  async heartbeat(workerId: string, leaseMs: number, now: number): Promise<void> {
    const offset = await this.#offset(
      async () => (await this.#session.query<{ clock: number }>(`select ${CLOCK}`)).rows[0]?.clock,
    )
    const sql = 'update worker set lease_until = $1 where id = $2'
    const { count } = await this.#session.query(sql, now + offset + leaseMs, toText(workerId))
    if (count === 0) throw notEnlisted(workerId)
  }

  async dismiss(workerId: string, actsOn = false): Promise<void> {
    await this.#database.writeUntilKnown(async (rows) => {
      const id = toText(workerId)
      if ((await rows.run('delete from worker where id = $1', id)) === 0) return
      await rows.run(
        `update run set status = 'pending', owner = null, crashes = 0, due = updated where n = any($1::bigint[])`,
        await this.#lockRunsOf(rows, id),
      )
      await orphan(rows, id, 0)
    }, 'now')
    if (actsOn) this.#presence.linger(workerId)
    await this.#forget(workerId)
  }

  /** Dismisses all that were enlisted here, where anything can be written still. */
  async close(): Promise<void> {
    for (const id of [...this.#own.keys()]) await this.dismiss(id).catch(() => this.#presence.withdraw(id))
  }

  async reap(now: number): Promise<number> {
    let freed = 0
    for (const id of await this.dead(now)) {
      freed += await this.#database.write(async (rows) => (await this.#bury(rows, toText(id), now)) ?? 0, 'now')
      // Ours, too, may have been declared dead; then it learns so by its heartbeat.
      if (this.#own.has(id)) await this.#forget(id, false)
    }
    return freed
  }

  async dead(now: number): Promise<string[]> {
    const workers = await this.#database.statement((rows) => this.#select(rows, now))
    return workers.filter(({ isAlive }) => !isAlive).map(({ row }) => fromText(row.id))
  }

  /** Inside a transaction: that worker, if it is alive; if it is dead its runs are taken back. */
  async ownerAlive(rows: Rows, id: string, now: number): Promise<Owner | undefined> {
    const [worker] = await this.#select(rows, now, id)
    if (worker === undefined) return undefined
    const { row, isAlive } = worker
    if (isAlive) return { worker: fromText(row.id), pid: row.pid, host: fromText(row.host) }
    await this.#bury(rows, id, now)
    return undefined
  }

  /** Whether its process may live, as far as can be told from here. */
  async mayLive(workerId: string): Promise<boolean> {
    return (await this.#presence.signOf(workerId)) !== 'died'
  }

  /** Undefined: it was buried by another, or has renewed its lease since it was looked at. */
  async #bury(rows: Rows, id: string, now: number): Promise<number | undefined> {
    await rows.run('select from worker where id = $1 for update', id)
    const [worker] = await this.#select(rows, now, id)
    if (worker === undefined || worker.isAlive) return undefined
    await rows.run('delete from worker where id = $1', id)
    const runs = await this.#lockRunsOf(rows, id)
    await rows.run(
      `update run set status = 'pending', due = $2, updated = $2,
         crashes = case when length = held_from then crashes + 1 else 0 end where n = any($1::bigint[])`,
      runs,
      now,
    )
    return runs.length + (await orphan(rows, id, now))
  }

  async #lockRunsOf(rows: Rows, id: string): Promise<number[]> {
    const sql = `select n from run where status = 'running' and owner = $1 order by n for update`
    return (await rows.all<{ n: number }>(sql, id)).map(({ n }) => n)
  }

  async #select(rows: Rows, now: number, id?: string): Promise<{ row: WorkerRow; isAlive: boolean }[]> {
    const askedAt = Date.now()
    const found =
      id === undefined ? await rows.all<WorkerRow>(SELECT) : await rows.all<WorkerRow>(`${SELECT} where id = $1`, id)
    const answeredAt = Date.now()
    if (id === undefined) this.#forgetGone(found)
    return await Promise.all(
      found.map(async (row) => {
        const time = now + offsetOf(row.clock, askedAt, answeredAt)
        return { row, isAlive: row.lease_until > time && (await this.#mayRenew(row)) }
      }),
    )
  }

  /** It has its lock; or it may take it again. */
  async #mayRenew({ id, is_locked, is_same_server }: WorkerRow): Promise<boolean> {
    const isKnown = is_locked || !is_same_server
    const sign = isKnown ? 'lives' : await this.#presence.signOf(fromText(id))
    if (sign !== 'none') {
      this.#outOfSight.delete(id)
      return sign === 'lives'
    }
    const since = this.#outOfSight.get(id) ?? performance.now()
    this.#outOfSight.set(id, since)
    return performance.now() - since < RECONNECT_MS
  }

  #forgetGone(rows: readonly WorkerRow[]): void {
    const ids = new Set(rows.map(({ id }) => id))
    for (const id of this.#outOfSight.keys()) if (!ids.has(id)) this.#outOfSight.delete(id)
  }

  async #offset(clock: () => Promise<number | undefined>): Promise<number> {
    const askedAt = Date.now()
    const theirs = await clock()
    const answeredAt = Date.now()
    return theirs === undefined ? 0 : offsetOf(theirs, askedAt, answeredAt)
  }

  async #forget(workerId: string, isOver = true): Promise<void> {
    const number = this.#own.get(workerId)
    this.#own.delete(workerId)
    if (isOver) this.#presence.withdraw(workerId)
    if (number !== undefined) await this.#session.free(number)
  }
}
