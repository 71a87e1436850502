/**
 * Who waits for a change of a run. What this process drives is told at once, and of each change of status the bell tells
 * every process; who also follows the entries of a run elsewhere looks a few times a second.
 */
import type { RunStatus } from '@selvage/core'
import { closed } from './errors.ts'

export interface Seen {
  readonly status: RunStatus
  /** Left out by who only follows the status. */
  readonly entries?: number
}

const FIRST_MS = 5
const LONGEST_MS = 250
/** Should the bell be lost. */
const SELDOM_MS = 2_000

export class Changes {
  private readonly look: (runId: string) => Promise<Required<Seen>>
  private readonly waiters = new Map<string, Set<() => void>>()
  private isClosed = false

  constructor(look: (runId: string) => Promise<Required<Seen>>) {
    this.look = look
  }

  /** A run has changed; undefined: any may have. */
  touched(runId: string | undefined): void {
    if (runId !== undefined) for (const wake of this.waiters.get(runId) ?? []) wake()
    else for (const wakes of this.waiters.values()) for (const wake of wakes) wake()
  }

  async wait(runId: string, since: Seen, abortSignal?: AbortSignal): Promise<void> {
    let isTouched = false
    let wake = (): void => {}
    const touch = (): void => {
      isTouched = true
      wake()
    }
    const wakes = this.waiters.get(runId) ?? new Set()
    this.waiters.set(runId, wakes.add(touch))
    abortSignal?.addEventListener('abort', touch)
    try {
      for (let pauseMs = FIRST_MS; abortSignal?.aborted !== true; pauseMs = Math.min(LONGEST_MS, pauseMs * 2)) {
        if (this.isClosed) throw closed()
        isTouched = false
        const { status, entries } = await this.look(runId)
        if (status !== since.status || (since.entries !== undefined && since.entries !== entries)) return
        if (isTouched) continue
        const timer = setTimeout(() => wake(), since.entries === undefined ? SELDOM_MS : pauseMs)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        clearTimeout(timer)
      }
    } finally {
      abortSignal?.removeEventListener('abort', touch)
      wakes.delete(touch)
      if (wakes.size === 0 && this.waiters.get(runId) === wakes) this.waiters.delete(runId)
    }
  }

  close(): void {
    this.isClosed = true
    this.touched(undefined)
  }
}
