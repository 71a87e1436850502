/**
 * What SQL of an author's may touch: his own tables, whose names begin with `app_`, and nothing else of the file.
 *
 * Nobody reads his SQL for that: SQLite is asked what it would do. `explain` gives the program of a statement, those of
 * the triggers that it fires included, and each place where it opens a table or an index names the root page. A page that
 * is not of an `app_` table is refused. What changes the schema runs in a savepoint, after which everything that is not
 * the author's must be as it was. Statements that act while they are only compiled (`pragma`), end the transaction or reach
 * another file are known by their first word, and all but eight words are refused.
 *
 * `setAuthorizer` of node:sqlite is not there in every Node that is supported, and setting it makes SQLite compile every
 * statement of the store anew.
 */
import { UsageError } from '@selvage/core'
import type { Database } from './database.ts'

const WORDS = ['select', 'values', 'with', 'insert', 'replace', 'update', 'delete', 'create', 'drop', 'alter']
const CHANGES_SCHEMA = ['create', 'drop', 'alter']
/** Verdicts kept; an author who writes values into his SQL makes new ones all the time. */
const KNOWN = 1_000
const SCHEMA_PAGE = 1
/** Flag of an opcode: its second operand is a register, which holds the root of what the statement is just creating. */
const IN_REGISTER = 16

interface Opcode {
  readonly opcode: string
  readonly p1: number
  readonly p2: number
  readonly p3: number
  readonly p5: number
}

interface SchemaRow {
  readonly type: string
  readonly name: string
  readonly tbl_name: string
  readonly rootpage: number
  readonly sql: string | null
}

export class Guard {
  readonly #database: Database
  readonly #allowed: Set<string> = new Set()
  #version: number | undefined
  #pages: Set<number> = new Set()
  /** All of the schema that is not the author's. */
  #ours = ''

  constructor(database: Database) {
    this.#database = database
  }

  /** Whoever else writes to the file may have changed its schema. */
  begin(): void {
    const version = this.#database.get<{ schema_version: number }>('pragma schema_version')?.schema_version
    if (version !== this.#version) this.#learn()
    this.#version = version
  }

  /** Runs one statement of the author's, if it may run. */
  inside<T>(sql: string, run: () => T): T {
    const word = /^[a-z]+/i.exec(sql)?.[0].toLowerCase() ?? ''
    if (!this.#allowed.has(sql)) this.#check(sql, word)
    return CHANGES_SCHEMA.includes(word) ? this.#changing(sql, run) : run()
  }

  #check(sql: string, word: string): void {
    if (!WORDS.includes(word)) throw refused(sql, 'A transaction takes only SQL that reads or changes tables')
    const changes = CHANGES_SCHEMA.includes(word)
    // Not kept: each is another text.
    const program = this.#database.prepare(`explain ${sql}`).all() as unknown as Opcode[]
    for (const opcode of program) {
      if (!this.#mayRun(opcode, changes)) throw refused(sql, 'It touches what is not a table of yours')
    }
    if (changes) return
    if (this.#allowed.size >= KNOWN) this.#allowed.clear()
    this.#allowed.add(sql)
  }

  #mayRun({ opcode, p1, p2, p3, p5 }: Opcode, changes: boolean): boolean {
    const isMine = (page: number, database: number): boolean => database === 0 && this.#pages.has(page)
    switch (opcode) {
      case 'OpenRead':
      case 'OpenWrite':
      case 'ReopenIdx': {
        if ((p5 & IN_REGISTER) !== 0) return changes && p3 === 0
        const readsSchema = p2 === SCHEMA_PAGE && p3 === 0 && (changes || opcode !== 'OpenWrite')
        return readsSchema || isMine(p2, p3)
      }
      case 'Clear':
        return isMine(p1, p2)
      case 'Destroy':
        return isMine(p1, p3)
      case 'CreateBtree':
        return changes && p1 === 0
      case 'AutoCommit':
      case 'Savepoint':
      case 'Vacuum':
      case 'Checkpoint':
        return false
      // `JournalMode` is what SQLite makes of `create table if not exists` where it exists: it only asks.
      case 'OpenEphemeral':
      case 'OpenAutoindex':
      case 'OpenPseudo':
      case 'OpenDup':
        return true
      default:
        return !opcode.startsWith('Open')
    }
  }

  #changing<T>(sql: string, run: () => T): T {
    const database = this.#database
    const before = this.#ours
    database.run('savepoint change')
    try {
      const value = run()
      this.#learn()
      if (this.#ours !== before) throw refused(sql, 'It makes or changes what is not yours by its name')
      database.run('release change')
      return value
    } catch (error) {
      if (database.inTransaction) {
        database.run('rollback to change')
        database.run('release change')
      }
      this.#learn()
      throw error
    }
  }

  #learn(): void {
    const rows = this.#database.all<SchemaRow>('select type, name, tbl_name, rootpage, sql from sqlite_schema')
    this.#pages = new Set(rows.filter(isAuthors).map(({ rootpage }) => rootpage))
    this.#ours = JSON.stringify(rows.filter((row) => !isAuthors(row)))
    this.#allowed.clear()
    // As it is inside this transaction: the next one looks again.
    this.#version = undefined
  }
}

/** SQLite makes `sqlite_sequence` for the first `autoincrement`, which nobody else in this file uses. */
function isAuthors({ name, tbl_name }: SchemaRow): boolean {
  if (name === 'sqlite_sequence') return true
  return /^app_/i.test(tbl_name) && /^(?:app_|sqlite_autoindex_app_)/i.test(name)
}

function refused(sql: string, why: string): UsageError {
  const shown = sql.length > 120 ? `${sql.slice(0, 120)}…` : sql
  return new UsageError('BAD_INPUT', `${why}: ${shown}`, {
    hint: 'Names of your tables, indexes, views and triggers begin with app_; use those only.',
    details: { sql: shown },
  })
}
