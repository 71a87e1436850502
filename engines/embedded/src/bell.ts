/**
 * One listener on the store for everything in this process that waits for commits of other processes.
 *
 * What this process commits, it knows; beside a busy one the store still calls back thousands of times a second. The bell
 * passes the first call on at once and then rests, in proportion to what its listeners cost, so that being woken never
 * takes more than a small part of the process. Nothing is missed: a commit during the rest rings after it.
 *
 * The rest is in real time, whatever clock the engine was given: it protects a real processor.
 */
import type { Store } from '@selvage/core'

/** Hardly felt by who waits for another process, yet a busy journal does not wake everybody at each commit. */
const REST_MS = 5
const LONGEST_REST_MS = 250
/** Listeners may use a tenth of the time. */
const REST_PER_MS_OF_WORK = 9

/** Must not reject. */
export type BellListener = () => Promise<void>

export class Bell {
  private readonly store: Store
  private readonly listeners = new Set<BellListener>()
  private unwatch: (() => void) | undefined
  private rung = false
  private ringing = false

  constructor(store: Store) {
    this.store = store
  }

  /** The store is watched while anybody listens. */
  listen(listener: BellListener): () => void {
    this.listeners.add(listener)
    this.unwatch ??= this.store.watch(() => this.ring())
    return () => {
      this.listeners.delete(listener)
      if (this.listeners.size > 0) return
      this.unwatch?.()
      this.unwatch = undefined
    }
  }

  /** Called, too, when this process has changed runs without knowing which. */
  ring(): void {
    this.rung = true
    if (!this.ringing) void this.tell()
  }

  private async tell(): Promise<void> {
    this.ringing = true
    while (this.rung && this.listeners.size > 0) {
      this.rung = false
      const began = performance.now()
      await Promise.all([...this.listeners].map((listener) => listener()))
      const took = performance.now() - began
      await rest(Math.min(LONGEST_REST_MS, Math.max(REST_MS, took * REST_PER_MS_OF_WORK)))
    }
    this.ringing = false
  }
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms).unref())
