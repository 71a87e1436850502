/** Kills or stops the process that it is in, by a real signal, when execution comes to a named moment for the n-th time. */
import { writeSync } from 'node:fs'
import type { ProbeName } from '@selvage/core'

/** A probe, or the moment before or after an effect happens outside. */
export type Moment = ProbeName | 'effect.before' | 'effect.after'

export interface KillAt {
  readonly moment: Moment
  /** 1: the first time. */
  readonly hit: number
  /** Not there, but when it comes to this moment next. */
  readonly thenAt?: Moment
  /** Default SIGKILL. */
  readonly signal?: 'SIGKILL' | 'SIGSTOP'
}

export type Hits = { readonly [moment in Moment]?: number }

/** Within which a signal to oneself has landed, on a busy machine as well. It passes while a process is stopped. */
const LANDING_MS = 300

export class KillSwitch {
  private readonly counts: { [moment in Moment]?: number } = {}
  private readonly at: KillAt | undefined
  private armed = false

  constructor(at: KillAt | undefined) {
    this.at = at
  }

  get hits(): Hits {
    return this.counts
  }

  pass(moment: Moment): void {
    const count = (this.counts[moment] ?? 0) + 1
    this.counts[moment] = count
    if (this.at === undefined || !this.isNow(this.at, moment, count)) return
    const { signal = 'SIGKILL' } = this.at
    // Written at once: nothing that is queued leaves a process that dies here.
    if (signal === 'SIGSTOP') writeSync(1, `${JSON.stringify({ stopping: moment })}\n`)
    process.kill(process.pid, signal)
    // Where another thread of this process takes the signal this one would go on until that has got the processor.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LANDING_MS)
  }

  private isNow(at: KillAt, moment: Moment, count: number): boolean {
    if (this.armed) {
      this.armed = moment !== at.thenAt
      return !this.armed
    }
    const isThere = at.moment === moment && at.hit === count
    this.armed = isThere && at.thenAt !== undefined
    return isThere && !this.armed
  }
}
