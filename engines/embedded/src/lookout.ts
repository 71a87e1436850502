/**
 * When a worker looks for work: when it is poked, when the time that its last look named has come, and never twice at
 * once. A poke during a look makes it look again. After a look that failed it rests for a growing while, poked or not.
 */
import type { Clock } from '@selvage/core'
import { backoffMs } from './backoff.ts'
import type { Reporter } from './report.ts'

/** Resolves to the milliseconds after which it wants to be called again, if it knows. */
export type Look = () => Promise<number | undefined>

export class Lookout {
  private readonly clock: Clock
  private readonly look: Look
  private readonly report: Reporter
  private state: 'watching' | 'looking' | 'resting' | 'closed' = 'watching'
  private poked = false
  private failures = 0
  private lastLook: Promise<void> = Promise.resolve()
  private cancelTimer: (() => void) | undefined

  constructor(clock: Clock, look: Look, report: Reporter) {
    this.clock = clock
    this.look = look
    this.report = report
  }

  poke(): void {
    this.poked = true
    if (this.state === 'watching') this.lastLook = this.lookAround()
  }

  /** Resolves when the look in progress is over. */
  looked(): Promise<void> {
    return this.lastLook
  }

  /** The same, and there is no other. */
  async close(): Promise<void> {
    this.state = 'closed'
    this.cancelTimer?.()
    await this.lastLook
  }

  private async lookAround(): Promise<void> {
    this.state = 'looking'
    this.cancelTimer?.()
    let next: number | undefined
    while (this.poked && this.is('looking')) {
      this.poked = false
      try {
        next = await this.look()
        this.failures = 0
      } catch (error) {
        this.report(error)
        next = backoffMs(++this.failures)
        if (this.is('looking')) this.state = 'resting'
      }
    }
    if (this.is('closed')) return
    if (this.is('looking')) this.state = 'watching'
    if (next !== undefined) this.cancelTimer = this.clock.timer(Math.max(1, next), () => this.resume())
  }

  /** The compiler does not see that an await may change the state. */
  private is(state: Lookout['state']): boolean {
    return this.state === state
  }

  private resume(): void {
    if (this.state === 'resting') this.state = 'watching'
    this.poke()
  }
}
