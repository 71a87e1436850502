/**
 * Who is alive. A worker is a row with a lease, and an exclusive lock on a file of its own, `<database>-worker-<id>.lock`.
 * The kernel frees that lock at the death of the process, whatever killed it; whoever can read-lock the file knows. No
 * pid is compared: pids are used again, and mean another process in another container. SQLite takes the lock, because
 * Node has no call for it; nothing is ever written to the file.
 *
 * A worker is dead when its lock is free or its lease has run out: the lock is seen at once, the lease is for a worker
 * that is stopped (SIGSTOP, a frozen container) and so keeps its lock, or whose lock nobody can look at. Its death takes its
 * runs back in the same transaction that deletes its row, and from then on its writes are refused, claimed by another or not.
 *
 * The file must never be opened by other means in the process that holds it: closing any descriptor frees the lock.
 */
import { existsSync, statSync, unlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { LeaseLostError, type WorkerIdentity } from '@selvage/core'
import type { Database } from '../database.ts'
import { failure, isBusy } from '../failure.ts'
import type { Turns } from '../file/turns.ts'
import type { Commits } from '../journal/commit.ts'
import { leave } from '../journal/live.ts'
import { forgetSubscribers } from '../outbox/notices.ts'
import { orphan } from '../outbox/outbox.ts'
import { DatabaseSync } from '../sqlite.ts'
import { PENDING, RUNNING } from '../status.ts'
import { fromText, toText } from '../text.ts'

/** A lock file without a row may belong to a worker that is just being enlisted; after this it does not. */
const LEFT_BEHIND_MS = 60_000

/** Never closed: the death of the process frees them. */
const LINGERING: DatabaseSync[] = []

interface WorkerRow {
  readonly id: string
  readonly pid: number
  readonly host: string
  readonly lease_until: number
}

export interface Owner {
  readonly worker: string
  readonly pid: number
  readonly host: string
}

export class Workers {
  readonly #commits: Commits
  readonly #database: Database
  readonly #turns: Turns
  /** Undefined for a database that no other process can open: there the lease alone decides. */
  readonly #prefix: string | undefined
  readonly #locks: Map<string, DatabaseSync | undefined> = new Map()
  readonly #onHeartbeat: () => void

  /** `onHeartbeat`: what else is to be written from time to time; called inside a unit. */
  constructor(commits: Commits, database: Database, turns: Turns, prefix: string | undefined, onHeartbeat: () => void) {
    this.#commits = commits
    this.#database = database
    this.#turns = turns
    this.#prefix = prefix
    this.#onHeartbeat = onHeartbeat
  }

  async enlist(worker: WorkerIdentity, leaseMs: number, now: number): Promise<void> {
    this.#locks.set(worker.id, await this.#lock(worker.id))
    try {
      await this.#commits.write(() => {
        const sql = 'insert into worker (id, pid, host, lease_until) values (?, ?, ?, ?)'
        this.#database.run(sql, toText(worker.id), worker.pid, toText(worker.host), now + leaseMs)
        forgetSubscribers(this.#database, now)
      })
    } catch (error) {
      this.#unlock(worker.id)
      throw error
    }
    await this.#sweep()
  }

  heartbeat(workerId: string, leaseMs: number, now: number): Promise<void> {
    return this.#commits.write(
      () => {
        const sql = 'update worker set lease_until = ? where id = ?'
        if (this.#database.run(sql, now + leaseMs, toText(workerId)) === 0) throw unknown(workerId)
        this.#onHeartbeat()
      },
      { plain: true },
    )
  }

  async dismiss(workerId: string, actsOn = false): Promise<void> {
    await this.#commits.write(
      () => {
        const id = toText(workerId)
        const sql = `update run set status = ${PENDING}, owner = null, crashes = 0, due = updated where n = ?`
        for (const n of this.#runsOf(id)) {
          leave(this.#database, n)
          this.#database.run(sql, n)
        }
        orphan(this.#database, id, 0)
        this.#database.run('delete from worker where id = ?', id)
      },
      { ring: 'now' },
    )
    if (actsOn) this.#linger(workerId)
    else this.#unlock(workerId)
  }

  /** Dismisses all that were enlisted here. Their locks are freed even where nothing can be written any more. */
  async close(): Promise<void> {
    for (const id of [...this.#locks.keys()]) {
      await this.dismiss(id).catch(() => this.#locks.get(id)?.close())
    }
    this.#locks.clear()
  }

  async reap(now: number): Promise<number> {
    const dead = await this.#dead(now)
    if (dead.length === 0) return 0
    const buried = await this.#commits.write(
      () => dead.map((worker) => ({ worker, runs: this.#bury(worker.id, now) })),
      { ring: 'now' },
    )
    let runs = 0
    for (const { worker, runs: orphans } of buried) {
      if (orphans === undefined) continue
      runs += orphans
      const id = fromText(worker.id)
      // The lock of one that stands still goes on telling that it lives. Its file is swept when it has died.
      if (!this.mayLive(id)) this.#unlock(id)
    }
    return runs
  }

  async dead(now: number): Promise<string[]> {
    return (await this.#dead(now)).map(({ id }) => fromText(id))
  }

  /** Inside a unit: that worker, if it is alive; if it is dead its runs are taken back. */
  ownerAlive(workerId: string, now: number): Owner | undefined {
    const worker = this.#database.get<WorkerRow>('select * from worker where id = ?', workerId)
    if (worker === undefined) return undefined
    if (this.#isAlive(worker, now)) return { worker: fromText(worker.id), pid: worker.pid, host: fromText(worker.host) }
    this.#bury(worker.id, now)
    return undefined
  }

  /** Whether its process lives, as far as its lock tells, whatever became of its lease. */
  mayLive(workerId: string): boolean {
    return this.#locks.has(workerId) || (this.#prefix !== undefined && isLocked(this.#file(workerId)))
  }

  /** Inside a unit: a run may only be claimed by a worker whose death would be noticed. */
  requireEnlisted(workerId: string): void {
    if (this.#database.get('select 1 from worker where id = ?', toText(workerId)) === undefined) throw unknown(workerId)
  }

  async #dead(now: number): Promise<WorkerRow[]> {
    const workers = await this.#commits.read(() => this.#database.all<WorkerRow>('select * from worker'))
    return workers.filter((worker) => !this.#isAlive(worker, now))
  }

  #isAlive(worker: WorkerRow, now: number): boolean {
    return worker.lease_until > now && !this.#isFree(fromText(worker.id))
  }

  /** Undefined: it was buried by another, or has renewed its lease since it was looked at. */
  #bury(id: string, now: number): number | undefined {
    const worker = this.#database.get<WorkerRow>('select * from worker where id = ?', id)
    if (worker === undefined || this.#isAlive(worker, now)) return undefined
    this.#database.run('delete from worker where id = ?', id)
    const runs = this.#runsOf(id)
    for (const n of runs) {
      leave(this.#database, n)
      this.#database.run(
        `update run set status = ${PENDING}, due = ?, updated = ?,
           crashes = case when length = held_from then crashes + 1 else 0 end where n = ?`,
        now,
        now,
        n,
      )
    }
    return runs.length + orphan(this.#database, id, now)
  }

  #runsOf(id: string): number[] {
    const sql = `select n from run where status = ${RUNNING} and owner = ?`
    return this.#database.all<{ n: number }>(sql, id).map(({ n }) => n)
  }

  #file(workerId: string): string {
    return lockFile(this.#prefix ?? '', workerId)
  }

  async #lock(workerId: string): Promise<DatabaseSync | undefined> {
    if (this.#prefix === undefined) return undefined
    let lock: DatabaseSync | undefined
    try {
      const opened = new DatabaseSync(this.#file(workerId), { timeout: 0 })
      lock = opened
      // Without this SQLite makes a journal file beside it.
      opened.exec('pragma journal_mode = memory')
      await this.#turns.retry(() => opened.exec('begin exclusive'))
      return opened
    } catch (error) {
      lock?.close()
      throw failure(this.#file(workerId), error)
    }
  }

  /** Keeps the lock for as long as this process lives, whatever becomes of the store. */
  #linger(workerId: string): void {
    const lock = this.#locks.get(workerId)
    if (lock !== undefined) LINGERING.push(lock)
    this.#locks.delete(workerId)
  }

  /** Frees the lock, if it is ours, and removes its file. */
  #unlock(workerId: string): void {
    this.#locks.get(workerId)?.close()
    this.#locks.delete(workerId)
    if (this.#prefix === undefined) return
    try {
      unlinkSync(this.#file(workerId))
    } catch {
      // Somebody else was first, or will be.
    }
  }

  /** The file is there, and nobody holds its lock. Somebody who tidies up removes it under a worker that lives. */
  #isFree(workerId: string): boolean {
    if (this.#prefix === undefined || this.#locks.has(workerId)) return false
    const file = this.#file(workerId)
    return existsSync(file) && !isLocked(file)
  }

  /** Removes lock files of workers that died before their row was written, or after it was deleted. */
  async #sweep(): Promise<void> {
    if (this.#prefix === undefined) return
    const folder = dirname(this.#prefix)
    const names = await readdir(folder)
    const known = new Set(
      (await this.#commits.read(() => this.#database.all<WorkerRow>('select * from worker'))).map((worker) =>
        basename(this.#file(fromText(worker.id))),
      ),
    )
    for (const name of names) {
      if (!name.startsWith(basename(this.#prefix)) || !name.endsWith('.lock') || known.has(name)) continue
      const file = join(folder, name)
      try {
        if (Date.now() - statSync(file).mtimeMs > LEFT_BEHIND_MS && !isLocked(file)) unlinkSync(file)
      } catch {
        // Gone meanwhile.
      }
    }
  }
}

/** The lock file of a worker; `prefix` is that of its database. */
export function lockFile(prefix: string, workerId: string): string {
  const safe = workerId.replace(/[^A-Za-z0-9_-]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
  return `${prefix}${safe}.lock`
}

/**
 * Read-only: a probe neither creates the file nor stands in the way of another probe. Who cannot look (no descriptor is free, no
 * right to read) knows of no death: then the lease decides.
 */
export function isLocked(file: string): boolean {
  let probe: DatabaseSync | undefined
  try {
    probe = new DatabaseSync(file, { readOnly: true, timeout: 0 })
    probe.exec('begin exclusive')
    return false
  } catch (error) {
    return isBusy(error) || existsSync(file)
  } finally {
    probe?.close()
  }
}

function unknown(workerId: string): LeaseLostError {
  return new LeaseLostError('LEASE_LOST', `Worker ${workerId} is not enlisted, or was declared dead.`, {
    hint: 'Drop its runs and enlist a new worker.',
    details: { workerId },
  })
}
