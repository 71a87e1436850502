/**
 * The side of a reader: hears of one run from every other process that works on runs of the database, those that come
 * later included. Best effort: what it does not hear is in the journal once it is done.
 */

import { type FSWatcher, watch } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { LiveNote } from '@selvage/core'
import { readLines } from './lines.ts'
import { isAlive, leave, socketsIn } from './place.ts'

/** A worker that stands still must not hold its readers up. */
const LONGEST_SYNC_MS = 250
/** Where the system tells nothing of new sockets. */
const LOOK_EVERY_MS = 1_000

/** `source` is the same for all notes of one process. */
export interface Ears {
  heard(note: LiveNote, source: string): void
  left(source: string): void
}

interface Source {
  readonly socket: Socket
  isHere: boolean
  /** It did not answer in time, and is waited for again when it has. */
  isSlow: boolean
}

export class Listener {
  readonly #place: string
  readonly #own: () => string | undefined
  readonly #runId: string
  readonly #ears: Ears
  readonly #sources = new Map<string, Source>()
  readonly #syncs = new Map<number, () => void>()
  #lastSync = 0
  #watcher: FSWatcher | undefined
  readonly #timer: NodeJS.Timeout

  constructor(place: string, own: () => string | undefined, runId: string, ears: Ears) {
    this.#place = place
    this.#own = own
    this.#runId = runId
    this.#ears = ears
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
    try {
      this.#watcher = watch(place, { persistent: false }, () => this.#look())
      this.#watcher.on('error', () => {})
    } catch {
      // The timer looks.
    }
    this.#look()
  }

  /** Resolves when everything that was told before the call has been heard. */
  async settled(): Promise<void> {
    const here = [...this.#sources.values()].filter(({ isHere, isSlow }) => isHere && !isSlow)
    await Promise.all(here.map((source) => this.#sync(source)))
  }

  close(): void {
    clearInterval(this.#timer)
    this.#watcher?.close()
    for (const { socket } of this.#sources.values()) socket.destroy()
    for (const done of this.#syncs.values()) done()
    leave(this.#place)
  }

  #look(): void {
    for (const path of socketsIn(this.#place)) {
      if (path !== this.#own() && !this.#sources.has(path) && isAlive(path)) this.#connect(path)
    }
  }

  #connect(path: string): void {
    const socket = connect(path).unref()
    const source: Source = { socket, isHere: false, isSlow: false }
    this.#sources.set(path, source)
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#sources.delete(path)
      this.#ears.left(path)
      // Whoever waits for it waits in vain.
      for (const done of this.#syncs.values()) done()
    })
    readLines(socket, ({ note, sync }) => {
      if (note !== undefined) this.#ears.heard(note as LiveNote, path)
      if (sync === 'here') source.isHere = true
      if (typeof sync === 'number') {
        source.isSlow = false
        this.#syncs.get(sync)?.()
      }
    })
    socket.write(`${JSON.stringify({ runId: this.#runId })}\n`)
  }

  async #sync(source: Source): Promise<void> {
    const id = ++this.#lastSync
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#syncs.set(id, resolve)
      timer = setTimeout(() => {
        source.isSlow = true
        resolve()
      }, LONGEST_SYNC_MS).unref()
      source.socket.write(`${JSON.stringify({ sync: id })}\n`)
    })
    clearTimeout(timer)
    this.#syncs.delete(id)
  }
}
