/** One application in DBOS, as the commands, reads and workers of a process share it. It neither launches DBOS nor listens. */
import { DBOSClient } from '@dbos-inc/dbos-sdk'
import type { Start } from '@selvage/core'
import type { Platform } from '@selvage/core/engines'
import type pg from 'pg'
import { Bell } from './bell.ts'
import { Database } from './database.ts'
import { toSelvage } from './errors.ts'
import { type Begin, checkedName, queueOf, versionOf, workflowOf } from './names.ts'
import type { Settings } from './options.ts'
import { Runs } from './runs.ts'
import { loggerOf } from './sdk.ts'

/** Runs of one program that a worker takes up, for each advance that it makes at once. */
const HELD = 2

export class Application {
  readonly name: string
  readonly settings: Settings
  readonly platform: Platform
  readonly db: Database
  readonly runs: Runs
  private client: Promise<DBOSClient> | undefined

  constructor(settings: Settings, platform: Platform) {
    const { url, name, poolSize, leaseMs } = settings
    this.settings = settings
    this.platform = platform
    this.name = checkedName(name)
    const { report } = platform
    this.db = new Database({ url, schema: name, poolSize, idleInTransactionMs: leaseMs, report })
    this.runs = new Runs(this.db)
  }

  /** The workflow that drives the run from there, in the transaction of the client. */
  async enqueue(client: pg.PoolClient, begin: Begin, start: Start, delayMs = 0): Promise<void> {
    const options = {
      workflowName: this.name,
      workflowID: workflowOf(this.name, begin),
      queueName: queueOf(this.name, start),
      appVersion: versionOf(this.name),
      ...(delayMs > 0 && { delaySeconds: delayMs / 1_000 }),
    }
    await (await this.dbos()).enqueuePortableInTransaction(client, options, [begin])
  }

  /** Makes a parked workflow go on. */
  async wake(workflow: string, start: Start): Promise<void> {
    await (await this.dbos()).resumeWorkflow(workflow, { queueName: queueOf(this.name, start) })
  }

  async makeQueue(queue: string, concurrency: number): Promise<void> {
    const limits = { minPollingIntervalMs: this.settings.pollMs, workerConcurrency: concurrency * HELD }
    await (await this.dbos()).registerQueue(queue, limits)
  }

  /** Tells of changes of runs, as soon as it has resolved. */
  async listen(rang: (runId: string | undefined) => void, lock?: bigint): Promise<Bell> {
    await this.db.rows('select 1')
    const options = { url: this.settings.url, channel: this.name, rang, report: this.platform.report }
    return await Bell.open({ ...options, ...(lock !== undefined && { lock }) }).catch((error) => {
      throw toSelvage(error, this.db.where)
    })
  }

  async close(): Promise<void> {
    await (await this.client?.catch(() => undefined))?.destroy()
    await this.db.close()
  }

  private async dbos(): Promise<DBOSClient> {
    this.client ??= DBOSClient.create({
      systemDatabaseUrl: this.settings.url,
      systemDatabasePool: this.db.aside,
      applicationName: this.name,
      logger: loggerOf(this.platform.report),
    })
    return await this.client
  }
}
