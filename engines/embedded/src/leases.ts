/**
 * The workers that one engine has enlisted, and the burial of those of others that died. Who has not renewed his own leases
 * buries nobody, himself least of all (lease.ts).
 */
import { Lease, type LeaseOptions } from './lease.ts'

/** Between two looks for dead workers that were not asked for by time. */
const REST_MS = 200
/** Between two that were, at most; or a lease, where that is shorter. */
const LATE_MS = 1_000
/** A look may take a hundredth of the time. */
const REST_PER_MS = 100

export class Leases {
  private readonly options: LeaseOptions
  private readonly freed: () => void
  private readonly enlisted = new Set<Lease>()
  private reapedAt = Number.NEGATIVE_INFINITY
  private readonly soonMs: number
  private readonly lateMs: number
  private restMs: number

  /** `freed`: runs of dead workers, whichever they are, can be claimed. */
  constructor(options: LeaseOptions, freed: () => void) {
    this.options = options
    this.freed = freed
    const { store, leaseMs } = options
    this.lateMs = Math.min(LATE_MS, leaseMs)
    this.soonMs = Math.min(store.reapEveryMs, this.lateMs)
    this.restMs = this.soonMs
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

  /** Renews our own leases where that is due. False: one of them is not renewed, or was late. Never rejects. */
  async keepUp(): Promise<boolean> {
    const judges = await Promise.all([...this.enlisted].map((lease) => lease.keepUp()))
    return !judges.includes(false)
  }

  /** Frees what dead workers held. Never rejects. */
  async reap(): Promise<void> {
    const { store, runtime, report } = this.options
    this.reapedAt = performance.now()
    if (!(await this.keepUp())) {
      this.restMs = this.lateMs
      return
    }
    const count = await store.reap(runtime.clock.now()).catch((error: unknown) => {
      // Else the store was closed meanwhile.
      if (this.enlisted.size > 0) report(error)
    })
    const tookMs = performance.now() - this.reapedAt
    this.restMs = count === undefined ? this.lateMs : Math.min(this.lateMs, Math.max(this.soonMs, REST_PER_MS * tookMs))
    if (count !== undefined && count > 0) this.freed()
  }

  /** The same, unless it was done a moment ago. */
  async reapIfRested(): Promise<void> {
    if (performance.now() - this.reapedAt > REST_MS) await this.reap()
  }

  /** Reaps again and again, in real time since it is about real processes, until what it returns is called. */
  watch(): () => void {
    let timer: NodeJS.Timeout | undefined
    let isOver = false
    const next = (): void => {
      timer = setTimeout(() => void this.reap().then(() => isOver || next()), this.restMs).unref()
    }
    next()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }
}
