/**
 * Room in the write-ahead log. A commit that makes the log longer costs the file system a commit of its own journal, and
 * with it half as much again or twice as much as one that writes over what is there. SQLite writes over the log from the
 * first checkpoint on; until then, 1,000 pages after it was opened, each commit would make it longer. So where a commit
 * has done so zeros are written behind it, room for the next ones.
 *
 * Zeros are no frames: SQLite knows its own by their salt, checksum and page number, which is never 0. They are written
 * between `begin immediate` and `rollback`: nobody else writes to the log then, or cuts it. Unlike the database itself the
 * log may be opened and closed: nothing is locked in it (https://sqlite.org/walformat.html).
 */
import { closeSync, fstatSync, ftruncateSync, openSync, statfsSync, writeSync } from 'node:fs'
import type { Database } from './database.ts'

/** One commit of that many more bytes is not felt. The first is smaller: most processes write little. */
const FIRST_BYTES = 64 * 1024
const BYTES = 256 * 1024
/** Once there is room, it is looked after each so many commits whether there still is. */
const SELDOM = 8
/** A disk that has less than this free is left alone. */
const FREE_BYTES = 256 * 1024 * 1024

export class Log {
  readonly #database: Database
  readonly #enoughBytes: number
  #descriptor: number | undefined
  /** How long the log was when it was looked at: longer, and a commit has made it so; shorter, and somebody has cut it. */
  #bytes = 0
  /** Commits until it is looked at. */
  #looksIn = 0
  #closed = false

  /** `enoughBytes`: behind the place from which a checkpoint lets the log begin anew. */
  constructor(database: Database, enoughBytes: number) {
    this.#database = database
    this.#enoughBytes = enoughBytes
  }

  /** Called after a commit, outside of any transaction. */
  makeRoom(): void {
    if (this.#closed || this.#looksIn-- > 0) return
    try {
      this.#descriptor ??= openSync(`${this.#database.path}-wal`, 'r+')
    } catch {
      this.close()
      return
    }
    try {
      const { size } = fstatSync(this.#descriptor)
      if (size !== this.#bytes && size < this.#enoughBytes) this.#extend(this.#descriptor)
    } catch {
      // Nothing hangs on it: no space, or somebody else writes just now.
    }
    this.#looksIn = SELDOM
  }

  close(): void {
    this.#closed = true
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #extend(descriptor: number): void {
    const { bavail, bsize } = statfsSync(this.#database.path)
    if (bavail * bsize < FREE_BYTES) {
      this.close()
      return
    }
    this.#database.run('begin immediate')
    try {
      const { size } = fstatSync(descriptor)
      const wanted = Math.min(size < FIRST_BYTES ? FIRST_BYTES : size + BYTES, this.#enoughBytes)
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
