/**
 * Names of models and tools, each kept once: a row has the number. Those are few and come again with every step, and the
 * id of a model is easily longer than what else is in its row. Names of other steps may be different each time (`item
 * 4711`); they stand in their rows.
 */
import type { Database } from './database.ts'
import { toText } from './text.ts'

/** The name in a row of `entry`, for SQL. */
export const NAME =
  "case typeof(entry.name) when 'integer' then (select text from name where n = entry.name) else entry.name end as name"

/** The name as it stands in a row: the column would take one that looks like a number for the number of another. */
export function toName(text: string): string {
  return Number.isNaN(Number(text)) ? toText(text) : JSON.stringify(text)
}

export class Names {
  readonly #database: Database
  readonly #numbers: Map<string, number> = new Map()
  readonly #texts: Map<number, string> = new Map()

  constructor(database: Database) {
    this.#database = database
  }

  /** Inside a unit: a new name is written with it. */
  numberOf(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const row = this.#database.get<{ n: number }>('select n from name where text = ?', text)
    const number = row?.n ?? this.#database.insert('insert into name (text) values (?)', text)
    this.#numbers.set(text, number)
    return number
  }

  /** As it stands in the table; null: there is none of that number. */
  textOf(number: number): string | null {
    const known = this.#texts.get(number)
    if (known !== undefined) return known
    const row = this.#database.get<{ text: string }>('select text from name where n = ?', number)
    if (row !== undefined) this.#texts.set(number, row.text)
    return row?.text ?? null
  }

  knows(text: string): boolean {
    return this.#numbers.has(text)
  }

  /** What was written was taken back. */
  forget(): void {
    this.#numbers.clear()
    this.#texts.clear()
  }
}
