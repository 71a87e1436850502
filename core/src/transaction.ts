/**
 * Same-commit steps: rows of the author's and the entry that records the step, in one commit of the database that keeps
 * the journal. Both are there or neither is, whatever dies, so the effect happens exactly once by construction.
 *
 *   step asked ─▶ [ begin · author's function · entry · commit ] ─▶ settled
 *                        └ throws: its rows are taken back, the entry says that it failed ┘
 *
 * The function runs inside the commit of other runs, too: it is synchronous, and does nothing but with the database. It may
 * run more than once before it counts (SQLite was busy, a neighbour took the group back); only its last time leaves rows.
 */
import type { Entry } from './journal/entry.ts'

export type SqlValue = null | number | bigint | string | Uint8Array

export interface TransactionStatement<Row = { [column: string]: SqlValue }> {
  run(...values: readonly SqlValue[]): { readonly changes: number; readonly lastInsertRowid: number }
  get(...values: readonly SqlValue[]): Row | undefined
  all(...values: readonly SqlValue[]): Row[]
}

/**
 * The author's tables. Valid until the function returns. Names of tables, indexes, views and triggers begin with `app_`;
 * whatever touches anything else of the file is refused, and so is what would end the transaction.
 */
export interface TransactionDatabase {
  /** Several statements without values: `create table if not exists app_orders (…)`. */
  exec(sql: string): void
  run(sql: string, ...values: readonly SqlValue[]): { readonly changes: number; readonly lastInsertRowid: number }
  get<Row = { [column: string]: SqlValue }>(sql: string, ...values: readonly SqlValue[]): Row | undefined
  all<Row = { [column: string]: SqlValue }>(sql: string, ...values: readonly SqlValue[]): Row[]
  prepare<Row = { [column: string]: SqlValue }>(sql: string): TransactionStatement<Row>
}

/** What the function of a transaction is given. */
export interface Transaction extends TransactionDatabase {
  readonly runId: string
  /** 1, 2, … */
  readonly attempt: number
  /** A message for the outbox, in the same commit. Returns its id. */
  send(topic: string, payload?: unknown): string
}

/** What a store writes in one commit, the entry last. */
export interface TransactionWrite {
  /** Called inside the commit, perhaps more than once. `keep` false: what it did is taken back before the entry is written. */
  run(database: TransactionDatabase): { readonly entry: Entry; readonly keep: boolean }
  /** The entry that says why what it did could not be kept. */
  fail(error: unknown): Entry
}
