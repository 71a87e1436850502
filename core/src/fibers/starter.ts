/**
 * Which of the steps that a program asked for may start in this advance, and how: at once, after an intent, by asking
 * the target system first, or not at all (rules 1, 4 and 9).
 */
import { RunError } from '../errors.ts'
import type { Entry, EntryOf } from '../journal/entry.ts'
import type { Advance, Control, Manifest } from '../ports.ts'
import type { AskedStep } from './asked.ts'
import {
  giveUp,
  intend,
  isUnwanted,
  leaveUnknown,
  MAX_CRASHES,
  refuse,
  resolveIntent,
  runAttempt,
  settleUnknown,
} from './attempt.ts'
import type { Fiber } from './fiber.ts'
import { queueTransaction } from './transacting.ts'

export class Starter {
  /** Entries that this advance has made durable: whoever got so far is not in a crash loop. */
  appended = 0
  /** Something that was asked for waits until what it may depend on is durable. */
  private holdsBack = false
  /** Something that could begin waits until it is known that the run is still ours. */
  isUnsure = false
  private readonly fiber: Fiber
  private readonly request: Advance
  private readonly control: Control
  private readonly manifest: Manifest

  constructor(fiber: Fiber, request: Advance, control: Control, manifest: Manifest) {
    this.fiber = fiber
    this.request = request
    this.control = control
    this.manifest = manifest
  }

  private get storeKeepsJournal(): boolean {
    return this.manifest.journal === 'store'
  }

  /** Starts whatever may start now. */
  start(): void {
    const { fiber } = this
    if (fiber.known.outcome !== undefined || fiber.finished !== undefined) return
    if (this.storeKeepsJournal) fiber.startsAtOnce = (step) => this.startStep(step)
    else if (this.intendFirst()) return
    for (const step of fiber.steps.values()) this.startStep(step)
  }

  /** The same, once those entries are there: it may depend on them. */
  startBehind(entries: readonly Entry[]): void {
    if (entries.length === 0) this.start()
    else this.holdsBack = true
  }

  startHeldBack(): void {
    if (!this.holdsBack || this.fiber.isBehind) return
    this.holdsBack = false
    this.start()
  }

  /**
   * Before anything else: the reply to the request that acknowledges an intent must say how it went on. Also where nobody
   * waits for it any more: no run ends with an effect of which nobody has asked whether it happened.
   */
  startIntended(): void {
    const { fiber } = this
    if (fiber.known.intents.size === 0) return
    for (const key of fiber.known.intents.keys()) {
      const step = fiber.steps.get(key) ?? fiber.settling.retake(key)
      if (step !== undefined) this.startStep(step)
    }
  }

  /** The run ends now. */
  leaveIntended(): void {
    for (const intent of this.fiber.known.intents.values()) leaveUnknown(this.fiber, intent)
  }

  /**
   * Where the engine keeps the journal intents are handed over before anything else starts, so that nothing in flight
   * delays them.
   */
  private intendFirst(): boolean {
    const { fiber } = this
    let intended = false
    for (const step of fiber.steps.values()) {
      if (step.op.effect !== 'once' || !this.isReady(step) || fiber.known.intents.has(step.op.key)) continue
      if (this.isPoisoned(step)) return true
      intend(fiber, step)
      intended = true
    }
    return intended
  }

  private isReady(step: AskedStep): boolean {
    return step.phase === 'asked' && (step.notBefore === 0 || step.notBefore <= this.fiber.clock())
  }

  startStep(step: AskedStep): void {
    const { fiber } = this
    if (fiber.dropped || (fiber.isCancelAhead && !step.shielded)) return
    const intent = fiber.known.intents.get(step.op.key)
    if (step.phase === 'intended') {
      if (intent === undefined) return
      if (!this.mayBegin(intent, true)) this.resolve(step, intent, 'its first delivery may have begun elsewhere')
      else if (isUnwanted(fiber, step)) refuse(fiber, step)
      else this.begin(step)
      return
    }
    if (!this.isReady(step)) return
    // An intent waits for its own commit, which makes durable what is before it.
    if (fiber.isBehind && (step.op.effect !== 'once' || intent !== undefined || step.transact !== undefined)) {
      this.holdsBack = true
      return
    }
    if (intent !== undefined) {
      step.attempt = intent.attempt
      if (this.isCrashLoop) settleUnknown(fiber, step, intent, `its process died ${this.control.delivery - 1} times`)
      else if (!this.mayBegin(intent, false))
        this.resolve(step, intent, `its worker (${intent.host}) was lost between intent and result`)
      else if (isUnwanted(fiber, step)) refuse(fiber, step)
      else this.begin(step)
      return
    }
    if (!fiber.agreement.checkNothingPassedBy(step.op) || this.isPoisoned(step)) return
    if (step.transact !== undefined) queueTransaction(fiber, step)
    else if (step.op.effect === 'once') intend(fiber, step)
    else this.begin(step)
  }

  /** Rule 1: not by who may have lost the run while it stood still. */
  private begin(step: AskedStep): void {
    const sure = this.control.untilSure?.()
    if (sure === undefined) runAttempt(this.fiber, step, this.control.heartbeat)
    else if (!this.isUnsure) void this.beginOnce(sure)
  }

  private async beginOnce(sure: Promise<void>): Promise<void> {
    this.isUnsure = true
    await sure
    this.isUnsure = false
    this.fiber.onEvent()
  }

  private resolve(step: AskedStep, intent: EntryOf<'intent'>, why: string): void {
    const { journal, affinity, countsDeliveries } = this.manifest
    // Where nobody can tell whether the fiber that intended is still about to begin, "not done" is no last word.
    const isOver = async (): Promise<boolean> =>
      (journal === 'store' || affinity || countsDeliveries) && !(await this.control.authorMayLive?.(intent.seq))
    resolveIntent(this.fiber, step, intent, why, isOver)
  }

  /** Rule 4: whether nobody can have begun the effect of an acknowledged intent. */
  private mayBegin(intent: EntryOf<'intent'>, mine: boolean): boolean {
    if (this.storeKeepsJournal) return mine
    if (!this.manifest.countsDeliveries) return mine
    return this.control.delivery === 1 && this.acknowledgedNow(intent)
  }

  private acknowledgedNow(intent: EntryOf<'intent'>): boolean {
    const { acknowledges } = this.request
    return acknowledges !== undefined && intent.seq >= acknowledges.from
  }

  private get isCrashLoop(): boolean {
    return this.control.delivery > MAX_CRASHES && this.appended === 0
  }

  /** Rule 9. An effect `once` gets here only before its intent: a dangling intent is settled as unknown anyway. */
  private isPoisoned(step: AskedStep): boolean {
    const { fiber } = this
    if (!this.isCrashLoop || fiber.finished !== undefined) return false
    const message = `Run ${fiber.runId} killed its process ${this.control.delivery - 1} times before step ${step.op.key} was recorded.`
    const hint = 'Mend what crashes (memory, a native module, process.exit), then retry the run.'
    const error = new RunError('CRASH_LOOP', message, { hint, details: { runId: fiber.runId, step: step.op.key } })
    if (fiber.known.undo === undefined) fiber.finished = { error }
    else giveUp(fiber, step, error)
    fiber.onEvent()
    return true
  }
}
