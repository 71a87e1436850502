/**
 * One advance of a fiber, from a request to its reply: settle what is acknowledged, let the program react, start what
 * it asks for, hand over what was produced. Time, signals and cancellation enter here.
 *
 * Where a store keeps the journal, entries are appended during the advance and it goes on until the program waits.
 * Where the engine keeps it, every batch of entries is a reply, and the next request acknowledges it.
 */
import type { Entry, EntryOf, Op, Signal } from '../journal/entry.ts'
import type { Advance, Control, Journal, Manifest, Progress, Seed } from '../ports.ts'
import { probe } from '../probe.ts'
import type { AskedStep } from './asked.ts'
import { senderFor } from './deadline.ts'
import { Ending } from './ending.ts'
import { type Fiber, takenAway } from './fiber.ts'
import { Starter } from './starter.ts'
import { noTransactions, transactionWrite } from './transacting.ts'

/** A store's advance stays open for a wait that is over so soon: cheaper than giving the run up. */
const LINGER_MS = 25
/** Macrotasks that a replayed program may take, beyond one, to ask for what its journal still holds. */
const PATIENCE = 16
/**
 * A replayed program that only waits may still ask for what its journal holds: it may be connecting to something outside
 * of steps, beside a wait. For so long it is believed to.
 */
const DOUBT_MS = 10_000
/** Microtasks within which most programs ask for their next step. */
const REACTIONS = 12

type Append = NonNullable<Journal['append']>

export class Turn {
  private readonly fiber: Fiber
  private readonly request: Advance
  private readonly control: Control
  private readonly manifest: Manifest
  private readonly rotate: (fiber: Fiber) => Promise<Seed>
  private readonly incoming: Signal[]
  private readonly begunAt: number
  private readonly starter: Starter
  private readonly ending: Ending
  private readonly appends: Append | undefined
  private readonly sync: Journal['sync']
  private news = false
  /** To what is not durable yet the program has had the time to react. */
  private reacted = false
  private wake: (() => void) | undefined
  /** What was due by then (host time; milliseconds of this turn) has been looked at: what is due later needs a timer. */
  private seenUntil = 0
  private seenElapsed = 0
  /** Since when (milliseconds of this turn) the program rests although its journal has steps that it did not ask for. */
  private doubtfulSince: number | undefined

  constructor(
    fiber: Fiber,
    request: Advance,
    control: Control,
    manifest: Manifest,
    rotate: (fiber: Fiber) => Promise<Seed>,
  ) {
    this.fiber = fiber
    this.request = request
    this.control = control
    this.manifest = manifest
    this.rotate = rotate
    this.incoming = [...request.signals]
    this.begunAt = fiber.env.runtime.clock.monotonic()
    const { journal } = control
    this.starter = new Starter(fiber, request, control, manifest)
    this.ending = new Ending(fiber, this.starter)
    this.appends = manifest.journal === 'store' ? journal.append?.bind(journal) : undefined
    this.sync = this.appends && journal.sync?.bind(journal)
  }

  offer(signal: Signal): void {
    this.incoming.push(signal)
    this.onEvent()
  }

  async run(): Promise<Progress> {
    const { fiber, control } = this
    fiber.setHostTime(this.request.now)
    fiber.onEvent = () => this.onEvent()
    fiber.shown.heardBy((status) => control.shown?.(status))
    const lost = (): void => fiber.drop()
    control.abortSignal.addEventListener('abort', lost)
    if (control.abortSignal.aborted) lost()
    try {
      if (!fiber.owed.isNothing) await fiber.owed.pay()
      return await this.loop()
    } finally {
      control.abortSignal.removeEventListener('abort', lost)
      fiber.startsAtOnce = undefined
      fiber.onEvent = () => {}
      fiber.shown.heardBy(undefined)
    }
  }

  private async loop(): Promise<Progress> {
    const { fiber } = this
    if (fiber.acknowledged === 0 && fiber.produced.length === 0 && fiber.replied.length === 0) this.produceStart()
    while (true) {
      const settling = fiber.settling.settleAll()
      if (settling !== undefined) await settling
      this.check()
      this.seenUntil = fiber.clock()
      if (this.request.budget !== undefined) this.seenElapsed = this.elapsed
      if (fiber.known.outcome !== undefined) return this.done(fiber.known.outcome)
      if (this.mustSync) await this.makeDurable()
      this.starter.startHeldBack()
      if (fiber.agreement.disagreement === undefined) {
        const wasLive = fiber.live
        if (!wasLive && !(await this.catchUp())) continue
        this.starter.startIntended()
        this.takeSignals()
        fiber.mailbox.expire(this.seenUntil)
        // What was asked for while nothing could start need not wait until the program has been drained.
        if (!wasLive && fiber.startsAtOnce !== undefined) this.starter.startBehind(fiber.produced)
      }
      if (fiber.produced.length === 0 && !(fiber.settling.needsDrain && fiber.agreement.disagreement === undefined)) {
        if (this.ending.isOver()) await this.end()
        if (this.mayRotate()) return this.reply({ kind: 'rotate', seed: await this.rotate(fiber) })
        if (fiber.produced.length === 0) {
          if (this.mayAnnounce()) return this.reply({ kind: 'continue' })
          this.starter.start()
        }
      }
      if (fiber.produced.length > 0) {
        if (this.appends !== undefined) {
          await this.append(this.appends)
          continue
        }
        const reply = await this.handOver()
        if (reply !== undefined) return reply
        continue
      }
      if (fiber.transactions.length > 0) {
        await this.transact()
        continue
      }
      if (!fiber.isBehind && this.overBudget()) return this.reply({ kind: 'continue' })
      if (fiber.settling.needsDrain) {
        await this.react()
        continue
      }
      const reply = await this.rest()
      if (reply !== undefined) return reply
    }
  }

  /** Goes live once the journal is replayed and the program has asked for all that it recorded. */
  private async catchUp(): Promise<boolean> {
    const { fiber } = this
    if (fiber.acknowledged === 0) {
      // The start entry is on its way: nothing runs before the salt is durable.
      fiber.live = true
      return true
    }
    // A journal that is nothing but its start has no outcome that the program could ask for.
    if (fiber.acknowledged > 1) {
      await fiber.settling.drain()
      for (let turns = 0; turns < PATIENCE && fiber.hasMoreToAsk && fiber.settling.queue.length === 0; turns++)
        await fiber.settling.drain()
    }
    if (fiber.settling.queue.length > 0) return false
    fiber.goLive()
    if (this.appends !== undefined) fiber.startsAtOnce = (step) => this.starter.startStep(step)
    return true
  }

  private check(): void {
    this.checkOurs()
    const fault = this.fiber.owed.takeFault()
    if (fault !== undefined) throw fault.error
  }

  /** Behind a write: what else is wrong must wait until it is known here that the entries are there. */
  private checkOurs(): void {
    if (this.fiber.dropped) throw takenAway(this.fiber.runId)
  }

  private produceStart(): void {
    const { fiber } = this
    fiber.live = true
    fiber.produce({ type: 'start', start: fiber.start, salt: fiber.env.runtime.random(16) })
  }

  private takeSignals(): void {
    const { fiber } = this
    if (fiber.isEnding) return
    if (this.incoming.length > 0) for (const signal of this.incoming.splice(0)) fiber.mailbox.accept(signal)
    const { limit } = fiber
    if (limit === undefined || fiber.clock() < limit.at || fiber.isStopped) return
    const by = senderFor(limit.because)
    const id = fiber.reopened === 0 ? by : `${by}#${fiber.reopened + 1}`
    fiber.mailbox.accept({ id, name: '$cancel', payload: limit.reason, by })
  }

  // ── handing over ──────────────────────────────────────────────────────────────────────────────────────────────────

  private async end(): Promise<void> {
    this.fiber.startsAtOnce = undefined
    const outcome = await this.ending.outcome()
    probe('host.before-end')
    await this.ending.tellParent(outcome)
    // Nothing more is recorded for a fiber that was dropped meanwhile: its end would stand alone.
    this.check()
    this.ending.record(outcome)
  }

  /** A store takes the entries now. */
  private append(append: Append): Promise<void> {
    const { fiber } = this
    const batch = fiber.produced
    fiber.produced = []
    probe('host.before-append')
    fiber.appending = batch.length
    const durability = this.sync !== undefined && batch.every(isOutcomeOfOnce) ? 'written' : 'durable'
    return append(fiber.acknowledged, batch, durability).then(
      () => {
        fiber.appending = 0
        probe('host.after-append')
        this.checkOurs()
        fiber.isBehind = durability === 'written'
        this.reacted = false
        this.starter.appended += batch.length
        fiber.settling.drained()
        fiber.acknowledge(batch)
      },
      (error: unknown) => {
        fiber.appending = 0
        // A full disk costs no paid answer: the entries stay here for the next advance, unless the run is lost.
        fiber.produced.unshift(...batch)
        throw error
      },
    )
  }

  /**
   * The program has been told what is written and not durable. What it has asked for by now, if that is another effect
   * `once`, takes it along with its intent: one sync for both. Whatever else is next waits for a sync of its own.
   */
  private get mustSync(): boolean {
    const { fiber } = this
    return fiber.isBehind && fiber.produced.length === 0 && (this.reacted || !fiber.settling.needsDrain)
  }

  private async makeDurable(): Promise<void> {
    await this.sync?.()
    this.check()
    this.fiber.isBehind = false
  }

  /** A store writes the next transaction, and its entry, now. One that it cannot write stays here for the next advance. */
  private async transact(): Promise<void> {
    const { fiber } = this
    const step = fiber.transactions[0] as AskedStep
    probe('host.before-append')
    fiber.appending = 1
    let entry: Entry
    try {
      const written = this.control.journal.transact?.(fiber.acknowledged, transactionWrite(fiber, step))
      if (written === undefined) throw noTransactions(this.manifest)
      entry = await written
      fiber.appending = 0
    } catch (error) {
      fiber.appending = 0
      // What was produced meanwhile counted on it.
      fiber.produced = fiber.produced.map((produced) => ({ ...produced, seq: produced.seq - 1 }))
      throw error
    }
    probe('host.after-append')
    fiber.transactions.shift()
    this.checkOurs()
    this.starter.appended += 1
    fiber.isBehind = false
    fiber.settling.drained()
    fiber.acknowledge([entry])
  }

  /** The engine takes them with the reply. */
  private async handOver(): Promise<Progress | undefined> {
    const { fiber } = this
    if (!this.manifest.affinity && fiber.inFlight > 0 && !this.ending.isGraceOver) {
      await this.event()
      return undefined
    }
    fiber.replied = fiber.produced.splice(0)
    fiber.mark = fiber.env.runtime.random(8)
    const end = fiber.replied.at(-1)
    if (end?.type === 'end') return this.done(end.outcome)
    return this.reply({ kind: 'continue' })
  }

  /** Rule 8: with nothing in flight, and only if the engine asks. */
  private mayRotate(): boolean {
    const { fiber, request } = this
    if (request.rotate !== true || !this.manifest.abilities.rotate) return false
    return fiber.produced.length === 0 && fiber.inFlight === 0 && fiber.finished === undefined
  }

  /** There are steps that would start now and that no reply has named. An effect `once` is named with its intent. */
  private mayAnnounce(): boolean {
    const { fiber } = this
    const { announced } = this.request
    if (announced === undefined || this.appends !== undefined || fiber.finished !== undefined) return false
    if (fiber.inFlight > 0 && !this.manifest.affinity) return false
    for (const { op, phase, notBefore } of fiber.steps.values()) {
      const isNew = phase === 'asked' && op.effect !== 'once' && !announced.includes(op.key)
      if (isNew && notBefore <= fiber.clock()) return true
    }
    return false
  }

  /** Nothing to settle, start or hand over: wait here, or let the engine wait. */
  private async rest(): Promise<Progress | undefined> {
    const { fiber } = this
    const isIdle = fiber.inFlight === 0 && !this.starter.isUnsure
    if (isIdle && fiber.isWaiting && fiber.finished === undefined) {
      const due = this.ending.nextDue(fiber.nextTime())
      const soon = due !== undefined && this.appends !== undefined && due - fiber.clock() <= LINGER_MS
      const doubtMs = soon ? undefined : this.doubtMs()
      if (!soon && doubtMs === undefined) {
        probe('host.before-wait')
        const signals = fiber.awaitedSignals()
        return this.reply({ kind: 'wait', signals, ...(due !== undefined && { until: due }) })
      }
      const hasChanged =
        doubtMs === 0 && !fiber.agreement.checkNothingPassedBy(`nothing but ${fiber.mailbox.open.described}`)
      if (!hasChanged) await this.event(doubtMs)
      return undefined
    }
    await this.event()
    return undefined
  }

  /** How long a program that rests may still ask for what its journal holds, where it has not. */
  private doubtMs(): number | undefined {
    if (!this.fiber.agreement.leavesOut || this.isBudgetSpent) return undefined
    this.doubtfulSince ??= this.elapsed
    return Math.max(0, this.doubtfulSince + DOUBT_MS - this.elapsed)
  }

  private overBudget(): boolean {
    const { budget } = this.request
    if (budget === undefined) return false
    const { fiber } = this
    // Without affinity the next advance may come to another host, which would start what is in flight again.
    if (fiber.inFlight > 0 && !this.manifest.affinity) return false
    if (budget.entries !== undefined && this.starter.appended >= budget.entries) return true
    return this.isBudgetSpent && (this.starter.appended > 0 || fiber.inFlight > 0)
  }

  private get isBudgetSpent(): boolean {
    return this.elapsed >= (this.request.budget?.ms ?? Number.POSITIVE_INFINITY)
  }

  private get elapsed(): number {
    return this.fiber.env.runtime.clock.monotonic() - this.begunAt
  }

  private done(outcome: EntryOf<'end'>['outcome']): Progress {
    const reply = this.reply({ kind: 'done', outcome })
    this.fiber.abandon()
    return reply
  }

  private reply(how: DistributiveTail<Progress>): Progress {
    const { fiber } = this
    this.check()
    probe('host.before-reply')
    const next: Op[] = []
    for (const step of fiber.steps.values()) if (step.phase !== 'recorded') next.push(step.op)
    return {
      cursor: fiber.acknowledged + fiber.replied.length,
      entries: [...fiber.replied],
      ...(fiber.replied.length > 0 && { mark: fiber.mark }),
      next,
      received: this.received(),
      ...(fiber.shown.value !== undefined && { status: fiber.shown.value }),
      ...how,
    }
  }

  /** Which of the request's signals need not be sent again. */
  private received(): readonly string[] {
    return this.request.signals.filter((signal) => this.fiber.mailbox.knows(signal)).map((signal) => signal.id)
  }

  // ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private onEvent(): void {
    this.news = true
    this.wake?.()
  }

  /**
   * Resolves when something has happened, when something is due, or when the budget is over: at once where that came
   * while this turn was looking around. What it has looked at and could not act on (a retry behind what is to be handed
   * over) waits for an event.
   */
  private async event(doubtMs: number = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.news) {
      this.news = false
      return
    }
    const { fiber } = this
    const { clock } = fiber.env.runtime
    const due = this.ending.nextDue(fiber.nextTime(this.seenUntil), this.seenUntil)
    const dueMs = due === undefined ? Number.POSITIVE_INFINITY : Math.max(0, due - fiber.clock())
    const { ms = 0 } = this.request.budget ?? {}
    const budgetMs = ms > this.seenElapsed ? Math.max(0, ms - this.elapsed) : Number.POSITIVE_INFINITY
    const limitMs = Math.min(dueMs, budgetMs, doubtMs)
    await new Promise<void>((resolve) => {
      const stop = Number.isFinite(limitMs) ? clock.timer(Math.ceil(limitMs), resolve) : undefined
      this.wake = () => {
        stop?.()
        resolve()
      }
    })
    this.wake = undefined
    this.news = false
  }

  /**
   * Lets the program react to what it was given: a macrotask, or less where nothing hangs on it. A program that has a
   * step in flight by then needs none: the append of its outcome brings one.
   */
  private async react(): Promise<void> {
    const { fiber } = this
    if (fiber.startsAtOnce !== undefined) {
      for (let turn = 0; turn < REACTIONS && fiber.produced.length === 0; turn++) {
        await null
        if (!fiber.isBehind && fiber.inFlight > 0 && fiber.finished === undefined && !fiber.isLeft) return this.event()
      }
      if (fiber.produced.length > 0) return
    }
    if (fiber.isBehind) {
      this.reacted = true
      return
    }
    let drained = false
    this.news = false
    await new Promise<void>((resolve) => {
      this.wake = resolve
      fiber.env.runtime.drain().then(() => {
        drained = true
        resolve()
      })
    })
    this.wake = undefined
    if (drained) fiber.settling.drained()
  }
}

/** What the intent of the next one may take along. */
function isOutcomeOfOnce(entry: Entry): boolean {
  return entry.type === 'step' && entry.op.effect === 'once' && 'ok' in entry.outcome && entry.sent === undefined
}

type DistributiveTail<P> = P extends Progress ? Omit<P, 'cursor' | 'entries' | 'next' | 'received' | 'status'> : never
