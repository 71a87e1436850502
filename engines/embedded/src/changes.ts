/**
 * Who waits for a change of a run. Changes made in this process are told directly; when the bell says that somebody
 * changed something, the runs of all waiters are looked at, some hundred at once.
 */
import { EngineError, hasEnded, type RunGlance, type RunStatus, type Store } from '@selvage/core'
import type { Bell } from './bell.ts'
import { inTurns } from './in-turns.ts'

/** Waiters whose runs one query is for. */
const SLICE = 500

export interface Seen {
  readonly status: RunStatus
  /** Left out by who only follows the status. */
  readonly entries?: number
  /** Who had the run. Left out by who does not follow takeovers, of which neither status nor journal need say anything. */
  readonly worker?: string
  /** Nothing but an end matters. */
  readonly untilEnd?: true
}

/** What is known of a run that this process has just changed. */
export type Now = Pick<Seen, 'status'> | { readonly entries: number }

interface Waiter {
  readonly runId: string
  readonly since: Seen
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Changes {
  private readonly store: Store
  private readonly bell: Bell
  private readonly poke: () => void
  private readonly waiters = new Map<string, Set<Waiter>>()
  private silence: (() => void) | undefined
  private closed = false

  /** `poke`: a run may be claimed now. */
  constructor(store: Store, bell: Bell, poke: () => void) {
    this.store = store
    this.bell = bell
    this.poke = poke
  }

  /** This process has changed a run; without `now` it does not know what became of it. */
  touched(runId: string, now?: Now): void {
    if (now === undefined || 'status' in now) this.poke()
    for (const waiter of this.waiters.get(runId) ?? []) {
      if (now === undefined) void this.look([waiter])
      else if (differs(now, waiter.since)) waiter.resolve()
    }
  }

  /** Resolves when the run differs from what was seen, or with the abort. */
  async wait(runId: string, since: Seen, abortSignal?: AbortSignal): Promise<void> {
    if (abortSignal?.aborted) return
    if (this.closed) throw closedError(runId)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { runId, since, resolve, reject }
    const leave = this.join(waiter)
    const stop = (): void => resolve()
    abortSignal?.addEventListener('abort', stop)
    try {
      await this.look([waiter])
      await promise
    } finally {
      abortSignal?.removeEventListener('abort', stop)
      leave()
    }
  }

  close(): void {
    this.closed = true
    for (const waiters of this.waiters.values()) for (const waiter of waiters) waiter.reject(closedError(waiter.runId))
  }

  private async look(waiters: readonly Waiter[]): Promise<void> {
    try {
      const runs = await this.store.glance([...new Set(waiters.map(({ runId }) => runId))])
      const seen = new Map(runs.map((run) => [run.runId, run]))
      for (const waiter of waiters) {
        const run = seen.get(waiter.runId)
        // Says that there is none.
        if (run === undefined) void this.store.describe(waiter.runId).catch(waiter.reject)
        else if (hasChanged(run, waiter.since)) waiter.resolve()
      }
    } catch (error) {
      for (const waiter of waiters) waiter.reject(error)
    }
  }

  private join(waiter: Waiter): () => void {
    const waiters = this.waiters.get(waiter.runId) ?? new Set()
    this.waiters.set(waiter.runId, waiters.add(waiter))
    this.silence ??= this.bell.listen(() => inTurns(this.slices(), (waiters) => this.look(waiters)))
    return () => {
      waiters.delete(waiter)
      if (waiters.size === 0 && this.waiters.get(waiter.runId) === waiters) this.waiters.delete(waiter.runId)
      if (this.waiters.size > 0) return
      this.silence?.()
      this.silence = undefined
    }
  }

  private *slices(): Iterable<readonly Waiter[]> {
    const all = [...this.waiters.values()].flatMap((waiters) => [...waiters])
    for (let from = 0; from < all.length; from += SLICE) yield all.slice(from, from + SLICE)
  }
}

function hasChanged(run: RunGlance, { status, entries = run.entries, worker = run.worker, untilEnd }: Seen): boolean {
  if (untilEnd) return hasEnded(run.status)
  return run.status !== status || run.entries !== entries || run.worker !== worker
}

function differs(now: Now, { status, entries, untilEnd }: Seen): boolean {
  if (untilEnd) return 'status' in now && hasEnded(now.status)
  if ('status' in now) return now.status !== status
  return entries !== undefined && now.entries !== entries
}

const closedError = (runId: string): EngineError =>
  new EngineError('UNAVAILABLE', `Run ${runId} is no longer watched: the engine was closed.`)
