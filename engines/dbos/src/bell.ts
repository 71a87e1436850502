/**
 * Who tells whom that a run has changed: LISTEN and NOTIFY on a connection of its own. A bell that lost its connection rings
 * for every run when it has a new one, since nobody knows what was missed. It asks now and then whether the other side is still
 * there: who only listens hears nothing of a connection that ended without a word. A worker's bell also holds its lock: the lock
 * is free as soon as the process is gone.
 */
import pg from 'pg'

export interface BellOptions {
  readonly url: string
  readonly channel: string
  readonly lock?: bigint
  /** A connection on which nothing comes back for so long is given up. Milliseconds. */
  readonly silenceMs: number
  readonly report: (error: unknown) => void
  /** Undefined: any run may have changed. */
  readonly rang: (runId: string | undefined) => void
}

const AGAIN_MS = 250
const LOCK_AGAIN_MS = 1_000
/** It asks so often while it would still be waited for an answer. */
const ASKS = 4
/** The server frees the lock of a machine that is gone without a word after about 20 s. */
const KEEPALIVE = 'set tcp_keepalives_idle to 10; set tcp_keepalives_interval to 5; set tcp_keepalives_count to 2'

export class Bell {
  private readonly options: BellOptions
  private client: pg.Client | undefined
  private again: NodeJS.Timeout | undefined
  private asking: NodeJS.Timeout | undefined
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
    clearTimeout(this.asking)
    await this.client?.end().catch(() => {})
  }

  /** `isAgain`: something may have been missed. */
  private async connect(isAgain = false): Promise<void> {
    const { url, channel, lock, silenceMs, rang } = this.options
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: silenceMs / ASKS, keepAlive: true })
    client.on('notification', ({ payload }) => rang(payload))
    client.on('error', (error) => this.lost(client, error))
    client.on('end', () => this.lost(client))
    await client.connect()
    this.client = client
    await client.query(KEEPALIVE)
    await client.query(`listen "${channel}"`)
    if (isAgain) rang(undefined)
    await this.ask(client, lock)
    if (isAgain) this.brokenAt = performance.now()
  }

  /** `lock`: not held yet. The server may hold it for a connection that it has not missed. */
  private async ask(client: pg.Client, lock?: bigint): Promise<void> {
    const ms = this.options.silenceMs / ASKS
    const [text, values] =
      lock === undefined ? ['select true as held', []] : [`select pg_try_advisory_lock($1) as held`, [lock.toString()]]
    const { rows } = await client.query<{ held: boolean }>({ text, values, query_timeout: ms } as pg.QueryConfig)
    const isHeld = rows[0]?.held === true
    const next = (): void =>
      void this.ask(client, isHeld ? undefined : lock).catch(async (error: Error) => {
        this.lost(client, error)
        await client.end().catch(() => {})
      })
    if (this.client === client) this.asking = setTimeout(next, isHeld ? ms : LOCK_AGAIN_MS).unref()
  }

  /** Undefined: the one that is tried now. */
  private lost(client: pg.Client | undefined, error?: Error): void {
    if (this.client !== client) return
    this.client = undefined
    this.brokenAt = performance.now()
    clearTimeout(this.asking)
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
