/**
 * A worker: claims due runs of its host's programs and holds each until it suspends or ends.
 *
 * It looks for work (one indexed read, and a claim only if something is due) after a start or signal of this process,
 * after the bell, when the next run is due, when a slot becomes free, when a worker has died (leases.ts), and once a second.
 *
 * Infrastructure that fails never ends a run. One with steps in flight, or with results that the store would not take, is kept
 * here, in its slot, and advanced again after a growing while: nobody repeats what goes on here, and what was paid for is
 * written once it can be. Any other is postponed by as much, for any worker to try again.
 */
import { type Claim, type Host, type OutboxHandler, type Programs, probe, SelvageError } from '@selvage/core'
import { backoffMs, Rests } from './backoff.ts'
import { Courier } from './courier.ts'
import { HeldRun, type Holder } from './held-run.ts'
import { Holdings } from './holdings.ts'
import type { Lease } from './lease.ts'
import { Lookout } from './lookout.ts'
import type { Parts } from './parts.ts'

/** Few in one transaction: beside a long queue other workers get their turn. */
const CLAIMS_AT_ONCE = 16
/** After a run that looked due could not be claimed: another worker was faster. */
const CONTENDED_MS = 50
const TICK_MS = 1_000

export class Worker {
  private readonly parts: Parts
  private readonly host: Host
  private readonly concurrency: number
  private readonly held: Holdings
  private readonly lease: Lease
  private readonly lookout: Lookout
  private readonly courier: Courier | undefined
  private readonly holder: Holder
  private readonly working = new Set<Promise<void>>()
  /** Suspended runs whose program has asked for something. */
  private readonly woken = new Set<string>()
  /** Failures of infrastructure in a row with the journal at one length, by run. */
  private readonly rests = new Map<string, Rests>()
  /** Ends waits between failures, when the worker stops. */
  private readonly pauses = new Set<() => void>()
  /** Something goes on here that was begun under the lease. */
  private actsOn = false
  private stopping = false
  private stopped: Promise<void> | undefined
  private silence: (() => void) | undefined
  private unwatch: (() => void) | undefined
  private ticking: NodeJS.Timeout | undefined

  /** Resolves when the worker is known to the store and has taken over what dead workers left. */
  static async begin(
    parts: Parts,
    host: Host,
    concurrency: number,
    handlers: () => readonly OutboxHandler[],
  ): Promise<Worker> {
    const held = new Holdings()
    let courier: Courier | undefined
    const lease = await parts.leases.enlist(() => {
      held.loseAll()
      courier?.lose()
    })
    const { outbox } = parts.store
    if (outbox !== undefined) courier = new Courier(parts, outbox, handlers, () => lease.workerId)
    const worker = new Worker(parts, host, concurrency, held, lease, courier)
    await worker.open()
    return worker
  }

  private constructor(
    parts: Parts,
    host: Host,
    concurrency: number,
    held: Holdings,
    lease: Lease,
    courier: Courier | undefined,
  ) {
    const { store, runtime, changes, report } = parts
    this.parts = parts
    this.host = host
    this.concurrency = concurrency
    this.held = held
    this.lease = lease
    this.courier = courier
    this.lookout = new Lookout(runtime.clock, () => this.look(), report)
    this.holder = {
      store,
      host,
      clock: runtime.clock,
      untilSure: () => lease.untilSure(),
      touched: (runId, now) => changes.touched(runId, now),
      sent: parts.sent,
      onWait: (run, waits) => run.suspend(waits),
      onWake: (runId) => this.wake(runId),
    }
  }

  /** Something may have become due. */
  poke(): void {
    this.lookout.poke()
    this.courier?.happened()
  }

  /** This process has recorded messages for the outbox, or made one wait again. */
  sent(): void {
    this.courier?.poke()
  }

  /** This process has accepted a signal. */
  signalled(runId: string): void {
    this.held.signalled(runId)
    this.lookout.poke()
    this.courier?.happened()
  }

  /** Claims no more, lets what is in flight go on to its next durable point, and gives everything back. */
  stop(): Promise<void> {
    this.stopped ??= this.close()
    return this.stopped
  }

  private async open(): Promise<void> {
    const { bell, leases } = this.parts
    this.silence = bell.listen(() => this.onBell())
    await leases.reap()
    this.unwatch = leases.watch()
    // Nothing else that a worker waits for keeps the process alive.
    this.ticking = setInterval(() => this.tick(), TICK_MS)
    this.courier?.poke()
    this.lookout.poke()
  }

  private tick(): void {
    this.lookout.poke()
    this.courier?.tick()
  }

  private async close(): Promise<void> {
    const { stopGraceMs, report } = this.parts
    this.stopping = true
    for (const end of this.pauses) end()
    this.silence?.()
    await this.lookout.close()
    for (const run of this.held.all()) run.stop()
    const grace = setTimeout(() => {
      for (const run of this.held.all()) run.withdraw()
    }, stopGraceMs)
    await Promise.all([...this.working, this.courier?.close(stopGraceMs)])
    clearTimeout(grace)
    await this.parts.leases.leave(this.lease, this.actsOn).catch(report)
    this.unwatch?.()
    clearInterval(this.ticking)
  }

  // ── looking for work ──────────────────────────────────────────────────────────────────────────────────────────────

  private async look(): Promise<number | undefined> {
    try {
      await this.takeWoken()
      return await this.takeDue()
    } catch (error) {
      if (!SelvageError.is(error, 'LEASE_LOST')) throw error
      await this.lease.renew()
      return CONTENDED_MS
    }
  }

  /** Resolves to the milliseconds until the next run is due, if slots are free. */
  private async takeDue(): Promise<number | undefined> {
    const { store, runtime } = this.parts
    while (this.held.size < this.concurrency && !this.stopping) {
      const programs = this.host.registered()
      if (programs.length === 0) return undefined
      const now = runtime.clock.now()
      const due = await store.nextDue(programs)
      if (due === undefined) return undefined
      if (due > now) return due - now
      if (!(await this.claim(programs, now))) return CONTENDED_MS
    }
    return undefined
  }

  private async claim(programs: readonly Programs[], now: number): Promise<boolean> {
    const limit = Math.min(CLAIMS_AT_ONCE, this.concurrency - this.held.size)
    const { signalsSeen } = this.held
    const suspects = (await this.courier?.mayKill()) !== true
    const claims = await this.parts.store.claim(this.lease.workerId, programs, limit, now, suspects)
    if (claims.length === 0) return false
    probe('engine.after-claim')
    const runs = claims.map((claim) => this.hold(claim))
    if (this.held.signalsSeen !== signalsSeen) await this.held.handOver(runs)
    return true
  }

  private async takeWoken(): Promise<void> {
    const { store, runtime } = this.parts
    for (const runId of this.woken) {
      if (this.held.size >= this.concurrency) return
      try {
        const claim = await store.claimRun(this.lease.workerId, runId, runtime.clock.now())
        probe('engine.after-claim')
        this.hold(claim)
      } catch (error) {
        // Where the store is away for a moment the next look asks again: nobody else would wake it.
        if (!isTaken(error)) throw error
      }
      this.woken.delete(runId)
    }
  }

  private wake(runId: string): void {
    const run = this.held.get(runId)
    if (run !== undefined) {
      run.woken = true
    } else if (!this.stopping) {
      this.woken.add(runId)
      this.lookout.poke()
    }
  }

  private async onBell(): Promise<void> {
    await this.parts.leases.reapIfRested()
    this.lookout.poke()
    this.courier?.poke()
    await this.held.lookForSignals().catch(this.parts.report)
  }

  // ── holding ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private hold(claim: Claim): HeldRun {
    const run = new HeldRun(claim, this.holder)
    if (this.stopping) run.stop()
    this.held.add(run)
    this.parts.changes.touched(run.runId)
    const work = this.work(run)
    this.working.add(work)
    void work.then(() => this.working.delete(work))
    return run
  }

  /** Never rejects. */
  private async work(run: HeldRun): Promise<void> {
    try {
      await run.runOn((error) => this.restAfter(run, error))
      this.rests.delete(run.runId)
      if (run.woken) this.woken.add(run.runId)
    } catch (error) {
      if (!SelvageError.is(error)) this.host.evict(run.runId)
      await this.postpone(run, this.restAfter(run, error))
    }
    if (run.actsOn) this.actsOn = true
    this.held.remove(run)
    this.lookout.poke()
  }

  /** Milliseconds. */
  private restAfter({ runId, entries }: HeldRun, error: unknown): number {
    this.parts.report(error)
    const rests = this.rests.get(runId) ?? new Rests()
    this.rests.set(runId, rests)
    return rests.next(entries)
  }

  private async postpone(run: HeldRun, ms: number): Promise<void> {
    const { runtime, report } = this.parts
    for (let tries = 1; !this.stopping; tries++) {
      try {
        return await run.postpone(runtime.clock.now() + ms)
      } catch (again) {
        if (SelvageError.is(again, 'LEASE_LOST')) return
        report(again)
      }
      await this.pause(backoffMs(tries))
    }
  }

  /** Ends early when the worker stops. */
  private async pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.parts.runtime.clock.timer(ms, resolve)
    this.pauses.add(resolve)
    await promise
    this.pauses.delete(resolve)
    cancel()
  }
}

/** Somebody else has it, or it is over: nothing to do here. */
function isTaken(error: unknown): boolean {
  return (['RUN_HELD', 'RUN_ENDED', 'NOT_FOUND'] as const).some((code) => SelvageError.is(error, code))
}
