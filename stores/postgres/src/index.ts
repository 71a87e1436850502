/**
 * The store on PostgreSQL: journals, blobs, inboxes and leases in one schema of a database, for workers on any number of
 * machines. Where one machine is enough the store on SQLite needs no server and is faster.
 *
 * It keeps one connection for itself (session.ts), so it is refused behind a pooler that hands connections out by the
 * transaction (pooler.ts).
 */
import {
  type OptionNames,
  refuseNoObject,
  refuseNoSwitch,
  refuseNoText,
  refuseNumber,
  refuseOther,
  refuseUnknown,
  type Store,
  UsageError,
} from '@selvage/core'
import { Bell } from './bell.ts'
import { Database, type Settings } from './database.ts'
import { Appends } from './journal/append.ts'
import { blobs } from './journal/blobs.ts'
import { load } from './journal/journal.ts'
import { unknownSteps } from './journal/unknown.ts'
import { openDatabase } from './open.ts'
import { outbox } from './outbox/outbox.ts'
import { question, questions } from './questions/asked.ts'
import { pendingSignals, signal, unheard } from './questions/inbox.ts'
import { claim, claimRun, nextDue, takingRuns } from './runs/claims.ts'
import { discard } from './runs/discard.ts'
import { authorOf, claimsOf } from './runs/holders.ts'
import { postgresPots } from './runs/pots.ts'
import { describe, glance, list } from './runs/queries.ts'
import { create, finish, postpone, release, reopen, show, suspend } from './runs/runs.ts'
import { Workers } from './runs/workers.ts'
import { Session } from './session.ts'

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`, with `?sslmode=…` and what else node-postgres takes. */
  readonly url: string
  /** The schema that everything is in, made at the first opening; default `selvage`. Stores of two schemas know nothing of each other. */
  readonly schema?: string
  /**
   * `full` (default): what was acknowledged survives a crash of the server's machine. `normal`: the server commits without
   * waiting for its disk (`synchronous_commit = off`); its crash may take the last moments back, in order.
   */
  readonly durability?: 'full' | 'normal'
  /** `false`: UNAVAILABLE in place of a new schema. */
  readonly create?: boolean
  /** Connections at once, beside the one that stays; at least 2, default 10. */
  readonly connections?: number
}

const OPTIONS: OptionNames<PostgresStoreOptions> = {
  url: true,
  schema: true,
  durability: true,
  create: true,
  connections: true,
}

const MOST_CONNECTIONS = 1_000
const FEWEST_CONNECTIONS = 2

/**
 * Opens a store, and makes its schema at the first opening.
 *
 * Rejects with BAD_INPUT (UsageError) for a url, user or database that does not exist, UNSUPPORTED for a server older than
 * PostgreSQL 13 and for a pooler that hands connections out by the transaction, UNAVAILABLE (EngineError) where no server answers, SCHEMA_TOO_NEW for a schema of a newer Selvage, READ_ONLY
 * for a replica or a user without the rights.
 */
export async function postgresStore(options: PostgresStoreOptions): Promise<Store> {
  refuseNoObject('postgresStore()', options ?? null)
  refuseUnknown('postgresStore()', options, OPTIONS)
  refuseOther('durability of postgresStore()', options.durability, ['full', 'normal'])
  refuseNoSwitch('create of postgresStore()', options.create)
  if (options.schema !== undefined) refuseNoText('schema of postgresStore()', options.schema)
  const settings = settingsOf(options)
  const survives = await openDatabase(settings, options.create ?? true)
  const database = new Database(settings)
  const session = new Session(database)
  const bell = new Bell(database, session)
  database.onCommit((ring) => bell.ring(ring))
  const appends = new Appends(database)
  const workers = new Workers(database, session)
  const taking = takingRuns(database)
  let closing: Promise<void> | undefined

  async function close(): Promise<void> {
    await appends.close()
    await workers.close()
    await bell.close()
    await session.close()
    await database.close()
  }

  return {
    location: settings.location,
    survives,
    blobs: blobs(database),
    outbox: outbox(database),
    pots: postgresPots(database),

    enlist: (worker, leaseMs, now) => workers.enlist(worker, leaseMs, now),
    heartbeat: (workerId, leaseMs, now) => workers.heartbeat(workerId, leaseMs, now),
    dismiss: (workerId, actsOn) => workers.dismiss(workerId, actsOn),
    reap: (now) => workers.reap(now),
    reapEveryMs: 1_000,
    dead: (now) => workers.dead(now),

    create: (run) => create(database, run),
    claim: (workerId, ...asked) => claim(taking, workerId, ...asked),
    claimRun: (workerId, runId, now) => claimRun(taking, workers, workerId, runId, now),
    append: (runId, fence, at, entries) => appends.append(runId, fence, at, entries),
    suspend: (runId, fence, waits, note, now) => suspend(database, runId, fence, waits, note, now),
    postpone: (runId, fence, until, note, now) => postpone(database, runId, fence, until, note, now),
    show: (runId, fence, note) => show(database, runId, fence, note),
    release: (runId, fence, now) => release(database, runId, fence, now),
    finish: (runId, fence, outcome, now) => finish(database, runId, fence, outcome, now),
    reopen: (runId, at, voided, now) => reopen(database, runId, at, voided, now),
    discard: (runId, options, now) => discard(database, runId, options, now),
    signal: (runId, sent, now) => signal(database, runId, sent, now),
    pendingSignals: (runId, after) => pendingSignals(database, runId, after),
    unheard: (runIds) => unheard(database, runIds),

    load: (runId, from, limit) => load(database, runId, from, limit),
    describe: (runId) => describe(database, runId),
    glance: (runIds) => glance(database, runIds),
    claims: (runId) => claimsOf(database, runId),
    authorMayLive: async (runId, seq) => {
      const author = await authorOf(database, runId, seq)
      return author === undefined || (await workers.mayLive(author))
    },
    list: (query) => list(database, query),
    unknownSteps: (query) => unknownSteps(database, query),
    questions: (query) => questions(database, query),
    question: (id) => question(database, id),
    nextDue: (programs) => nextDue(database, taking, programs),

    watch: (listener) => bell.listen(listener),
    close: () => (closing ??= close()),
  }
}

function settingsOf({
  url,
  schema = 'selvage',
  durability = 'full',
  connections = 10,
}: PostgresStoreOptions): Settings {
  const parsed = /^postgres(?:ql)?:\/\//.test(url) && URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined) {
    throw new UsageError('BAD_INPUT', 'The url of the store is no postgres: url.', {
      hint: "Write 'postgres://user:password@host:5432/database'.",
    })
  }
  if (schema === '' || schema.length > 63 || schema.includes('\0') || schema.startsWith('pg_')) {
    throw new UsageError('BAD_INPUT', `"${schema}" cannot be the schema of a store.`, {
      hint: 'Give a name of at most 63 characters that does not begin with pg_.',
    })
  }
  const bounds = { least: FEWEST_CONNECTIONS, most: MOST_CONNECTIONS, isWhole: true }
  refuseNumber('The option connections of the store', connections, bounds)
  return { url, schema, durability, connections, location: locationOf(parsed, schema) }
}

/** Without what may be secret. */
function locationOf({ host, pathname }: URL, schema: string): string {
  return `postgres://${host}${pathname}${schema === 'selvage' ? '' : `#${schema}`}`
}
