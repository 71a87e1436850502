/**
 * Runs that this process runs itself, whatever program they name: claimed by `attach`, held while they wait, given up
 * by their end or by `detach`. All of them share one worker identity, enlisted with the first.
 *
 * Nothing here keeps the process alive. Infrastructure that fails ends the attachment, not the run: whoever awaits it
 * is told, and can attach again.
 */
import {
  type Attachment,
  type Claim,
  type Host,
  type Outcome,
  probe,
  RunError,
  SelvageError,
  type Signal,
} from '@selvage/core'
import { AttachedRun } from './attached-run.ts'
import { Holdings } from './holdings.ts'
import { Lease } from './lease.ts'
import type { Parts } from './parts.ts'

export class Attachments {
  private readonly parts: Parts
  private readonly held: Holdings
  private readonly attached = new Map<string, AttachedRun>()
  private leasing: Promise<Lease> | undefined
  private silence: (() => void) | undefined

  constructor(parts: Parts) {
    this.parts = parts
    this.held = new Holdings(parts.store)
  }

  /** The run must exist. RUN_HELD if a live process, this one included, has it; an ended run is attached to as ended. */
  async attach(runId: string, host: Host): Promise<Attachment> {
    const before = this.attached.get(runId)
    if (before !== undefined) await this.giveUp(before)
    const { signalsSeen } = this.held
    const claim = await this.claim(runId)
    if (claim === undefined) return this.endedAlready(runId)
    const attached = new AttachedRun(this.parts, claim, host)
    this.attached.set(runId, attached)
    this.held.add(attached.run)
    this.silence ??= this.parts.bell.listen(() => this.onBell())
    void attached.over.then(() => this.over(attached))
    if (this.held.signalsSeen !== signalsSeen) await this.held.handOver([attached.run])
    return attached
  }

  /** The identity under which this process holds what no worker claimed for it. */
  async workerId(): Promise<string> {
    this.leasing ??= Lease.enlist({ ...this.parts, onLost: () => this.loseAll() })
    try {
      return (await this.leasing).workerId
    } catch (error) {
      this.leasing = undefined
      throw error
    }
  }

  signalled(runId: string, signal: Signal): void {
    this.held.signalled(runId, signal)
    this.attached.get(runId)?.nudge()
  }

  async close(): Promise<void> {
    await Promise.all([...this.attached.values()].map((attached) => attached.detach()))
    await (await this.leasing)?.leave()
  }

  /** Undefined: it has ended. */
  private async claim(runId: string): Promise<Claim | undefined> {
    const { store, runtime } = this.parts
    try {
      const claim = await store.claimRun(await this.workerId(), runId, runtime.clock.now())
      probe('engine.after-claim')
      return claim
    } catch (error) {
      if (SelvageError.is(error, 'RUN_ENDED')) return undefined
      if (SelvageError.is(error, 'RUN_HELD')) throw await this.heldError(runId, error)
      throw error
    }
  }

  private async endedAlready(runId: string): Promise<Attachment> {
    const { outcome } = await this.parts.store.describe(runId)
    const ended = outcome === undefined ? new Promise<Outcome>(() => {}) : Promise.resolve(outcome)
    return { ended, detach: async () => {} }
  }

  private async heldError(runId: string, cause: unknown): Promise<RunError> {
    const { owner } = await this.parts.store.describe(runId)
    const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host}`
    const own = owner?.pid === process.pid && this.attached.has(runId)
    return new RunError('RUN_HELD', `Run ${runId} is being run by ${own ? 'this very process' : who}.`, {
      hint: own
        ? 'Give each agent a run id of its own, or let the first one finish.'
        : 'Wait until that process has finished or stop it; then start this one again.',
      details: { runId, owner },
      cause,
    })
  }

  /** An earlier attachment to the run that is over, but could not tell the store. */
  private async giveUp(attached: AttachedRun): Promise<void> {
    if (!attached.isOver) return
    await attached.release()
    this.attached.delete(attached.run.runId)
  }

  private over(attached: AttachedRun): void {
    this.held.remove(attached.run)
    if (attached.released) this.attached.delete(attached.run.runId)
    if (this.held.size > 0) return
    this.silence?.()
    this.silence = undefined
  }

  private loseAll(): void {
    for (const attached of this.attached.values()) attached.lose()
  }

  private async onBell(): Promise<void> {
    for (const attached of this.attached.values()) attached.nudge()
    await this.held.lookForSignals().catch(this.parts.report)
  }
}
