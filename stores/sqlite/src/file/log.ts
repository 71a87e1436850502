/**
 * The write-ahead log: room in it, and when it is synced. When it is moved into the file: checkpoints.ts.
 *
 * Room. A commit that makes the log longer costs the file system a commit of its own journal, and with it half as much
 * again or twice as much as one that writes over what is there. SQLite writes over the log from the first checkpoint on;
 * until then, 1,000 pages after it was opened, each commit would make it longer. So where a commit has done so zeros are
 * written behind it, room for the next ones. Zeros are no frames: SQLite knows its own by their salt, checksum and page
 * number, which is never 0. They are written between `begin immediate` and `rollback`: nobody else writes to the log
 * then, or cuts it. Unlike the database itself the log may be opened and closed: nothing is locked in it
 * (https://sqlite.org/walformat.html).
 *
 * Syncs. SQLite syncs the log inside of a commit (`synchronous` is `full`), and the thread waits for the disk. It can leave
 * that out (`normal`); then the log is synced here, behind the commit and by another thread, which makes durable whatever
 * was committed before it began. SQLite itself goes on to sync what holds log and file together: the beginning of a log, and
 * both around a checkpoint. What is committed and not synced can be read, by other processes too, but what they make of it
 * is behind it in the same log.
 */
import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync, statfsSync, writeSync } from 'node:fs'
import type { Database } from '../database.ts'

/** One commit of that many more bytes is not felt. The first is smaller: most processes write little. */
const FIRST_BYTES = 64 * 1024
const BYTES = 256 * 1024
/**
 * Once there is room, it is looked after each so many commits whether there still is. And so many syncs of ours in a row that
 * SQLite could have made, and it makes them again: to say so costs a statement.
 */
const SELDOM = 8
/** A disk that has less than this free is left alone. */
const FREE_BYTES = 256 * 1024 * 1024

export interface LogOptions {
  /** Commits are synced: room is worth having. */
  readonly synced: boolean
  /** Behind the place from which a checkpoint lets the log begin anew. */
  readonly roomBytes: number
}

export class Log {
  readonly #database: Database
  readonly #options: LogOptions
  #descriptor: number | undefined
  /** How long the log was when it was looked at: longer, and a commit has made it so; shorter, and somebody has cut it. */
  #bytes = 0
  /** Commits until it is looked at. */
  #looksIn = 0
  /** It cannot be opened. */
  #hasNone = false
  /** SQLite leaves the syncs of commits to us. */
  #isLeft = false
  /** Syncs of ours since SQLite was last to leave one out. */
  #ownSyncs = 0

  constructor(database: Database, options: LogOptions) {
    this.#database = database
    this.#options = options
  }

  /** Called after a commit, outside of any transaction. */
  committed(): void {
    if (this.#options.synced) this.#lookForRoom()
  }

  /**
   * Says whether the sync of the next commit is left out by SQLite. True: it is for the caller to make, if it is wanted.
   * False: SQLite makes it, or the store is one that syncs nothing. Not inside of a transaction.
   *
   * SQLite syncs nothing where a commit has written nothing. So it is left to it only when all that was committed is synced.
   */
  leaveSync(wanted: boolean): boolean {
    if (!this.#options.synced || (!wanted && !this.#isLeft)) return false
    if (wanted) this.#ownSyncs = 0
    const isLeft = this.#ownSyncs < SELDOM && this.#opened() !== undefined
    if (isLeft !== this.#isLeft) {
      this.#database.run(isLeft ? 'pragma synchronous = normal' : 'pragma synchronous = full')
      this.#isLeft = isLeft
    }
    return isLeft
  }

  /** Tells when all that was committed until now is on the disk, as far as the system knows, or why it may not be. */
  sync(told: (error: Error | null) => void): void {
    const descriptor = this.#opened()
    if (descriptor === undefined) {
      told(new Error('it cannot be opened'))
      return
    }
    fdatasync(descriptor, (error) => {
      if (error === null) this.#ownSyncs += 1
      told(error)
    })
  }

  /** The same, at once: what is wrong, or null. */
  syncNow(): Error | null {
    const descriptor = this.#opened()
    if (descriptor === undefined) return new Error('it cannot be opened')
    try {
      fdatasyncSync(descriptor)
      this.#ownSyncs += 1
      return null
    } catch (error) {
      return error as Error
    }
  }

  #lookForRoom(): void {
    if (this.#looksIn-- > 0) return
    const descriptor = this.#opened()
    if (descriptor === undefined) return
    try {
      const { size } = fstatSync(descriptor)
      if (size !== this.#bytes && size < this.#options.roomBytes) this.#extend(descriptor)
    } catch {
      // Nothing hangs on it: no space, or somebody else writes just now.
    }
    this.#looksIn = SELDOM
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #opened(): number | undefined {
    if (this.#descriptor !== undefined || this.#hasNone) return this.#descriptor
    try {
      this.#descriptor = openSync(`${this.#database.path}-wal`, 'r+')
    } catch {
      this.#hasNone = true
    }
    return this.#descriptor
  }

  #extend(descriptor: number): void {
    const { bavail, bsize } = statfsSync(this.#database.path)
    if (bavail * bsize < FREE_BYTES) return
    this.#database.run('begin immediate')
    try {
      const { size } = fstatSync(descriptor)
      const wanted = Math.min(size < FIRST_BYTES ? FIRST_BYTES : size + BYTES, this.#options.roomBytes)
      if (size < wanted) fill(descriptor, size, wanted)
      this.#bytes = Math.max(size, wanted)
    } finally {
      this.#database.rollback()
    }
  }
}

function fill(descriptor: number, from: number, to: number): void {
  const zeros = new Uint8Array(to - from)
  try {
    if (writeSync(descriptor, zeros, 0, zeros.length, from) < zeros.length) ftruncateSync(descriptor, from)
  } catch (error) {
    ftruncateSync(descriptor, from)
    throw error
  }
}
