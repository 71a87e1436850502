/**
 * Appending to a journal, by the holder of a run. Its row in `live` has the fence and the length to compare with: the
 * first entry is inserted `from live where run = ? and fence = ? and length = ?`, so that a check costs no statement,
 * and an append is two statements on two pages, whichever run it is for.
 */
import type { Entry } from '@selvage/core'
import type { Commits } from './commit.ts'
import type { Database } from './database.ts'
import { columnsOf, type EntryValues, isFinalStep, toRow } from './entries.ts'
import { recordSignal } from './inbox.ts'
import { INSERT, insertEntry, insertRest } from './journal.ts'
import { liveOf } from './live.ts'
import type { Names } from './names.ts'
import { openQuestion, settleQuestion } from './questions.ts'
import { gap } from './refusals.ts'
import { toText } from './text.ts'

/** So many runs may be known by number before all are forgotten. */
const KNOWN_RUNS = 10_000

const APPEND = `${INSERT}
  select run, length, last, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? from live where run = ? and fence = ? and length = ?`
const GROW = 'update live set length = length + ?, steps = steps + ?, last = ? where run = ?'

export class Appends {
  readonly #commits: Commits
  readonly #database: Database
  readonly #names: Names
  /** Run id → n. */
  readonly #runs: Map<string, number> = new Map()

  constructor(commits: Commits, database: Database, names: Names) {
    this.#commits = commits
    this.#database = database
    this.#names = names
  }

  async append(runId: string, fence: number, at: number, entries: readonly Entry[]): Promise<void> {
    let steps = 0
    let projects = false
    let asks = false
    // Rows are made outside the transaction: what cannot be written concerns nobody else.
    const [row, ...more] = entries.map((entry, index) => {
      if (entry.seq !== at + index) throw gap(runId, at + index, entry.seq)
      if (isFinalStep(entry)) steps += 1
      if (entry.type === 'open') asks = true
      projects ||= entry.type === 'signal' || entry.type === 'open' || entry.type === 'wait'
      return toRow(entry)
    })
    if (row === undefined) return
    await this.#commits.write(
      () => {
        const n = this.#numberOf(runId)
        const first = this.#insertFirst(runId, n, fence, at, row)
        let last = first
        more.forEach((each, index) => {
          last = insertEntry(this.#database, this.#names, n, at + 1 + index, last, each)
        })
        this.#database.run(GROW, entries.length, steps, last, n)
        if (projects) project(this.#database, runId, n, entries, first)
      },
      { ring: asks ? 'now' : 'soon', plain: !projects },
    )
  }

  #insertFirst(runId: string, n: number, fence: number, at: number, row: EntryValues): number {
    const entry = this.#database.insertIf(APPEND, ...columnsOf(row, this.#names), n, fence, at)
    if (entry !== undefined) {
      if (row.rest.length > 0) insertRest(this.#database, entry, row.rest)
      return entry
    }
    this.#runs.delete(runId)
    throw gap(runId, liveOf(this.#database, runId, fence).length, at)
  }

  #numberOf(runId: string): number {
    const known = this.#runs.get(runId)
    if (known !== undefined) return known
    // A run that is not there is refused by the insert.
    const n = this.#database.get<{ n: number }>('select n from run where id = ?', toText(runId))?.n ?? 0
    if (this.#runs.size >= KNOWN_RUNS) this.#runs.clear()
    this.#runs.set(runId, n)
    return n
  }
}

/** Entries of one append have keys that follow each other. */
function project(database: Database, runId: string, n: number, entries: readonly Entry[], first: number): void {
  entries.forEach((entry, index) => {
    if (entry.type === 'signal') recordSignal(database, runId, n, entry, first + index)
    else if (entry.type === 'open') openQuestion(database, runId, n, entry, first + index)
    else if (entry.type === 'wait') settleQuestion(database, n, entry)
  })
}
