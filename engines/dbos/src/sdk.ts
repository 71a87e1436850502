/**
 * Every use of DBOS's SDK by a worker. There is one DBOS in a process: launched when a worker begins to serve, shut down when
 * it stops. No conductor, no telemetry; what it logs as wrong is reported as everything else is.
 *
 * A step of DBOS is checkpointed by its position, and only by the process whose claim of the workflow is the newest: each
 * claim writes a token (`owner_xid`) into the workflow's row, and each checkpoint is refused where another one stands there.
 * That is the fence of this engine.
 */
import { DBOS, type DBOSConfig } from '@dbos-inc/dbos-sdk'
import { registerPollerQueue } from '@dbos-inc/dbos-sdk/eventreceiver'
import { DBOSExecutor } from '@dbos-inc/dbos-sdk/internal/dbos-executor'
import { migrateSystemDatabase } from '@dbos-inc/dbos-sdk/internal/system_database'
import { GlobalLogger } from '@dbos-inc/dbos-sdk/internal/telemetry/logs'
import { dbRetryConfig } from '@dbos-inc/dbos-sdk/internal/utils'
import { EngineError } from '@selvage/core'
import type { Application } from './application.ts'
import { oneInAProcess } from './errors.ts'
import { type Begin, versionOf } from './names.ts'

export interface LaunchOptions {
  readonly app: Application
  readonly executor: string
  /** Of the host: how many advances it makes at once. */
  readonly concurrency: number
  /** Drives a generation of a run. */
  readonly drive: (begin: Begin) => Promise<string>
}

/** The version of the SDK whose tables `makeTables` makes. */
export const SDK_VERSION = '5.3.0'

/** DBOS's tables. Two processes at once may leave them as they are with an error for ever after. */
export async function makeTables(url: string, report: (error: unknown) => void): Promise<void> {
  await migrateSystemDatabase(url, new GlobalLogger(undefined, { logger: loggerOf(report) }))
}

// A database that was away is noticed within seconds of its return; by default DBOS comes to look once a minute.
dbRetryConfig.initialBackoffSec = 0.2
dbRetryConfig.maxBackoffSec = 3

/** A run is driven again and again for as long as it takes: `CRASH_LOOP` is what stops it. */
const FOR_EVER = 2 ** 30

let isTaken = false

export class Sdk {
  private readonly options: LaunchOptions
  private readonly queues = new Set<string>()

  /** Workflows of `queues` are given to this worker from the beginning. */
  static async launch(options: LaunchOptions, queues: readonly string[]): Promise<Sdk> {
    if (isTaken || DBOS.isInitialized()) throw oneInAProcess()
    isTaken = true
    try {
      const { app, executor } = options
      DBOS.setConfig({
        name: app.name,
        applicationVersion: versionOf(app.name),
        executorID: executor,
        systemDatabaseUrl: app.settings.url,
        systemDatabasePool: app.db.pool,
        runMigrations: false,
        enableOTLP: false,
        tracingEnabled: false,
        logger: loggerOf(app.platform.report),
        serializer: PLAIN_JSON,
        // Queues are added as programs are registered.
        listenQueues: [],
      })
      const sdk = new Sdk(options)
      for (const queue of queues) await sdk.listen(queue)
      await DBOS.launch()
      return sdk
    } catch (error) {
      await DBOS.shutdown({ deregister: true }).catch(() => {})
      isTaken = false
      throw error
    }
  }

  private constructor(options: LaunchOptions) {
    this.options = options
    const { drive, app } = options
    const config = { name: app.name, serialization: 'portable', maxRecoveryAttempts: FOR_EVER } as const
    DBOS.registerWorkflow(drive, config)
  }

  /** From now on DBOS gives this worker what stands in that queue. */
  async listen(queue: string): Promise<void> {
    if (this.queues.has(queue)) return
    const { app, concurrency } = this.options
    await app.queues.make(queue, concurrency)
    registerPollerQueue(queue)
    this.queues.add(queue)
  }

  /** Only inside of a workflow: runs `body` unless its result is recorded, and resolves when it is. */
  async step<T>(name: string, body: () => Promise<T>): Promise<T> {
    return await DBOS.runStep(body, { name })
  }

  /** Takes nothing more up, and waits so long for what is going on. */
  async shutdown(graceMs: number): Promise<void> {
    try {
      await DBOS.shutdown({ deregister: true, workflowCompletionTimeoutMS: graceMs })
    } finally {
      isTaken = false
    }
  }
}

/** What these executors had goes back to its queues, and their claims are void. */
export async function recover(executors: readonly string[]): Promise<void> {
  await DBOSExecutor.globalInstance?.recoverPendingWorkflows([...executors])
}

/** Steps are recorded as JSON that every client of DBOS can read. */
const PLAIN_JSON = {
  name: () => 'portable_json',
  parse: (text: string | null | undefined): unknown => (text === null || text === undefined ? null : JSON.parse(text)),
  stringify: (value: unknown): string => JSON.stringify(value ?? null),
}

export function loggerOf(report: (error: unknown) => void): NonNullable<DBOSConfig['logger']> {
  const tell = (message: unknown, metadata?: object): void => {
    const cause = metadata !== undefined && 'error' in metadata ? metadata.error : undefined
    const text = String(message)
    if (EXPECTED.test(text)) return
    if (AWAY.test(text)) report(new EngineError('UNAVAILABLE', 'DBOS has lost its database, and tries again.'))
    else report(cause ?? new EngineError('UNAVAILABLE', `DBOS says: ${text}`))
  }
  return { debug: () => {}, info: () => {}, warn: tell, error: tell }
}

/** A claim is void where a run goes on elsewhere; and what is cut off by a shutdown says so. */
const EXPECTED = /is no longer owned by this execution|was cancelled during execution|has been shut down/
const AWAY =
  /ECONN|\bterminat|starting up|shutting down|not yet accepting connections|not queryable|Connection (?:lost|ended)/
