/**
 * The bell tells other processes that something was committed: NOTIFY, in a transaction of its own behind the commit, as
 * one inside of it would have all commits of the database wait for each other. What somebody waits for rings at once, what
 * readers follow (entries of a running run) at most every 20 ms, the last one always; beside one that is on its way nothing
 * more is sent than another one behind it.
 *
 * Where a process died between commit and ring, or the connection was away, a look every 500 ms at whether anything was
 * committed is the net. Nothing here keeps a process alive, or runs while nobody listens.
 */
import { randomUUID } from 'node:crypto'
import type { Database, Ring } from './database.ts'
import type { Session } from './session.ts'

const SOON_MS = 20
const NET_MS = 500
/** Longer names are cut by the server. */
const NAME_BYTES = 63

export class Bell {
  readonly #database: Database
  readonly #session: Session
  readonly #channel: string
  /** What our own rings say: they are for others. */
  readonly #self: string = randomUUID()
  readonly #listeners: Set<() => void> = new Set()
  #listening: Promise<void> | undefined
  #net: NodeJS.Timeout | undefined
  #seen = ''
  #later: NodeJS.Timeout | undefined
  #ringing: Promise<void> | undefined
  #again = false
  #rangAt = Number.NEGATIVE_INFINITY

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
    this.#channel = Buffer.from(`selvage ${database.schema}`).subarray(0, NAME_BYTES).toString()
  }

  ring(ring: Ring): void {
    if (ring === 'none') return
    const restMs = ring === 'now' ? 0 : this.#rangAt + SOON_MS - performance.now()
    if (restMs <= 0) this.#ring()
    else this.#later ??= setTimeout(() => this.#ring(), restMs).unref()
  }

  listen(listener: () => void): () => void {
    // One function may listen twice.
    const heard = (): void => listener()
    this.#listeners.add(heard)
    if (this.#listeners.size === 1) this.#wake()
    return () => {
      if (this.#listeners.delete(heard) && this.#listeners.size === 0) clearInterval(this.#net)
    }
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    clearInterval(this.#net)
    if (this.#later !== undefined) this.#ring()
    await this.#ringing
    await this.#listening
  }

  #ring(): void {
    clearTimeout(this.#later)
    this.#later = undefined
    this.#rangAt = performance.now()
    if (this.#ringing !== undefined) {
      this.#again = true
      return
    }
    this.#ringing = this.#tell().finally(() => {
      this.#ringing = undefined
      if (this.#again) this.#ring()
    })
  }

  async #tell(): Promise<void> {
    do {
      this.#again = false
      // Who does not hear it is caught by the net.
      await this.#database
        .once((rows) => rows.run('select pg_notify($1, $2)', this.#channel, this.#self))
        .catch(() => {})
    } while (this.#again)
  }

  #wake(): void {
    const notice = (from: string): void => {
      if (from !== this.#self) this.#hear()
    }
    this.#listening ??= this.#session.listen(this.#channel, notice, () => this.#hear()).catch(() => {})
    this.#net = setInterval(() => void this.#look(), NET_MS).unref()
  }

  async #look(): Promise<void> {
    try {
      const sql = 'select pg_current_snapshot()::text as seen'
      const { seen = '' } = (await this.#database.once((rows) => rows.get<{ seen: string }>(sql))) ?? {}
      if (seen === this.#seen) return
      this.#seen = seen
      this.#hear()
    } catch {
      // The server is away for a moment: the net asks again.
    }
  }

  #hear(): void {
    for (const listener of this.#listeners) queueMicrotask(listener)
  }
}
