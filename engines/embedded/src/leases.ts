/** The workers that one engine has enlisted, and the burial of those of others that died. */
import { Lease, type LeaseOptions } from './lease.ts'

/** Between two looks for dead workers that were not asked for by time. */
const REST_MS = 200

export class Leases {
  private readonly options: LeaseOptions
  private readonly freed: () => void
  private readonly enlisted = new Set<Lease>()
  private reapedAt = Number.NEGATIVE_INFINITY

  /** `freed`: runs of dead workers, whichever they are, can be claimed. */
  constructor(options: LeaseOptions, freed: () => void) {
    this.options = options
    this.freed = freed
  }

  async enlist(onLost: () => void): Promise<Lease> {
    const lease = new Lease(this.options, onLost)
    await lease.enlist()
    this.enlisted.add(lease)
    return lease
  }

  /** `actsOn`: see Lease. */
  async leave(lease: Lease, actsOn: boolean): Promise<void> {
    this.enlisted.delete(lease)
    await lease.leave(actsOn)
  }

  /** Frees what dead workers held. Our own leases come first: a machine that slept must not bury its own workers. Never rejects. */
  async reap(): Promise<void> {
    const { store, runtime, report } = this.options
    this.reapedAt = performance.now()
    for (const lease of this.enlisted) await lease.keepUp()
    const count = await store.reap(runtime.clock.now()).catch(report)
    if (count !== undefined && count > 0) this.freed()
  }

  /** The same, unless it was done a moment ago. */
  async reapIfRested(): Promise<void> {
    if (performance.now() - this.reapedAt > REST_MS) await this.reap()
  }
}
