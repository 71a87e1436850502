/** Entries that are acknowledged, and of which the program has not been told yet, in the order of the journal. */
import type { Entry } from './entry.ts'

export class Unsettled {
  private entries: Entry[] = []
  private at = 0

  get length(): number {
    return this.entries.length - this.at
  }

  get first(): Entry | undefined {
    return this.entries[this.at]
  }

  /** The first has been dealt with. */
  shift(): void {
    this.at++
  }

  /** What was dealt with is forgotten where that costs nothing. */
  push(entries: readonly Entry[]): void {
    if (this.at === this.entries.length) {
      this.entries = [...entries]
      this.at = 0
    } else this.entries.push(...entries)
  }

  some(test: (entry: Entry) => boolean): boolean {
    for (let at = this.at; at < this.entries.length; at++) if (test(this.entries[at] as Entry)) return true
    return false
  }
}
