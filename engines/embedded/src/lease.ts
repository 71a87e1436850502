/**
 * One worker's right to hold runs: enlisted in the store under an id that is never used again, renewed three times a
 * lease, given up by `leave`.
 *
 * A worker that stood still for longer than its lease (SIGSTOP, a debugger) learns at its next heartbeat that others
 * declared it dead. What it held is lost; it enlists again as somebody else.
 *
 * What the lease says is in the time of the engine's clock; how often it is renewed is in real time, as it is about a
 * real process: a test that moves its clock by days does not renew thousands of times.
 */
import { hostname } from 'node:os'
import { type Runtime, SelvageError, type Store } from '@selvage/core'
import type { Reporter } from './report.ts'

export interface LeaseOptions {
  readonly store: Store
  readonly runtime: Runtime
  readonly leaseMs: number
  readonly report: Reporter
}

const RENEWALS_PER_LEASE = 3

export class Lease {
  private readonly options: LeaseOptions
  private readonly onLost: () => void
  private id = ''
  private renewAt = 0
  private renewing: Promise<void> | undefined
  private left = false
  private timer: NodeJS.Timeout | undefined

  /** `onLost`: everything held under the old id belongs to others now. */
  constructor(options: LeaseOptions, onLost: () => void) {
    this.options = options
    this.onLost = onLost
  }

  get workerId(): string {
    return this.id
  }

  async enlist(): Promise<void> {
    const { store, runtime, leaseMs } = this.options
    const id = `w_${runtime.random(12)}`
    await store.enlist({ id, pid: process.pid, host: hostname() }, leaseMs, runtime.clock.now())
    if (this.left) return await store.dismiss(id)
    this.id = id
    this.arm()
  }

  /** Renews if that is due: timers come late to a process that stood still. */
  async keepUp(): Promise<void> {
    if (this.options.runtime.clock.now() >= this.renewAt) await this.renew()
  }

  /** To be called, too, when the store no longer knows the worker. Never rejects. */
  async renew(): Promise<void> {
    if (this.left) return
    this.renewing ??= this.heartbeat().finally(() => {
      this.renewing = undefined
      this.arm()
    })
    await this.renewing
  }

  /** `actsOn`: this process goes on with something that it began under this lease. */
  async leave(actsOn: boolean): Promise<void> {
    this.left = true
    clearTimeout(this.timer)
    await this.options.store.dismiss(this.id, actsOn)
  }

  private arm(): void {
    const { runtime, leaseMs } = this.options
    const ms = leaseMs / RENEWALS_PER_LEASE
    clearTimeout(this.timer)
    this.renewAt = runtime.clock.now() + ms
    if (!this.left) this.timer = setTimeout(() => void this.renew(), ms).unref()
  }

  private async heartbeat(): Promise<void> {
    const { store, runtime, leaseMs, report } = this.options
    try {
      await store.heartbeat(this.id, leaseMs, runtime.clock.now())
    } catch (error) {
      if (this.left) return
      if (!SelvageError.is(error, 'LEASE_LOST')) return report(error)
      this.onLost()
      await this.enlist().catch(report)
    }
  }
}
