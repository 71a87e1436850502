/**
 * One claimed run in the hands of this process: the loop that advances it until it waits, ends or is taken away.
 *
 *   claimed ──▶ advancing ──done──▶ finished
 *                ▲  ▲ │ └────wait──▶ suspended (by a worker), or held idle (by an attachment)
 *       continue └──│─┤
 *                   └─┴─ infrastructure failed: kept for a while and advanced again, or postponed
 *
 *   stop()      on to the next durable point, then released as pending
 *   withdraw()  released now; a step in flight is dropped
 *   lose()      another worker has it: dropped, nothing is written
 *
 * What is never true: two advances of one claim at once; an append after the run was given up; a promise of the
 * author's that is settled because the run was given up (the advance is left pending and its fiber evicted).
 */
import {
  type Claim,
  type Clock,
  type Durability,
  type EngineError,
  type Entry,
  type Host,
  isInfrastructure,
  type Json,
  LeaseLostError,
  Offering,
  type Outcome,
  type Progress,
  probe,
  type RunStatus,
  SelvageError,
  type Signal,
  type Store,
  type TransactionWrite,
  UsageError,
} from '@selvage/core'
import type { Now } from './changes.ts'
import { coalesced } from './coalesced.ts'
import { Writer } from './writer.ts'

/** So long a program may go on showing other values until one is written: a busy one costs two small writes a second. */
const SHOWN_AFTER_MS = 500

export type Waits = Extract<Progress, { kind: 'wait' }>

export type HoldEnd =
  | { readonly kind: 'finished'; readonly outcome: Outcome }
  | { readonly kind: 'suspended' | 'released' | 'lost' }

/** What a held run needs of whoever holds it. */
export interface Holder {
  readonly store: Store
  readonly host: Host
  readonly clock: Clock
  /** See Control. */
  untilSure(): Promise<void> | undefined
  /** The journal or status of the run has changed. */
  touched(runId: string, now: Now): void
  /** Messages for the outbox were recorded. */
  sent(): void
  /** The program waits. True: the run was given up; false: advance again. */
  onWait(run: HeldRun, waits: Waits): Promise<boolean>
  /** A suspended program asks for something, perhaps after its run was given up. */
  onWake(runId: string): void
}

export class HeldRun {
  readonly runId: string
  /** The suspended program asked for something since the last advance began. */
  woken = false
  /** Reads what arrived since the claim and is not in the journal: the program is offered it in the order of the inbox. */
  readonly lookIntoInbox: () => Promise<void> = coalesced(async () => {
    if (!this.advancing) return
    for (const signal of await this.holder.store.pendingSignals(this.runId, this.offered)) {
      this.offering.add(signal)
      this.offered = signal.id
    }
  })
  private readonly claim: Claim
  private readonly holder: Holder
  private readonly offering: Offering
  /** The last signal that this advance was offered. */
  private offered: string | undefined
  private readonly writer: Writer
  private state: 'going' | 'stopping' | 'withdrawn' | 'lost' = 'going'
  private cursor: number
  private signals: readonly Signal[]
  private delivery: number
  /** Of the journal, as far as it was written here. */
  entries: number
  /** What the program shows beside its status. */
  private status: Json | undefined
  /** Ends the wait for the write of a status that the store does not have yet. */
  private endShow: (() => void) | undefined
  private readonly abort = new AbortController()
  /** Ends the advance in flight as far as we are concerned, whatever the host does. */
  private interrupt: (() => void) | undefined
  private endRest: (() => void) | undefined
  /** What is being written, or was last; whoever writes hears how that went. */
  private appending: Promise<unknown> | undefined
  /** Effects `once` that are in flight: to withdraw now would leave their outcome unknown. */
  private readonly intents = new Set<string>()

  constructor(claim: Claim, holder: Holder) {
    this.claim = claim
    this.holder = holder
    this.runId = claim.runId
    this.cursor = claim.cursor
    this.signals = claim.signals
    this.delivery = claim.delivery
    this.entries = claim.cursor
    this.writer = new Writer(holder.store, claim)
    this.offering = new Offering(
      (signal) => !this.advancing || holder.host.offer(this.runId, signal),
      (ms, act) => void setTimeout(act, ms).unref(),
    )
  }

  /** It was given up with effects `once` in flight, which their code may go on with. */
  get actsOn(): boolean {
    return !this.going && this.intents.size > 0
  }

  get going(): boolean {
    return this.state === 'going'
  }

  /** Runs until the run is no longer ours. Rejects with what infrastructure threw; the claim is then still held. */
  run(): Promise<HoldEnd> {
    return this.unlessLost(() => (this.going ? this.loop() : this.release()))
  }

  /**
   * As `run`, and where infrastructure failed again, a while later, as long as its fiber has something that would be lost if the
   * run were given up. `rest` hears of each such failure and says how long to wait, in milliseconds, unless it would be in vain.
   */
  async runOn(rest: (error: EngineError) => number | undefined): Promise<HoldEnd> {
    for (let going = this.run(); ; ) {
      try {
        return await going
      } catch (error) {
        const mayPass = isInfrastructure(error) && this.holder.host.holdsWork(this.runId)
        const ms = mayPass ? rest(error) : undefined
        if (ms === undefined) throw error
        going = this.again(ms)
      }
    }
  }

  /** After a rest, or as soon as it shall stop; what its fiber has goes into the journal first. */
  private again(afterMs: number): Promise<HoldEnd> {
    return this.unlessLost(async () => {
      await this.rest(afterMs)
      if (this.isGivenUp) return await this.release()
      this.cursor = this.entries
      this.signals = await this.holder.store.pendingSignals(this.runId)
      return await this.loop()
    })
  }

  /** False: a signal that the program waits for is there already. */
  async suspend({ signals, until }: Waits): Promise<boolean> {
    const { store, clock, touched } = this.holder
    probe('engine.before-suspend')
    const waits = until === undefined ? { signals } : { signals, until }
    const suspended = await store.suspend(this.runId, this.claim.fence, waits, this.status, clock.now())
    if (suspended) {
      this.endShow?.()
      touched(this.runId, { status: 'suspended' })
    }
    probe('engine.after-suspend')
    return suspended
  }

  /** Gives the run up until then, when any worker may try again: infrastructure failed. */
  async postpone(until: number): Promise<void> {
    await this.settled()
    this.endShow?.()
    const { store, clock, touched } = this.holder
    await store.postpone(this.runId, this.claim.fence, until, this.status, clock.now())
    touched(this.runId, { status: 'suspended' })
  }

  /** Gives the run back as pending, unless it was lost. */
  async release(): Promise<HoldEnd> {
    if (this.state === 'lost') return { kind: 'lost' }
    const { store, clock, touched } = this.holder
    this.withdraw()
    await this.settled()
    try {
      await this.showNow()
      await store.release(this.runId, this.claim.fence, clock.now())
    } catch (error) {
      if (!SelvageError.is(error, 'LEASE_LOST')) throw error
      this.lose()
      return { kind: 'lost' }
    }
    touched(this.runId, { status: 'pending' })
    return { kind: 'released' }
  }

  /** A little later, since the next value may be near; who waits, ends or is given up until then takes the last one along. */
  private show(status: Json): void {
    this.status = status
    if (this.endShow !== undefined) return
    const cancel = this.holder.clock.timer(SHOWN_AFTER_MS, () => {
      // Where that fails the run hears so when it writes what counts.
      this.showNow().catch(() => {})
    })
    this.endShow = () => {
      cancel()
      this.endShow = undefined
    }
  }

  private async showNow(): Promise<void> {
    if (this.endShow === undefined || this.status === undefined) return
    this.endShow()
    await this.holder.store.show(this.runId, this.claim.fence, this.status)
  }

  private get advancing(): boolean {
    return this.interrupt !== undefined
  }

  stop(): void {
    if (this.going) this.state = 'stopping'
    this.endRest?.()
  }

  withdraw(): void {
    if (this.state === 'going' || this.state === 'stopping') this.drop('withdrawn')
  }

  lose(): void {
    if (this.state !== 'lost') this.drop('lost')
  }

  private async loop(): Promise<HoldEnd> {
    for (;;) {
      const progress = await this.advance()
      if (progress === undefined) return await this.release()
      this.cursor = progress.cursor
      this.status = progress.status
      if (progress.kind === 'done') return await this.finish(progress.outcome)
      if (progress.kind === 'rotate') throw neverRotates(this.runId)
      if (progress.kind === 'wait' && !this.woken && (await this.holder.onWait(this, progress))) {
        return { kind: 'suspended' }
      }
      this.signals = await this.holder.store.pendingSignals(this.runId)
      if (!this.going) return await this.release()
    }
  }

  private async unlessLost(body: () => Promise<HoldEnd>): Promise<HoldEnd> {
    try {
      return await body()
    } catch (error) {
      if (!SelvageError.is(error, 'LEASE_LOST')) throw error
      // The host says so too when it has dropped the fiber for reasons of its own: only the store knows.
      return await this.release()
    }
  }

  private async rest(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.holder.clock.timer(ms, resolve)
    this.endRest = resolve
    await promise
    this.endRest = undefined
    cancel()
  }

  private get isGivenUp(): boolean {
    return this.state === 'withdrawn' || this.state === 'lost'
  }

  private drop(state: 'withdrawn' | 'lost'): void {
    this.state = state
    this.abort.abort()
    if (state === 'lost') this.endShow?.()
    this.holder.host.evict(this.runId)
    this.interrupt?.()
    this.endRest?.()
  }

  /** Undefined: the run was given up meanwhile. */
  private advance(): Promise<Progress | undefined> {
    const { claim, holder, delivery } = this
    this.delivery = 1
    this.woken = false
    this.offered = undefined
    return new Promise<Progress | undefined>((resolve, reject) => {
      this.interrupt = () => resolve(undefined)
      const request = {
        runId: this.runId,
        start: claim.start,
        cursor: this.cursor,
        signals: this.signals,
        now: holder.clock.now(),
      }
      const control = {
        abortSignal: this.abort.signal,
        heartbeat: () => {},
        journal: {
          load: (from: number) => holder.store.load(this.runId, from),
          append: (at: number, entries: readonly Entry[], durability?: Durability) =>
            this.append(at, entries, durability),
          ...(holder.store.sync !== undefined && { sync: () => this.sync() }),
          transact: (at: number, write: TransactionWrite) => this.transact(at, write),
        },
        delivery,
        authorMayLive: (seq: number) => holder.store.authorMayLive(this.runId, seq),
        untilSure: () => holder.untilSure(),
        wake: () => holder.onWake(this.runId),
        shown: (status: Json) => this.show(status),
      }
      holder.host.advance(request, control).then(resolve, reject)
    }).finally(() => {
      this.interrupt = undefined
    })
  }

  private append(at: number, entries: readonly Entry[], durability?: Durability): Promise<void> {
    if (this.isGivenUp) return Promise.reject(this.lostError())
    const appending = this.writer.append(at, entries, durability)
    return this.written(appending, () => this.appended(at, entries, durability))
  }

  private async sync(): Promise<void> {
    await this.holder.store.sync?.()
    this.holder.touched(this.runId, { entries: this.entries })
  }

  private transact(at: number, write: TransactionWrite): Promise<Entry> {
    if (this.isGivenUp) return Promise.reject(this.lostError())
    const { store } = this.holder
    const writing = store.transact?.(this.runId, this.claim.fence, at, write) ?? Promise.reject(this.lostError())
    return this.written(writing, (entry) => {
      this.appended(at, [entry])
      return entry
    })
  }

  private written<T, U>(writing: Promise<T>, after: (value: T) => U): Promise<U> {
    this.appending = writing
    return writing.then(after, (error: unknown) => {
      if (SelvageError.is(error, 'LEASE_LOST')) this.lose()
      throw error
    })
  }

  private async settled(): Promise<void> {
    try {
      await this.appending
    } catch {
      // Whoever wrote has heard.
    }
  }

  private appended(at: number, entries: readonly Entry[], durability: Durability = 'durable'): void {
    for (const entry of entries) {
      if (entry.sent !== undefined) this.holder.sent()
      if (entry.type === 'intent') this.intents.add(entry.key)
      else if (entry.type === 'step' || entry.type === 'retry') this.intents.delete(entry.key)
    }
    this.entries = at + entries.length
    // Nobody else is told of what a loss of power could take back.
    if (durability === 'durable') this.holder.touched(this.runId, { entries: this.entries })
    if (this.state !== 'stopping' || this.intents.size > 0 || entries.at(-1)?.type === 'end') return
    // The durable point. What was appended stands; the program must not start more on it here.
    this.withdraw()
    throw this.lostError()
  }

  private async finish(outcome: Outcome): Promise<HoldEnd> {
    const { store, host, clock, touched } = this.holder
    await this.showNow()
    probe('engine.before-finish')
    await store.finish(this.runId, this.claim.fence, outcome, clock.now())
    probe('engine.after-finish')
    host.evict(this.runId)
    touched(this.runId, { status: statusOf(outcome) })
    return { kind: 'finished', outcome }
  }

  private lostError(): LeaseLostError {
    return new LeaseLostError('LEASE_LOST', `Run ${this.runId} is no longer in the hands of this worker.`, {
      details: { runId: this.runId, fence: this.claim.fence },
    })
  }
}

function statusOf(outcome: Outcome): RunStatus {
  if ('ok' in outcome) return 'completed'
  return 'error' in outcome ? 'failed' : 'cancelled'
}

const neverRotates = (runId: string): UsageError =>
  new UsageError('UNSUPPORTED', `The host rotated run ${runId}, which the embedded engine never asks for.`, {
    hint: 'Its journal needs no rotation; report this as a bug.',
  })
