/**
 * `ctx.changed(name)`: which runs an edit applies to.
 *
 * A run that comes to the guard where its journal ends is marked, and the mark answers from then on. A run that comes to
 * it without a mark, while the journal goes on beyond, has been past this place with code that had no guard: false. That
 * stays so, because entries are only ever added at the end of a journal. Within one life of the program the first answer
 * stands for the name, so that a guard in a loop does not change its mind where replay ends.
 */
import type { Durable } from '@selvage/core'

export class Changes {
  readonly #durable: Durable
  readonly #answers = new Map<string, boolean>()

  constructor(durable: Durable) {
    this.#durable = durable
  }

  has(name: string): boolean {
    const known = this.#answers.get(name)
    if (known !== undefined) return known
    const key = `changed:${name}`
    const marked = this.#durable.marked(key)
    const answer = marked || !this.#durable.beyond()
    if (answer) void this.#durable.state(key, {})
    this.#answers.set(name, answer)
    return answer
  }
}
