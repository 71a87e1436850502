/**
 * The loop of a run in Restate's words: `drive` of core on one invocation of a virtual object.
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
  type Control,
  drive,
  type Entry,
  type Host,
  type Primitives,
  type Progress,
  probe,
  type Seed,
  type Signal,
} from '@selvage/core'
import { Asked } from './asked.ts'
import { notRegistered } from './errors.ts'
import type { Claimed, Claiming } from './inbox.ts'
import { type Advanced, type Begin, entriesKey, type KeptRun, RUN_KEY, reopeningsIn, stepsIn } from './kept.ts'
import { NEVER } from './options.ts'

/** What a driving handler needs of the process that it is in. */
export interface Driver {
  readonly host: Host
  now(): number
  /** Entries `from` … `to` of generations that are over. */
  stored(runId: string, from: number, to: number): Promise<readonly Entry[]>
  claim(runId: string, claiming: Claiming): Promise<Claimed>
  spare(runId: string): Promise<void>
  wake(runId: string): Promise<void>
  /** Whether the process that wrote an intent may live. */
  mayLive(host: string): boolean
  /** Whether Restate's steps go by the names of ours. */
  readonly namesSteps: boolean
  /** Runs `body` when one of the places for advances is free. */
  inPlace<T>(body: () => Promise<T>): Promise<T>
  /** `advance` resolves when its reply is durable. Once the worker stops, it never does: what is durable goes on elsewhere. */
  durable<T>(advance: () => Promise<T>, cutOff: AbortSignal): Promise<T>
  touched(runId: string): void
  readonly rotateAfter: { readonly advances: number; readonly bytes: number }
}

/** Bytes of entries in one value of the state. */
const CHUNK_BYTES = 512 * 1024
const FIRST_OFFER_AGAIN_MS = 5
const LONGEST_OFFER_AGAIN_MS = 100

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
  const able = driver.host.registered().some((other) => other.name === program && other.version === version)
  if (!able) throw notRegistered(ctx.key, program, version)
  await new Generation(ctx, run, begin, driver).drive()
}

/** Undefined: the same was asked for twice. */
function begun(invocation: string, kept: KeptRun | null, { generation, first, reopen }: Begin): KeptRun | undefined {
  if (kept === null && first !== undefined) {
    const { start, at, tells } = first
    const told = tells === undefined ? {} : { tells }
    const none = { entries: 0, steps: 0, reopenings: 0, heard: 0, signals: [], questions: [] }
    return { start, createdAt: at, updatedAt: at, generation, invocation, ...none, ...told }
  }
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
  /** Of this generation, as far as they are durable. */
  private readonly entries: Entry[] = []
  private readonly asked: Asked
  private bytes = 0
  private advances = 0
  /** Epoch milliseconds, by the newest thing that is durable. */
  private at: number
  private heard: number
  private listening: RestatePromise<Signal | null>
  /** Heard of and not taken. */
  private arrived: Signal[] = []
  private woken = false
  private advancing = false
  private warm = false
  private note: KeptRun['note']

  constructor(ctx: ObjectContext, run: KeptRun, begin: Begin, driver: Driver) {
    this.ctx = ctx
    this.run = run
    this.begin = begin
    this.driver = driver
    this.announces = driver.namesSteps
    this.at = begin.reopen?.at ?? begin.first?.at ?? run.updatedAt
    this.heard = run.heard
    this.listening = this.listen()
    this.asked = new Asked(ctx, run.questions)
    this.note = run.note
  }

  async drive(): Promise<void> {
    const { ctx, run, begin } = this
    ctx.set(RUN_KEY, run)
    const early = begin.first?.startAt === undefined ? [] : await this.rest(begin.first.startAt)
    if (begin.reopen !== undefined) this.reopen(begin.reopen)
    const cursor = run.entries + this.entries.length
    const seed = cursor === 0 ? {} : { seed: { cursor } }
    const signals = [...run.signals, ...early]
    try {
      const outcome = await drive({ runId: ctx.key, start: run.start, signals, ...seed }, this)
      probe('engine.before-finish')
      this.asked.close()
      this.keep([], { outcome })
      if (run.tells !== undefined) ctx.resolveAwakeable(run.tells, outcome)
      probe('engine.after-finish')
      this.driver.host.evict(ctx.key)
    } catch (error) {
      if (error !== ROTATED) throw error
    }
    this.driver.touched(ctx.key)
  }

  // ── Primitives ────────────────────────────────────────────────────────────────────────────────────────────────────

  async advance(name: string, request: Advance): Promise<Progress> {
    const number = this.advances++
    this.advancing = true
    const advanced = await this.driver.durable(async () => {
      const running = this.ctx.run(name, () => this.live(request, number), { maxRetryAttempts: NEVER, ...PATIENCE })
      for (;;) {
        const reply = await this.firstOf(running)
        if (reply !== undefined) return reply
      }
    }, this.ctx.request().attemptCompletedSignal)
    this.advancing = false
    this.take(advanced)
    return advanced as Progress
  }

  async waitFor(names: readonly string[], until: number | undefined): Promise<readonly Signal[]> {
    const isCalled = (): boolean =>
      this.woken || this.arrived.some(({ name }) => names.includes(name) || name.startsWith('$'))
    if (!isCalled() && (until === undefined || until > this.at)) {
      probe('engine.before-suspend')
      const timer = until === undefined ? undefined : this.ctx.sleep(Math.max(0, until - this.driver.now()))
      while (!isCalled()) if ((await this.firstOf(timer?.map(() => true))) !== undefined) break
      if (until !== undefined && !isCalled()) this.at = Math.max(this.at, until)
    }
    this.woken = false
    return this.arrived.splice(0)
  }

  now(): number {
    return this.at
  }

  isFull(): boolean {
    const { advances, bytes } = this.driver.rotateAfter
    return this.advances >= advances || this.bytes >= bytes
  }

  async startAnew(_: Seed, signals: readonly Signal[]): Promise<never> {
    this.keep([...signals, ...this.arrived], {})
    const { target } = this.ctx.request()
    const itself: VirtualObjectDefinition<string, Driving> = { name: target.service }
    this.ctx.objectSendClient(itself, this.ctx.key).drive({ generation: this.run.generation + 1 })
    throw ROTATED
  }

  // ── an advance ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Outside of Restate's view until it returns: it may happen again in another attempt. */
  private async live(request: Advance, number: number): Promise<Advanced> {
    const { driver, ctx } = this
    const claimed = this.warm ? FRESH : await driver.claim(ctx.key, this.claiming(number))
    this.warm = true
    if (claimed !== FRESH) probe('engine.after-claim')
    try {
      return await driver.inPlace(async () => {
        const known = new Map(
          [...request.signals, ...this.arrived, ...claimed.signals].map((signal) => [signal.id, signal]),
        )
        const asked = { ...request, signals: [...known.values()], now: driver.now() }
        const progress = await driver.host.advance(asked, this.control(claimed.delivery))
        const next = progress.next.map(({ key, kind, name }) => ({ key, kind, name }))
        return { ...progress, next, at: driver.now() } as Advanced
      })
    } catch (error) {
      await driver.spare(ctx.key).catch(() => {})
      throw error
    }
  }

  private claiming(number: number): Claiming {
    const { generation, invocation, heard } = this.run
    return { invocation, advance: `${generation}/${number}`, from: heard }
  }

  private control(delivery: number): Control {
    const { ctx, driver } = this
    const base = this.run.entries
    const load = async (from: number): Promise<readonly Entry[]> => {
      const stored = from < base ? await driver.stored(ctx.key, from, base) : []
      return [...stored, ...this.entries.slice(Math.max(0, from - base))]
    }
    return {
      abortSignal: NEVER_ABORTED,
      heartbeat: () => {},
      journal: { load, keepsAll: true },
      delivery,
      authorMayLive: async (seq) => {
        const [intent] = await load(seq)
        return intent?.type !== 'intent' || driver.mayLive(intent.host)
      },
      wake: () => void driver.wake(ctx.key).catch(() => {}),
    }
  }

  private take(advanced: Advanced): void {
    const { entries } = advanced
    this.entries.push(...entries)
    this.bytes += entries.length === 0 ? 0 : JSON.stringify(entries).length
    this.at = Math.max(this.at, advanced.at)
    this.note = advanced.status
    for (const entry of entries) this.asked.take(entry)
    this.driver.touched(this.ctx.key)
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
      this.accept({ id: '$cancel', name: '$cancel', payload: 'cancelled in Restate' })
    }
    return undefined
  }

  private arrive(signal: Signal | null): void {
    this.heard++
    this.listening = this.listen()
    if (signal === null) this.woken = true
    else this.accept(signal)
  }

  private accept(signal: Signal): void {
    this.arrived.push(signal)
    this.offer(signal, FIRST_OFFER_AGAIN_MS)
  }

  /** A live program has it at once; while it folds or replays its journal, a little later. */
  private offer(signal: Signal, againMs: number): void {
    if (!this.advancing || this.driver.host.offer(this.ctx.key, signal)) return
    setTimeout(() => this.offer(signal, Math.min(LONGEST_OFFER_AGAIN_MS, againMs * 2)), againMs).unref()
  }

  // ── keeping ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Until the run may start, or is cancelled. */
  private async rest(startAt: number): Promise<readonly Signal[]> {
    await this.driver.claim(this.ctx.key, this.claiming(-1))
    return await this.waitFor([], startAt)
  }

  private reopen({ at, entries: seq, voided }: NonNullable<Begin['reopen']>): void {
    this.entries.push({ seq, at, type: 'reopen', voided })
    this.asked.reopen(voided)
  }

  /** This generation is over. */
  private keep(signals: readonly Signal[], over: NonNullable<KeptRun['over']>): void {
    const { ctx, run, entries, note } = this
    for (let from = 0; from < entries.length; ) {
      let to = from
      for (let bytes = 0; to < entries.length && bytes < CHUNK_BYTES; to++) bytes += JSON.stringify(entries[to]).length
      ctx.set(entriesKey(run.entries + from), entries.slice(from, to))
      from = to
    }
    ctx.set(RUN_KEY, {
      ...run,
      updatedAt: entries.at(-1)?.at ?? run.updatedAt,
      entries: run.entries + entries.length,
      steps: run.steps + stepsIn(entries),
      reopenings: run.reopenings + reopeningsIn(entries),
      heard: this.heard,
      signals,
      questions: this.asked.left,
      over,
      ...(note !== undefined && { note }),
    } satisfies KeptRun)
  }
}

const FRESH: Claimed = { delivery: 1, signals: [] }
const NEVER_ABORTED: AbortSignal = new AbortController().signal
const PATIENCE = { initialRetryInterval: 50, maxRetryInterval: 5_000, retryIntervalFactor: 2 }
