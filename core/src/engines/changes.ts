/**
 * Who waits for a change of a run. What this process drives, or is told of, it looks at at once; for everything else the
 * engine is asked again and again, soon at first and seldom later, and the more seldom the more are waited for: hundreds of
 * waiters must not keep the engine from its runs. Who waits for days outlives an engine that is away for minutes.
 */
import { SelvageError } from '../errors.ts'
import { hasEnded, type RunStatus } from '../records.ts'
import type { Platform } from './platform.ts'
import { engineClosed } from './refusals.ts'

export interface Seen {
  readonly status: RunStatus
  /** Left out by who only follows the status. */
  readonly entries?: number
  /** Nothing but an end matters. */
  readonly untilEnd?: true
}

/** What is known of a run without a look. */
export type Now = Partial<Pick<Seen, 'status' | 'entries'>>

/** A look at a run. */
export interface Look extends Required<Now> {
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
/** Between two looks of all who wait here together, once each of them has looked. */
const APART_MS = 10
/** So long an engine that cannot be reached is asked again. */
const AWAY_MS = 10 * 60_000

export class Changes {
  private readonly place: string
  private readonly platform: Pick<Platform, 'waitingTimer' | 'report'>
  private readonly pauses: Pauses
  private readonly look: (runId: string) => Promise<Look>
  /** With what they have seen. */
  private readonly waiters = new Map<string, Map<Waiter, Seen>>()
  private isClosed = false

  constructor(
    place: string,
    platform: Pick<Platform, 'waitingTimer' | 'report'>,
    pauses: Pauses,
    look: (runId: string) => Promise<Look>,
  ) {
    this.place = place
    this.platform = platform
    this.pauses = pauses
    this.look = look
  }

  /** A run may have changed; undefined: any may. `now`: what is known of it, so that nobody looks for whom that is nothing new. */
  touched(runId: string | undefined, now?: Now): void {
    const waiters =
      runId === undefined ? [...this.waiters.values()] : [this.waiters.get(runId) ?? new Map<Waiter, Seen>()]
    for (const each of waiters)
      for (const [waiter, since] of each) if (now === undefined || differs(now, since)) waiter.touch()
  }

  /** Resolves when the run differs from what was seen, or with the abort. */
  async wait(runId: string, since: Seen, abortSignal?: AbortSignal): Promise<void> {
    const waiter = new Waiter((ms, act) => this.platform.waitingTimer(ms, act))
    const waiters = this.waiters.get(runId) ?? new Map<Waiter, Seen>()
    this.waiters.set(runId, waiters.set(waiter, since))
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
    let awayMs = 0
    let look: Look | undefined
    let pulse: string | undefined
    while (!isOver()) {
      try {
        // The pulse first: what happens after it is found by the next one, if not by the look.
        const next: string | undefined = await look?.pulse?.()
        if (look === undefined || waiter.isTouched || next === undefined || next !== pulse) {
          pulse = next
          waiter.isTouched = false
          look = await this.look(runId)
          if (differs(look, since)) return
        }
        awayMs = 0
      } catch (error) {
        if (isOver()) return
        if (!SelvageError.is(error, 'UNAVAILABLE') || awayMs >= AWAY_MS) throw error
        this.platform.report(error)
        // It is looked at again whatever was told meanwhile; and not before the pause.
        look = undefined
        waiter.isTouched = false
        awayMs += longestMs
        pauseMs = longestMs
      }
      await waiter.pause(since.entries === undefined && statusMs !== undefined ? statusMs : this.apart(pauseMs))
      pauseMs = Math.min(longestMs, pauseMs * 2)
    }
  }

  private apart(pauseMs: number): number {
    return Math.max(pauseMs, APART_MS * (this.waiters.size - 1))
  }
}

function differs({ status, entries }: Now, since: Seen): boolean {
  if (since.untilEnd) return status !== undefined && hasEnded(status)
  if (status !== undefined && status !== since.status) return true
  return entries !== undefined && since.entries !== undefined && entries !== since.entries
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
