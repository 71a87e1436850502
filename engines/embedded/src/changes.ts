/**
 * Who waits for a change of a run. Changes made in this process are told directly; when the bell says that somebody
 * changed something, each waiter's run is looked at once.
 */
import { EngineError, type RunStatus, type Store } from '@selvage/core'
import type { Bell } from './bell.ts'
import { inTurns } from './in-turns.ts'

export interface Seen {
  readonly status: RunStatus
  /** Left out by who only follows the status. */
  readonly entries?: number
  /** Who had the run. Left out by who does not follow takeovers, of which neither status nor journal need say anything. */
  readonly worker?: string
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
      if (now === undefined) void this.look(waiter)
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
      await this.look(waiter)
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

  private async look(waiter: Waiter): Promise<void> {
    try {
      const seen = await this.store.describe(waiter.runId)
      const { status, entries = seen.entries, worker = seen.owner?.worker } = waiter.since
      if (seen.entries !== entries || seen.status !== status || seen.owner?.worker !== worker) waiter.resolve()
    } catch (error) {
      waiter.reject(error)
    }
  }

  private join(waiter: Waiter): () => void {
    const waiters = this.waiters.get(waiter.runId) ?? new Set()
    this.waiters.set(waiter.runId, waiters.add(waiter))
    this.silence ??= this.bell.listen(() => inTurns(this.all(), (each) => this.look(each)))
    return () => {
      waiters.delete(waiter)
      if (waiters.size === 0 && this.waiters.get(waiter.runId) === waiters) this.waiters.delete(waiter.runId)
      if (this.waiters.size > 0) return
      this.silence?.()
      this.silence = undefined
    }
  }

  private *all(): Iterable<Waiter> {
    for (const waiters of [...this.waiters.values()]) yield* waiters
  }
}

function differs(now: Now, { status, entries }: Seen): boolean {
  if ('status' in now) return now.status !== status
  return entries !== undefined && now.entries !== entries
}

const closedError = (runId: string): EngineError =>
  new EngineError('UNAVAILABLE', `Run ${runId} is no longer watched: the engine was closed.`)
