/**
 * Who waits for a change of a run. What this process drives is told at once; of everything else Restate is asked again and
 * again, soon at first and a few times a second after that, which costs the run nothing.
 */
import type { RunStatus } from '@selvage/core'
import { closed } from './errors.ts'
import { describe, type Records } from './records.ts'

interface Seen {
  readonly status: RunStatus
  /** Left out by who only follows the status. */
  readonly entries?: number
}

const FIRST_MS = 5
const LONGEST_MS = 250

function isAborted(abortSignal: AbortSignal | undefined): boolean {
  return abortSignal?.aborted === true
}

export class Changes {
  private readonly records: Records
  private readonly waiters = new Map<string, Set<() => void>>()
  private isClosed = false

  constructor(records: Records) {
    this.records = records
  }

  /** This process has driven the run on. */
  touched(runId: string): void {
    for (const look of this.waiters.get(runId) ?? []) look()
  }

  async wait(runId: string, since: Seen, abortSignal?: AbortSignal): Promise<void> {
    let known = await this.records.known(runId)
    for (let pauseMs = FIRST_MS; !isAborted(abortSignal); ) {
      // The pulse first: what happens after it is found by the next one, if not by the look.
      const pulse = await this.records.pulse(known)
      known = await this.records.known(runId)
      const { status, entries } = describe(known)
      if (status !== since.status || (since.entries !== undefined && since.entries !== entries)) return
      do {
        await this.pause(runId, pauseMs, abortSignal)
        pauseMs = Math.min(LONGEST_MS, pauseMs * 2)
        if (this.isClosed) throw closed()
      } while (!isAborted(abortSignal) && pulse !== undefined && pulse === (await this.records.pulse(known)))
    }
  }

  close(): void {
    this.isClosed = true
    for (const looks of this.waiters.values()) for (const look of looks) look()
  }

  private pause(runId: string, ms: number, abortSignal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const looks = this.waiters.get(runId) ?? new Set()
      this.waiters.set(runId, looks)
      const done = (): void => {
        clearTimeout(timer)
        abortSignal?.removeEventListener('abort', done)
        looks.delete(done)
        if (looks.size === 0 && this.waiters.get(runId) === looks) this.waiters.delete(runId)
        resolve()
      }
      const timer = setTimeout(done, ms)
      looks.add(done)
      abortSignal?.addEventListener('abort', done)
    })
  }
}
