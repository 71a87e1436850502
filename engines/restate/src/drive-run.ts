/**
 * The loop of a run in Restate's words: a stretch of core on one invocation of a virtual object.
 *
 *   advance     ctx.run, named after the step about to run; while it runs, signals are heard and offered to the live program
 *   waitFor     ctx.signal, and ctx.sleep where there is a time
 *   startAnew   a message to the same key: it begins when this invocation is over
 *
 * One thing is awaited at a time. What this handler keeps in memory is what a replay of Restate's journal builds again;
 * only `warm` is of the attempt: that what is about to run cannot have been begun by an earlier one.
 *
 * An attempt that is cut off (the server restarts, a connection breaks) does not abort the advance it has in flight. Where
 * the next attempt comes to this process, the host joins the two; where it does not, nobody takes the reply, and nothing
 * more begins here.
 */
import {
  CancelledError,
  type ObjectContext,
  RestatePromise,
  type VirtualObjectDefinition,
} from '@restatedev/restate-sdk'
import {
  type Advance,
  type Entry,
  type Host,
  type Primitives,
  type Progress,
  probe,
  type Seed,
  type Signal,
} from '@selvage/core'
import {
  type Advanced,
  AskedQuestions,
  isRegistered,
  notRegistered,
  type Places,
  type Platform,
  reopeningsIn,
  Stretch,
} from '@selvage/core/engines'
import type { Claimed, Claiming } from './inbox.ts'
import { type Begin, entriesKey, type KeptRun, newRun, questionKey, RUN_KEY } from './kept.ts'
import { NEVER } from './options.ts'

/** What a driving handler needs of the process that it is in. */
export interface Driver {
  readonly host: Host
  readonly places: Places
  readonly platform: Platform
  /** Whether Restate's steps go by the names of ours. */
  readonly namesSteps: boolean
  readonly rotateAfter: { readonly advances: number; readonly bytes: number }
  /** Entries `from` … `to` of generations that are over. */
  stored(runId: string, from: number, to: number): Promise<readonly Entry[]>
  claim(runId: string, claiming: Claiming): Promise<Claimed>
  spare(runId: string): Promise<void>
  wake(runId: string): Promise<void>
  touched(runId: string): void
}

/** Bytes of entries in one value of the state. */
const CHUNK_BYTES = 512 * 1024

/** Thrown through `drive`: the next generation goes on. */
const ROTATED = Symbol('rotated')

/** The long handler, as it is called. */
export interface Driving {
  drive(ctx: ObjectContext, begin: Begin): Promise<void>
}

export async function driveRun(ctx: ObjectContext, begin: Begin, driver: Driver): Promise<void> {
  const kept = await ctx.get<KeptRun>(RUN_KEY)
  const run = begun(ctx.request().id, kept, begin)
  if (run === undefined) return
  const { program, version } = run.start
  if (!isRegistered(driver.host, run.start)) throw notRegistered(ctx.key, program, version)
  await new Generation(ctx, run, begin, driver).drive()
}

/** Undefined: the same was asked for twice. */
function begun(invocation: string, kept: KeptRun | null, { generation, first, reopen }: Begin): KeptRun | undefined {
  if (kept === null && first !== undefined) return newRun(first, invocation)
  if (kept?.over === undefined || kept.generation + 1 !== generation) return undefined
  if ((reopen === undefined) !== (kept.over.outcome === undefined)) return undefined
  const { over: _, ...rest } = kept
  return { ...rest, generation, invocation }
}

class Generation implements Primitives {
  readonly announces: boolean
  private readonly ctx: ObjectContext
  private readonly run: KeptRun
  private readonly begin: Begin
  private readonly driver: Driver
  private readonly stretch: Stretch
  private readonly questions: AskedQuestions
  private heard: number
  private listening: RestatePromise<Signal | null>
  private warm = false

  constructor(ctx: ObjectContext, run: KeptRun, begin: Begin, driver: Driver) {
    this.ctx = ctx
    this.run = run
    this.begin = begin
    this.driver = driver
    this.announces = driver.namesSteps
    this.heard = run.heard
    this.listening = this.listen()
    this.questions = new AskedQuestions(ctx.key, run.questions)
    const { reopen, first } = begin
    const at = reopen?.at ?? first?.at ?? run.updatedAt
    this.stretch = new Stretch(
      ctx.key,
      { ...run, at, reopen },
      {
        platform: driver.platform,
        stored: (from) => driver.stored(ctx.key, from, run.entries),
        wake: () => void driver.wake(ctx.key).catch(() => {}),
        rotateAfter: driver.rotateAfter,
      },
    )
  }

  async drive(): Promise<void> {
    const { ctx, run, begin, stretch } = this
    ctx.set(RUN_KEY, run)
    if (begin.first?.startAt !== undefined) await this.rest(begin.first.startAt)
    this.ask(stretch.entries)
    try {
      const outcome = await stretch.drive(run.start, this)
      probe('engine.before-finish')
      this.keep({ outcome })
      if (run.tells !== undefined) ctx.resolveAwakeable(run.tells, outcome)
      probe('engine.after-finish')
      stretch.evict()
    } catch (error) {
      if (error !== ROTATED) throw error
    }
    this.driver.touched(ctx.key)
  }

  // ── Primitives ────────────────────────────────────────────────────────────────────────────────────────────────────

  async advance(name: string, request: Advance): Promise<Progress> {
    const { ctx, driver } = this
    const progress = await this.stretch.advance((number) =>
      driver.places.durable(async () => {
        const running = ctx.run(name, () => this.live(request, number), { maxRetryAttempts: NEVER, ...PATIENCE })
        for (;;) {
          const reply = await this.firstOf(running)
          if (reply !== undefined) return reply
        }
      }, ctx.request().attemptCompletedSignal),
    )
    this.ask(progress.entries)
    driver.touched(ctx.key)
    return progress
  }

  /** What was signalled goes into the next advance by itself. */
  async waitFor(names: readonly string[], until: number | undefined): Promise<readonly Signal[]> {
    const { stretch, driver } = this
    if (stretch.isCalled(names) || (until !== undefined && until <= stretch.at)) return []
    probe('engine.before-suspend')
    const timer = until === undefined ? undefined : this.ctx.sleep(Math.max(0, until - driver.platform.now()))
    while (!stretch.isCalled(names)) if ((await this.firstOf(timer?.map(() => true))) !== undefined) break
    if (until !== undefined && !stretch.isCalled(names)) stretch.at = Math.max(stretch.at, until)
    return []
  }

  now(): number {
    return this.stretch.at
  }

  isFull(): boolean {
    return this.stretch.isFull
  }

  async startAnew(_: Seed): Promise<never> {
    this.keep({})
    const { target } = this.ctx.request()
    const itself: VirtualObjectDefinition<string, Driving> = { name: target.service }
    this.ctx.objectSendClient(itself, this.ctx.key).drive({ generation: this.run.generation + 1 })
    throw ROTATED
  }

  // ── an advance ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Outside of Restate's view until it returns: it may happen again in another attempt. */
  private async live(request: Advance, number: number): Promise<Advanced> {
    const { driver, ctx } = this
    const { host, places, platform } = driver
    const claimed = this.warm ? FRESH : await driver.claim(ctx.key, this.claiming(number))
    this.warm = true
    if (claimed !== FRESH) probe('engine.after-claim')
    try {
      const { mayLive } = platform
      return await places.take(() => this.stretch.ask(host, request, { ...claimed, mayLive }))
    } catch (error) {
      await driver.spare(ctx.key).catch(() => {})
      throw error
    }
  }

  private claiming(number: number): Claiming {
    const { generation, invocation, heard } = this.run
    return { invocation, advance: `${generation}/${number}`, from: heard }
  }

  /** Shows what has become of questions. */
  private ask(entries: readonly Entry[]): void {
    for (const entry of entries) {
      for (const record of this.questions.take(entry)) this.ctx.set(questionKey(record.id), record)
    }
  }

  // ── hearing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private listen(): RestatePromise<Signal | null> {
    return this.ctx.signal<Signal | null>(`s${this.heard}`)
  }

  /** What `promise` comes to; undefined if something arrived before. */
  private async firstOf<T>(promise: RestatePromise<T> | undefined): Promise<T | undefined> {
    const heard = this.listening.map((signal) => ({ signal: signal ?? null }))
    const done = promise?.map((value, failure) => {
      if (failure !== undefined) throw failure
      return { value: value as T }
    })
    try {
      const first = await (done === undefined ? heard : RestatePromise.race([done, heard]))
      if ('value' in first) return first.value
      this.arrive(first.signal)
    } catch (error) {
      // Cancelled by Restate's own console or command line.
      if (!(error instanceof CancelledError)) throw error
      this.stretch.hear({ id: '$cancel', name: '$cancel', payload: 'cancelled in Restate' })
    }
    return undefined
  }

  private arrive(signal: Signal | null): void {
    this.heard++
    this.listening = this.listen()
    if (signal === null) this.stretch.isWoken = true
    else this.stretch.hear(signal)
  }

  // ── keeping ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Until the run may start, or is cancelled. */
  private async rest(startAt: number): Promise<void> {
    await this.driver.claim(this.ctx.key, this.claiming(-1))
    await this.waitFor([], startAt)
  }

  /** This generation is over. */
  private keep(over: NonNullable<KeptRun['over']>): void {
    const { ctx, run, stretch } = this
    const { entries, cursor, steps, signals, note } = stretch
    for (let from = 0; from < entries.length; ) {
      let to = from
      for (let bytes = 0; to < entries.length && bytes < CHUNK_BYTES; to++) bytes += JSON.stringify(entries[to]).length
      ctx.set(entriesKey(run.entries + from), entries.slice(from, to))
      from = to
    }
    ctx.set(RUN_KEY, {
      ...run,
      updatedAt: entries.at(-1)?.at ?? run.updatedAt,
      entries: cursor,
      steps,
      reopenings: run.reopenings + reopeningsIn(entries),
      heard: this.heard,
      signals,
      questions: this.questions.left,
      over,
      ...(note !== undefined && { note }),
    } satisfies KeptRun)
  }
}

const FRESH: Claimed = { delivery: 1, signals: [] }
const PATIENCE = { initialRetryInterval: 50, maxRetryInterval: 5_000, retryIntervalFactor: 2 }
