/**
 * The loop of a run in DBOS's words: a stretch of core in a workflow of DBOS.
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
import { type Advanced, type Places, type Platform, Stretch } from '@selvage/core/engines'
import type { Begin } from './names.ts'
import type { Runs } from './runs.ts'

/** What a generation needs of the process that it is in. */
export interface Driver {
  readonly host: Host
  readonly platform: Platform
  readonly places: Places
  readonly runs: Runs
  readonly isStopping: boolean
  readonly announces: boolean
  /** How long a run that waits stays in its process. Milliseconds. */
  readonly lingerMs: number
  readonly rotateAfter: { readonly advances: number; readonly bytes: number }
  /** A step of DBOS. */
  step<T>(name: string, body: () => Promise<T>): Promise<T>
  /** The next generation, in the queue of its program. Its workflow. */
  next(begin: Begin, start: Start, delayMs: number): Promise<string>
  /** Makes a parked workflow go on. */
  wake(workflow: string, start: Start): Promise<void>
  /** Done again while the database is away, unless this process has lost the run. */
  insist<T>(generation: Generation, body: () => Promise<T>): Promise<T>
  touched(runId: string): void
}

/** Thrown through `drive`: the next generation goes on. */
const OVER = Symbol('over')
const HUNDRED_YEARS_MS = 100 * 365 * 24 * 60 * 60 * 1_000
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
  private readonly stretch: Stretch
  /** Signals below this number of the inbox were heard of; those that were, by their ids. */
  private heard: number
  private readonly numbers = new Map<string, number>()
  /** There may be more in the inbox. */
  private rang = true
  private hearing: Promise<void> | undefined
  /** So it is shown to people. */
  private isSuspended = false
  private warm = false
  private wakeUp: (() => void) | undefined

  constructor(begin: Begin, driver: Driver) {
    this.begin = begin
    this.driver = driver
    this.announces = driver.announces
    this.heard = begin.heard
    const { runId, entries } = begin
    this.stretch = new Stretch(runId, begin, {
      platform: driver.platform,
      stored: (from) => driver.runs.kept(runId, from, entries - from),
      wake: () => this.wakeLate(),
      rotateAfter: driver.rotateAfter,
    })
  }

  get runId(): string {
    return this.begin.runId
  }

  /** What became of this generation, for people. */
  async drive(): Promise<string> {
    const { driver, runId } = this
    const row = await driver.insist(this, () => driver.runs.row(runId))
    this.start = JSON.parse(row.start) as Start
    try {
      const outcome = await this.stretch.drive(this.start, this)
      await this.end(outcome)
      return Object.keys(outcome)[0] ?? 'ended'
    } catch (error) {
      if (error !== OVER) throw error
      return 'goes on'
    }
  }

  // ── Primitives ────────────────────────────────────────────────────────────────────────────────────────────────────

  async advance(name: string, request: Advance): Promise<Progress> {
    const { driver, runId } = this
    const progress = await this.stretch.advance(async (number) => {
      const advanced = await driver.step(name, () => this.live(request, number))
      return 'stopped' in advanced ? undefined : advanced
    })
    if (progress === undefined) return await this.handOver()
    const { entries } = progress
    if (entries.some(({ type }) => type === 'open' || type === 'wait')) {
      await driver.insist(this, () => driver.runs.asked(runId, entries))
    }
    driver.touched(runId)
    return progress
  }

  /** What was signalled goes into the next advance by itself. */
  async waitFor(names: readonly string[], until: number | undefined): Promise<readonly Signal[]> {
    const { stretch } = this
    if (until !== undefined && until <= stretch.at) return []
    const name = names.length === 0 ? 'wait' : `wait ${names.join(', ')}`
    const { rested, at } = await this.driver.step(name, () => this.rest(names, until))
    stretch.at = Math.max(stretch.at, at)
    if (rested === 'long') await this.handOver(until ?? stretch.at + HUNDRED_YEARS_MS)
    return []
  }

  now(): number {
    return this.stretch.at
  }

  isFull(): boolean {
    return this.stretch.isFull
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
        return await driver.places.take(async () => {
          await this.hear()
          const { host, platform } = driver
          return await this.stretch.ask(host, request, {
            delivery,
            abortSignal: this.lost.signal,
            mayLive: platform.mayLive,
          })
        })
      } catch (error) {
        await this.unlessLost()
        driver.platform.report(error)
        await driver.runs.spare(runId).catch(() => {})
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      await this.unlessLost()
    }
  }

  private async claim(number: number): Promise<number> {
    const { driver, runId, begin } = this
    const { generation } = begin
    const claim = (): Promise<number | undefined> => driver.runs.claim(runId, generation, `${generation}/${number}`)
    let delivery = await claim()
    // The generation before has begun this one, and its worker is about to say so, or whoever takes it over.
    while (delivery === undefined && (await driver.runs.row(runId)).generation < generation) {
      await new Promise((resolve) => setTimeout(resolve, FIRST_TRY_AGAIN_MS))
      await this.unlessLost()
      delivery = await claim()
    }
    // The run has ended, or goes on elsewhere: what this attempt would do is not recorded.
    if (delivery === undefined) return await new Promise<never>(() => {})
    this.warm = true
    this.isSuspended = false
    probe('engine.after-claim')
    return delivery
  }

  // ── hearing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something was signalled, perhaps. */
  ring(): void {
    this.rang = true
    this.wakeUp?.()
    if (this.stretch.isAdvancing && this.warm) this.hear().catch(this.driver.platform.report)
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
        this.numbers.set(signal.id, seq)
        this.stretch.hear(signal)
      }
    } catch (error) {
      this.rang = true
      throw error
    }
  }

  /** The program has asked for something after its advance. */
  private wakeLate(): void {
    const { driver, runId, stretch } = this
    stretch.isWoken = true
    this.wakeUp?.()
    if (this.wakeUp !== undefined || stretch.isAdvancing) return
    void driver.runs
      .row(runId)
      .then(async ({ parked, workflow }) => parked && (await driver.wake(workflow, this.start)))
      .catch(driver.platform.report)
  }

  // ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private async rest(names: readonly string[], until: number | undefined): Promise<Rested> {
    const { driver, runId, begin, stretch } = this
    const { now } = driver.platform
    const isCalled = (): boolean => stretch.isCalled(names)
    const done = (rested: Rested['rested']): Rested => ({
      rested,
      at: Math.max(now(), until !== undefined && rested === 'due' ? until : 0),
    })
    await driver.insist(this, () => this.hear())
    if (isCalled()) return done('called')
    if (until !== undefined && until <= now()) return done('due')
    probe('engine.before-suspend')
    const waitsFor = { signals: names, ...(until !== undefined && { until }) }
    await driver.insist(this, () => driver.runs.suspend(runId, begin.generation, stretch, waitsFor))
    this.isSuspended = true
    driver.touched(runId)
    const { lingerMs } = driver
    const isLong = until === undefined || until - now() > lingerMs
    const end = isLong ? now() + lingerMs : until
    while (!isCalled()) {
      const leftMs = end - now()
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

  /** The next generation begins: at once, or, where the run waits, when it is called or its time has come. */
  private async handOver(until = 0): Promise<never> {
    const { driver, runId, begin, start, stretch } = this
    const { steps, at, cursor: entries } = stretch
    if (driver.isStopping) driver.host.evict(runId)
    await driver.insist(this, () => driver.runs.keep(runId, stretch.entries))
    const unread = stretch.signals.flatMap(({ id }) => this.numbers.get(id) ?? [])
    const heard = Math.min(this.heard, ...unread)
    const next: Begin = { runId, generation: begin.generation + 1, entries, steps, heard, at }
    const delayMs = Math.max(0, until - driver.platform.now())
    const workflow = await driver.next(next, start, delayMs)
    const parked = delayMs > 0
    const isCalled = await driver.insist(this, () =>
      driver.runs.handOn(runId, begin.generation, { workflow, parked, heard, entries }),
    )
    probe('engine.after-suspend')
    if (parked && (isCalled || stretch.isWoken)) await driver.insist(this, () => driver.wake(workflow, start))
    driver.touched(runId)
    throw OVER
  }

  private async end(outcome: Outcome): Promise<void> {
    const { driver, runId, begin } = this
    probe('engine.before-finish')
    await driver.insist(this, async () => {
      await driver.runs.keep(runId, this.stretch.entries)
      await driver.runs.end(runId, begin.generation, this.stretch, outcome)
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
