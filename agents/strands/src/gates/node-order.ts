/**
 * The order in which the nodes of a graph or swarm ended, as its journal has it. A node that is recorded gives its result
 * when those before it have been given, and the orchestrator has reacted: so conditions on edges, and what is shared
 * between branches, see what they saw.
 *
 * One that the orchestrator does not come to (its code has changed) is passed over, never waited for without end.
 */

/** Captured, as tests fake timers. */
const { setImmediate: immediate } = globalThis

/** Macrotasks that an orchestrator, its hooks and the conditions on its edges are given to come to the next node. */
const PATIENCE = 64

export class NodeOrder {
  readonly #keys: readonly string[]
  readonly #recorded: ReadonlySet<string>
  readonly #asked = new Map<string, () => void>()
  #at = 0
  #isGiving = false

  /** Keys of recorded nodes, in the order of the journal. */
  constructor(keys: readonly string[]) {
    this.#keys = keys
    this.#recorded = new Set(keys)
  }

  has(key: string): boolean {
    return this.#recorded.has(key)
  }

  /** Resolves when it is this node's turn. */
  turnOf(key: string): Promise<void> {
    return new Promise((resolve) => {
      this.#asked.set(key, resolve)
      if (!this.#isGiving) void this.#give()
    })
  }

  async #give(): Promise<void> {
    this.#isGiving = true
    while (this.#asked.size > 0) {
      const next = this.#keys[this.#at++]
      await macrotask()
      for (let left = PATIENCE; next !== undefined && left > 0 && !this.#asked.has(next); left--) await macrotask()
      const [first] = this.#asked.keys()
      // Behind the end of the list are those that were passed over, and came after all.
      const given = next ?? first ?? ''
      this.#asked.get(given)?.()
      this.#asked.delete(given)
    }
    this.#isGiving = false
  }
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => void immediate(resolve))
}
