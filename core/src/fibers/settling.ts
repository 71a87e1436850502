/**
 * How a program is told what the journal says (rule 5): what is acknowledged is queued and settled in journal order, one entry
 * at a time, and between two that reach the program it gets a macrotask. So what it sees live and what it sees on replay is the
 * same sequence.
 *
 *   acknowledged ──▶ queued ──settled──▶ given to who asked for it, or kept for who asks later
 *
 * What is never true: an entry reaches the program before one that stands before it in the journal, unless nobody had asked
 * for that one.
 */
import type { Entry, EntryOf } from '../journal/entry.ts'
import { Unsettled } from '../journal/unsettled.ts'
import { decode } from '../values/codec.ts'
import type { Json } from '../values/json.ts'
import type { AskedStep } from './asked.ts'
import type { Fiber } from './fiber.ts'

export class Settling {
  readonly queue: Unsettled = new Unsettled()
  /** When that was acknowledged of which the program was told last: its time. */
  toldAt = 0
  /** The program has been given something, and has not had the time to react. */
  needsDrain = false
  private readonly fiber: Fiber
  /** Keys of steps that a cancel took from their callers before they were started. */
  private readonly abandoned = new Map<string, AskedStep>()

  constructor(fiber: Fiber) {
    this.fiber = fiber
  }

  /** Whether the run starts with these: that is settled at once. */
  push(entries: readonly Entry[]): boolean {
    this.queue.push(entries)
    const [first] = entries
    if (first?.type !== 'start') return false
    this.fiber.known.take(first)
    this.toldAt = first.at
    this.queue.shift()
    return true
  }

  /** Settles all that is queued. A promise only where something has to be waited for: mostly it is one entry. */
  settleAll(): Promise<void> | undefined {
    const { fiber, queue } = this
    for (let entry = queue.first; entry !== undefined && !fiber.dropped; entry = queue.first) {
      if (this.needsDrain && reachesProgram(entry)) return this.drain().then(() => this.settleAll())
      queue.shift()
      // A program that disagrees with its journal is told nothing more.
      if (fiber.agreement.disagreement !== undefined && entry.type !== 'end') continue
      const settling = this.settle(entry)
      if (reachesProgram(entry)) this.needsDrain = true
      if (settling !== undefined) return settling.then(() => this.settleAll())
    }
    return undefined
  }

  /** Lets the program react to what it was given. */
  async drain(): Promise<void> {
    this.needsDrain = false
    await this.fiber.env.runtime.drain()
  }

  /** A macrotask has passed anyway. */
  drained(): void {
    this.needsDrain = false
  }

  /** The program is given what an entry says; the entry may be older than others that nobody has asked for. */
  given(at: number, key?: string): void {
    if (key !== undefined) this.fiber.consequences.given(key)
    this.toldAt = Math.max(this.toldAt, at)
  }

  /** A promise only where the value has to be fetched, or cannot be read: then it rejects, and is owed. */
  deliver(step: AskedStep, entry: EntryOf<'step'>): Promise<void> | undefined {
    const { fiber } = this
    this.given(entry.at, entry.key)
    step.behaviour.settled?.(entry.outcome)
    if (!('ok' in entry.outcome)) {
      if (!('interrupts' in entry.outcome)) fiber.consequences.failed(entry.key)
      step.reject(fiber.failures.of(fiber.runId, entry, () => fiber.keyOf(entry.key)))
      return undefined
    }
    const { ok } = entry.outcome
    try {
      const json = fiber.env.offload.unpack(ok)
      if (json instanceof Promise) return this.deliverLater(step, ok, json)
      step.resolve(decode(json))
      return undefined
    } catch (error) {
      return this.deliverLater(step, ok, Promise.reject(error))
    }
  }

  /** What a cancel took from its caller and may have begun all the same, in another process: asked again what became of it. */
  retake(key: string): AskedStep | undefined {
    const step = this.abandoned.get(key)
    if (step === undefined) return undefined
    this.abandoned.delete(key)
    this.fiber.steps.set(key, step)
    return step
  }

  private deliverLater(step: AskedStep, ok: Json, first: Promise<Json>): Promise<void> {
    const { offload } = this.fiber.env
    const again = (): Promise<Json> | Json => offload.unpack(ok)
    return this.fiber.owed.given(first, again, (json) => step.resolve(decode(json)))
  }

  private settle(entry: Entry): Promise<void> | undefined {
    if (entry.type === 'step') return this.settleStep(entry)
    const { fiber } = this
    fiber.known.take(entry)
    switch (entry.type) {
      case 'retry':
        return this.settleRetry(entry)
      case 'signal':
        fiber.mailbox.settleSignal(entry.signal)
        if (entry.signal.name === '$cancel') this.settleCancel(entry.at)
        return undefined
      case 'wait':
        return fiber.mailbox.settleWait(entry.key)
      case 'open':
      case 'state':
        fiber.notes.settle(entry)
        return undefined
      case 'undo':
        if (!fiber.abortSignal.aborted) this.settleCancel(entry.at)
        this.given(entry.at)
        fiber.undoNote.settle(entry)
        return undefined
      default:
        return undefined
    }
  }

  private settleStep(entry: EntryOf<'step'>): Promise<void> | undefined {
    const { steps, agreement, known } = this.fiber
    const step = steps.get(entry.key)
    const agreed = step !== undefined && agreement.matches(step.op, entry)
    const abandoned = this.abandoned.get(entry.key)
    this.abandoned.delete(entry.key)
    known.take(entry, agreed || abandoned !== undefined)
    // Its caller has heard of the cancel; what else an outcome changes is the same as where the step was in flight.
    if (abandoned !== undefined) return this.deliver(abandoned, entry)
    if (!agreed) return undefined
    steps.delete(entry.key)
    return this.deliver(step, entry)
  }

  private settleRetry(entry: EntryOf<'retry'>): undefined {
    const { steps, abortSignal } = this.fiber
    const step = steps.get(entry.key)
    if (step === undefined) return
    if (abortSignal.aborted && !step.shielded) {
      // The cancel came while the attempt failed.
      steps.delete(entry.key)
      return
    }
    step.phase = 'asked'
    step.attempt = entry.attempt + 1
    step.notBefore = entry.retryAt
  }

  private settleCancel(at: number): void {
    const { fiber } = this
    const error = fiber.cancelError()
    this.given(at)
    fiber.tellStopped(error)
    for (const [key, step] of fiber.steps) {
      if (step.shielded) continue
      // A step in flight is told by its abortSignal and recorded when it ends; its caller hears of the cancel now.
      if (step.phase === 'asked') {
        fiber.steps.delete(key)
        this.abandoned.set(key, step)
      }
      step.reject(error)
    }
    fiber.mailbox.cancel(error)
  }
}

function reachesProgram(entry: Entry): boolean {
  switch (entry.type) {
    case 'step':
    case 'wait':
    case 'open':
    case 'state':
    case 'undo':
      return true
    case 'signal':
      return entry.signal.name === '$cancel'
    default:
      return false
  }
}
