/**
 * Notices what is written to an agent's appState, and by which step, at the cost of the write.
 *
 * A tool whose step is recorded is not run again, so what it wrote is recorded with its result; what hooks and others
 * write is recorded at the next model call. Values are recorded as they are then, not as operations. A write that passes
 * `set`, `delete` and `clear` by (loading a snapshot) is not noticed; `sinceGiven` finds it.
 */
import type { StateStore } from '@strands-agents/sdk'
import type { StatePatch } from '../conversation/record.ts'

/** Writes of nobody's step. */
const LOOSE = ''

export class StateWatch {
  readonly #store: StateStore
  readonly #initial: Readonly<Record<string, unknown>>
  readonly #written = new Map<string, Set<string>>()
  #muted = false

  /** `owner`: the key of the step in whose body the caller is. */
  constructor(store: StateStore, owner: () => string | undefined) {
    this.#store = store
    this.#initial = store.getAll()
    const { set, delete: remove, clear } = store
    const note = (keys: readonly string[]): void => {
      if (this.#muted) return
      const by = owner() ?? LOOSE
      const written = this.#written.get(by) ?? new Set()
      for (const key of keys) written.add(key)
      this.#written.set(by, written)
    }
    // Own properties: other stores are not concerned.
    Object.assign(store, {
      set: (key: string, value: never) => {
        set.call(store, key, value)
        note([key])
      },
      delete: (key: string) => {
        remove.call(store, key)
        note([key])
      },
      clear: () => {
        note(store.keys())
        clear.call(store)
      },
    })
  }

  /** What a step wrote since it began, or nobody's step since the last call. */
  take(owner: string = LOOSE): StatePatch | undefined {
    const written = this.#written.get(owner)
    this.#written.delete(owner)
    if (written === undefined || written.size === 0) return undefined
    const present = new Set(this.#store.keys())
    const keys = [...written]
    const set = keys.filter((key) => present.has(key))
    const remove = keys.filter((key) => !present.has(key))
    return {
      ...(set.length > 0 && { set: Object.fromEntries(set.map((key) => [key, this.#store.get(key)])) }),
      ...(remove.length > 0 && { remove }),
    }
  }

  /** What differs from what code gave the agent, however it came there. */
  sinceGiven(): StatePatch | undefined {
    const isGiven = (key: string): boolean =>
      JSON.stringify(this.#store.get(key)) === JSON.stringify(this.#initial[key])
    const present = this.#store.keys()
    const set = present.filter((key) => !isGiven(key))
    const remove = Object.keys(this.#initial).filter((key) => !present.includes(key))
    if (set.length === 0 && remove.length === 0) return undefined
    return { set: Object.fromEntries(set.map((key) => [key, this.#store.get(key)])), remove }
  }

  /** Writes what a recorded step wrote. */
  apply({ set, remove }: StatePatch): void {
    this.#quietly(() => {
      for (const [key, value] of Object.entries(set ?? {})) this.#store.set(key, value as never)
      for (const key of remove ?? []) this.#store.delete(key)
    })
  }

  /** Makes the state what code gave it at first and entries made of it. */
  restore(recorded: ReadonlyMap<string, unknown>, removed: ReadonlySet<string>): void {
    this.#written.clear()
    this.#quietly(() => {
      this.#store.clear()
      for (const [key, value] of Object.entries(this.#initial))
        if (!removed.has(key)) this.#store.set(key, value as never)
      for (const [key, value] of recorded) this.#store.set(key, value as never)
    })
  }

  #quietly(body: () => void): void {
    this.#muted = true
    try {
      body()
    } finally {
      this.#muted = false
    }
  }
}
