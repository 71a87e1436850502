/**
 * Choosing: the one place where an engine, a store and a runtime meet. Everything else knows the ports only.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { format } from 'node:util'
import type { Blobs, Clock, Engine, Host, Money, Outbound, Program, Runtime, Store } from '@selvage/core'
import {
  createHost,
  type OptionNames,
  refuseNoObject,
  refuseNoPort,
  refuseNoSwitch,
  refuseNumber,
  refuseOther,
  refuseUnknown,
  UsageError,
} from '@selvage/core'
import { embeddedEngine } from '@selvage/engine-embedded'
import type { PriceTable } from '@selvage/programs'
import { nodeRuntime } from '@selvage/runtime-node'
import { sqliteStore } from '@selvage/store-sqlite'
import { Hosts } from './hosts.ts'
import { type Live, openLive } from './live/live.ts'
import { defaultLogger, type Logger } from './logger.ts'
import type { Notify, NotifyTarget } from './notify/notification.ts'
import { Notifier, targetsOf } from './notify/notifier.ts'
import { type Secret, secretsOf } from './people/signing.ts'
import { openPostgres } from './postgres.ts'
import { notBuilt } from './reserved.ts'
import { type TenantOptions, Treasury } from './treasury.ts'
import { locate, noDatabase } from './url.ts'

export interface OpenOptions {
  /**
   * `sqlite:<path>`, `sqlite::memory:`, or `postgres://…` (with @selvage/store-postgres installed). Default: the environment variable SELVAGE_URL, else `./.selvage/selvage.db`.
   */
  readonly url?: string
  /** Any engine in place of the embedded one. Closed with this Selvage. */
  readonly engine?: Engine
  /** Any store below the embedded engine. Closed with this Selvage. */
  readonly store?: Store
  /** Where large values go. Default: where the store or the engine keeps them. */
  readonly blobs?: Blobs
  /** Reserved. */
  readonly codec?: unknown
  /** Default: the system's. Tests hand in one that they move themselves. */
  readonly clock?: Clock
  /** `false`: this process starts, watches and answers runs, and never works on one. */
  readonly work?: boolean
  /** `false`: UNAVAILABLE instead of a new database where there is none. */
  readonly create?: boolean
  /** What an acknowledgement survives: power loss (`full`, the default) or the death of the process (`normal`). */
  readonly durability?: 'full' | 'normal'
  /** How long a worker that stopped without dying keeps its runs, in milliseconds. */
  readonly leaseMs?: number
  /** Runs that this process works on at once. */
  readonly concurrency?: number
  /**
   * Live programs of suspended runs that are kept in memory; the least recently used is rebuilt from its journal when needed.
   * Default 256. With those of runs that are about to go on at most four times as many.
   */
  readonly maxFibers?: number
  readonly logger?: Logger
  /** What models cost, by their ids: goes before the built-in table. See docs/budgets.md. */
  readonly prices?: PriceTable
  /** Budgets for all runs of a tenant together. Every process that works needs them, as it needs the programs. */
  readonly tenants?: { readonly [tenant: string]: TenantOptions }
  /**
   * Signs links that answer questions: a random text of at least 16 characters, or a list of them, of which the first signs
   * and all are believed. Default: the environment variable SELVAGE_LINK_SECRET, several parted by blanks.
   */
  readonly linkSecret?: Secret
  /**
   * Who is told what happens to runs and questions: `webhook({ url, secret, events })`, functions, and others. What happens
   * in any process is told, from the first opening on; it is delivered by processes that work and were opened with the same.
   * See docs/approvals.md.
   */
  readonly notify?: readonly Notify[]
}

const OPTIONS: OptionNames<OpenOptions> = {
  url: true,
  engine: true,
  store: true,
  blobs: true,
  codec: false,
  clock: true,
  work: true,
  create: true,
  durability: true,
  leaseMs: true,
  concurrency: true,
  maxFibers: true,
  logger: true,
  prices: true,
  tenants: true,
  linkSecret: true,
  notify: true,
}

/** What an opened Selvage is made of. */
export interface Parts {
  readonly engine: Engine
  readonly runtime: Runtime
  readonly blobs: Blobs | undefined
  readonly logger: Logger
  /** Whatever holds live programs of this process on that engine. */
  readonly createHost: (programs: () => readonly Program[]) => Host
  /** All of them. */
  readonly hosts: Hosts
  /** Where `ctx.log` prints; undefined for the console. */
  readonly log: ((runId: string, values: readonly unknown[]) => void) | undefined
  /** Chunks for readers in other processes; undefined where there is no way between them. */
  readonly live: Live | undefined
  /** For messages: the database, or the engine's name. */
  readonly location: string
  /** Prices, and the budgets of tenants. */
  readonly treasury: Treasury
  /** What signs links, and what is believed. */
  readonly linkSecrets: readonly string[] | undefined
  readonly notify: readonly NotifyTarget[]
  readonly stopNotifying: () => void
}

export async function assemble(options: OpenOptions): Promise<Parts> {
  refuseUnknown('openSelvage()', options, OPTIONS)
  if (options.codec !== undefined) {
    throw notBuilt(
      'openSelvage({ codec })',
      'Values are recorded as JSON; encrypt inside the program what must not be read.',
    )
  }
  const given = [options.url, options.engine, options.store].filter((option) => option !== undefined)
  if (given.length > 1) {
    throw new UsageError('BAD_INPUT', 'openSelvage takes one of url, engine and store.', {
      hint: 'A url is a store of our own, a store goes below the embedded engine, an engine needs neither.',
    })
  }
  checkKinds(options)
  const runtime = nodeRuntime(options.clock === undefined ? {} : { clock: options.clock })
  const notify = targetsOf(options.notify ?? [])
  const linkSecret = options.linkSecret ?? secretIn(process.env.SELVAGE_LINK_SECRET)
  const linkSecrets = linkSecret === undefined ? undefined : secretsOf('linkSecret', linkSecret)
  const { engine, blobs, location } = await chooseEngine(options, runtime)
  const treasury = new Treasury(engine.pots, runtime)
  try {
    treasury.prices.set(options.prices ?? {})
    treasury.declareTenants(options.tenants ?? {})
  } catch (error) {
    if (options.engine === undefined && options.store === undefined) await engine.close()
    throw error
  }
  const settings = {
    runtime,
    manifest: engine.manifest,
    outbound: outboundOf(engine, treasury.money),
    ...(blobs === undefined ? {} : { blobs }),
    ...(options.maxFibers === undefined ? {} : { maxFibers: options.maxFibers }),
  }
  const hosts = new Hosts()
  const { logger } = options
  const log = logger === undefined ? undefined : printTo(logger)
  return {
    engine,
    runtime,
    blobs,
    logger: logger ?? defaultLogger,
    createHost: (programs) => hosts.add(createHost({ ...settings, programs })),
    hosts,
    log,
    live: openLive(location),
    location,
    treasury,
    notify,
    stopNotifying: await Notifier.subscribe({ engine, runtime }, notify),
    linkSecrets,
  }
}

const WHOLE = { least: 1, isWhole: true }

/** What is read later, or by whoever is called first, is looked at here. */
function checkKinds(options: OpenOptions): void {
  const of = (name: keyof OpenOptions): string => `${name} of openSelvage()`
  refuseNoSwitch(of('work'), options.work)
  refuseNoSwitch(of('create'), options.create)
  refuseOther(of('durability'), options.durability, ['full', 'normal'])
  refuseNumber(of('concurrency'), options.concurrency, WHOLE)
  refuseNumber(of('maxFibers'), options.maxFibers, WHOLE)
  refuseNoPort(of('clock'), options.clock, ['now', 'monotonic', 'timer'])
  refuseNoPort(of('logger'), options.logger, ['info', 'warn', 'error'])
  refuseNoObject(of('prices'), options.prices)
  refuseNoObject(of('tenants'), options.tenants)
  if (options.notify === undefined || Array.isArray(options.notify)) return
  throw new UsageError('BAD_INPUT', `${of('notify')} is no list.`, { hint: 'Write notify: [webhook({ url })].' })
}

/** The commands of an engine, which may be an object of any class. */
function outboundOf(engine: Engine, money: Money | undefined): Outbound {
  return {
    start: (...given) => engine.start(...given),
    signal: (...given) => engine.signal(...given),
    cancel: (...given) => engine.cancel(...given),
    ...(engine.retry !== undefined && { retry: engine.retry.bind(engine) }),
    ...(money !== undefined && { money }),
  }
}

function secretIn(text: string | undefined): Secret | undefined {
  const secrets = (text ?? '').split(/\s+/).filter((secret) => secret !== '')
  return secrets.length === 0 ? undefined : secrets
}

function printTo(logger: Logger): (runId: string, values: readonly unknown[]) => void {
  return (runId, values) => logger.info(format(`[${runId}]`, ...values))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

type Choice = Pick<Parts, 'engine' | 'blobs' | 'location'>

async function chooseEngine(options: OpenOptions, runtime: Runtime): Promise<Choice> {
  if (options.engine !== undefined) {
    return {
      engine: options.engine,
      blobs: options.blobs ?? options.engine.blobs,
      location: options.engine.manifest.name,
    }
  }
  const store = options.store ?? (await openStore(options))
  const { leaseMs, logger } = options
  const settings = {
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(logger === undefined ? {} : { onError: (error: unknown) => logger.warn(messageOf(error)) }),
  }
  return {
    engine: embeddedEngine({ store, runtime, ...settings }),
    blobs: options.blobs ?? store.blobs,
    location: store.location,
  }
}

async function openStore(options: OpenOptions): Promise<Store> {
  const location = locate(options.url, process.env)
  const durability = options.durability === undefined ? {} : { durability: options.durability }
  if (location.kind === 'memory') return sqliteStore({ path: ':memory:', ...durability })
  if (location.kind === 'postgres') return await openPostgres(location.url, options)
  const path = resolve(location.path)
  if (options.create === false && !existsSync(path)) throw noDatabase(location, path)
  if (location.isDefault) prepareDefaultFolder(dirname(path))
  return sqliteStore({ path, ...durability })
}

/** The default folder lies in somebody's project: it must not end up in a commit. */
function prepareDefaultFolder(folder: string): void {
  if (existsSync(folder)) return
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, '.gitignore'), '*\n')
  } catch {
    // The store tries the same and says what is wrong.
  }
}
