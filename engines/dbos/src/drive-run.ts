/**
 * The loop of a run in DBOS's words: `drive` of core in a workflow of DBOS.
 *
 *   advance     a step of DBOS, named after the step about to run; what the run is told meanwhile is offered to the live program
 *   waitFor     a step as well, but only for a while; what takes longer ends the workflow
 *   startAnew   a child workflow: the next generation, which DBOS starts at once, or keeps (DELAYED) until its time has come
 *
 * One step is outstanding at a time: DBOS finds the result of a step by its position. A suspended run is a row of DBOS's, and
 * nothing else: no process, no connection. Before a generation ends, its entries are kept in our own table, since DBOS may be
 * told to delete ended workflows.
 *
 * When the worker dies, another one makes DBOS give the workflow to whoever is alive, and the recorded steps are passed over.
 * Who wakes up after that finds that its claim is void with the first checkpoint: it writes nothing, and starts nothing more.
 */
import {
  type Advance,
  type Control,
  drive,
  type Entry,
  type Host,
  LeaseLostError,
  type Outcome,
  type Primitives,
  type Progress,
  probe,
  type Seed,
  type Signal,
  type Start,
} from '@selvage/core'
import type { Advanced, Begin } from './names.ts'
import { type Runs, type Standing, stepsIn } from './runs.ts'

/** What a generation needs of the process that it is in. */
export interface Driver {
  readonly host: Host
  readonly runs: Runs
  readonly isStopping: boolean
  now(): number
  /** A step of DBOS. */
  step<T>(name: string, body: () => Promise<T>): Promise<T>
  /** The next generation, in the queue of its program. Its workflow. */
  next(begin: Begin, start: Start, delayMs: number): Promise<string>
  /** Makes a parked workflow go on. */
  wake(workflow: string, start: Start): Promise<void>
  /** Done again while the database is away, unless this process has lost the run. */
  insist<T>(generation: Generation, body: () => Promise<T>): Promise<T>
  inPlace<T>(body: () => Promise<T>): Promise<T>
  mayLive(host: string): boolean
  touched(runId: string): void
  report(error: unknown): void
  readonly announces: boolean
  /** How long a run that waits stays in its process. Milliseconds. */
  readonly lingerMs: number
  readonly rotateAfter: { readonly advances: number; readonly bytes: number }
}

/** Thrown through `drive`: the next generation goes on. */
const OVER = Symbol('over')
const HUNDRED_YEARS_MS = 100 * 365 * 24 * 60 * 60 * 1_000
const FIRST_AGAIN_MS = 5
const LONGEST_OFFER_AGAIN_MS = 100
const FIRST_TRY_AGAIN_MS = 20
const LONGEST_TRY_AGAIN_MS = 5_000

/** In place of an advance: the worker stops, so the run goes on elsewhere. */
type Stopped = { readonly stopped: true }

/** What ends a wait in the process. */
type Rested = { readonly rested: 'called' | 'due' | 'long'; readonly at: number }

export class Generation implements Primitives {
  readonly begin: Begin
  readonly announces: boolean
  private readonly driver: Driver
  private readonly lost = new AbortController()
  private isTaken = false
  private start!: Start
  /** Of this generation, as far as they are durable. */
  private readonly entries: Entry[] = []
  private steps: number
  private bytes = 0
  private advances = 0
  /** Epoch milliseconds, by the newest thing that is durable. */
  private at: number
  private note: Advanced['status']
  /** Heard of and not in the journal, by their numbers. */
  private readonly pending = new Map<number, Signal>()
  private heard: number
  /** There may be more in the inbox. */
  private rang = true
  private hearing: Promise<void> | undefined
  private woken = false
  private advancing = false
  /** So it is shown to people. */
  private isSuspended = false
  private warm = false
  private wakeUp: (() => void) | undefined

  constructor(begin: Begin, driver: Driver) {
    this.begin = begin
    this.driver = driver
    this.announces = driver.announces
    this.steps = begin.steps
    this.at = begin.at
    this.heard = begin.heard
  }

  get runId(): string {
    return this.begin.runId
  }

  /** What became of this generation, for people. */
  async drive(): Promise<string> {
    const { driver, runId } = this
    const row = await driver.insist(this, () => driver.runs.row(runId))
    this.start = JSON.parse(row.start) as Start
    const { entries: cursor } = this.begin
    const seed = cursor === 0 ? {} : { seed: { cursor } }
    try {
      const outcome = await drive({ runId, start: this.start, ...seed }, this)
      await this.end(outcome)
      return Object.keys(outcome)[0] ?? 'ended'
    } catch (error) {
      if (error !== OVER) throw error
      return 'goes on'
    }
  }

  // ── Primitives ────────────────────────────────────────────────────────────────────────────────────────────────────

  async advance(name: string, request: Advance): Promise<Progress> {
    const number = this.advances++
    this.advancing = true
    const advanced = await this.driver.step(name, () => this.live(request, number))
    this.advancing = false
    if ('stopped' in advanced) return await this.handOver()
    await this.take(advanced)
    return advanced as Progress
  }

  /** What was signalled goes into the next advance by itself. */
  async waitFor(names: readonly string[], until: number | undefined): Promise<readonly Signal[]> {
    if (until !== undefined && until <= this.at) return []
    const name = names.length === 0 ? 'wait' : `wait ${names.join(', ')}`
    const { rested, at } = await this.driver.step(name, () => this.rest(names, until))
    this.at = Math.max(this.at, at)
    if (rested === 'long') await this.handOver(until ?? this.at + HUNDRED_YEARS_MS)
    return []
  }

  now(): number {
    return this.at
  }

  isFull(): boolean {
    const { advances, bytes } = this.driver.rotateAfter
    return this.advances >= advances || this.bytes >= bytes
  }

  async startAnew(_: Seed): Promise<never> {
    return await this.handOver()
  }

  // ── an advance ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Outside of DBOS's view until it returns: another attempt may do it again. */
  private async live(request: Advance, number: number): Promise<Advanced | Stopped> {
    const { driver, runId } = this
    for (let pauseMs = FIRST_TRY_AGAIN_MS; ; pauseMs = Math.min(LONGEST_TRY_AGAIN_MS, pauseMs * 2)) {
      if (driver.isStopping) return { stopped: true }
      try {
        const delivery = this.warm ? 1 : await this.claim(number)
        await this.showRunning()
        return await driver.inPlace(async () => {
          await this.hear()
          const asked = { ...request, signals: [...this.pending.values()], now: driver.now() }
          const progress = await driver.host.advance(asked, this.control(delivery))
          return this.advanced(progress)
        })
      } catch (error) {
        await this.unlessLost()
        driver.report(error)
        await driver.runs.spare(runId).catch(() => {})
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      await this.unlessLost()
    }
  }

  private async claim(number: number): Promise<number> {
    const { generation } = this.begin
    const delivery = await this.driver.runs.claim(this.runId, generation, `${generation}/${number}`)
    // The run has ended, or goes on elsewhere: what this attempt would do is not recorded.
    if (delivery === undefined) return await new Promise<never>(() => {})
    this.warm = true
    this.isSuspended = false
    probe('engine.after-claim')
    return delivery
  }

  private advanced(progress: Progress): Advanced {
    const steps = this.steps + stepsIn(progress.entries)
    const next = progress.next.map(({ key, kind, name }) => ({ key, kind, name }))
    return { ...progress, next, steps, at: this.driver.now() } as Advanced
  }

  private control(delivery: number): Control {
    const { driver, runId } = this
    const base = this.begin.entries
    const load = async (from: number): Promise<readonly Entry[]> => {
      const kept = from < base ? await driver.runs.kept(runId, from, base - from) : []
      return [...kept, ...this.entries.slice(Math.max(0, from - base))]
    }
    return {
      abortSignal: this.lost.signal,
      heartbeat: () => {},
      journal: { load, keepsAll: true },
      delivery,
      authorMayLive: async (seq) => {
        const [intent] = await load(seq)
        return intent?.type !== 'intent' || driver.mayLive(intent.host)
      },
      wake: () => this.wakeLate(),
    }
  }

  private async take(advanced: Advanced): Promise<void> {
    const { driver, runId } = this
    const { entries } = advanced
    this.entries.push(...entries)
    this.bytes += entries.length === 0 ? 0 : JSON.stringify(entries).length
    this.steps = advanced.steps
    this.at = Math.max(this.at, advanced.at)
    this.note = advanced.status
    for (const [seq, { id }] of this.pending) if (advanced.received.includes(id)) this.pending.delete(seq)
    if (entries.some(({ type }) => type === 'open' || type === 'wait')) {
      await driver.insist(this, () => driver.runs.asked(runId, entries))
    }
    driver.touched(runId)
  }

  // ── hearing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something was signalled, perhaps. */
  ring(): void {
    this.rang = true
    this.wakeUp?.()
    if (this.advancing && this.warm) this.hear().catch((error) => this.driver.report(error))
  }

  /** The worker stops. */
  stop(): void {
    this.wakeUp?.()
  }

  private async hear(): Promise<void> {
    while (this.rang || this.hearing !== undefined) {
      this.rang = false
      this.hearing ??= this.load().finally(() => {
        this.hearing = undefined
      })
      await this.hearing
    }
  }

  private async load(): Promise<void> {
    try {
      for (const { seq, signal } of await this.driver.runs.signals(this.runId, this.heard)) {
        this.heard = seq + 1
        this.pending.set(seq, signal)
        this.offer(signal, FIRST_AGAIN_MS)
      }
    } catch (error) {
      this.rang = true
      throw error
    }
  }

  /** A live program has it at once; while it folds or replays its journal, a little later. */
  private offer(signal: Signal, againMs: number): void {
    if (!this.advancing || this.driver.host.offer(this.runId, signal)) return
    setTimeout(() => this.offer(signal, Math.min(LONGEST_OFFER_AGAIN_MS, againMs * 2)), againMs).unref()
  }

  /** The program has asked for something after its advance. */
  private wakeLate(): void {
    const { driver, runId } = this
    this.woken = true
    this.wakeUp?.()
    if (this.wakeUp !== undefined || this.advancing) return
    void driver.runs
      .row(runId)
      .then(async ({ parked, workflow }) => parked && (await driver.wake(workflow, this.start)))
      .catch((error) => driver.report(error))
  }

  // ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private async rest(names: readonly string[], until: number | undefined): Promise<Rested> {
    const { driver, runId, begin } = this
    const isCalled = (): boolean =>
      this.woken || [...this.pending.values()].some(({ name }) => names.includes(name) || name.startsWith('$'))
    const done = (rested: Rested['rested']): Rested => {
      this.woken = false
      return { rested, at: Math.max(driver.now(), until !== undefined && rested === 'due' ? until : 0) }
    }
    await driver.insist(this, () => this.hear())
    if (isCalled()) return done('called')
    if (until !== undefined && until <= driver.now()) return done('due')
    probe('engine.before-suspend')
    const waitsFor = { signals: names, ...(until !== undefined && { until }) }
    await driver.insist(this, () => driver.runs.suspend(runId, begin.generation, this.standing, waitsFor))
    this.isSuspended = true
    driver.touched(runId)
    const { lingerMs } = driver
    const isLong = until === undefined || until - driver.now() > lingerMs
    const end = isLong ? driver.now() + lingerMs : until
    while (!isCalled()) {
      const leftMs = end - driver.now()
      if (leftMs <= 0) return done(isLong ? 'long' : 'due')
      if (driver.isStopping) return done('long')
      await this.unlessLost()
      await this.pause(leftMs)
      await driver.insist(this, () => this.hear())
    }
    return done('called')
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wakeUp?.(), ms)
      this.wakeUp = () => {
        clearTimeout(timer)
        this.wakeUp = undefined
        resolve()
      }
      if (this.rang) this.wakeUp()
    })
  }

  private async showRunning(): Promise<void> {
    if (!this.isSuspended) return
    await this.driver.runs.resume(this.runId, this.begin.generation)
    this.isSuspended = false
  }

  // ── the end of a generation ───────────────────────────────────────────────────────────────────────────────────────

  private get standing(): Standing {
    const { steps, at, note } = this
    return { entries: this.begin.entries + this.entries.length, steps, at, ...(note !== undefined && { note }) }
  }

  /** The next generation begins: at once, or, where the run waits, when it is called or its time has come. */
  private async handOver(until = 0): Promise<never> {
    const { driver, runId, begin, start } = this
    const { entries, steps, at } = this.standing
    if (driver.isStopping) driver.host.evict(runId)
    await driver.insist(this, () => driver.runs.keep(runId, this.entries))
    const heard = Math.min(this.heard, ...this.pending.keys())
    const next: Begin = { runId, generation: begin.generation + 1, entries, steps, heard, at }
    const delayMs = Math.max(0, until - driver.now())
    const workflow = await driver.next(next, start, delayMs)
    const parked = delayMs > 0
    const isCalled = await driver.insist(this, () =>
      driver.runs.handOn(runId, begin.generation, { workflow, parked, heard, entries }),
    )
    probe('engine.after-suspend')
    if (parked && (isCalled || this.woken)) await driver.insist(this, () => driver.wake(workflow, start))
    driver.touched(runId)
    throw OVER
  }

  private async end(outcome: Outcome): Promise<void> {
    const { driver, runId, begin } = this
    probe('engine.before-finish')
    await driver.insist(this, async () => {
      await driver.runs.keep(runId, this.entries)
      await driver.runs.end(runId, begin.generation, this.standing, outcome)
    })
    probe('engine.after-finish')
    driver.host.evict(runId)
    driver.touched(runId)
  }

  // ── losing the run ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Nothing of this generation is recorded from now on: another worker has the run (`isTaken`: DBOS has been told so), or this
   * process leaves it to whoever comes. What is in flight here is told.
   */
  lose(isTaken: boolean): void {
    this.isTaken = isTaken
    this.lost.abort()
    this.wakeUp?.()
  }

  get isLost(): boolean {
    return this.lost.signal.aborted
  }

  /** Where DBOS would refuse what is recorded, an error ends the workflow in this process; elsewhere it stands still. */
  async unlessLost(): Promise<void> {
    if (!this.isLost) return
    if (!this.isTaken) await new Promise<never>(() => {})
    throw new LeaseLostError('LEASE_LOST', `Run ${this.runId} goes on in another process.`)
  }
}
