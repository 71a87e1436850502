/**
 * How punctually a worker renews what tells others that it lives: a lease, a row in which it beats.
 *
 * Who renews late cannot tell why: it stood still, its store was away, its machine slept, or its clock has jumped. So
 *
 *   nothing begins     (`untilSure`) before it is known whether others took what it held for a dead worker's
 *   it judges nobody   (`mayJudge`) before the others, who may be late for the same reason, have had a lease's time to renew
 */
export interface RenewalsOptions {
  readonly leaseMs: number
  /** The part of a lease after which a renewal is late: longer than from one to the next, shorter than after which one may be taken for dead. */
  readonly late: number
  /** The clock that leases are kept by, milliseconds: it goes on while the machine sleeps. */
  readonly now: () => number
  /** Real time, milliseconds, which a test cannot move. */
  readonly real: () => number
}

export class Renewals {
  private readonly options: RenewalsOptions
  private renewedAt: number
  private judgesFrom = Number.NEGATIVE_INFINITY
  private sure: PromiseWithResolvers<void> | undefined

  constructor(options: RenewalsOptions) {
    this.options = options
    this.renewedAt = options.now()
  }

  /** `at`: before the store was asked. Whatever was lost is no longer held here. */
  renewed(at: number): void {
    const { leaseMs, real } = this.options
    if (this.isLate(at)) this.judgesFrom = real() + leaseMs
    this.renewedAt = at
    this.sure?.resolve()
    this.sure = undefined
  }

  /** How long nobody has heard of this worker. Milliseconds. */
  silentMs(at: number = this.options.now()): number {
    return at - this.renewedAt
  }

  get mayJudge(): boolean {
    return !this.isLate() && this.options.real() >= this.judgesFrom
  }

  /** Undefined while nobody can have taken what is held here. Else it resolves when that is known; never rejects. `renew`: does so now. */
  untilSure(renew: () => void): Promise<void> | undefined {
    if (!this.isLate()) return undefined
    this.sure ??= Promise.withResolvers<void>()
    const { promise } = this.sure
    renew()
    return promise
  }

  private isLate(at?: number): boolean {
    const { leaseMs, late } = this.options
    return this.silentMs(at) > leaseMs * late
  }
}
