/**
 * One worker's right to hold runs: enlisted in the store under an id that is never used again, renewed three times a
 * lease, given up by `leave`.
 *
 * A worker that stood still for longer than its lease (SIGSTOP, a debugger) learns at its next heartbeat that others
 * declared it dead. What it held is lost; it enlists again as somebody else.
 *
 * A renewal that failed is due again at once. Until it is renewed nothing begins that others may have taken over, and nobody else
 * is judged (core's renewals.ts).
 *
 * What the lease says is in the time of the engine's clock; how often it is renewed is in real time, as it is about a
 * real process: a test that moves its clock by days does not renew thousands of times.
 */
import { hostname } from 'node:os'
import { LeaseLostError, Renewals, type Runtime, SelvageError, type Store } from '@selvage/core'
import type { Reporter } from './report.ts'

export interface LeaseOptions {
  readonly store: Store
  readonly runtime: Runtime
  readonly leaseMs: number
  readonly report: Reporter
}

const RENEWALS_PER_LEASE = 3
/** A renewal that failed is tried again so much later, if nobody asks before. */
const AGAIN_MS = 1_000
/** No lease that is renewed in time can be over after that part of it. */
const LATE = 1 / 2

export class Lease {
  private readonly options: LeaseOptions
  private readonly onLost: () => void
  private id = ''
  private renewAt = 0
  private readonly renewals: Renewals
  private renewing: Promise<void> | undefined
  private left = false
  private timer: NodeJS.Timeout | undefined

  /** `onLost`: everything held under the old id belongs to others now. */
  constructor(options: LeaseOptions, onLost: () => void) {
    this.options = options
    this.onLost = onLost
    const { leaseMs, runtime } = options
    this.renewals = new Renewals({
      leaseMs,
      late: LATE,
      now: () => runtime.clock.now(),
      real: () => performance.now(),
    })
  }

  get workerId(): string {
    return this.id
  }

  async enlist(): Promise<void> {
    const { store, runtime, leaseMs } = this.options
    const id = `w_${runtime.random(12)}`
    const now = runtime.clock.now()
    await store.enlist({ id, pid: process.pid, host: hostname() }, leaseMs, now)
    if (this.left) return await store.dismiss(id)
    this.id = id
    this.renewed(now)
  }

  /** Renews if that is due: timers come late to a process that stood still. False: it is no judge of others. */
  async keepUp(): Promise<boolean> {
    const { clock } = this.options.runtime
    if (clock.now() >= this.renewAt) await this.renew()
    return clock.now() < this.renewAt && this.renewals.mayJudge
  }

  /** See Control. */
  untilSure(): Promise<void> | undefined {
    return this.renewals.untilSure(() => void this.renew())
  }

  /** To be called, too, when the store no longer knows the worker. Never rejects. */
  async renew(): Promise<void> {
    if (this.left) return
    this.renewing ??= this.heartbeat().finally(() => {
      this.renewing = undefined
    })
    await this.renewing
  }

  /** `actsOn`: this process goes on with something that it began under this lease. */
  async leave(actsOn: boolean): Promise<void> {
    this.left = true
    clearTimeout(this.timer)
    await this.options.store.dismiss(this.id, actsOn)
  }

  private async heartbeat(): Promise<void> {
    const { store, runtime, leaseMs } = this.options
    const now = runtime.clock.now()
    try {
      await store.heartbeat(this.id, leaseMs, now)
      this.renewed(now)
    } catch (error) {
      if (this.left) return
      if (!SelvageError.is(error, 'LEASE_LOST')) return this.failed(error)
      this.options.report(this.overtaken(now, error))
      this.onLost()
      await this.enlist().catch((again: unknown) => this.failed(again))
    }
  }

  private renewed(now: number): void {
    this.renewals.renewed(now)
    const ms = this.options.leaseMs / RENEWALS_PER_LEASE
    this.renewAt = now + ms
    this.arm(ms)
  }

  private overtaken(now: number, cause: unknown): LeaseLostError {
    const { leaseMs } = this.options
    const seconds = (this.renewals.silentMs(now) / 1_000).toFixed(1)
    const message = `This process was taken for dead: it renewed its lease of ${leaseMs / 1_000} s after ${seconds} s. Others have its runs.`
    return new LeaseLostError('LEASE_LOST', message, {
      hint: 'It stood still, or a tool blocked its event loop: let that work in a process or thread of its own, or raise leaseMs.',
      details: { workerId: this.id, leaseMs },
      cause,
    })
  }

  private failed(error: unknown): void {
    const { leaseMs, report } = this.options
    this.renewAt = Number.NEGATIVE_INFINITY
    this.arm(Math.min(AGAIN_MS, leaseMs / RENEWALS_PER_LEASE))
    report(error)
  }

  private arm(ms: number): void {
    clearTimeout(this.timer)
    if (!this.left) this.timer = setTimeout(() => void this.renew(), ms).unref()
  }
}
