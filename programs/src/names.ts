/**
 * From names to step keys, in the order in which a program asks.
 *
 * `name`, then `name#2`, `name#3` in sequence. While a name is open it cannot be asked for again: two branches would
 * share one counter, and which of them is `#2` would depend on who came first. A key that the author chose is used as it
 * is, once in a run. No two keys of a run are ever equal. A counted key is known by its count: what is remembered grows
 * with the names of a program, not with the steps of a run.
 */
import { noText, UsageError } from '@selvage/core'

export interface Named {
  readonly key: string
  /** The step or wait is over: its name may be asked for again. */
  close(): void
}

export class Names {
  readonly #runId: string
  /** Of names, of which the first use has no number. */
  readonly #counts = new Map<string, number>()
  readonly #ordinals = new Map<string, number>()
  /** A map of flags, as each name comes again: a set would be rebuilt at every step. */
  readonly #open = new Map<string, boolean>()
  /** Keys without a number of ours: names at their first use, and keys that the author chose. */
  readonly #plain = new Set<string>()

  constructor(runId: string) {
    this.#runId = runId
  }

  /** The next key of `name`, or `key`. BAD_INPUT for what is no text. KEY_IN_USE if the name is open and no key tells the two apart, or the key was used before. */
  next(name: string, key?: string): Named {
    if (typeof name !== 'string') throw this.#noText('name', name)
    if (key !== undefined && typeof key !== 'string') throw this.#noText('key', key)
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
      this.#takePlain(key, name)
      return { key, close: () => {} }
    }
    if (this.#open.get(name) === true) {
      throw new UsageError('KEY_IN_USE', `"${name}" is already open in run ${this.#runId}.`, {
        hint: 'Give each of those that are open at once a name of its own, or a key of its own where it takes one: { key: … }.',
        details: { runId: this.#runId, name },
      })
    }
    const next = this.#numbered(name)
    this.#open.set(name, true)
    return { key: next, close: () => void this.#open.set(name, false) }
  }

  /** `<prefix>1`, `<prefix>2`, …: for what has no name and may be open many times at once (sleeps, children). */
  ordinal(prefix: string): string {
    const count = countOn(this.#ordinals, prefix)
    const key = `${prefix}${count}`
    if (this.#plain.has(key) || this.#isRepetition(prefix, count)) throw this.#usedBefore(key, key)
    return key
  }

  #numbered(name: string): string {
    const count = countOn(this.#counts, name)
    if (count === 1) {
      this.#takePlain(name, name)
      return name
    }
    const key = `${name}#${count}`
    if (this.#plain.has(key) || this.#isOrdinal(`${name}#`, count)) throw this.#usedBefore(key, name)
    return key
  }

  #takePlain(key: string, name: string): void {
    const [, prefix = '', digits = ''] = NUMBERED.exec(key) ?? []
    const number = Number(digits)
    if (this.#plain.has(key) || this.#isOrdinal(prefix, number) || this.#isRepetition(prefix, number)) {
      throw this.#usedBefore(key, name)
    }
    this.#plain.add(key)
  }

  #isOrdinal(prefix: string, number: number): boolean {
    return number >= 1 && number <= (this.#ordinals.get(prefix) ?? 0)
  }

  #isRepetition(prefix: string, number: number): boolean {
    return number >= 2 && prefix.endsWith('#') && number <= (this.#counts.get(prefix.slice(0, -1)) ?? 0)
  }

  #noText(what: 'name' | 'key', given: unknown): UsageError {
    return noText(`The ${what} of a step or wait of run ${this.#runId}`, given, { runId: this.#runId })
  }

  #usedBefore(key: string, name: string): UsageError {
    return new UsageError('KEY_IN_USE', `Key "${key}" of "${name}" was used before in run ${this.#runId}.`, {
      hint: 'A key says what is done, once in a run: choose another one.',
      details: { runId: this.#runId, name, key },
    })
  }
}

const NUMBERED = /^(.*\D)([1-9]\d*)$/s

function countOn(counts: Map<string, number>, of: string): number {
  const count = (counts.get(of) ?? 0) + 1
  counts.set(of, count)
  return count
}
