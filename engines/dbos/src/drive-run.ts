/**
 * The loop of a run in DBOS's words: a stretch of core in a workflow of DBOS.
 *
 *   advance     a step of DBOS, named after the step about to run; what the run is told meanwhile is offered to the live program
 *   waitFor     a step as well, but only for a while; what takes longer ends the workflow
 *   startAnew   another workflow: the next generation, which DBOS starts at once, or keeps (DELAYED) until its time has come
 *
 * One step is outstanding at a time: DBOS finds the result of a step by its position. A suspended run is a row of DBOS's, and
 * nothing else: no process, no connection. With the next generation, in one commit, the entries of the one before are kept in
 * our own table, since DBOS may be told to delete ended workflows. Who comes second there, since two processes had the run,
 * finds that it is done: what is handed on follows from what is recorded.
 *
 * When the worker dies, another one makes DBOS give the workflow to whoever is alive, and the recorded steps are passed over.
 * Who wakes up after that finds that its claim is void with the first checkpoint: it writes nothing, and starts nothing more.
 */
import { type Advance, type Entry, type Host, LeaseLostError, type Outcome, probe, type Start } from '@selvage/core'
import {
  type Advanced,
  type Asking,
  type Claimed,
  ClaimedStretch,
  type Crew,
  type Now,
  type Platform,
  Waiter,
} from '@selvage/core/engines'
import type { Application } from './application.ts'
import type { Begin } from './names.ts'
import type { Runs } from './runs.ts'
import type { Sdk } from './sdk.ts'

/** What a generation needs of the process that it is in. */
export interface Driver extends Pick<Crew, 'host' | 'places'> {
  readonly app: Application
  readonly sdk: Sdk
  readonly isStopping: boolean
  /** How long a run that waits stays in its process. Milliseconds. */
  readonly lingerMs: number
  /** See Control. */
  untilSure(): Promise<void> | undefined
  touched(runId: string, now?: Now): void
}

const HUNDRED_YEARS_MS = 100 * 365 * 24 * 60 * 60 * 1_000

/** In place of an advance: the worker stops, so the run goes on elsewhere. */
type Stopped = { readonly stopped: true }

/** What ends a wait in the process. */
type Rested = { readonly rested: 'called' | 'due' | 'long'; readonly at: number }

export class Generation extends ClaimedStretch {
  private readonly begin: Begin
  private readonly driver: Driver
  private readonly runs: Runs
  private readonly platform: Platform
  private readonly lost = new AbortController()
  private isTaken = false
  /** Signals below this number of the inbox were heard of; those that were, by their ids. */
  private heard: number
  private readonly numbers = new Map<string, number>()
  /** There may be more in the inbox. */
  private rang = true
  private hearing: Promise<void> = Promise.resolve()
  private readonly waiter: Waiter
  /** Until when the next generation waits. */
  private until = 0

  constructor(begin: Begin, driver: Driver) {
    const { host, places, app } = driver
    const { runs, platform, settings } = app
    super(begin.runId, begin, { ...settings, host, places, platform })
    this.begin = begin
    this.driver = driver
    this.runs = runs
    this.platform = platform
    this.heard = begin.heard
    this.waiter = new Waiter((ms, act) => platform.waitingTimer(ms, act))
  }

  /** What became of this generation, for people. */
  async live(): Promise<string> {
    const row = await this.insist(() => this.runs.row(this.runId))
    const outcome = await this.drive(JSON.parse(row.start) as Start)
    return outcome === undefined ? 'goes on' : (Object.keys(outcome)[0] ?? 'ended')
  }

  // ── the verbs of a stretch ────────────────────────────────────────────────────────────────────────────────────────

  protected async record(name: string, request: Advance, number: number): Promise<Advanced | undefined> {
    const advanced = await this.driver.sdk.step(name, () =>
      this.insist<Advanced | Stopped>(async () => {
        if (this.driver.isStopping) return { stopped: true }
        const untilSure = (): Promise<void> | undefined => this.driver.untilSure()
        return await this.attempt(request, number, { abortSignal: this.lost.signal, untilSure })
      }),
    )
    return 'stopped' in advanced ? undefined : advanced
  }

  protected override async show(entries: readonly Entry[]): Promise<void> {
    if (entries.some(({ type }) => type === 'open' || type === 'wait')) {
      await this.insist(() => this.runs.asked(this.runId, entries))
    }
  }

  protected override touched(now?: Now): void {
    this.driver.touched(this.runId, now)
  }

  protected async rest(names: readonly string[], until: number | undefined): Promise<void> {
    const name = names.length === 0 ? 'wait' : `wait ${names.join(', ')}`
    const { rested, at } = await this.driver.sdk.step(name, () => this.linger(names, until))
    this.at = Math.max(this.at, at)
    if (rested !== 'long') return
    this.until = until ?? this.at + HUNDRED_YEARS_MS
    await this.startAnew()
  }

  /** The next generation begins: at once, or, where the run waits, when it is called or its time has come. */
  protected override async handOn(): Promise<void> {
    const { driver, runId, begin, steps, at, cursor: entries } = this
    if (driver.isStopping) this.evict()
    const unread = this.signals.flatMap(({ id }) => this.numbers.get(id) ?? [])
    const heard = Math.min(this.heard, ...unread)
    const next: Begin = { runId, generation: begin.generation + 1, entries, steps, heard, at }
    const delayMs = this.isWoken ? 0 : Math.max(0, this.until - this.platform.now())
    probe('engine.before-rotate')
    await this.insist(() => this.runs.handOn(next, this.note, this.entries, delayMs))
    probe('engine.after-suspend')
    probe('engine.after-rotate')
    // Its program has asked for something meanwhile.
    if (delayMs > 0 && this.isWoken) await this.insist(() => this.runs.wake(runId))
  }

  protected override async finish(outcome: Outcome): Promise<void> {
    const { runId, begin } = this
    await this.insist(async () => {
      await this.runs.journal.keep(runId, this.entries)
      await this.runs.end(runId, begin.generation, this, outcome)
    })
  }

  protected override stored(from: number): Promise<readonly Entry[]> {
    return this.runs.journal.kept(this.runId, from, this.begin.entries - from)
  }

  protected wake(): void {
    const { driver, runId, runs } = this
    this.isWoken = true
    this.waiter.touch()
    if (this.isAdvancing) return
    // This generation may be over, and the program still in memory: until the worker stops.
    const unlessStopping = async (): Promise<void> => {
      if (driver.isStopping) await new Promise<never>(() => {})
    }
    void runs.db.insist(() => runs.wake(runId), unlessStopping)
  }

  // ── an advance ────────────────────────────────────────────────────────────────────────────────────────────────────

  override async ask(host: Host, request: Advance, asking: Asking): Promise<Advanced> {
    await this.listen()
    return await super.ask(host, request, asking)
  }

  protected async claim(number: number): Promise<Claimed> {
    const { generation } = this.begin
    const delivery = await this.runs.claim(this.runId, generation, `${generation}/${number}`)
    if (delivery !== undefined) return { delivery }
    // The run has ended, or goes on in a later generation: nobody looks at this workflow, whatever becomes of it.
    this.lose(true)
    return await this.stood()
  }

  protected async spare(left: number): Promise<void> {
    if (!this.isLost) await this.runs.spare(this.runId, left)
  }

  // ── hearing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something was signalled, perhaps. */
  ring(): void {
    this.rang = true
    this.waiter.touch()
    if (this.isAdvancing && this.isClaimed) this.listen().catch(this.platform.report)
  }

  /** The worker stops. */
  stop(): void {
    this.waiter.touch()
  }

  /** One after the other, so that signals are heard in their order. */
  private listen(): Promise<void> {
    const listening = this.hearing.then(() => (this.rang ? this.readInbox() : undefined))
    this.hearing = listening.catch(() => {})
    return listening
  }

  private async readInbox(): Promise<void> {
    this.rang = false
    try {
      for (const { seq, signal } of await this.runs.signals(this.runId, this.heard)) {
        this.heard = seq + 1
        this.numbers.set(signal.id, seq)
        this.hear(signal)
      }
    } catch (error) {
      this.rang = true
      throw error
    }
  }

  // ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private async linger(names: readonly string[], until: number | undefined): Promise<Rested> {
    const { driver, runId, begin } = this
    const { now } = this.platform
    const done = (rested: Rested['rested']): Rested => ({
      rested,
      at: Math.max(now(), until !== undefined && rested === 'due' ? until : 0),
    })
    await this.insist(() => this.listen())
    if (this.isCalled(names)) return done('called')
    if (until !== undefined && until <= now()) return done('due')
    probe('engine.before-suspend')
    const waitsFor = { signals: names, ...(until !== undefined && { until }) }
    await this.insist(() => this.runs.suspend(runId, begin.generation, this, waitsFor))
    // The next advance claims it again, and shows it as running with that.
    this.isClaimed = false
    this.touched()
    const { lingerMs } = driver
    const isLong = until === undefined || until - now() > lingerMs
    const end = isLong ? now() + lingerMs : until
    while (!this.isCalled(names)) {
      const leftMs = end - now()
      if (leftMs <= 0) return done(isLong ? 'long' : 'due')
      if (driver.isStopping) return done('long')
      await this.unlessLost()
      await this.waiter.pause(leftMs)
      this.waiter.isTouched = false
      await this.insist(() => this.listen())
    }
    return done('called')
  }

  // ── losing the run ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Nothing of this generation is recorded from now on: another worker has the run (`isTaken`: DBOS has been told so), or this
   * process leaves it to whoever comes. What is in flight here is told.
   */
  lose(isTaken: boolean): void {
    this.isTaken = isTaken
    this.lost.abort()
    this.waiter.touch()
  }

  private get isLost(): boolean {
    return this.lost.signal.aborted
  }

  /** Where DBOS would refuse what is recorded, an error ends the workflow in this process; elsewhere it stands still. */
  private async unlessLost(): Promise<void> {
    if (this.isLost) await this.stood()
  }

  private async stood(): Promise<never> {
    if (!this.isTaken) await new Promise<never>(() => {})
    throw new LeaseLostError('LEASE_LOST', `Run ${this.runId} goes on in another process.`)
  }

  /** Done again while the database is away, unless this process has lost the run. */
  private insist<T>(body: () => Promise<T>): Promise<T> {
    return this.runs.db.insist(body, () => this.unlessLost())
  }
}
