/**
 * A connection with its prepared statements. Only this file touches `node:sqlite` for the main database.
 *
 * Reads are `all()` or `get()`, never an open `iterate()`: a read that stays open keeps the write-ahead log from being
 * reused. While a connection is open, nothing else in this process may open the file: closing any descriptor of a file
 * frees the POSIX locks that the process holds on it.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from './sqlite.ts'

export type { StatementSync } from './sqlite.ts'
export type Value = SQLInputValue

export class Database {
  readonly path: string
  readonly #connection: DatabaseSync
  readonly #statements: Map<string, StatementSync> = new Map()

  constructor(path: string) {
    this.path = path
    this.#connection = new DatabaseSync(path, { timeout: 0 })
  }

  exec(sql: string): void {
    this.#connection.exec(sql)
  }

  /** All rows. The caller says what a row looks like: its columns are those of the statement beside it. */
  all<Row>(sql: string, ...values: Value[]): Row[] {
    return this.#statement(sql).all(...values) as unknown as Row[]
  }

  /**
   * All rows, each as its columns in order: half the time of `all`, for what is read by the thousand. Where Node cannot
   * give them so (before 22.16), they are made of objects, for which the columns must have names of their own.
   */
  arrays<Row extends readonly unknown[]>(sql: string, ...values: Value[]): Row[] {
    const statement = this.#statement(sql)
    if (!asArrays(statement)) return statement.all(...values).map((row) => Object.values(row)) as unknown as Row[]
    return statement.all(...values) as unknown as Row[]
  }

  get<Row>(sql: string, ...values: Value[]): Row | undefined {
    return this.#statement(sql).get(...values) as unknown as Row | undefined
  }

  /** Runs a statement that writes; returns how many rows it changed. */
  run(sql: string, ...values: Value[]): number {
    return Number(this.#statement(sql).run(...values).changes)
  }

  /** Inserts one row; returns its key. */
  insert(sql: string, ...values: Value[]): number {
    return Number(this.#statement(sql).run(...values).lastInsertRowid)
  }

  /** The same for an insert that may find nothing to insert. */
  insertIf(sql: string, values: readonly Value[]): number | undefined {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...values)
    return changes === 0 ? undefined : Number(lastInsertRowid)
  }

  /** Takes back whatever is open, if anything is: some errors (a full disk) have done so already. */
  rollback(): void {
    if (this.inTransaction) this.#connection.exec('rollback')
  }

  get inTransaction(): boolean {
    // Not there before Node 22.16.
    const known = this.#connection.isTransaction as boolean | undefined
    if (known !== undefined) return known
    try {
      this.#connection.exec('begin')
    } catch {
      return true
    }
    this.#connection.exec('rollback')
    return false
  }

  /** A statement of an author's: not kept. */
  prepare(sql: string): StatementSync {
    return this.#connection.prepare(sql)
  }

  /** Changes when another connection has committed, in this process or another. */
  version(): number {
    return this.get<{ data_version: number }>('pragma data_version')?.data_version ?? 0
  }

  /** Moves the log into the file and cuts it to nothing; another process that reads keeps a part of it. */
  checkpoint(): void {
    try {
      this.#connection.exec('pragma wal_checkpoint(truncate)')
    } catch {
      // Busy, or no space: the log stays, and with it everything.
    }
  }

  close(): void {
    this.#statements.clear()
    this.#connection.close()
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#connection.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

function asArrays(statement: StatementSync & { setReturnArrays?(enabled: boolean): void }): boolean {
  statement.setReturnArrays?.(true)
  return statement.setReturnArrays !== undefined
}
