/**
 * The store on SQLite: journals, blobs, inboxes and leases in one file, for any number of processes of one machine. It
 * needs no server and no package beyond Node.
 *
 * Beside `<path>` (and SQLite's own `-wal` and `-shm`) lie `<path>-bell` and `<path>-turn`, empty or nearly so, and a
 * lock file for each living worker. Not for network file systems: SQLite's log is shared memory.
 */
import {
  type OptionNames,
  refuseNoObject,
  refuseNoText,
  refuseNumber,
  refuseOther,
  refuseUnknown,
  type Store,
} from '@selvage/core'
import { transaction } from './author.ts'
import type { Database } from './database.ts'
import { failure } from './failure.ts'
import { Bell } from './file/bell.ts'
import { Checkpoints } from './file/checkpoints.ts'
import { Log } from './file/log.ts'
import { realPath } from './file/real-path.ts'
import { Turns } from './file/turns.ts'
import { Whereabouts } from './file/whereabouts.ts'
import { Guard } from './guard.ts'
import { Appends } from './journal/append.ts'
import { blobs } from './journal/blobs.ts'
import { Commits } from './journal/commit.ts'
import { load } from './journal/journal.ts'
import { unknownSteps } from './journal/unknown.ts'
import { Names } from './names.ts'
import { CHECKPOINT_PAGES, LOG_ROOM_BYTES, openDatabase, syncing } from './open.ts'
import { outbox } from './outbox/outbox.ts'
import { question, questions } from './questions/asked.ts'
import { pendingSignals, signal, unheard } from './questions/inbox.ts'
import { claim, claimRun, nextDue } from './runs/claims.ts'
import { discard } from './runs/discard.ts'
import { authorOf, claimsOf } from './runs/holders.ts'
import { sqlitePots } from './runs/pots.ts'
import { describe, glance, list } from './runs/queries.ts'
import { create, finish, postpone, release, reopen, show, suspend } from './runs/runs.ts'
import { Workers } from './runs/workers.ts'

export { type Backup, backUpDatabase } from './file/backup.ts'
export { type Inspection, inspectDatabase, type WorkerInspection } from './file/inspect.ts'

export interface SqliteStoreOptions {
  /** Path of the database file; it and its folder are created. `:memory:`: gone with the process, for tests. */
  readonly path: string
  /**
   * `full` (default): what was acknowledged survives a crash of the machine or loss of power. `normal`: it survives the
   * death of the process; a crash of the machine may take the last moments back, in order. About 7 times as fast.
   */
  readonly durability?: 'full' | 'normal'
  /** Upper limit of the database file in bytes, rounded down to pages of 2,048; beyond it writes reject with DISK_FULL. */
  readonly maxBytes?: number
}

const OPTIONS: OptionNames<SqliteStoreOptions> = { path: true, durability: true, maxBytes: true }

/**
 * Opens or creates a store.
 *
 * Rejects with SCHEMA_TOO_NEW (EngineError) for a file of a newer Selvage, CORRUPT (EngineError) for one that is damaged
 * or no database, BAD_INPUT (UsageError) for the database of another application or a path that cannot be a file,
 * READ_ONLY and DISK_FULL (EngineError).
 */
export async function sqliteStore(options: SqliteStoreOptions): Promise<Store> {
  refuseNoObject('sqliteStore()', options ?? null)
  refuseUnknown('sqliteStore()', options, OPTIONS)
  refuseNoText('path of sqliteStore()', options.path)
  refuseNumber('maxBytes of sqliteStore()', options.maxBytes, { least: 1 })
  refuseOther('durability of sqliteStore()', options.durability, ['full', 'normal'])
  const durability = options.durability ?? 'full'
  const memory = options.path === ':memory:'
  const path = memory ? options.path : realPath(options.path)
  const beside = (name: string): string | undefined => (memory ? undefined : `${path}-${name}`)
  const turns = new Turns(path, beside('turn'))
  const database = await openDatabase(path, { durability, maxBytes: options.maxBytes }, turns)
  try {
    turns.open()
    return storeOn(database, turns, new Bell(database, beside('bell')), {
      lockPrefix: beside('worker-'),
      survives: memory ? 'nothing' : durability === 'full' ? 'machine-crash' : 'process',
    })
  } catch (error) {
    turns.close()
    database.close()
    throw failure(path, error)
  }
}

interface Place {
  readonly lockPrefix: string | undefined
  readonly survives: Store['survives']
}

function storeOn(database: Database, turns: Turns, bell: Bell, place: Place): Store {
  const names = new Names(database)
  const synced = place.survives === 'machine-crash'
  const hasLog = place.survives !== 'nothing'
  const log = hasLog ? new Log(database, { synced, roomBytes: LOG_ROOM_BYTES }) : undefined
  const pragmas = syncing(synced ? 'full' : 'normal')
  const checkpoints = hasLog ? new Checkpoints(database, { pages: CHECKPOINT_PAGES, pragmas }) : undefined
  const whereabouts = hasLog ? new Whereabouts(database.path, performance.now()) : undefined
  const commits = new Commits(database, turns, bell, { log, checkpoints, whereabouts }, () => {
    names.forget()
    appends.forget()
  })
  const guard = new Guard(database)
  const appends = new Appends(commits, database, names)
  const workers = new Workers(commits, database, turns, place.lockPrefix, () => appends.catchUp())
  let closing: Promise<void> | undefined

  async function close(): Promise<void> {
    await workers.close()
    await commits.close()
    await checkpoints?.close()
    bell.close()
    log?.close()
    turns.close()
    database.checkpoint()
    database.close()
  }

  return {
    location: `sqlite:${database.path}`,
    survives: place.survives,
    blobs: blobs(commits, database),
    outbox: outbox(commits, database, workers),
    pots: sqlitePots(commits, database),

    enlist: (worker, leaseMs, now) => workers.enlist(worker, leaseMs, now),
    heartbeat: (workerId, leaseMs, now) => workers.heartbeat(workerId, leaseMs, now),
    dismiss: (workerId, actsOn) => workers.dismiss(workerId, actsOn),
    reap: (now) => workers.reap(now),
    reapEveryMs: 200,
    dead: (now) => workers.dead(now),

    create: (run) => create(commits, database, names, run),
    claim: (workerId, ...asked) => claim(commits, database, workers, workerId, ...asked),
    claimRun: (workerId, runId, now) => claimRun(commits, database, workers, workerId, runId, now),
    append: (...append) => appends.append(...append),
    ...(synced && { sync: () => commits.sync() }),
    transact: (runId, fence, at, write) => appends.transact(guard, runId, fence, at, write),
    transaction: (body) => transaction(commits, database, guard, body),
    async suspend(runId, fence, waits, note, now) {
      const isSuspended = await suspend(commits, database, runId, fence, waits, note, now)
      if (isSuspended) appends.leave(runId, fence)
      return isSuspended
    },
    async postpone(runId, fence, until, note, now) {
      await postpone(commits, database, runId, fence, until, note, now)
      appends.leave(runId, fence)
    },
    show: (runId, fence, note) => show(commits, database, runId, fence, note),
    async release(runId, fence, now) {
      await release(commits, database, runId, fence, now)
      appends.leave(runId, fence)
    },
    async finish(runId, fence, outcome, now) {
      await finish(commits, database, names, runId, fence, outcome, now)
      appends.leave(runId, fence)
    },
    reopen: (runId, at, voided, now) => reopen(commits, database, names, runId, at, voided, now),
    discard: (runId, options, now) => discard(commits, database, runId, options, now),
    signal: (runId, sent, now) => signal(commits, database, names, runId, sent, now),
    pendingSignals: (runId, after) => pendingSignals(commits, database, runId, after),
    unheard: (runIds) => unheard(commits, database, runIds),

    load: (runId, from, limit) => load(commits, database, names, runId, from, limit),
    describe: (runId) => describe(commits, database, runId),
    glance: (runIds) => glance(commits, database, runIds),
    claims: (runId) => claimsOf(commits, database, runId),
    authorMayLive: async (runId, seq) => {
      const author = await authorOf(commits, database, runId, seq)
      return author !== undefined && workers.mayLive(author)
    },
    list: (query) => list(commits, database, query),
    unknownSteps: (query) => unknownSteps(commits, database, query),
    questions: (query) => questions(commits, database, query),
    question: (id) => question(commits, database, id),
    nextDue: (programs) => nextDue(commits, database, programs),

    watch: (listener) => bell.listen(listener),
    close: () => (closing ??= close()),
  }
}
