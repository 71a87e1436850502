/**
 * Who waits for a change of a run. What this process drives, or is told of, it looks at at once; for everything else the
 * engine is asked again and again, soon at first and seldom later, which costs the run nothing.
 */
import type { RunStatus } from '../records.ts'
import type { Platform } from './platform.ts'
import { engineClosed } from './refusals.ts'

export interface Seen {
  readonly status: RunStatus
  /** Left out by who only follows the status. */
  readonly entries?: number
}

/** A look at a run. */
export interface Look extends Required<Seen> {
  /**
   * Something small that is another one as soon as the run has changed: asked instead of looking again. Undefined: look.
   */
  pulse?(): Promise<string | undefined>
}

/** Pauses between two looks, in milliseconds. */
export interface Pauses {
  readonly firstMs?: number
  readonly longestMs?: number
  /** Of who only follows the status, where each change of it is told by `touched`. */
  readonly statusMs?: number
}

const FIRST_MS = 5
const LONGEST_MS = 250

export class Changes {
  private readonly place: string
  private readonly platform: Pick<Platform, 'waitingTimer'>
  private readonly pauses: Pauses
  private readonly look: (runId: string) => Promise<Look>
  private readonly waiters = new Map<string, Set<Waiter>>()
  private isClosed = false

  constructor(
    place: string,
    platform: Pick<Platform, 'waitingTimer'>,
    pauses: Pauses,
    look: (runId: string) => Promise<Look>,
  ) {
    this.place = place
    this.platform = platform
    this.pauses = pauses
    this.look = look
  }

  /** A run may have changed; undefined: any may. */
  touched(runId: string | undefined): void {
    const waiters = runId === undefined ? [...this.waiters.values()] : [this.waiters.get(runId) ?? []]
    for (const each of waiters) for (const waiter of each) waiter.touch()
  }

  /** Resolves when the run differs from what was seen, or with the abort. */
  async wait(runId: string, since: Seen, abortSignal?: AbortSignal): Promise<void> {
    const waiter = new Waiter((ms, act) => this.platform.waitingTimer(ms, act))
    const waiters = this.waiters.get(runId) ?? new Set()
    this.waiters.set(runId, waiters.add(waiter))
    const abort = (): void => waiter.touch()
    abortSignal?.addEventListener('abort', abort)
    try {
      await this.follow(runId, since, waiter, abortSignal)
    } finally {
      abortSignal?.removeEventListener('abort', abort)
      waiters.delete(waiter)
      if (waiters.size === 0 && this.waiters.get(runId) === waiters) this.waiters.delete(runId)
    }
  }

  close(): void {
    this.isClosed = true
    this.touched(undefined)
  }

  private async follow(
    runId: string,
    since: Seen,
    waiter: Waiter,
    abortSignal: AbortSignal | undefined,
  ): Promise<void> {
    const { firstMs = FIRST_MS, longestMs = LONGEST_MS, statusMs } = this.pauses
    const isOver = (): boolean => {
      if (this.isClosed) throw engineClosed(this.place)
      return abortSignal?.aborted === true
    }
    let pauseMs = firstMs
    for (let look: Look | undefined; !isOver(); ) {
      // The pulse first: what happens after it is found by the next one, if not by the look.
      const pulse = await look?.pulse?.()
      waiter.isTouched = false
      look = await this.look(runId)
      if (look.status !== since.status || (since.entries !== undefined && since.entries !== look.entries)) return
      do {
        await waiter.pause(since.entries === undefined && statusMs !== undefined ? statusMs : pauseMs)
        pauseMs = Math.min(longestMs, pauseMs * 2)
      } while (!isOver() && !waiter.isTouched && pulse !== undefined && pulse === (await look.pulse?.()))
    }
  }
}

/** Who rests until it is touched. Whoever goes on sets `isTouched` back, and looks at everything that may have changed. */
export class Waiter {
  isTouched = false
  private readonly timer: Platform['timer']
  private wake: (() => void) | undefined

  constructor(timer: Platform['timer']) {
    this.timer = timer
  }

  touch(): void {
    this.isTouched = true
    this.wake?.()
  }

  /** At most so long, or for ever; not at all where it was touched before. */
  async pause(ms?: number): Promise<void> {
    if (this.isTouched) return
    await new Promise<void>((resolve) => {
      const cancel = ms === undefined ? undefined : this.timer(ms, resolve)
      this.wake = () => {
        cancel?.()
        resolve()
      }
    })
    this.wake = undefined
  }
}
