/** One application in DBOS, as the commands, reads and workers of a process share it. It neither launches DBOS nor listens. */
import type { Platform } from '@selvage/core/engines'
import { Bell } from './bell.ts'
import { Database } from './database.ts'
import { toSelvage } from './errors.ts'
import { applicationName } from './names.ts'
import type { Settings } from './options.ts'
import { Queues } from './queues.ts'
import { Runs } from './runs.ts'

const SILENT_LEASES = 12
const LONGEST_SILENCE_MS = 60_000

export class Application {
  readonly name: string
  readonly settings: Settings
  readonly platform: Platform
  readonly db: Database
  readonly queues: Queues
  readonly runs: Runs
  private readonly silenceMs: number

  constructor(settings: Settings, platform: Platform) {
    const { url, name, poolSize, leaseMs } = settings
    const { report } = platform
    this.settings = settings
    this.platform = platform
    this.name = applicationName(name)
    this.silenceMs = Math.min(LONGEST_SILENCE_MS, SILENT_LEASES * leaseMs)
    this.db = new Database({
      url,
      schema: name,
      poolSize,
      idleInTransactionMs: leaseMs,
      silenceMs: this.silenceMs,
      report,
    })
    this.queues = new Queues(settings, this.db, report)
    this.runs = new Runs(this.db, this.queues)
  }

  /** Tells of changes of runs, as soon as it has resolved. */
  async listen(rang: (runId: string | undefined) => void, lock?: bigint): Promise<Bell> {
    await this.db.rows('select 1')
    const { settings, name: channel, silenceMs, platform } = this
    const options = { url: settings.url, channel, silenceMs, rang, report: platform.report }
    return await Bell.open({ ...options, ...(lock !== undefined && { lock }) }).catch((error) => {
      throw toSelvage(error, this.db.where)
    })
  }

  async close(): Promise<void> {
    await this.queues.close()
    await this.db.close()
  }
}
