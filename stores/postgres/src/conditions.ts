/** What a list is filtered by: conditions with their values, numbered as they come. */
import type { Value } from './database.ts'

export class Conditions {
  readonly texts: string[] = []
  readonly values: Value[] = []

  add(condition: (...places: string[]) => string, ...values: readonly Value[]): void {
    const places = values.map((_, index) => `$${this.values.length + index + 1}`)
    this.values.push(...values)
    this.texts.push(condition(...places))
  }

  /** Of a value that stands behind them. */
  place(value: Value): string {
    this.values.push(value)
    return `$${this.values.length}`
  }

  get where(): string {
    return this.texts.length === 0 ? '' : `where ${this.texts.join(' and ')}`
  }
}
