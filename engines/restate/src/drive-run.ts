/**
 * The loop of a run in Restate's words: a stretch of core on one invocation of a virtual object.
 *
 *   advance     ctx.run, named after the step about to run; while it runs, signals are heard and offered to the live program
 *   waitFor     ctx.signal, and ctx.sleep where there is a time
 *   startAnew   a message to the same key: it begins when this invocation is over
 *
 * One thing is awaited at a time. What this handler keeps in memory is what a replay of Restate's journal builds again;
 * only `isClaimed` is of the attempt: that what is about to run cannot have been begun by an earlier one.
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
import { type Advance, type Entry, type Outcome, probe, type Signal } from '@selvage/core'
import {
  type Advanced,
  AskedQuestions,
  type Claimed,
  ClaimedStretch,
  type Crew,
  isRegistered,
  type Now,
  notRegistered,
  reopeningsIn,
  stepsIn,
} from '@selvage/core/engines'
import type { Claiming } from './inbox.ts'
import { type Begin, entriesKey, type KeptRun, newRun, questionKey, RUN_KEY, type Services } from './kept.ts'
import { NEVER } from './options.ts'
import type { Records } from './records.ts'
import type { RestateServer, Target } from './server.ts'

/** What a driving handler needs of the process that it is in. */
export interface Driver extends Crew {
  readonly server: RestateServer
  readonly services: Services
  readonly records: Records
  touched(runId: string, now?: Now): void
}

/** Bytes of entries in one value of the state. */
const CHUNK_BYTES = 512 * 1024

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
  await new Generation(ctx, run, begin, driver).live()
}

/** Undefined: the same was asked for twice, or by who knows of fewer entries than there are. */
function begun(
  invocation: string,
  kept: KeptRun | null,
  { generation, first, reopen, left }: Begin,
): KeptRun | undefined {
  if (kept === null) return first && newRun(first, invocation)
  if (kept.generation + 1 !== generation) return undefined
  if (reopen !== undefined && reopen.entries !== kept.entries + (left?.entries.length ?? 0)) return undefined
  const { over, ...rest } = kept
  const next = { ...rest, generation, invocation }
  if (left !== undefined) {
    if (over !== undefined || left.invocation !== kept.invocation) return undefined
    const { entries } = left
    return {
      ...next,
      entries: kept.entries + entries.length,
      steps: kept.steps + stepsIn(entries),
      reopenings: kept.reopenings + reopeningsIn(entries),
    }
  }
  if (over === undefined || (reopen === undefined) !== (over.outcome === undefined)) return undefined
  return next
}

class Generation extends ClaimedStretch {
  private readonly ctx: ObjectContext
  private readonly run: KeptRun
  private readonly begin: Begin
  private readonly driver: Driver
  private readonly questions: AskedQuestions
  private heard: number
  private listening: RestatePromise<Signal | null>

  constructor(ctx: ObjectContext, run: KeptRun, begin: Begin, driver: Driver) {
    const { reopen, first } = begin
    super(ctx.key, { ...run, at: reopen?.at ?? first?.at ?? run.updatedAt, reopen }, driver)
    this.ctx = ctx
    this.run = run
    this.begin = begin
    this.driver = driver
    this.heard = run.heard
    this.listening = this.listen()
    this.questions = new AskedQuestions(ctx.key, run.questions)
  }

  async live(): Promise<void> {
    const { ctx, run, begin } = this
    const left = begin.left?.entries ?? []
    this.store(run.entries - left.length, left)
    ctx.set(RUN_KEY, run)
    if (begin.first?.startAt !== undefined) {
      // Until it may start, or is cancelled.
      await this.claim(-1)
      await this.waitFor([], begin.first.startAt)
    }
    await this.show([...left, ...this.entries])
    this.touched()
    await this.drive(run.start)
  }

  // ── the verbs of a stretch ────────────────────────────────────────────────────────────────────────────────────────

  protected async record(name: string, request: Advance, number: number): Promise<Advanced> {
    const { ctx, driver } = this
    return await driver.places.durable(async () => {
      const running = ctx.run(name, () => this.attempt(request, number), { maxRetryAttempts: NEVER, ...PATIENCE })
      for (;;) {
        const reply = await this.firstOf(running)
        if (reply !== undefined) return reply
      }
    }, ctx.request().attemptCompletedSignal)
  }

  /** Shows what has become of questions. */
  protected override async show(entries: readonly Entry[]): Promise<void> {
    for (const record of entries.flatMap((entry) => this.questions.take(entry))) {
      this.ctx.set(questionKey(record.id), record)
    }
  }

  protected override touched(now?: Now): void {
    this.driver.touched(this.runId, now)
  }

  protected async rest(names: readonly string[], until: number | undefined): Promise<void> {
    if (this.isCalled(names)) return
    probe('engine.before-suspend')
    const timer = until === undefined ? undefined : this.ctx.sleep(Math.max(0, until - this.driver.platform.now()))
    while (!this.isCalled(names)) if ((await this.firstOf(timer?.map(() => true))) !== undefined) break
    if (until !== undefined && !this.isCalled(names)) this.at = Math.max(this.at, until)
  }

  protected override async handOn(): Promise<void> {
    probe('engine.before-rotate')
    this.keep({})
    const { target } = this.ctx.request()
    const itself: VirtualObjectDefinition<string, Driving> = { name: target.service }
    this.ctx.objectSendClient(itself, this.ctx.key).drive({ generation: this.run.generation + 1 })
    probe('engine.after-rotate')
  }

  protected override async finish(outcome: Outcome): Promise<void> {
    const { tells } = this.run
    this.keep({ outcome })
    if (tells !== undefined) this.ctx.resolveAwakeable(tells, outcome)
  }

  protected override stored(from: number): Promise<readonly Entry[]> {
    return this.driver.records.stored(this.runId, from, this.run.entries)
  }

  /** Again until the server has it: nobody else tells a suspended run of what its program asks for. */
  protected wake(): void {
    const { server, platform } = this.driver
    const { initialRetryInterval: firstMs, maxRetryInterval: longestMs, retryIntervalFactor: factor } = PATIENCE
    const send = (againMs: number): void => {
      server.send(this.inbox('wake'), null).catch((error: unknown) => {
        platform.report(error)
        platform.timer(againMs, () => send(Math.min(longestMs, againMs * factor)))
      })
    }
    send(firstMs)
  }

  protected claim(number: number): Promise<Claimed> {
    const { generation, invocation, heard } = this.run
    const claiming: Claiming = { invocation, advance: `${generation}/${number}`, from: heard }
    return this.driver.server.call(this.inbox('claim'), claiming)
  }

  protected async spare(left: number): Promise<void> {
    await this.driver.server.send(this.inbox('spare'), left)
  }

  private inbox(handler: string): Target {
    return { service: this.driver.services.inbox, key: this.runId, handler }
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
      this.hear({ id: '$cancel', name: '$cancel', payload: 'cancelled in Restate' })
    }
    return undefined
  }

  private arrive(signal: Signal | null): void {
    this.heard++
    this.listening = this.listen()
    if (signal === null) this.isWoken = true
    else this.hear(signal)
  }

  // ── keeping ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** This generation is over. */
  private keep(over: NonNullable<KeptRun['over']>): void {
    const { ctx, run, entries, cursor, steps, signals, note } = this
    this.store(run.entries, entries)
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

  /** The first of them has the number `first`. */
  private store(first: number, entries: readonly Entry[]): void {
    for (let from = 0; from < entries.length; ) {
      let to = from
      for (let bytes = 0; to < entries.length && bytes < CHUNK_BYTES; to++) bytes += JSON.stringify(entries[to]).length
      this.ctx.set(entriesKey(first + from), entries.slice(from, to))
      from = to
    }
  }
}

const PATIENCE = { initialRetryInterval: 50, maxRetryInterval: 5_000, retryIntervalFactor: 2 }
