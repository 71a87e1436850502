/**
 * A fiber is one live program and what is known of its run: what the program asked for through its gate (gate.ts), and what
 * the journal has made of it.
 *
 * It knows three kinds of entries: those it has *produced* (nobody else has them yet), those that were *replied* to an
 * engine and wait for its acknowledgement, and those that are acknowledged and *queued* to be settled (settling.ts).
 *
 * A step is started only when the fiber is live (replay is over) and an advance is granted. A dropped fiber never
 * settles another promise: its program hangs and is collected.
 *
 * turn.ts drives a fiber through one advance; attempt.ts runs one attempt of a step.
 */
import { CancelledError, isInfrastructure, LeaseLostError } from '../errors.ts'
import { Agreement } from '../journal/agreement.ts'
import { Consequences } from '../journal/consequences.ts'
import type { Entry, EntryBody, EntryOf, Failure, Outcome, Start } from '../journal/entry.ts'
import { ForkView } from '../journal/fork-view.ts'
import { idempotencyKey } from '../journal/keys.ts'
import { cancelledOutcome, Known, madeAgain, standing } from '../journal/known.ts'
import { unpacked } from '../journal/unpacked.ts'
import type { LiveNote, Manifest, Outbound, Program, Runtime } from '../ports.ts'
import { decode, encode, errorToJson } from '../values/codec.ts'
import { readable } from '../values/error-json.ts'
import type { Json } from '../values/json.ts'
import type { Offload } from '../values/offload.ts'
import { earlier } from '../values/time.ts'
import type { AskedStep } from './asked.ts'
import { Chance } from './chance.ts'
import { limitOf, type RunLimit } from './deadline.ts'
import { Failures } from './failures.ts'
import { Gate } from './gate.ts'
import { Mailbox } from './mailbox.ts'
import { Notes } from './notes.ts'
import { Owed } from './owed.ts'
import { Settling } from './settling.ts'
import { Shown } from './shown.ts'
import { UndoNote } from './undoing.ts'

export interface FiberEnvironment {
  readonly runtime: Runtime
  readonly manifest: Manifest
  readonly offload: Offload
  readonly outbound: Outbound
  readonly cancelGraceMs: number
  readonly note: (note: LiveNote) => void
}

export class Fiber {
  readonly runId: string
  readonly start: Start
  readonly program: Program
  readonly env: FiberEnvironment
  readonly known: Known = new Known()
  readonly steps: Map<string, AskedStep> = new Map()
  history: readonly Entry[] = []
  fork: ForkView | undefined

  /** Entries that the engine or store is known to hold. */
  acknowledged = 0
  /** Entries in the reply that waits to be acknowledged. */
  replied: Entry[] = []
  /** Names that reply. */
  mark = ''
  /** What was acknowledged last outlives this process, and is not durable yet. */
  isBehind = false
  /** How many entries are on their way into a store. */
  appending = 0
  /** Entries that nobody else has yet. */
  produced: Entry[] = []
  /** Steps that run inside of their commit, and have not yet. */
  readonly transactions: AskedStep[] = []
  /** Replay is over: steps may start. */
  live = false
  /** An advance is being served and may start steps as soon as they are asked for (a store keeps the journal). */
  startsAtOnce: ((step: AskedStep) => void) | undefined
  /** Called whenever there is something new for the advance in progress. */
  onEvent: () => void = () => {}
  /** Called when the program asks while no advance is served. */
  onLateAsk: () => void = () => {}
  /** How often the run went on behind an end. */
  reopened = 0
  /** It goes on to undo: its parent has heard how it ended. */
  hasToldParent = false
  readonly shown: Shown = new Shown()
  dropped = false
  /** The parent, if there is one, has heard how the run ends: no signal changes it any more. */
  isEnding = false
  /** How the program ended, before the entry `end` says so. */
  finished: { readonly value: unknown } | { readonly error: unknown } | undefined
  readonly owed: Owed = new Owed(() => this.onEvent())

  /** Whether code follows the journal. */
  agreement: Agreement
  readonly mailbox: Mailbox = new Mailbox(this)
  readonly notes: Notes = new Notes(this)
  readonly undoNote: UndoNote = new UndoNote(this)
  readonly failures: Failures = new Failures()
  readonly consequences: Consequences = new Consequences()
  readonly chance: Chance = new Chance(this)
  readonly settling: Settling = new Settling(this)
  /** When this process took the run up: host time. */
  takenUpAt = 0
  /** What retries of the run have made void, and when the last one did. */
  private readonly renewals = new Map<string, number>()
  /** How often retries have made a result of a step void. */
  private again: ReadonlyMap<string, number> = new Map()
  private reopenedAt: number | undefined
  private begunAt: number | undefined
  private ended = false
  private readonly abort = new AbortController()
  private readonly lifetime = new AbortController()
  private hostTime = { at: 0, since: 0 }

  constructor(env: FiberEnvironment, program: Program, runId: string, start: Start) {
    this.env = env
    this.program = program
    this.runId = runId
    this.start = start
    this.agreement = new Agreement(this, 0)
  }

  // ── life ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes in the journal of a run and starts the program: folding programs get it as `history`, replaying ones entry by entry. */
  async begin(entries: readonly Entry[]): Promise<void> {
    this.takenUpAt = this.clock()
    this.acknowledged = entries.length
    const reopenings = entries.filter((entry) => entry.type === 'reopen')
    this.hasToldParent = reopenings.at(-1)?.undo === true
    for (const reopening of reopenings) this.reopenedBy(reopening)
    if (this.reopened > 0) this.again = madeAgain(entries)
    this.begunAt = entries[1]?.at
    const valid = standing(entries)
    const { forkedFrom } = this.start
    if (forkedFrom !== undefined) this.fork = new ForkView(forkedFrom, entries, (json) => this.read(json))
    const last = valid.at(-1)
    if (last?.type === 'end') {
      this.known.take(last)
      return
    }
    if (this.program.resume === 'fold') {
      for (const entry of valid) this.known.take(entry)
      this.settling.toldAt = this.known.lastAt
      this.history = await unpacked(valid, this.env.offload)
      if (this.isStopped) this.tellStopped(this.cancelError())
    } else {
      for (const entry of valid) if (entry.type === 'state') this.notes.mark(entry.key)
      this.agreement = new Agreement(this, this.acknowledged)
      this.settling.push(valid)
    }
    if (entries.length > 0) this.launch()
  }

  private reopenedBy({ at, voided }: EntryOf<'reopen'>): void {
    this.reopened++
    this.reopenedAt = at
    for (const key of voided) this.renewals.set(key, at)
  }

  /** When the run is cancelled for want of time. */
  get limit(): RunLimit | undefined {
    const { timeoutMs } = this.program
    if (timeoutMs === undefined && this.start.deadline === undefined) return undefined
    const begunAt = this.begunAt ?? this.clock()
    this.begunAt = begunAt
    return limitOf(this.start, timeoutMs, { begunAt, reopenedAt: this.reopenedAt })
  }

  /** Runs the program. Called once the salt is durable. */
  private launch(): void {
    this.settling.needsDrain = true
    // The program starts in a later microtask, outside of any step's or request's context.
    const { context } = this.env.runtime
    const begin = (): void => {
      Promise.resolve()
        .then(() => this.program.run(new Gate(this)))
        .then(
          (value) => this.finish({ value }),
          (error: unknown) => this.finish({ error: readable(error) }),
        )
    }
    context.outside(() => context.run(undefined, begin))
  }

  private finish(how: { readonly value: unknown } | { readonly error: unknown }): void {
    if (this.dropped) return
    this.finished = how
    this.onEvent()
  }

  /** Forgets the fiber: nothing of the author's is settled from now on. */
  drop(): void {
    if (this.dropped) return
    this.dropped = true
    const reason = new LeaseLostError('LEASE_LOST', `Run ${this.runId} is no longer run by this process.`)
    this.lifetime.abort(reason)
    this.abort.abort(reason)
    this.onEvent()
  }

  /** The run has ended: what is still in flight is told, and recorded nowhere. */
  abandon(): void {
    this.drop()
  }

  setHostTime(now: number): void {
    // An engine's `now` may be older than what was told before: its request was delivered late, or by another clock.
    this.hostTime = { at: Math.max(now, this.clock()), since: this.env.runtime.clock.monotonic() }
  }

  clock(): number {
    const { at, since } = this.hostTime
    return Math.max(this.known.lastAt, Math.round(at + this.env.runtime.clock.monotonic() - since))
  }

  // ── producing entries ─────────────────────────────────────────────────────────────────────────────────────────────

  /** After the end nothing is recorded, also where its append failed and is tried again. */
  produce(body: EntryBody & Pick<Entry, 'sent'>): void {
    if (this.ended) return
    this.ended = body.type === 'end'
    const seq = this.acknowledged + this.replied.length + this.appending + this.produced.length
    this.produced.push({ ...body, seq, at: this.clock() } as Entry)
    this.onEvent()
  }

  /** The engine or store holds these entries now. */
  acknowledge(entries: readonly Entry[]): void {
    this.acknowledged += entries.length
    if (this.settling.push(entries)) this.launch()
  }

  /** The run is cancelled, or past its point of no return: nothing new begins. */
  get isStopped(): boolean {
    return this.known.cancelled !== undefined || this.known.undo !== undefined
  }

  /** That is durable, but the program has not been told: what it asks for meanwhile will be refused. */
  get isCancelAhead(): boolean {
    return this.settling.queue.some(
      (entry) => entry.type === 'undo' || (entry.type === 'signal' && entry.signal.name === '$cancel'),
    )
  }

  /** The journal holds steps that the program will ask for, if it follows it: outcomes, and effects that were intended. */
  get hasMoreToAsk(): boolean {
    if (this.agreement.passedBy() !== undefined) return true
    for (const key of this.known.intents.keys()) if (!this.steps.has(key)) return true
    return false
  }

  get isReplaying(): boolean {
    return !this.live && this.acknowledged > 1 && this.program.resume === 'replay'
  }

  /** A folding program asks for what is recorded, and meanwhile for what is not, in another order than that in which it happened. */
  isFolded(isRecorded: boolean): boolean {
    return this.program.resume === 'fold' && (isRecorded || !this.live)
  }

  // ── what the turn asks ──────────────────────────────────────────────────────────────────────────────────────────

  /** Goes live: whatever was asked for during replay and is not in the journal can begin. */
  goLive(): void {
    this.live = true
    this.mailbox.goLive()
    this.notes.goLive()
    this.undoNote.goLive()
  }

  /** Names of the signals that the program waits for. */
  awaitedSignals(): readonly string[] {
    return [...this.mailbox.open.names()]
  }

  /** The earliest time-out of a wait, or time of another attempt (one after `seen`). */
  nextTime(seen: number = 0): number | undefined {
    let first = this.mailbox.open.firstUntil()
    for (const { phase, notBefore } of this.steps.values()) {
      if (phase === 'asked' && notBefore > seen) first = earlier(first, notBefore)
    }
    return first
  }

  get isWaiting(): boolean {
    if (!this.mailbox.open.isEmpty) return true
    for (const step of this.steps.values()) if (step.phase === 'asked' && step.notBefore > this.clock()) return true
    return false
  }

  /** Steps whose author code is running. */
  get inFlight(): number {
    let count = 0
    for (const step of this.steps.values()) if (step.phase === 'running') count++
    return count
  }

  /** An effect `once` is in flight: the run does not end before its outcome is recorded. */
  get isSettlingOnce(): boolean {
    for (const step of this.steps.values()) if (step.phase === 'running' && step.op.effect === 'once') return true
    return false
  }

  /** The run is undone as far as it can be, and waits for nothing but people. */
  get isLeft(): boolean {
    if (!this.undoNote.left || this.notes.isWriting) return false
    for (const { shielded } of this.steps.values()) if (shielded) return false
    return true
  }

  /** Forgets a step that recorded nothing: its key can be asked for again. No advance ends before its caller has reacted. */
  withdraw(step: AskedStep): void {
    this.steps.delete(step.op.key)
    this.settling.needsDrain = true
    this.onEvent()
  }

  /** The program has asked for something. */
  asked(): void {
    if (!this.live) return
    if (this.startsAtOnce === undefined) this.onLateAsk()
    this.onEvent()
  }

  get abortSignal(): AbortSignal {
    return this.abort.signal
  }

  tellStopped(error: unknown): void {
    this.abort.abort(error)
  }

  /** Fires only when the fiber is dropped: what shielded steps listen to. */
  get lifetimeSignal(): AbortSignal {
    return this.lifetime.signal
  }

  /** The journal of a replaying program goes on behind what it has asked for. */
  get isBeyond(): boolean {
    if (this.live) return false
    if (this.settling.queue.some(isOfProgram)) return true
    if (this.known.steps.size > 0 || this.known.waits.size > 0) return true
    const begun = [...this.known.intents.keys(), ...this.known.attempts.keys()]
    return begun.some((key) => !this.steps.has(key))
  }

  /** A replaying fork is still where its original has been. */
  get isInPrefix(): boolean {
    const settled = this.acknowledged - this.settling.queue.length
    return this.program.resume === 'replay' && settled <= (this.start.forkedFrom?.entries ?? -1)
  }

  /** When a retry of the run last made the result of that step void. */
  renewed(key: string): number | undefined {
    return this.renewals.get(key)
  }

  async read(json: Json): Promise<unknown> {
    return decode(await this.env.offload.unpack(json))
  }

  // ── ends and errors ───────────────────────────────────────────────────────────────────────────────────────────────

  /** What was done, and is done again because a retry has made it void, is another thing for the outside. */
  keyOf(stepKey: string): string {
    const again = this.again.get(stepKey)
    const name = again === undefined ? stepKey : `${stepKey} again#${again}`
    return idempotencyKey(this.env.runtime, this.known.salt, this.runId, name)
  }

  /** What the run's end will say. The program has finished, or its grace after a cancel is over. */
  async outcome(): Promise<Outcome> {
    const finished = this.finished
    if (this.known.undo !== undefined) return this.known.undo.outcome
    if (this.known.cancelled !== undefined) return cancelledOutcome(this.known.cancelled)
    if (finished === undefined) throw new Error('the program has not finished')
    if ('error' in finished) return this.failureOutcome(finished.error)
    try {
      return { ok: await this.env.offload.pack(encode(finished.value, `the result of run ${this.runId}`)) }
    } catch (error) {
      // Blobs that are away are nobody's failure.
      if (isInfrastructure(error)) throw error
      return this.failureOutcome(error)
    }
  }

  failureOutcome(error: unknown): Failure {
    const [step, ...others] = this.failures.behind(error)
    if (step === undefined) return { error: errorToJson(error) }
    const voids = new Set([...others, ...[step, ...others].flatMap((key) => this.consequences.of(key))])
    voids.delete(step)
    return { error: errorToJson(error), step, voids: [...voids] }
  }

  cancelError(): unknown {
    const { cancelled, undo } = this.known
    if (cancelled !== undefined) return new CancelledError(this.runId, cancelled.reason)
    if (undo !== undefined) return new CancelledError(this.runId, 'it has failed, and what it did is undone')
    return this.abort.signal.reason
  }
}

/** To whoever asks a fiber that was dropped. */
export function takenAway(runId: string): LeaseLostError {
  return new LeaseLostError('LEASE_LOST', `Run ${runId} was taken from this host.`)
}

/** Whether only the program can have caused the entry. */
function isOfProgram({ type }: Entry): boolean {
  return type !== 'start' && type !== 'signal' && type !== 'end' && type !== 'reopen' && type !== 'past'
}
