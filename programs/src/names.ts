/**
 * From names to step keys, in the order in which a program asks.
 *
 * `name`, then `name#2`, `name#3` in sequence. While a name is open it cannot be asked for again: two branches would
 * share one counter, and which of them is `#2` would depend on who came first. A key that the author chose is used as it
 * is, once in a run. No two keys of a run are ever equal.
 */
import { UsageError } from '@selvage/core'

export interface Named {
  readonly key: string
  /** The step or wait is over: its name may be asked for again. */
  close(): void
}

export class Names {
  readonly #runId: string
  readonly #counts = new Map<string, number>()
  readonly #open = new Set<string>()
  readonly #keys = new Set<string>()

  constructor(runId: string) {
    this.#runId = runId
  }

  /** The next key of `name`, or `key`. KEY_IN_USE if the name is open and no key tells the two apart, or the key was used before. */
  next(name: string, key?: string): Named {
    if (name === '' || key === '') {
      throw new UsageError(
        'BAD_INPUT',
        `A step or wait of run ${this.#runId} has an empty ${key === '' ? 'key' : 'name'}.`,
        {
          hint: 'Name it by what it does.',
        },
      )
    }
    if (key !== undefined) {
      this.#take(key, name)
      return { key, close: () => {} }
    }
    if (this.#open.has(name)) {
      throw new UsageError('KEY_IN_USE', `"${name}" is already open in run ${this.#runId}.`, {
        hint: 'Give each of those that run at once a key of its own: { key: … }.',
        details: { runId: this.#runId, name },
      })
    }
    const count = this.#count(name)
    const next = count === 1 ? name : `${name}#${count}`
    this.#take(next, name)
    this.#open.add(name)
    return { key: next, close: () => void this.#open.delete(name) }
  }

  /** `<prefix>1`, `<prefix>2`, …: for what has no name and may be open many times at once (sleeps, children). */
  ordinal(prefix: string): string {
    const key = `${prefix}${this.#count(prefix)}`
    this.#take(key, key)
    return key
  }

  #count(name: string): number {
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    return count
  }

  #take(key: string, name: string): void {
    if (this.#keys.has(key)) {
      throw new UsageError('KEY_IN_USE', `Key "${key}" of "${name}" was used before in run ${this.#runId}.`, {
        hint: 'A key says what is done, once in a run: choose another one.',
        details: { runId: this.#runId, name, key },
      })
    }
    this.#keys.add(key)
  }
}
