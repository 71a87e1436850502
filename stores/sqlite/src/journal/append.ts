/**
 * Appending to a journal, by the holder of a run. The first entry is inserted `from live where run = ? and fence = ?`, so
 * that the check of the fence costs no statement. Where a journal ends is kept in memory: a fence has one holder, and
 * that is a client of this store. So an append of one entry that has its commit to itself is a single statement on a
 * single page; the row in `live` is written only now and then, and says that it is behind (live.ts).
 */
import type { Durability, Entry, TransactionWrite } from '@selvage/core'
import { gap } from '@selvage/core/stores'
import { Author } from '../author.ts'
import type { Database } from '../database.ts'
import type { Guard } from '../guard.ts'
import type { Names } from '../names.ts'
import { enqueue } from '../outbox/outbox.ts'
import { recordSignal } from '../questions/inbox.ts'
import { openQuestion, settleQuestion } from '../questions/questions.ts'
import { refused } from '../refusals.ts'
import type { Commits } from './commit.ts'
import { columnsOf, type EntryValues, isFinalStep, isOneRow, toRow } from './entries.ts'
import { INSERT, insertEntry, insertRest } from './journal.ts'
import { catchUpHeld, liveOf } from './live.ts'

/** So many tails may be known before those are forgotten that say nothing more than their rows. */
const KNOWN_TAILS = 10_000
/** Entries that the row in `live` may lack. Readers look through them; writing it in one commit of 32 costs nothing. */
const BEHIND = 32

/** The seq of the entry and the entry before it; its columns; run and fence. */
const APPEND = `${INSERT}
  select run, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? from live where run = ? and fence = ?`
/** A row never goes back. */
const GROW = 'update live set length = ?, steps = ?, last = ?, behind = ? where run = ? and fence = ? and length <= ?'

/** Where the journal of a claimed run ends. */
interface KnownTail {
  readonly n: number
  readonly fence: number
  length: number
  steps: number
  last: number | null
  /** As the row in `live` has it; undefined while that says that it is not behind. */
  written: number | undefined
}

interface Batch {
  readonly runId: string
  readonly fence: number
  readonly at: number
  readonly entries: readonly Entry[]
  readonly rows: readonly EntryValues[]
  readonly steps: number
  /** Signals, questions and messages have rows of their own. */
  readonly projects: boolean
}

export class Appends {
  readonly #commits: Commits
  readonly #database: Database
  readonly #names: Names
  /** By run id. */
  readonly #tails: Map<string, KnownTail> = new Map()
  /** By run: those whose row in `live` says that it is behind. Each is in `#tails`: one that is behind is never known twice. */
  readonly #behind: Map<number, KnownTail> = new Map()
  /** Other runs whose row may be behind, and nobody knows by how much, with the fences that they were held by. */
  readonly #unknown: Map<number, number> = new Map()

  constructor(commits: Commits, database: Database, names: Names) {
    this.#commits = commits
    this.#database = database
    this.#names = names
  }

  append(
    runId: string,
    fence: number,
    at: number,
    entries: readonly Entry[],
    durability: Durability = 'durable',
  ): Promise<void> {
    let steps = 0
    let projects = false
    let heard = false
    // Rows are made outside the transaction: what cannot be written concerns nobody else.
    const rows: EntryValues[] = []
    try {
      for (const entry of entries) {
        if (entry.seq !== at + rows.length) throw gap(runId, at + rows.length, entry.seq)
        if (isFinalStep(entry)) steps += 1
        const sends = entry.sent !== undefined
        if (entry.type === 'open' || sends) heard = true
        projects ||= sends || entry.type === 'signal' || entry.type === 'open' || entry.type === 'wait'
        rows.push(toRow(entry))
      }
    } catch (error) {
      return Promise.reject(error)
    }
    if (rows.length === 0) return Promise.resolve()
    const batch: Batch = { runId, fence, at, entries, rows, steps, projects }
    return this.#commits.write((alone) => this.#write(batch, alone), {
      ring: durability === 'written' ? 'none' : heard ? 'now' : 'soon',
      durability,
      plain: !projects,
      isOneStatement: () => this.#isOneStatement(batch),
    })
  }

  /** The entry that `write` makes, with the author's rows: both or neither, under the same fence. */
  transact(guard: Guard, runId: string, fence: number, at: number, write: TransactionWrite): Promise<Entry> {
    const author = new Author(this.#database, guard)
    return this.#commits.write(
      (alone) => {
        const { length } = this.#tailOf(runId, fence)
        if (length !== at) throw gap(runId, length, at)
        const entry = author.write(write)
        const steps = isFinalStep(entry) ? 1 : 0
        const batch = {
          runId,
          fence,
          at,
          entries: [entry],
          rows: [toRow(entry)],
          steps,
          projects: entry.sent !== undefined,
        }
        this.#write(batch, alone)
        return entry
      },
      { ring: 'now' },
    )
  }

  /** Inside a unit: no row in `live` is behind for longer than from one heartbeat to the next. */
  catchUp(): void {
    for (const [n, fence] of this.#unknown) catchUpHeld(this.#database, n, fence)
    this.#unknown.clear()
    const caughtUp = [...this.#behind.values()]
    for (const tail of caughtUp) this.#grow(tail, false)
    // To be looked at once more: this unit may be taken back.
    for (const { n, fence } of caughtUp) this.#unknown.set(n, fence)
  }

  /** The run was given up: what becomes of its row is not for us any more. */
  leave(runId: string, fence: number): void {
    const tail = this.#tails.get(runId)
    if (tail?.fence === fence) this.#drop(runId, tail)
  }

  /** What was written was taken back. */
  forget(): void {
    for (const { n, fence } of this.#behind.values()) this.#unknown.set(n, fence)
    this.#tails.clear()
    this.#behind.clear()
  }

  #isOneStatement({ runId, fence, entries, rows, projects }: Batch): boolean {
    const [row] = rows
    const tail = this.#tails.get(runId)
    if (row === undefined || rows.length > 1 || projects || tail === undefined || tail.fence !== fence) return false
    return isOneRow(row, this.#names) && mayStayBehind(tail, entries.length)
  }

  #write({ runId, fence, at, entries, rows, steps, projects }: Batch, alone: boolean): void {
    const known = this.#tailOf(runId, fence)
    if (known.length !== at) throw gap(runId, known.length, at)
    const mayLag = alone && mayStayBehind(known, rows.length)
    const first = this.#insertFirst(runId, known, rows[0] as EntryValues)
    known.last = first
    for (let index = 1; index < rows.length; index++) {
      known.last = insertEntry(this.#database, this.#names, known.n, at + index, known.last, rows[index] as EntryValues)
    }
    known.length += rows.length
    known.steps += steps
    if (!mayLag) this.#grow(known, alone)
    if (projects) project(this.#database, runId, known.n, entries, first)
  }

  #insertFirst(runId: string, { n, fence, length, last }: KnownTail, row: EntryValues): number {
    const entry = this.#database.insertIf(APPEND, [length, last, ...columnsOf(row, this.#names), n, fence])
    if (entry === undefined) {
      this.leave(runId, fence)
      throw refused(this.#database, runId, fence)
    }
    if (row.rest.length > 0) insertRest(this.#database, entry, row.rest)
    return entry
  }

  /** Brings the row in `live` up to date; `behind`: more entries may come without it. */
  #grow(tail: KnownTail, behind: boolean): void {
    const { n, fence, length, steps, last } = tail
    this.#database.run(GROW, length, steps, last, behind ? 1 : 0, n, fence, length)
    tail.written = behind ? length : undefined
    this.#unknown.delete(n)
    if (behind) this.#behind.set(n, tail)
    else this.#behind.delete(n)
  }

  #tailOf(runId: string, fence: number): KnownTail {
    const known = this.#tails.get(runId)
    if (known?.fence === fence) return known
    const { n, length, steps, last } = liveOf(this.#database, runId, fence)
    const tail: KnownTail = { n, fence, length, steps, last, written: undefined }
    if (known !== undefined) this.#drop(runId, known)
    if (this.#tails.size >= KNOWN_TAILS) this.#forgetSome()
    this.#tails.set(runId, tail)
    return tail
  }

  #forgetSome(): void {
    for (const [runId, tail] of this.#tails) if (!this.#behind.has(tail.n)) this.#tails.delete(runId)
  }

  #drop(runId: string, tail: KnownTail): void {
    this.#tails.delete(runId)
    this.#behind.delete(tail.n)
    this.#unknown.delete(tail.n)
  }
}

function mayStayBehind({ length, written }: KnownTail, more: number): boolean {
  return written !== undefined && length + more - written <= BEHIND
}

/** Entries of one append have keys that follow each other. */
export function project(database: Database, runId: string, n: number, entries: readonly Entry[], first: number): void {
  entries.forEach((entry, index) => {
    if (entry.type === 'signal') recordSignal(database, runId, n, entry, first + index)
    else if (entry.type === 'open') openQuestion(database, runId, n, entry, first + index)
    else if (entry.type === 'wait') settleQuestion(database, n, entry)
    if (entry.sent !== undefined) enqueue(database, n, entry, first + index)
  })
}
