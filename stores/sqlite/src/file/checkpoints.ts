/**
 * Checkpoints: the log is moved into the file, so that it can begin anew.
 *
 *   units ──▶ due ──▶ all that is there by then ──▶ the rest ──▶ the log begins anew, units of the next one
 *                     commits go on                 commits wait
 *
 * SQLite would make one inside of the commit that finds the log long. It takes three syncs in a row and hundreds of writes, and
 * would hold the event loop for as long. So a thread with a connection of its own makes it. While others write the log never
 * ends where the thread is done, and only where it does can it begin anew: so what came meanwhile, little, is moved while
 * commits wait, and the event loop still goes on. How many pages a unit takes is learned from one checkpoint to the next; where
 * that is wrong, SQLite's own come a little later.
 *
 * A process that writes little never has the thread: the first checkpoint, a small one, is made on this one. So are all of
 * them where Node may start no thread.
 */
import { Worker } from 'node:worker_threads'
import type { Database } from '../database.ts'

/** Units until the first checkpoint, which says how many pages they took. */
const FIRST_UNITS = 128
const MOST_UNITS = 4_000

export interface CheckpointOptions {
  /** So many pages in the log, and they are moved. */
  readonly pages: number
  /** What makes the thread's syncs those of the store. */
  readonly pragmas: string
}

/** What SQLite says of one, in pages: how many the log has, and how many of them are in the file. */
interface Moved {
  readonly log: number
  readonly checkpointed: number
}

export class Checkpoints {
  readonly #database: Database
  readonly #options: CheckpointOptions
  /** Since the log began anew, as far as we know. */
  #units = 0
  #unitsToGo = FIRST_UNITS
  /** Pages that the last one left, as somebody reads them. */
  #pagesLeft = 0
  #isFirst = true
  #thread: Thread | undefined
  /** While commits go on. */
  #isMoving = false
  /** The rest is next. */
  #isMoved = false
  #closed = false

  constructor(database: Database, options: CheckpointOptions) {
    this.#database = database
    this.#options = options
  }

  /**
   * Called after a commit of so many units, outside of any transaction. What it gives back is to be called in a turn of its own,
   * and nothing may be committed until it is done. It never throws or rejects.
   */
  committed(units: number): (() => Promise<void> | void) | undefined {
    this.#units += units
    if (this.#closed) return undefined
    if (this.#isFirst) return this.#units < this.#unitsToGo ? undefined : () => this.#moveHere()
    // It takes some 40 ms to start.
    if (this.#units * 2 >= this.#unitsToGo) this.#thread ??= Thread.start(this.#database.path, this.#options.pragmas)
    if (this.#units < this.#unitsToGo || this.#isMoving) return undefined
    if (this.#isMoved) return () => this.#moveRest()
    if (this.#thread === undefined || this.#thread.isGone) return () => this.#moveHere()
    this.#isMoving = true
    void this.#thread.move().then(() => {
      this.#isMoving = false
      this.#isMoved = true
    })
    return undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#thread?.close()
  }

  #moveHere(): void {
    this.#isFirst = false
    try {
      this.#learn(this.#database.get<Moved>('pragma wal_checkpoint(passive)'))
    } catch {
      // Another process does the same, or there is no space: the log stays, and with it everything.
      this.#learn(undefined)
    }
  }

  async #moveRest(): Promise<void> {
    this.#isMoved = false
    this.#learn(await this.#thread?.move('waited for'))
  }

  #learn(moved: Moved | undefined): void {
    const units = this.#units
    this.#units = 0
    if (moved === undefined || moved.log <= 0) return
    const { log, checkpointed } = moved
    const pages = log > this.#pagesLeft ? log - this.#pagesLeft : log
    this.#pagesLeft = checkpointed === log ? 0 : log
    this.#unitsToGo = Math.max(1, Math.min(MOST_UNITS, Math.floor((units * this.#options.pages) / pages)))
  }
}

/** Never keeps the process alive, unless somebody waits for it. */
class Thread {
  readonly #worker: Worker | undefined
  /** It could not be started, or has ended. */
  isGone = false
  #told: ((moved: Moved | undefined) => void) | undefined
  #isClosing = false
  readonly #over: Promise<void>

  static start(path: string, pragmas: string): Thread {
    try {
      // Nothing of the process's own settings: what it loads before its modules would be loaded again.
      const options = { eval: true, workerData: { path, pragmas }, execArgv: [], env: {} }
      return new Thread(new Worker(`(${moveWhenAsked})()`, options))
    } catch {
      // Not permitted here.
      return new Thread(undefined)
    }
  }

  private constructor(worker: Worker | undefined) {
    this.#worker = worker
    this.isGone = worker === undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#over = promise
    if (worker === undefined) resolve()
    worker?.on('message', (moved: Moved | undefined) => this.#tell(moved))
    worker?.on('error', () => {})
    worker?.on('exit', () => {
      this.isGone = true
      this.#tell(undefined)
      resolve()
    })
    // Behind the listeners: the first one for messages takes it back.
    worker?.unref()
  }

  /** Undefined: nothing was moved. */
  async move(how?: 'waited for'): Promise<Moved | undefined> {
    if (this.isGone) return undefined
    return await new Promise<Moved | undefined>((resolve) => {
      this.#told = resolve
      if (how !== undefined) this.#worker?.ref()
      this.#worker?.postMessage('move')
    })
  }

  /** What it is at is done before. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#worker?.ref()
    this.#worker?.postMessage('close')
    await this.#over
  }

  #tell(moved: Moved | undefined): void {
    // Whoever closes waits for its end.
    if (!this.#isClosing) this.#worker?.unref()
    this.#told?.(moved)
    this.#told = undefined
  }
}

/** The thread, by its text: it has what Node has and what is given to it. */
function moveWhenAsked(): void {
  const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads')
  // Node has said already that its SQLite is new.
  process.removeAllListeners('warning')
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
  const database = new DatabaseSync(workerData.path, { timeout: 0 })
  database.exec(workerData.pragmas)
  const checkpoint = database.prepare('pragma wal_checkpoint(passive)')
  parentPort?.on('message', (asked) => {
    if (asked === 'close') {
      database.close()
      parentPort.close()
      return
    }
    try {
      parentPort.postMessage(checkpoint.get())
    } catch {
      // Another process does the same, or there is no space: the log stays, and with it everything.
      parentPort.postMessage(undefined)
    }
  })
}
