/**
 * A fiber is one live program with its gate: the implementation of `Durable`.
 *
 * It knows three kinds of entries: those it has *produced* (nobody else has them yet), those that were *replied* to an
 * engine and wait for its acknowledgement, and those that are acknowledged and *queued* to be settled. Entries are
 * settled in journal order, one at a time; between two that reach the program, the program is drained. So what it sees
 * live and what it sees on replay is the same sequence.
 *
 * A step is started only when the fiber is live (replay is over) and an advance is granted. A dropped fiber never
 * settles another promise: its program hangs and is collected.
 *
 * turn.ts drives a fiber through one advance; attempt.ts runs one attempt of a step.
 */
import { Agreement } from './agreement.ts'
import type { AskedNote, AskedStep } from './asked.ts'
import { decode, encode, errorToJson } from './codec.ts'
import { Consequences } from './consequences.ts'
import { limitOf, type RunLimit } from './deadline.ts'
import type { Entry, EntryBody, EntryOf, Failure, Op, Outcome, Question, Start } from './entry.ts'
import { CancelledError, isInfrastructure, LeaseLostError, UsageError } from './errors.ts'
import { Failures } from './failures.ts'
import { ForkView } from './fork-view.ts'
import type { Json, JsonObject } from './json.ts'
import { deriveId, hashJson, idempotencyKey, seededRandom } from './keys.ts'
import { cancelledOutcome, Known, madeAgain, standing } from './known.ts'
import { Mailbox } from './mailbox.ts'
import { Notes } from './notes.ts'
import type { Offload } from './offload.ts'
import { Owed } from './owed.ts'
import type {
  Durable,
  LiveNote,
  Manifest,
  Outbound,
  Program,
  Runtime,
  StepBehaviour,
  StepContext,
  Undoing,
  WaitResult,
} from './ports.ts'
import { shield } from './shield.ts'
import { earlier } from './time.ts'
import { noTransactions } from './transacting.ts'
import type { Transaction } from './transaction.ts'
import { UndoNote } from './undoing.ts'

export interface FiberEnvironment {
  readonly runtime: Runtime
  readonly manifest: Manifest
  readonly offload: Offload
  readonly outbound: Outbound
  readonly cancelGraceMs: number
  readonly note: (note: LiveNote) => void
}

export class Fiber implements Durable {
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
  statusValue: Json | undefined
  dropped = false
  /** How the program ended, before the entry `end` says so. */
  finished: { readonly value: unknown } | { readonly error: unknown } | undefined
  readonly owed: Owed = new Owed(() => this.onEvent())

  /** Whether code follows the journal. */
  agreement: Agreement
  readonly mailbox: Mailbox = new Mailbox(this)
  private readonly notes = new Notes(this)
  private readonly undoNote = new UndoNote(this)
  private readonly failures = new Failures()
  private readonly consequences = new Consequences()
  /** What retries of the run have made void, and when the last one did. */
  private readonly renewals = new Map<string, number>()
  /** How often retries have made a result of a step void. */
  private again: ReadonlyMap<string, number> = new Map()
  private reopenedAt: number | undefined
  private begunAt: number | undefined
  private ended = false
  private queue: Entry[] = []
  private queueAt = 0
  private undrained = false
  private settledAt = 0
  private readonly abort = new AbortController()
  private readonly lifetime = new AbortController()
  private readonly draws = new Map<string, number>()
  /** Keys of steps that a cancel took from their callers before they were started. */
  private readonly abandoned = new Map<string, AskedStep>()
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
      this.settledAt = this.known.lastAt
      this.history = await this.unpacked(valid)
      if (this.isStopped) this.abort.abort(this.cancelError())
    } else {
      this.queue = [...valid]
      for (const entry of valid) if (entry.type === 'state') this.notes.mark(entry.key)
      this.agreement = new Agreement(this, this.acknowledged)
      const first = valid[0]
      if (first?.type === 'start') {
        this.known.take(first)
        this.settledAt = first.at
        this.queueAt = 1
      }
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
    this.undrained = true
    // The program starts in a later microtask, outside of any step's context.
    this.env.runtime.context.run(undefined, () => {
      Promise.resolve()
        .then(() => this.program.run(this))
        .then(
          (value) => this.finish({ value }),
          (error: unknown) => this.finish({ error }),
        )
    })
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

  // ── producing and settling entries ────────────────────────────────────────────────────────────────────────────────

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
    if (this.queueAt === this.queue.length) {
      this.queue = [...entries]
      this.queueAt = 0
    } else this.queue.push(...entries)
    const first = entries[0]
    if (first?.type === 'start') {
      this.known.take(first)
      this.settledAt = first.at
      this.queueAt++
      this.launch()
    }
  }

  /** The run is cancelled, or past its point of no return: nothing new begins. */
  get isStopped(): boolean {
    return this.known.cancelled !== undefined || this.known.undo !== undefined
  }

  /** That is durable, but the program has not been told: what it asks for meanwhile will be refused. */
  get isCancelAhead(): boolean {
    for (let at = this.queueAt; at < this.queue.length; at++) {
      const entry = this.queue[at] as Entry
      if (entry.type === 'undo' || (entry.type === 'signal' && entry.signal.name === '$cancel')) return true
    }
    return false
  }

  get unsettled(): boolean {
    return this.queueAt < this.queue.length
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

  /** Settles everything that is acknowledged. A promise only where something has to be waited for: mostly it is one entry. */
  settleAll(): Promise<void> | undefined {
    while (this.unsettled && !this.dropped) {
      const entry = this.queue[this.queueAt] as Entry
      if (this.undrained && reachesProgram(entry)) return this.drain().then(() => this.settleAll())
      this.queueAt++
      // A program that disagrees with its journal is told nothing more.
      if (this.agreement.disagreement !== undefined && entry.type !== 'end') continue
      const settling = this.settle(entry)
      if (reachesProgram(entry)) this.undrained = true
      if (settling !== undefined) return settling.then(() => this.settleAll())
    }
    return undefined
  }

  /** Lets the program react to what it was given. */
  async drain(): Promise<void> {
    this.undrained = false
    await this.env.runtime.drain()
  }

  get needsDrain(): boolean {
    return this.undrained
  }

  /** A macrotask has passed anyway. */
  drained(): void {
    this.undrained = false
  }

  private settle(entry: Entry): Promise<void> | undefined {
    if (entry.type === 'step') return this.settleStep(entry)
    this.known.take(entry)
    switch (entry.type) {
      case 'retry':
        return this.settleRetry(entry)
      case 'signal':
        this.mailbox.settleSignal(entry.signal)
        if (entry.signal.name === '$cancel') this.settleCancel(entry.at)
        return undefined
      case 'wait':
        return this.mailbox.settleWait(entry.key)
      case 'open':
      case 'state':
        this.notes.settle(entry)
        return undefined
      case 'undo':
        if (!this.abort.signal.aborted) this.settleCancel(entry.at)
        this.given(entry.at)
        this.undoNote.settle(entry)
        return undefined
      default:
        return undefined
    }
  }

  private settleStep(entry: EntryOf<'step'>): Promise<void> | undefined {
    const step = this.steps.get(entry.key)
    const agreed = step !== undefined && this.agreement.matches(step.op, entry)
    const abandoned = this.abandoned.get(entry.key)
    this.abandoned.delete(entry.key)
    this.known.take(entry, agreed || abandoned !== undefined)
    abandoned?.behaviour.settled?.(entry.outcome)
    if (!agreed) return undefined
    this.steps.delete(entry.key)
    return this.deliver(step, entry)
  }

  private settleRetry(entry: EntryOf<'retry'>): undefined {
    const step = this.steps.get(entry.key)
    if (step === undefined) return
    if (this.abort.signal.aborted && !step.shielded) {
      // The cancel came while the attempt failed.
      this.steps.delete(entry.key)
      return
    }
    step.phase = 'asked'
    step.attempt = entry.attempt + 1
    step.notBefore = entry.retryAt
  }

  private settleCancel(at: number): void {
    const error = this.cancelError()
    this.given(at)
    this.abort.abort(error)
    for (const [key, step] of this.steps) {
      if (step.shielded) continue
      // A step in flight is told by its abortSignal and recorded when it ends; its caller hears of the cancel now.
      if (step.phase === 'asked') {
        this.steps.delete(key)
        this.abandoned.set(key, step)
      }
      step.reject(error)
    }
    this.mailbox.cancel(error)
  }

  /** The program is given what an entry says; the entry may be older than others that nobody has asked for. */
  given(at: number, key?: string): void {
    if (key !== undefined) this.consequences.given(key)
    this.settledAt = Math.max(this.settledAt, at)
  }

  /** A promise only where the value has to be fetched, or cannot be read: then it rejects, and is owed. */
  private deliver(step: AskedStep, entry: EntryOf<'step'>): Promise<void> | undefined {
    this.given(entry.at, entry.key)
    step.behaviour.settled?.(entry.outcome)
    if (!('ok' in entry.outcome)) {
      if (!('interrupts' in entry.outcome)) this.consequences.failed(entry.key)
      step.reject(this.failures.of(this.runId, entry, () => this.keyOf(entry.key)))
      return undefined
    }
    const { ok } = entry.outcome
    try {
      const json = this.env.offload.unpack(ok)
      if (json instanceof Promise) return this.deliverLater(step, ok, json)
      step.resolve(decode(json))
      return undefined
    } catch (error) {
      return this.deliverLater(step, ok, Promise.reject(error))
    }
  }

  private deliverLater(step: AskedStep, ok: Json, first: Promise<Json>): Promise<void> {
    const again = (): Promise<Json> | Json => this.env.offload.unpack(ok)
    return this.owed.given(first, again, (json) => step.resolve(decode(json)))
  }

  /** Mostly nothing has to be fetched, and they are given back as they are: journals are long. */
  private unpacked(entries: readonly Entry[]): Promise<readonly Entry[]> | readonly Entry[] {
    const { offload } = this.env
    const isWhole = (entry: Entry): boolean =>
      entry.type !== 'step' || !('ok' in entry.outcome) || offload.unpack(entry.outcome.ok) === entry.outcome.ok
    return entries.every(isWhole) ? entries : this.fetched(entries)
  }

  private async fetched(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const whole: Entry[] = []
    for (const entry of entries) {
      const ok = entry.type === 'step' && 'ok' in entry.outcome ? this.env.offload.unpack(entry.outcome.ok) : undefined
      if (ok === undefined || entry.type !== 'step' || !('ok' in entry.outcome) || ok === entry.outcome.ok)
        whole.push(entry)
      else whole.push({ ...entry, outcome: { ok: await ok } })
    }
    return whole
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
    const signals = new Set<string>()
    for (const wait of this.mailbox.open()) signals.add(wait.signalName)
    return [...signals]
  }

  /** The earliest time-out of a wait, or time of another attempt (one after `seen`). */
  nextTime(seen: number = 0): number | undefined {
    let first: number | undefined
    for (const wait of this.mailbox.open()) first = earlier(first, wait.until)
    for (const { phase, notBefore } of this.steps.values()) {
      if (phase === 'asked' && notBefore > seen) first = earlier(first, notBefore)
    }
    return first
  }

  get isWaiting(): boolean {
    if (this.mailbox.open().length > 0) return true
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
    this.undrained = true
    this.onEvent()
  }

  /** The program has asked for something. */
  asked(): void {
    if (!this.live) return
    if (this.startsAtOnce === undefined) this.onLateAsk()
    this.onEvent()
  }

  // ── Durable ───────────────────────────────────────────────────────────────────────────────────────────────────────

  get abortSignal(): AbortSignal {
    return this.abort.signal
  }

  /** Fires only when the fiber is dropped: what shielded steps listen to. */
  get lifetimeSignal(): AbortSignal {
    return this.lifetime.signal
  }

  get outbound(): Outbound {
    return this.env.outbound
  }

  step<T>(op: Op, live: (at: StepContext) => Promise<T> | T, behaviour: StepBehaviour<T> = {}): Promise<T> {
    return this.ask(op, live, behaviour, false)
  }

  ask<T>(
    op: Op,
    live: (at: StepContext) => Promise<T> | T,
    behaviour: StepBehaviour<T>,
    shielded: boolean,
    transact?: (transaction: Transaction) => T,
  ): Promise<T> {
    const outer = this.env.runtime.context.get()
    if (outer?.runId === this.runId) return new Promise((resolve) => resolve(live(outer)))
    if (this.dropped) return new Promise(() => {})
    if (this.abort.signal.aborted && !shielded) return Promise.reject(this.cancelError())
    if (this.steps.has(op.key)) return Promise.reject(this.keyInUse('step', op.key))
    this.consequences.asked(op.key)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const retried = this.known.attempts.get(op.key)
    const step: AskedStep = {
      op,
      live,
      behaviour: behaviour as StepBehaviour<unknown>,
      transact,
      shielded,
      resolve: resolve as (value: unknown) => void,
      reject: (error) => {
        promise.catch(ignored)
        reject(error)
      },
      phase: 'asked',
      attempt: retried === undefined ? 1 : retried.attempt + 1,
      notBefore: retried?.retryAt ?? 0,
      sent: undefined,
    }
    const passed = this.known.steps.get(op.key)
    if (passed !== undefined) {
      this.known.steps.delete(op.key)
      if (this.agreement.matches(op, passed)) this.owed.watch(this.deliver(step, passed))
      return promise
    }
    this.steps.set(op.key, step)
    if (this.live) this.startsAtOnce?.(step)
    this.asked()
    return promise
  }

  transaction<T>(op: Op, body: (transaction: Transaction) => T, behaviour: StepBehaviour<T> = {}): Promise<T> {
    return this.askTransaction(op, body, behaviour, false)
  }

  async askTransaction<T>(
    op: Op,
    body: (transaction: Transaction) => T,
    behaviour: StepBehaviour<T>,
    shielded: boolean,
  ): Promise<T> {
    if (this.env.manifest.abilities.transaction !== true) throw noTransactions(this.env.manifest)
    const inside = (at: StepContext): never => {
      throw new UsageError('ALREADY_OPEN', `Transaction "${op.name}" was asked for inside of step "${at.key}".`, {
        hint: 'It is a step of its own: call it beside the other one.',
        details: { runId: this.runId, step: at.key },
      })
    }
    return this.ask(op, inside, behaviour, shielded, body)
  }

  wait<T>(key: string, signalName: string, until?: number): Promise<WaitResult<T>> {
    return this.askWait(key, signalName, until, false)
  }

  askWait<T>(key: string, signalName: string, until: number | undefined, shielded: boolean): Promise<WaitResult<T>> {
    if (this.dropped) return new Promise(() => {})
    if (this.abort.signal.aborted && !shielded) return Promise.reject(this.cancelError())
    if (this.mailbox.holds(key)) return Promise.reject(this.keyInUse('wait', key))
    this.consequences.asked(key)
    const promise = this.mailbox.ask<T>(key, signalName, until, shielded)
    promise.catch(() => {})
    return promise
  }

  open(key: string, question: Question): Promise<number> {
    const { input, inputHash } = question
    const whole =
      input === undefined || inputHash !== undefined
        ? question
        : { ...question, inputHash: hashJson(this.env.runtime, input) }
    return this.note({ type: 'open', key, question: whole })
  }

  state(key: string, patch: JsonObject): Promise<void> {
    return this.note({ type: 'state', key, patch }) as Promise<unknown> as Promise<void>
  }

  private note(body: AskedNote['body']): Promise<number> {
    return this.dropped ? new Promise(() => {}) : this.notes.write(body)
  }

  marked(key: string): boolean {
    return this.notes.marked(key)
  }

  beyond(): boolean {
    if (this.live) return false
    for (let index = this.queueAt; index < this.queue.length; index++) {
      if (isOfProgram(this.queue[index] as Entry)) return true
    }
    if (this.known.steps.size > 0 || this.known.waits.size > 0) return true
    const begun = [...this.known.intents.keys(), ...this.known.attempts.keys()]
    return begun.some((key) => !this.steps.has(key))
  }

  blame(error: object, key: string): void {
    this.failures.blame(error, key)
    this.consequences.failed(key)
  }

  renewed(key: string): number | undefined {
    return this.renewals.get(key)
  }

  current(): StepContext | undefined {
    const outer = this.env.runtime.context.get()
    return outer?.runId === this.runId ? outer : undefined
  }

  arrived(signalName: string): boolean {
    return this.mailbox.arrived(signalName)
  }

  status(value: Json): void {
    this.statusValue = encode(value, `the status of run ${this.runId}`)
  }

  now(): number {
    return this.settledAt
  }

  random(stream: string): number {
    const draw = this.draws.get(stream) ?? 0
    this.draws.set(stream, draw + 1)
    const { salt, runId } = this.isInPrefix ? this.origin : this.own
    return seededRandom(this.env.runtime, salt, `${runId}/${stream}`, draw)
  }

  id(prefix: string, label: string): string {
    const isUnique = prefix !== '' || (label.startsWith('uuid:') && !this.isInPrefix)
    const { salt, runId } = isUnique ? this.own : this.origin
    return deriveId(this.env.runtime, salt, runId, prefix, label)
  }

  private get own(): { readonly salt: string; readonly runId: string } {
    return { salt: this.known.salt, runId: this.runId }
  }

  /** What hashes and chance of a fork follow from where they must be those of the original. */
  private get origin(): { readonly salt: string; readonly runId: string } {
    return this.start.forkedFrom ?? this.own
  }

  /** A replaying fork is still where its original has been. */
  private get isInPrefix(): boolean {
    const settled = this.acknowledged - (this.queue.length - this.queueAt)
    return this.program.resume === 'replay' && settled <= (this.start.forkedFrom?.entries ?? -1)
  }

  async read(json: Json): Promise<unknown> {
    return decode(await this.env.offload.unpack(json))
  }

  shielded(): Durable {
    return shield(this)
  }

  undo(error: unknown, lost: readonly string[]): Promise<Undoing> {
    return this.dropped ? new Promise(() => {}) : this.undoNote.ask(error, lost)
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
    const step = this.failures.behind(error)
    if (step === undefined) return { error: errorToJson(error) }
    return { error: errorToJson(error), step, voids: this.consequences.of(step) }
  }

  private cancelError(): unknown {
    const { cancelled, undo } = this.known
    if (cancelled !== undefined) return new CancelledError(this.runId, cancelled.reason)
    if (undo !== undefined) return new CancelledError(this.runId, 'it has failed, and what it did is undone')
    return this.abort.signal.reason
  }

  private keyInUse(what: string, key: string): UsageError {
    return new UsageError('KEY_IN_USE', `Run ${this.runId} has a ${what} with the key "${key}" open already.`, {
      hint: 'Give each of the two a key of its own.',
      details: { runId: this.runId, key },
    })
  }
}

const ignored = (): void => {}

/** Whether only the program can have caused the entry. */
function isOfProgram({ type }: Entry): boolean {
  return type !== 'start' && type !== 'signal' && type !== 'end' && type !== 'reopen' && type !== 'past'
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
