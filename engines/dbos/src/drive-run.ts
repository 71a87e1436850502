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
import { type Advanced, type Places, type Platform, Stretch } from '@selvage/core/engines'
import type { Application } from './application.ts'
import type { Begin } from './names.ts'
import type { Runs } from './runs.ts'
import type { Sdk } from './sdk.ts'

/** What a generation needs of the process that it is in. */
export interface Driver {
  readonly app: Application
  readonly sdk: Sdk
  readonly host: Host
  readonly places: Places
  readonly isStopping: boolean
  /** How long a run that waits stays in its process. Milliseconds. */
  readonly lingerMs: number
  touched(runId: string): void
}

const HUNDRED_YEARS_MS = 100 * 365 * 24 * 60 * 60 * 1_000

/** In place of an advance: the worker stops, so the run goes on elsewhere. */
type Stopped = { readonly stopped: true }

/** What ends a wait in the process. */
type Rested = { readonly rested: 'called' | 'due' | 'long'; readonly at: number }

export class Generation extends Stretch {
  private readonly begin: Begin
  private readonly driver: Driver
  private readonly runs: Runs
  private readonly platform: Platform
  private readonly lost = new AbortController()
  private isTaken = false
  private start!: Start
  /** Signals below this number of the inbox were heard of; those that were, by their ids. */
  private heard: number
  private readonly numbers = new Map<string, number>()
  /** There may be more in the inbox. */
  private rang = true
  private hearing: Promise<void> | undefined
  /** It is claimed for this process, and shown as running. */
  private warm = false
  private wakeUp: (() => void) | undefined
  /** Until when the next generation waits. */
  private until = 0

  constructor(begin: Begin, driver: Driver) {
    const { runs, platform, settings } = driver.app
    super(begin.runId, begin, { platform, ...settings })
    this.begin = begin
    this.driver = driver
    this.runs = runs
    this.platform = platform
    this.heard = begin.heard
  }

  /** What became of this generation, for people. */
  async live(): Promise<string> {
    const row = await this.insist(() => this.runs.row(this.runId))
    this.start = JSON.parse(row.start) as Start
    const outcome = await this.drive(this.start)
    if (outcome === undefined) return 'goes on'
    await this.end(outcome)
    return Object.keys(outcome)[0] ?? 'ended'
  }

  // ── the verbs of a stretch ────────────────────────────────────────────────────────────────────────────────────────

  protected async record(name: string, request: Advance, number: number): Promise<Advanced | undefined> {
    const advanced = await this.driver.sdk.step(name, () => this.attempt(request, number))
    return 'stopped' in advanced ? undefined : advanced
  }

  protected override async show(entries: readonly Entry[]): Promise<void> {
    const { driver, runId } = this
    if (entries.some(({ type }) => type === 'open' || type === 'wait')) {
      await this.insist(() => this.runs.asked(runId, entries))
    }
    driver.touched(runId)
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
    const { driver, runId, begin, start, steps, at, cursor: entries } = this
    if (driver.isStopping) driver.host.evict(runId)
    const unread = this.signals.flatMap(({ id }) => this.numbers.get(id) ?? [])
    const heard = Math.min(this.heard, ...unread)
    const next: Begin = { runId, generation: begin.generation + 1, entries, steps, heard, at }
    const delayMs = this.isWoken ? 0 : Math.max(0, this.until - this.platform.now())
    probe('engine.before-rotate')
    const parked = await this.insist(() =>
      this.runs.handOn(next, this.entries, delayMs, (client, ms) => driver.app.enqueue(client, next, start, ms)),
    )
    probe('engine.after-suspend')
    probe('engine.after-rotate')
    if (parked !== undefined && this.isWoken) await this.insist(() => driver.app.wake(parked, start))
    driver.touched(runId)
  }

  protected override stored(from: number): Promise<readonly Entry[]> {
    return this.runs.journal.kept(this.runId, from, this.begin.entries - from)
  }

  protected wake(): void {
    const { driver, runId } = this
    this.isWoken = true
    this.wakeUp?.()
    if (this.wakeUp !== undefined || this.isAdvancing) return
    void this.runs
      .row(runId)
      .then(async ({ parked, workflow }) => parked && (await driver.app.wake(workflow, this.start)))
      .catch(this.platform.report)
  }

  // ── an advance ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Outside of DBOS's view until it returns: another attempt may do it again. */
  private attempt(request: Advance, number: number): Promise<Advanced | Stopped> {
    const { driver, runId, runs, platform } = this
    const { host, places } = driver
    return this.insist(async () => {
      if (driver.isStopping) return { stopped: true }
      try {
        const delivery = this.warm ? 1 : await this.claim(number)
        return await places.take(async () => {
          await this.listen()
          return await this.ask(host, request, {
            delivery,
            abortSignal: this.lost.signal,
            mayLive: platform.mayLive,
          })
        })
      } catch (error) {
        if (!this.isLost) await runs.spare(runId).catch(() => {})
        throw error
      }
    })
  }

  private async claim(number: number): Promise<number> {
    const { runId, begin } = this
    const { generation } = begin
    const delivery = await this.runs.claim(runId, generation, `${generation}/${number}`)
    // The run has ended, or goes on elsewhere: what this attempt would do is not recorded.
    if (delivery === undefined) return await new Promise<never>(() => {})
    this.warm = true
    probe('engine.after-claim')
    return delivery
  }

  // ── hearing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something was signalled, perhaps. */
  ring(): void {
    this.rang = true
    this.wakeUp?.()
    if (this.isAdvancing && this.warm) this.listen().catch(this.platform.report)
  }

  /** The worker stops. */
  stop(): void {
    this.wakeUp?.()
  }

  private async listen(): Promise<void> {
    while (this.rang || this.hearing !== undefined) {
      this.rang = false
      this.hearing ??= this.readInbox().finally(() => {
        this.hearing = undefined
      })
      await this.hearing
    }
  }

  private async readInbox(): Promise<void> {
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
    this.warm = false
    driver.touched(runId)
    const { lingerMs } = driver
    const isLong = until === undefined || until - now() > lingerMs
    const end = isLong ? now() + lingerMs : until
    while (!this.isCalled(names)) {
      const leftMs = end - now()
      if (leftMs <= 0) return done(isLong ? 'long' : 'due')
      if (driver.isStopping) return done('long')
      await this.unlessLost()
      await this.pause(leftMs)
      await this.insist(() => this.listen())
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

  private async end(outcome: Outcome): Promise<void> {
    const { driver, runId, begin } = this
    probe('engine.before-finish')
    await this.insist(async () => {
      await this.runs.journal.keep(runId, this.entries)
      await this.runs.end(runId, begin.generation, this, outcome)
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

  private get isLost(): boolean {
    return this.lost.signal.aborted
  }

  /** Where DBOS would refuse what is recorded, an error ends the workflow in this process; elsewhere it stands still. */
  private async unlessLost(): Promise<void> {
    if (!this.isLost) return
    if (!this.isTaken) await new Promise<never>(() => {})
    throw new LeaseLostError('LEASE_LOST', `Run ${this.runId} goes on in another process.`)
  }

  /** Done again while the database is away, unless this process has lost the run. */
  private insist<T>(body: () => Promise<T>): Promise<T> {
    return this.runs.db.insist(body, () => this.unlessLost())
  }
}
