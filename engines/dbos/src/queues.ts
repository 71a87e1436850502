/** DBOS's queues, one for each program and version: what is in them is driven by a worker that has the program. */
import { DBOSClient } from '@dbos-inc/dbos-sdk'
import type { Start } from '@selvage/core'
import type pg from 'pg'
import type { Database } from './database.ts'
import { type Begin, queueOf, versionOf, workflowOf } from './names.ts'
import type { Settings } from './options.ts'
import { loggerOf } from './sdk.ts'

/** Runs of one program that a worker takes up, for each advance that it makes at once. */
const HELD = 2

export class Queues {
  private readonly settings: Settings
  private readonly db: Database
  private readonly report: (error: unknown) => void
  private client: Promise<DBOSClient> | undefined

  constructor(settings: Settings, db: Database, report: (error: unknown) => void) {
    this.settings = settings
    this.db = db
    this.report = report
  }

  /** The workflow that drives the run from there, in the transaction of the client. Its id. */
  async enqueue(client: pg.PoolClient, begin: Begin, start: Start, delayMs = 0): Promise<string> {
    const { name } = this.settings
    const workflowID = workflowOf(name, begin)
    const where = { workflowName: name, workflowID, queueName: queueOf(name, start), appVersion: versionOf(name) }
    const options = { ...where, ...(delayMs > 0 && { delaySeconds: delayMs / 1_000 }) }
    await (await this.dbos()).enqueuePortableInTransaction(client, options, [begin])
    return workflowID
  }

  /**
   * Makes a parked workflow go on, in the transaction of the client: what DBOS does when its time has come. One that a worker
   * has taken up since is left to it; DBOS's own `resume` would void its claim, and two workers would drive the run.
   */
  async unpark(client: Pick<pg.PoolClient, 'query'>, workflow: string): Promise<void> {
    await client.query(
      `update dbos.workflow_status set status = 'ENQUEUED', updated_at = (extract(epoch from now()) * 1000)::bigint
         where workflow_uuid = $1 and status = 'DELAYED'`,
      [workflow],
    )
  }

  /** Makes a workflow that was cancelled in DBOS go on. */
  async resume(workflow: string, start: Start): Promise<void> {
    await (await this.dbos()).resumeWorkflow(workflow, { queueName: queueOf(this.settings.name, start) })
  }

  async make(queue: string, concurrency: number): Promise<void> {
    const limits = { minPollingIntervalMs: this.settings.pollMs, workerConcurrency: concurrency * HELD }
    await (await this.dbos()).registerQueue(queue, limits)
  }

  async close(): Promise<void> {
    await (await this.client?.catch(() => undefined))?.destroy()
  }

  private async dbos(): Promise<DBOSClient> {
    this.client ??= DBOSClient.create({
      systemDatabaseUrl: this.settings.url,
      systemDatabasePool: this.db.aside,
      applicationName: this.settings.name,
      logger: loggerOf(this.report),
    })
    return await this.client
  }
}
