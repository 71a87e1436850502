/**
 * The author's part of a commit: a handle on the database that reaches his tables only (guard.ts), inside a savepoint of
 * its own. What his function throws takes back what it wrote and nothing else of the group.
 *
 * Two things end more than that. A failure of the database itself (a full disk) is nobody's step: the whole group is told,
 * and tried again. And SQL may take back the whole transaction (`insert or rollback`, `raise(rollback, …)`): then the
 * group is written again without this function, whose step has failed.
 */
import {
  asynchronous,
  type Entry,
  isThenable,
  type SqlValue,
  type TransactionDatabase,
  type TransactionStatement,
  type TransactionWrite,
  UsageError,
} from '@selvage/core'
import type { Database, StatementSync } from './database.ts'
import { isInfrastructure } from './failure.ts'
import type { Guard } from './guard.ts'
import { Again, type Commits } from './journal/commit.ts'
import { statementsOf } from './statements.ts'

export class Author {
  readonly #database: Database
  readonly #guard: Guard
  /** Why his function took the whole group back. */
  #tookBack: UsageError | undefined

  constructor(database: Database, guard: Guard) {
    this.#database = database
    this.#guard = guard
  }

  /** Inside a unit. */
  write(write: TransactionWrite): Entry {
    if (this.#tookBack !== undefined) return write.fail(this.#tookBack)
    return this.#inside((handle) => {
      const { entry, keep } = write.run(handle)
      return { value: entry, keep }
    })
  }

  /** Inside a unit: what `body` returned or threw. */
  run<T>(body: (database: TransactionDatabase) => T): { readonly ok: T } | { readonly error: unknown } {
    if (this.#tookBack !== undefined) return { error: this.#tookBack }
    return this.#inside<{ readonly ok: T } | { readonly error: unknown }>((handle) => {
      try {
        const ok = body(handle)
        if (!isThenable(ok)) return { value: { ok }, keep: true }
        ok.then(undefined, () => {})
        return { value: { error: asynchronous('The function of a transaction') }, keep: false }
      } catch (error) {
        return { value: { error }, keep: false }
      }
    })
  }

  #inside<T>(body: (handle: Handle) => { readonly value: T; readonly keep: boolean }): T {
    const database = this.#database
    const handle = new Handle(database, this.#guard)
    database.run('savepoint author')
    let done: { readonly value: T; readonly keep: boolean }
    try {
      done = body(handle)
    } finally {
      handle.close()
    }
    if (handle.broken !== undefined) throw handle.broken
    if (!database.inTransaction) {
      this.#tookBack = tookBack()
      throw new Again()
    }
    if (!done.keep) database.run('rollback to author')
    database.run('release author')
    return done.value
  }
}

export async function transaction<T>(
  commits: Commits,
  database: Database,
  guard: Guard,
  body: (database: TransactionDatabase) => T,
): Promise<T> {
  const author = new Author(database, guard)
  const done = await commits.write(() => author.run(body), { ring: 'none' })
  if ('error' in done) throw done.error
  return done.ok
}

/** Valid until the function returns. */
class Handle implements TransactionDatabase {
  /** How the database itself failed, whatever the author made of it. */
  broken: unknown
  readonly #database: Database
  readonly #guard: Guard
  readonly #prepared = new Map<string, StatementSync>()
  #open = true

  constructor(database: Database, guard: Guard) {
    this.#database = database
    this.#guard = guard
    guard.begin()
  }

  close(): void {
    this.#open = false
  }

  exec(sql: string): void {
    for (const statement of statementsOf(sql)) this.#use(statement, (prepared) => prepared.run())
  }

  run(sql: string, ...values: readonly SqlValue[]): { readonly changes: number; readonly lastInsertRowid: number } {
    checkValues(sql, values)
    const { changes, lastInsertRowid } = this.#use(oneOf(sql), (prepared) => prepared.run(...values))
    return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) }
  }

  get<Row = { [column: string]: SqlValue }>(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    checkValues(sql, values)
    return this.#use(oneOf(sql), (prepared) => plain(prepared.get(...values)) as Row | undefined)
  }

  all<Row = { [column: string]: SqlValue }>(sql: string, ...values: readonly SqlValue[]): Row[] {
    checkValues(sql, values)
    return this.#use(oneOf(sql), (prepared) => prepared.all(...values).map(plain) as Row[])
  }

  prepare<Row = { [column: string]: SqlValue }>(sql: string): TransactionStatement<Row> {
    this.#use(oneOf(sql), () => {})
    return {
      run: (...values) => this.run(sql, ...values),
      get: (...values) => this.get<Row>(sql, ...values),
      all: (...values) => this.all<Row>(sql, ...values),
    }
  }

  #use<T>(sql: string, use: (prepared: StatementSync) => T): T {
    if (!this.#open) {
      throw new UsageError('ALREADY_OPEN', 'A transaction was used after its function had returned.', {
        hint: 'What is written then is in no commit: do it inside of the function.',
      })
    }
    // After `or rollback` what his function writes next would be in a commit of its own.
    if (!this.#database.inTransaction) throw tookBack()
    try {
      return this.#guard.inside(sql, () => use(this.#statement(sql)))
    } catch (error) {
      if (isInfrastructure(error)) this.broken ??= error
      throw error
    }
  }

  #statement(sql: string): StatementSync {
    const known = this.#prepared.get(sql)
    if (known !== undefined) return known
    const prepared = this.#database.prepare(sql)
    this.#prepared.set(sql, prepared)
    return prepared
  }
}

/** `prepare` of SQLite would take the first and say nothing of the others. */
function oneOf(sql: string): string {
  const [first, ...others] = statementsOf(sql)
  if (first !== undefined && others.length === 0) return first
  throw new UsageError('BAD_INPUT', `${1 + others.length} statements were given where one is taken.`, {
    hint: 'exec() takes several, without values.',
  })
}

/** `node:sqlite` takes a first object, a Date for one, for values by name: all others would move up by one. */
function checkValues(sql: string, values: readonly unknown[]): void {
  const at = values.findIndex((value) => !isSqlValue(value))
  if (at < 0) return
  const value = values[at]
  const kind = value instanceof Date ? 'a Date' : typeof value === 'object' ? 'an object' : `${typeof value}`
  throw new UsageError(
    'BAD_INPUT',
    `Value ${at + 1} for "${sql.trim().slice(0, 80)}" is ${kind}, which SQLite cannot hold.`,
    {
      hint: 'Give null, a number, a bigint, a string or bytes: date.toISOString(), JSON.stringify(object), flag ? 1 : 0.',
    },
  )
}

function isSqlValue(value: unknown): boolean {
  if (value === null || ArrayBuffer.isView(value)) return true
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string'
}

function tookBack(): UsageError {
  return new UsageError('BAD_INPUT', 'SQL of a transaction rolled the whole commit back.', {
    hint: "Throw an error to take its rows back; 'or rollback' and raise(rollback) would take those of other runs, too.",
  })
}

/** Rows of SQLite have no prototype, which surprises whoever compares them. */
function plain<Row>(row: Row): Row {
  return row === undefined ? row : { ...row }
}
