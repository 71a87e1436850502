/**
 * Who tells whom that a run has changed: LISTEN and NOTIFY on a connection of its own. A bell that lost its connection rings
 * for every run when it has a new one, since nobody knows what was missed. A worker's bell also holds its lock: the lock is
 * free as soon as the process is gone.
 */
import pg from 'pg'

export interface BellOptions {
  readonly url: string
  readonly channel: string
  readonly lock?: bigint
  readonly report: (error: unknown) => void
  /** Undefined: any run may have changed. */
  readonly rang: (runId: string | undefined) => void
}

const AGAIN_MS = 250

export class Bell {
  private readonly options: BellOptions
  private client: pg.Client | undefined
  private again: NodeJS.Timeout | undefined
  private isClosed = false
  /** When its connection was lost last, or had again: milliseconds of real time. */
  private brokenAt = Number.NEGATIVE_INFINITY

  /** Resolves when it hears. */
  static async open(options: BellOptions): Promise<Bell> {
    const bell = new Bell(options)
    await bell.connect()
    return bell
  }

  private constructor(options: BellOptions) {
    this.options = options
  }

  /** Whether its connection has not been lost for so long, in milliseconds. */
  isUnbroken(ms: number): boolean {
    return this.client !== undefined && performance.now() - this.brokenAt >= ms
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.again)
    await this.client?.end().catch(() => {})
  }

  /** `isAgain`: something may have been missed. */
  private async connect(isAgain = false): Promise<void> {
    const { url, channel, lock, rang } = this.options
    const client = new pg.Client({ connectionString: url, keepAlive: true })
    client.on('notification', ({ payload }) => rang(payload))
    client.on('error', (error) => this.lost(client, error))
    client.on('end', () => this.lost(client))
    await client.connect()
    this.client = client
    await client.query(`listen "${channel}"`)
    // Before the lock: the server may hold it for a connection that it has not missed yet.
    if (isAgain) rang(undefined)
    if (lock !== undefined) await client.query('select pg_advisory_lock($1)', [lock.toString()])
    if (isAgain) this.brokenAt = performance.now()
  }

  /** Undefined: the one that is tried now. */
  private lost(client: pg.Client | undefined, error?: Error): void {
    if (this.client !== client) return
    this.client = undefined
    this.brokenAt = performance.now()
    if (this.isClosed) return
    if (error !== undefined) this.options.report(error)
    this.again = setTimeout(() => {
      this.connect(true).then(
        () => (this.isClosed ? this.close() : undefined),
        (failure) => this.lost(this.client, failure),
      )
    }, AGAIN_MS)
  }
}
