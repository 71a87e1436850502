/**
 * The bell tells other processes that something was committed. It is a file beside the database, `<database>-bell`;
 * ringing writes a byte to it after the commit, and `fs.watch` hears that within a millisecond. (The log itself must
 * not be watched: it is written before what it says can be read.)
 *
 * What somebody waits for rings at once; what readers follow (entries of a running run) at most every 50 ms, the last
 * one always. A hearer asks SQLite whether another connection has committed, so that its own ringing does not wake it.
 * Where the file system reports no changes (NFS, some container mounts), or a process died between commit and ring,
 * that question asked every 500 ms is the net. What it catches was not rung: from then on it is asked every 50 ms, until
 * the watch reports something. Nothing here keeps a process alive, or runs while nobody listens.
 */
import { closeSync, constants, type FSWatcher, openSync, watch, writeSync } from 'node:fs'
import type { Database } from '../database.ts'
import type { Ring } from '../journal/commit.ts'

const SOON_MS = 50
const NET_MS = 500
/** Half a per cent of a processor, which nobody need pay where the watch can be relied on. */
const FINE_NET_MS = 50
const DIN = new Uint8Array([10])

export class Bell {
  readonly #database: Database
  readonly #file: string | undefined
  readonly #descriptor: number | undefined
  readonly #listeners: Set<() => void> = new Set()
  #watcher: FSWatcher | undefined
  #net: NodeJS.Timeout | undefined
  #netMs = NET_MS
  #version = 0
  #rangAt = Number.NEGATIVE_INFINITY
  #later: NodeJS.Timeout | undefined

  /** `file`: undefined for a database that no other process can open. */
  constructor(database: Database, file: string | undefined) {
    this.#database = database
    this.#file = file
    this.#descriptor = file === undefined ? undefined : openSync(file, constants.O_RDWR | constants.O_CREAT)
  }

  ring(ring: Ring): void {
    if (ring === 'none') return
    const now = performance.now()
    const restMs = ring === 'now' ? 0 : this.#rangAt + SOON_MS - now
    if (restMs <= 0) {
      this.#ring(now)
      return
    }
    this.#later ??= setTimeout(() => this.#ring(performance.now()), restMs).unref()
  }

  listen(listener: () => void): () => void {
    // One function may listen twice.
    const heard = (): void => listener()
    this.#listeners.add(heard)
    if (this.#listeners.size === 1) this.#wake()
    return () => {
      if (this.#listeners.delete(heard) && this.#listeners.size === 0) this.#sleep()
    }
  }

  close(): void {
    if (this.#later !== undefined) this.#ring(performance.now())
    this.#listeners.clear()
    this.#sleep()
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
  }

  #ring(now: number): void {
    clearTimeout(this.#later)
    this.#later = undefined
    this.#rangAt = now
    if (this.#descriptor !== undefined) {
      try {
        writeSync(this.#descriptor, DIN, 0, 1, 0)
      } catch {
        // A full disk: the net of the others catches what was committed.
      }
    }
  }

  #wake(): void {
    if (this.#file === undefined) return
    this.#version = this.#database.version()
    this.#watch()
    this.#spread(this.#netMs)
  }

  #spread(ms: number): void {
    clearInterval(this.#net)
    this.#netMs = ms
    this.#net = setInterval(() => this.#catch(), ms).unref()
  }

  #catch(): void {
    if (this.#hear() && this.#netMs !== FINE_NET_MS) this.#spread(FINE_NET_MS)
  }

  #watch(): void {
    if (this.#file === undefined) return
    try {
      this.#watcher = watch(this.#file, { persistent: false }, () => {
        if (this.#netMs !== NET_MS) this.#spread(NET_MS)
        this.#hear()
      })
      // The net goes on where watching stops.
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch {
      this.#watcher = undefined
    }
  }

  #sleep(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    clearInterval(this.#net)
    this.#net = undefined
  }

  /** Whether somebody else has committed. */
  #hear(): boolean {
    try {
      const version = this.#database.version()
      if (version === this.#version) return false
      this.#version = version
      for (const listener of this.#listeners) queueMicrotask(listener)
      return true
    } catch {
      // Locked for a moment: the net asks again.
      return false
    }
  }
}
