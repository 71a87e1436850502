/**
 * One worker's right to hold runs: enlisted in the store under an id that is never used again, renewed three times a
 * lease, given up by `leave`.
 *
 * A worker that stood still for longer than its lease (SIGSTOP, a laptop asleep) learns at its next heartbeat that
 * others declared it dead. What it held is lost; it enlists again as somebody else.
 */
import { hostname } from 'node:os'
import { type Runtime, SelvageError, type Store } from '@selvage/core'
import type { Reporter } from './report.ts'

export interface LeaseOptions {
  readonly store: Store
  readonly runtime: Runtime
  readonly leaseMs: number
  readonly report: Reporter
  /** Everything held under the old id belongs to others now. */
  readonly onLost: () => void
}

const RENEWALS_PER_LEASE = 3

export class Lease {
  private readonly options: LeaseOptions
  private id = ''
  private left = false
  private cancelTimer: (() => void) | undefined

  private constructor(options: LeaseOptions) {
    this.options = options
  }

  static async enlist(options: LeaseOptions): Promise<Lease> {
    const lease = new Lease(options)
    await lease.enlist()
    lease.arm()
    return lease
  }

  get workerId(): string {
    return this.id
  }

  async leave(): Promise<void> {
    this.left = true
    this.cancelTimer?.()
    await this.options.store.dismiss(this.id)
  }

  private async enlist(): Promise<void> {
    const { store, runtime, leaseMs } = this.options
    const id = `w_${runtime.random(12)}`
    await store.enlist({ id, pid: process.pid, host: hostname() }, leaseMs, runtime.clock.now())
    if (this.left) await store.dismiss(id)
    else this.id = id
  }

  private arm(): void {
    const { runtime, leaseMs } = this.options
    if (!this.left) this.cancelTimer = runtime.clock.timer(leaseMs / RENEWALS_PER_LEASE, () => void this.renew())
  }

  private async renew(): Promise<void> {
    const { store, runtime, leaseMs, report, onLost } = this.options
    try {
      await store.heartbeat(this.id, leaseMs, runtime.clock.now())
    } catch (error) {
      if (this.left) return
      if (SelvageError.is(error, 'LEASE_LOST')) {
        onLost()
        await this.enlist().catch(report)
      } else report(error)
    }
    this.arm()
  }
}
