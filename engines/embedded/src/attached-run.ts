/**
 * A run held by whoever attached to it. Unlike a worker it does not give the run up while the program waits: it waits
 * for signals and time itself, and advances again.
 */
import { type Attachment, type Claim, type EngineError, type Host, LeaseLostError, type Outcome } from '@selvage/core'
import { Rests } from './backoff.ts'
import { HeldRun, type Waits } from './held-run.ts'
import type { Lease } from './lease.ts'
import { Nudge } from './nudge.ts'
import type { Parts } from './parts.ts'

export class AttachedRun implements Attachment {
  readonly ended: Promise<Outcome>
  readonly run: HeldRun
  /** Resolves when nothing more happens here. */
  readonly over: Promise<void>
  /** Resolves when something of it was recorded here, when it waits, or when it is over. */
  readonly moved: Promise<void>
  isOver = false
  /** False: the store still says that we hold the run. */
  released = false
  private readonly parts: Parts
  private readonly news = new Nudge()
  private readonly rests = new Rests()

  constructor(parts: Parts, claim: Claim, host: Host, lease: Lease) {
    const { store, runtime, changes } = parts
    this.parts = parts
    const moved = Promise.withResolvers<void>()
    this.moved = moved.promise
    this.run = new HeldRun(claim, {
      store,
      host,
      clock: runtime.clock,
      untilSure: () => lease.untilSure(),
      touched: (runId, now) => {
        moved.resolve()
        changes.touched(runId, now)
      },
      sent: parts.sent,
      onWait: (_, waits) => {
        moved.resolve()
        return this.idle(waits)
      },
      onWake: () => {
        this.run.woken = true
        this.nudge()
      },
    })
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
    this.ended = promise
    // Nobody need await it.
    promise.catch(() => {})
    this.over = this.run
      .runOn((error) => this.restAfter(error))
      .then(
        (end) => {
          this.released = true
          if (end.kind === 'finished') resolve(end.outcome)
          else if (end.kind === 'lost') reject(this.lostError())
        },
        async (error: unknown) => {
          // If even that fails, the claim stays here until it is tried again, or until this process ends.
          await this.run.release().then(() => {
            this.released = true
          }, parts.report)
          reject(error)
        },
      )
      .finally(() => {
        moved.resolve()
        this.isOver = true
      })
  }

  /** A signal may have arrived. */
  nudge(): void {
    this.news.give()
  }

  lose(): void {
    this.run.lose()
    this.nudge()
  }

  async detach(): Promise<void> {
    this.run.stop()
    this.nudge()
    const grace = setTimeout(() => this.run.withdraw(), this.parts.stopGraceMs)
    grace.unref()
    await this.over
    clearTimeout(grace)
  }

  /** How long to rest, in milliseconds; a database that is damaged does not come back. */
  private restAfter(error: EngineError): number | undefined {
    if (error.code === 'CORRUPT') return undefined
    this.parts.report(error)
    return this.rests.next(this.run.entries)
  }

  private async idle(waits: Waits): Promise<false> {
    const { store, runtime } = this.parts
    const { clock } = runtime
    const isWanted = (name: string): boolean => name.startsWith('$') || waits.signals.includes(name)
    while (this.run.going && !this.run.woken && (waits.until === undefined || clock.now() < waits.until)) {
      const signals = await store.pendingSignals(this.run.runId)
      if (signals.some((signal) => isWanted(signal.name))) break
      await this.news.next(clock, waits.until)
    }
    return false
  }

  private lostError(): LeaseLostError {
    const { runId } = this.run
    return new LeaseLostError(
      'LEASE_LOST',
      `Run ${runId} was taken over: this process stood still for longer than its lease of ${this.parts.leaseMs} ms.`,
      {
        hint: 'Attach again once the other process has finished with it.',
        details: { runId },
      },
    )
  }
}
