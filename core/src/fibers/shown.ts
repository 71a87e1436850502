/** What a program shows beside the status of its run: heard by the advance that is served, or by the next one. */
import type { Json } from '../values/json.ts'

export class Shown {
  /** The latest value. */
  value: Json | undefined
  private isHeard = true
  private hear: ((value: Json) => void) | undefined

  show(value: Json): void {
    this.value = value
    this.isHeard = this.hear !== undefined
    this.hear?.(value)
  }

  /** Who hears of each value from now on, and at once of one that nobody has heard of. */
  heardBy(hear: ((value: Json) => void) | undefined): void {
    this.hear = hear
    if (hear !== undefined && !this.isHeard && this.value !== undefined) this.show(this.value)
  }
}
