/**
 * Turns at writing, between processes. SQLite's own busy handler blocks the event loop and sleeps longer and longer, so
 * that beside a writer without pause another one starves; it is off, and this stands in its place.
 *
 * Who finds the database locked says so by touching `<database>-turn` and tries again every millisecond. Who writes
 * looks at that file every 10 ms and, if somebody else has touched it, rests for 2 ms: longer than the other one sleeps.
 * Alone, nobody rests.
 */
import { closeSync, fstatSync, futimesSync, openSync, utimesSync } from 'node:fs'
import { EngineError } from '@selvage/core'
import { isBusy } from '../failure.ts'

const RETRY_MS = 1
const SLICE_MS = 10
const REST_MS = 2
/** So often is the file touched while waiting: every slice of a writer sees a touch. */
const TOUCH_MS = 4
/** A transaction takes milliseconds: who holds the lock for so long stands still (a debugger, SIGSTOP). */
const GIVE_UP_MS = 30_000

export class Turns {
  readonly #path: string
  readonly #file: string | undefined
  #descriptor: number | undefined
  #nextLook = 0
  #seen = 0

  /** `file`: undefined for a database that no other process can open. */
  constructor(path: string, file: string | undefined) {
    this.#path = path
    this.#file = file
  }

  /** To be called once the folder exists. Until then turns can be asked for, and are given to nobody. */
  open(): void {
    if (this.#file === undefined) return
    this.#descriptor = openSync(this.#file, 'a')
    this.#seen = this.#touchedAt()
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  /** Tries until it is not refused as busy. */
  async retry<T>(body: () => T): Promise<T> {
    const waiting = this.waiting()
    for (;;) {
      try {
        return body()
      } catch (error) {
        if (!isBusy(error)) throw error
        await new Promise<void>((resolve) => setTimeout(resolve, waiting()))
      }
    }
  }

  /** One wait for the lock: called at each refusal, returns how long to sleep (ms), throws when it took too long. */
  waiting(): () => number {
    const began = performance.now()
    let touched = Number.NEGATIVE_INFINITY
    return () => {
      const now = performance.now()
      if (now - began > GIVE_UP_MS) {
        throw new EngineError('UNAVAILABLE', `The database ${this.#path} has been locked for ${GIVE_UP_MS / 1000} s.`, {
          hint: 'Look for a process that has it open and stands still, in a debugger or by SIGSTOP.',
          details: { path: this.#path },
        })
      }
      if (now - touched >= TOUCH_MS) {
        touched = now
        this.#touch()
      }
      return RETRY_MS
    }
  }

  /** Called after a commit: how long to rest (ms). */
  rest(now: number): number {
    if (now < this.#nextLook || this.#descriptor === undefined) return 0
    this.#nextLook = now + SLICE_MS
    const touched = this.#touchedAt()
    if (touched === this.#seen) return 0
    this.#seen = touched
    return REST_MS
  }

  #touch(): void {
    if (this.#file === undefined) return
    try {
      const now = new Date()
      if (this.#descriptor === undefined) utimesSync(this.#file, now, now)
      else futimesSync(this.#descriptor, now, now)
      this.#seen = this.#touchedAt()
    } catch {
      // Without the file turns are taken by luck, as in plain SQLite.
    }
  }

  #touchedAt(): number {
    return this.#descriptor === undefined ? 0 : fstatSync(this.#descriptor).mtimeMs
  }
}
