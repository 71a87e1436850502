/**
 * Runs that this process runs itself, whatever program they name: claimed by `attach`, held while they wait, given up
 * by their end or by `detach`. All of them share one worker identity, enlisted with the first.
 *
 * Nothing here keeps the process alive. Infrastructure that fails ends the attachment, not the run: whoever awaits it
 * is told, and can attach again. Where something would be lost with it, it goes on as soon as that can be written.
 */
import {
  type Attachment,
  type Claim,
  type Host,
  type Outcome,
  probe,
  RunError,
  SelvageError,
  SUSPECT_CRASHES,
} from '@selvage/core'
import { AttachedRun } from './attached-run.ts'
import { Holdings } from './holdings.ts'
import { inTurns } from './in-turns.ts'
import type { Lease } from './lease.ts'
import type { Parts } from './parts.ts'
import { Suspects } from './suspects.ts'

/** Runs that one query is for. */
const SLICE = 500

export class Attachments {
  private readonly parts: Parts
  private readonly held: Holdings
  private readonly attached = new Map<string, AttachedRun>()
  private readonly suspects = new Suspects()
  private leasing: Promise<Lease> | undefined
  /** Something goes on here that was begun under the lease. */
  private actsOn = false
  private silence: (() => void) | undefined

  constructor(parts: Parts) {
    this.parts = parts
    this.held = new Holdings()
  }

  /** The run must exist. RUN_HELD if a live process, this one included, has it; an ended run is attached to as ended. */
  async attach(runId: string, host: Host, isNew: boolean): Promise<Attachment> {
    const before = this.attached.get(runId)
    if (before !== undefined) await this.leaveBehind(before)
    const { store } = this.parts
    const isSuspect = !isNew && (await store.describe(runId)).crashes >= SUSPECT_CRASHES
    return isSuspect ? await this.goOnInTurn(runId, host) : await this.goOn(runId, host)
  }

  /** The identity under which this process holds what no worker claimed for it. */
  async workerId(): Promise<string> {
    return (await this.lease()).workerId
  }

  signalled(runId: string): void {
    this.held.signalled(runId)
    this.attached.get(runId)?.nudge()
  }

  async close(): Promise<void> {
    await Promise.all([...this.attached.values()].map((attached) => attached.detach()))
    const lease = await this.leasing
    if (lease !== undefined) await this.parts.leases.leave(lease, this.actsOn).catch(this.parts.report)
  }

  private async lease(): Promise<Lease> {
    this.leasing ??= this.parts.leases.enlist(() => this.loseAll())
    try {
      const lease = await this.leasing
      // Whoever claims a run by its name looks whether its owner lives: that may be us.
      await this.parts.leases.keepUp()
      return lease
    } catch (error) {
      this.leasing = undefined
      throw error
    }
  }

  private async goOnInTurn(runId: string, host: Host): Promise<Attachment> {
    const begins = await this.suspects.turn()
    let moved = Promise.resolve()
    try {
      const attachment = await this.goOn(runId, host)
      if (attachment instanceof AttachedRun) moved = attachment.moved
      return attachment
    } finally {
      begins(moved)
    }
  }

  private async goOn(runId: string, host: Host): Promise<Attachment> {
    const { signalsSeen } = this.held
    const lease = await this.lease()
    const claim = await this.claim(runId, lease)
    if (claim === undefined) return this.endedAlready(runId)
    const attached = new AttachedRun(this.parts, claim, host, lease)
    this.attached.set(runId, attached)
    this.held.add(attached.run)
    this.parts.changes.touched(runId)
    this.silence ??= this.parts.bell.listen(() => this.onBell())
    void attached.over.then(() => this.over(attached))
    if (this.held.signalsSeen !== signalsSeen) await this.held.handOver([attached.run])
    return attached
  }

  /** Undefined: it has ended. */
  private async claim(runId: string, { workerId }: Lease): Promise<Claim | undefined> {
    const { store, runtime } = this.parts
    try {
      const claim = await store.claimRun(workerId, runId, runtime.clock.now())
      probe('engine.after-claim')
      return claim
    } catch (error) {
      if (SelvageError.is(error, 'RUN_ENDED')) return undefined
      const isHeldHere =
        SelvageError.is(error, 'RUN_HELD') && `${error.details.host}:${error.details.pid}` === runtime.identity
      // By another agent that is attaching just now, another opening or another thread.
      throw isHeldHere ? heldHere(runId, String(error.details.worker)) : error
    }
  }

  private async endedAlready(runId: string): Promise<Attachment> {
    const { outcome } = await this.parts.store.describe(runId)
    const ended = outcome === undefined ? new Promise<Outcome>(() => {}) : Promise.resolve(outcome)
    return { ended, detach: async () => {} }
  }

  /** An earlier attachment of this process: refused while it goes on, given back if the store could not be told. */
  private async leaveBehind({ run, isOver }: AttachedRun): Promise<void> {
    if (!isOver) throw heldHere(run.runId, await this.workerId())
    await run.release()
    this.attached.delete(run.runId)
  }

  private over(attached: AttachedRun): void {
    if (attached.run.actsOn) this.actsOn = true
    this.held.remove(attached.run)
    if (attached.released) this.attached.delete(attached.run.runId)
    if (this.held.size > 0) return
    this.silence?.()
    this.silence = undefined
  }

  private loseAll(): void {
    for (const attached of this.attached.values()) attached.lose()
  }

  /** Those that are being advanced are offered what is there; of the others, which may be thousands, only those look that have something. */
  private async onBell(): Promise<void> {
    try {
      await inTurns(this.slices(), async (runIds) => {
        for (const runId of await this.parts.store.unheard(runIds)) this.attached.get(runId)?.nudge()
      })
      await this.held.lookForSignals()
    } catch (error) {
      this.parts.report(error)
    }
  }

  private *slices(): Iterable<readonly string[]> {
    const all = [...this.attached.keys()]
    for (let from = 0; from < all.length; from += SLICE) yield all.slice(from, from + SLICE)
  }
}

function heldHere(runId: string, worker: string): RunError {
  return new RunError('RUN_HELD', `Run ${runId} is running in this very process (${process.pid}).`, {
    hint: 'Give each agent a run id of its own; or let the first one finish and give the run up: plugin.detach().',
    details: { runId, worker, pid: process.pid },
  })
}
