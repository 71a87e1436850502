/**
 * Group commit. What is to be written is queued as units; all units of one turn of the event loop share a transaction
 * and its fsync. A unit is settled after the commit, never before.
 *
 *   write() ──▶ queue ──setImmediate──▶ begin · unit · unit · … · commit ──▶ sync ──▶ settle ──▶ ring
 *                 ▲                        │ busy: wait, then the same again
 *                 └────────────────────────┘
 *
 * A unit that is alone and a single statement needs no `begin`: the statement is its own transaction.
 *
 * SQLite syncs the log inside of the commit, on this thread. Where a disk takes long, that is left to a thread of Node's pool:
 * what the way there costs is little beside the disk, and the event loop does not stand still meanwhile. And what need not be
 * durable yet is not synced at all, but with the next unit that must be.
 *
 * A unit that refuses (throws one of our errors) takes back only its own writes; the others of the group are committed.
 * Any other error takes the whole group back, and each of its units is told. A transaction takes up units for 5 ms at
 * most. The next begins in a later turn of the event loop, behind one for each 32 units that are told, and behind the
 * last piece of a checkpoint: tokens and timers flow beside a store that never rests.
 */
import { type Durability, EngineError, probe, SelvageError } from '@selvage/core'
import type { Database } from '../database.ts'
import { failure, isBusy } from '../failure.ts'
import type { Bell } from '../file/bell.ts'
import type { Checkpoints } from '../file/checkpoints.ts'
import type { Log } from '../file/log.ts'
import type { Turns } from '../file/turns.ts'
import type { Whereabouts } from '../file/whereabouts.ts'

const GROUP_MS = 5
/** So many units are told in one turn of their own: each lets a program go on to its next step, which takes some 0.1 ms. */
const TOLD = 32
/** So many are told in that of the commit. */
const FEW = 4
/** A disk that takes longer need not hold the event loop. */
const SLOW_MS = 2
/** The part of the latest sync in what is known of how long they take. */
const LATEST = 0.2
/** One in so many is waited for on this thread all the same, to see whether the disk is still slow. */
const TRIAL = 16

/** Reads take the event loop for so long at most. */
const READS_MS = 5

/** As it was before a test of an author's faked it: a commit must not wait for its clock. */
const immediate = setImmediate

/** Who hears of a commit: nobody waits for it; readers follow it; somebody waits for it. */
export type Ring = 'none' | 'soon' | 'now'

export interface UnitOptions {
  readonly ring?: Ring
  /** Default `durable`. */
  readonly durability?: Durability
  /** It refuses only before it has written anything: no savepoint is needed to take it back. */
  readonly plain?: boolean
  /** Asked when it is alone: whether its body, told so, is one statement. */
  readonly isOneStatement?: () => boolean
}

interface Unit {
  /** Undefined: nothing is to be written, but what was must be synced. */
  readonly body: ((alone: boolean) => unknown) | undefined
  readonly durability: Durability
  readonly ring: Ring
  readonly plain: boolean
  readonly isOneStatement: (() => boolean) | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  refusal: SelvageError | undefined
  value: unknown
}

/** Thrown by a unit that has taken the whole group back, and does otherwise the next time. */
export class Again extends Error {}

/** What surrounds the commits of one database; what a database in memory does not have is undefined. */
export interface Surroundings {
  readonly log: Log | undefined
  readonly checkpoints: Checkpoints | undefined
  readonly whereabouts: Whereabouts | undefined
}

export class Commits {
  readonly #database: Database
  readonly #turns: Turns
  readonly #bell: Bell
  readonly #log: Log | undefined
  readonly #checkpoints: Checkpoints | undefined
  readonly #whereabouts: Whereabouts | undefined
  #queue: Unit[] = []
  /** What is left to be done of the last commit. */
  readonly #rest: (() => Promise<void> | void)[] = []
  #scheduled = false
  #restMs = 0
  #wait: (() => number) | undefined
  /** How long a sync takes, lately. */
  #syncMs = 0
  /** Syncs that were left to another thread. */
  #aside = 0
  /** A sync has failed: what the file holds is not known to be what the disk holds. */
  #broken: EngineError | undefined
  #closed = false
  #idle: (() => void) | undefined
  /** The first read since the event loop last turned. */
  #readsSince: number | undefined
  /** Who waits for a later one. */
  readonly #readers: (() => void)[] = []
  readonly #onRollback: () => void

  /** `onRollback`: what was learned inside units that were taken back must be forgotten. */
  constructor(
    database: Database,
    turns: Turns,
    bell: Bell,
    { log, checkpoints, whereabouts }: Surroundings,
    onRollback: () => void,
  ) {
    this.#database = database
    this.#turns = turns
    this.#bell = bell
    this.#log = log
    this.#checkpoints = checkpoints
    this.#whereabouts = whereabouts
    this.#onRollback = onRollback
  }

  /**
   * Resolves with what `body` returned once that is durable. `body` may run more than once; only the last run counts. It
   * is told whether its transaction is its own.
   */
  write<T>(body: (alone: boolean) => T, options: UnitOptions = {}): Promise<T> {
    return this.#enter<T>(body, options)
  }

  /** Resolves when all that was written before is durable. */
  sync(): Promise<void> {
    return this.#enter<void>(undefined, { ring: 'soon', plain: true })
  }

  #enter<T>(body: ((alone: boolean) => T) | undefined, options: UnitOptions): Promise<T> {
    if (this.#closed) return Promise.reject(closedError(this.#database.path))
    if (this.#broken !== undefined) return Promise.reject(this.#broken)
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({
        body,
        durability: options.durability ?? 'durable',
        ring: options.ring ?? 'none',
        plain: options.plain ?? false,
        isOneStatement: options.isOneStatement,
        resolve: resolve as (value: unknown) => void,
        reject,
        refusal: undefined,
        value: undefined,
      })
      this.#schedule()
    })
  }

  /**
   * Reads; waits where SQLite locks readers out (another process recovers the log after a crash). Who reads without pause until
   * something happens must let it happen: behind 5 ms of reads each waits for its turn, in a later turn of the event loop.
   */
  async read<T>(body: () => T): Promise<T> {
    if (this.#readers.length > 0 || this.#isReadOut()) {
      await new Promise<void>((resolve) => void this.#readers.push(resolve))
    }
    if (this.#closed) throw closedError(this.#database.path)
    this.#whereabouts?.require(performance.now())
    try {
      return body()
    } catch (error) {
      if (!isBusy(error)) throw this.#failure(error)
      try {
        return await this.#turns.retry(body)
      } catch (later) {
        throw this.#failure(later)
      }
    }
  }

  /** Takes nothing more; resolves when the queue is empty. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#scheduled) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  #isReadOut(): boolean {
    if (this.#readsSince !== undefined) return performance.now() - this.#readsSince > READS_MS
    this.#readsSince = performance.now()
    immediate(this.#turned)
    return false
  }

  readonly #turned = async (): Promise<void> => {
    this.#readsSince = undefined
    while (this.#readers.length > 0 && !this.#isReadOut()) {
      this.#readers.shift()?.()
      // Behind this one's read.
      await undefined
    }
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    if (this.#restMs === 0) {
      immediate(this.#flush)
    } else {
      setTimeout(this.#flush, this.#restMs)
      this.#restMs = 0
    }
  }

  readonly #flush = (): void => {
    const group: Unit[] = []
    const [first] = this.#queue
    const aside = this.#syncMs > SLOW_MS && ++this.#aside % TRIAL > 0
    let isLeft = false
    let ms = 0
    try {
      this.#whereabouts?.require(performance.now())
      isLeft = this.#log?.leaveSync(aside || first?.durability === 'written') ?? false
      ms = this.#commit(group)
    } catch (error) {
      this.#scheduled = false
      this.#undo(group, error)
      this.#next()
      return
    }
    if (group.length === this.#queue.length) this.#queue = []
    else this.#queue.splice(0, group.length)
    this.#wait = undefined
    if (!isLeft) {
      this.#took(ms)
      this.#done(group)
    } else if (group.every(({ durability }) => durability === 'written')) this.#done(group)
    else if (aside) this.#log?.sync((error) => this.#synced(group, error))
    else this.#syncNow(group)
  }

  #syncNow(group: readonly Unit[]): void {
    const began = performance.now()
    const error = this.#log?.syncNow() ?? null
    this.#took(performance.now() - began)
    this.#synced(group, error)
  }

  #took(ms: number): void {
    this.#syncMs += LATEST * (ms - this.#syncMs)
  }

  #synced(group: readonly Unit[], error: Error | null): void {
    if (error === null) {
      this.#done(group)
      return
    }
    const broken = unsynced(this.#database.path, error)
    this.#broken = broken
    for (const unit of [...group, ...this.#queue.splice(0)]) unit.reject(broken)
    this.#scheduled = false
    this.#next()
  }

  /** What the group has written is as durable as its units ask. */
  #done(group: readonly Unit[]): void {
    if (group[0]?.body !== undefined || group.length > 1) probe('store.after-commit')
    this.#restMs = this.#turns.rest(performance.now())
    this.#settle(group)
    this.#log?.committed()
    const checkpoint = this.#checkpoints?.committed(group.length)
    if (checkpoint !== undefined) this.#rest.push(checkpoint)
    this.#goOn()
  }

  /** What is left of a commit, then the next one: each in a turn of its own. */
  #goOn(): void {
    const task = this.#rest.shift()
    if (task === undefined) {
      this.#scheduled = false
      this.#next()
      return
    }
    immediate(() => {
      const pending = task()
      if (pending === undefined) this.#goOn()
      else void pending.then(() => this.#goOn())
    })
  }

  #next(): void {
    if (this.#queue.length > 0) this.#schedule()
    else this.#idle?.()
  }

  /** Returns how long the statement took that makes it durable, unless its sync is left out. */
  #commit(group: Unit[]): number {
    const database = this.#database
    const [first] = this.#queue
    const alone = this.#queue.length === 1
    if (alone && first !== undefined && first.body === undefined) {
      group.push(first)
      return 0
    }
    if (alone && first?.isOneStatement?.() === true) {
      group.push(first)
      const began = performance.now()
      probe('store.before-commit')
      this.#take(first, true)
      return performance.now() - began
    }
    database.run('begin immediate')
    const until = performance.now() + GROUP_MS
    for (const unit of this.#queue) {
      group.push(unit)
      if (unit.plain) this.#take(unit, alone)
      else this.#takeAtomically(unit, alone)
      if (performance.now() > until) break
    }
    const began = performance.now()
    probe('store.before-commit')
    database.run('commit')
    return performance.now() - began
  }

  #take(unit: Unit, alone: boolean): void {
    try {
      unit.value = unit.body?.(alone)
      unit.refusal = undefined
    } catch (error) {
      if (!SelvageError.is(error)) throw error
      unit.refusal = error
    }
  }

  #takeAtomically(unit: Unit, alone: boolean): void {
    this.#database.run('savepoint unit')
    this.#take(unit, alone)
    if (unit.refusal !== undefined) {
      this.#database.run('rollback to unit')
      this.#onRollback()
    }
    this.#database.run('release unit')
  }

  /** Whoever is told goes on at once, before the loop turns: so not all of many are told in one turn. */
  #settle(group: readonly Unit[]): void {
    let ring: Ring = 'none'
    for (const unit of group) {
      if (unit.refusal === undefined && unit.ring !== 'none' && ring !== 'now') ring = unit.ring
    }
    if (group.length <= FEW) tell(group, 0)
    else for (let from = 0; from < group.length; from += TOLD) this.#rest.push(() => tell(group, from))
    this.#bell.ring(ring)
  }

  #undo(group: readonly Unit[], error: unknown): void {
    let reason = error
    try {
      this.#database.rollback()
      this.#onRollback()
      if (isBusy(error)) {
        this.#wait ??= this.#turns.waiting()
        this.#restMs = this.#wait()
        return
      }
      if (error instanceof Again) return
    } catch (worse) {
      reason = worse
    }
    // Busy for too long, before any unit was taken up: all are told.
    const failed = isBusy(error) ? this.#queue.splice(0) : this.#queue.splice(0, Math.max(1, group.length))
    this.#wait = undefined
    const told = this.#failure(reason)
    for (const unit of failed) unit.reject(told)
  }

  /** What SQLite says of files that are not those that were opened is no use to anybody. */
  #failure(error: unknown): Error {
    if (SelvageError.is(error)) return error
    return this.#whereabouts?.look() ?? failure(this.#database.path, error)
  }
}

function tell(group: readonly Unit[], from: number): void {
  const to = Math.min(group.length, from + TOLD)
  for (let index = from; index < to; index++) {
    const { refusal, value, resolve, reject } = group[index] as Unit
    if (refusal === undefined) resolve(value)
    else reject(refusal)
  }
}

function closedError(path: string): EngineError {
  return new EngineError('UNAVAILABLE', `The store ${path} is closed.`, { hint: 'Open it again.', details: { path } })
}

function unsynced(path: string, cause: Error): EngineError {
  return new EngineError('UNAVAILABLE', `The log of ${path} could not be synced to its disk: ${cause.message}.`, {
    hint: 'Look at the disk, then start this process again: it goes on from what the file holds.',
    details: { path },
    cause,
  })
}
