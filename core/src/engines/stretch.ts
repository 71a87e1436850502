/**
 * A stretch of a run: what the process that drives it knows, from where the engine's own history was renewed last.
 *
 *   durable         entries, steps, bytes, note, time: all of it follows from what the engine has recorded, so whoever replays
 *                   that record has the same
 *   not journaled   signals that were heard of and that no reply has named yet; whether the program asked to be woken
 *
 * The loop is core's, and its primitives are here: an adapter says how an advance is recorded, how a run rests, and how the
 * next stretch begins.
 *
 * A signal goes into each request until a reply names it. While an advance is in progress it is also offered to the live
 * program, again and again while that folds or replays its journal: a cancel must reach a step that runs for an hour.
 */
import { drive, type Primitives } from '../drive.ts'
import { Offering } from '../fibers/offering.ts'
import type { Entry, Outcome, Signal, Start } from '../journal/entry.ts'
import type { Advance, Budget, Control, Host, Progress } from '../ports.ts'
import { probe } from '../probe.ts'
import type { Json } from '../values/json.ts'
import { type Advanced, advancedBy, entriesBetween, type Reopen, reopenEntry } from './advanced.ts'
import type { Now } from './changes.ts'
import type { Platform } from './platform.ts'

/** What was known of the run when the stretch began. */
export interface Before {
  readonly entries: number
  readonly steps: number
  /** Epoch milliseconds. */
  readonly at: number
  readonly note?: Json | undefined
  /** Signals that are not in the journal yet. */
  readonly signals?: readonly Signal[]
  /** The run had ended, and goes on with this. */
  readonly reopen?: Reopen | undefined
}

/** What a stretch needs of the process that it is in. */
export interface Ground {
  readonly platform: Pick<Platform, 'now' | 'timer'>
  /** Whether the engine's console shows steps by their names: see `Primitives.announces`. Default true. */
  readonly namesSteps?: boolean | undefined
  /** When the engine's history of a run is renewed: after so many advances, or bytes of entries. Default 500 and 4 MiB. */
  readonly rotateAfter?: { readonly advances?: number; readonly bytes?: number } | 'never' | undefined
}

/** How an advance is asked for. */
export interface Asking {
  /** As in `Control`. */
  readonly delivery: number
  readonly abortSignal?: AbortSignal
  readonly budget?: Budget
  /** Signals that the asker knows of besides. */
  readonly signals?: readonly Signal[]
  /** Whether the process that wrote an intent may live; without it, it is dead. */
  readonly mayLive?: (identity: string) => boolean
  /** As in `Control`. */
  readonly untilSure?: () => Promise<void> | undefined
}

const NEVER_ABORTED: AbortSignal = new AbortController().signal
const NOTHING: readonly Signal[] = []
const ADVANCES = 500
const BYTES: number = 4 * 1024 * 1024
/** Thrown through the loop of core: the next stretch goes on. */
const OVER: unique symbol = Symbol('over')

export abstract class Stretch implements Primitives {
  readonly runId: string
  /** As far as they are durable. */
  readonly entries: Entry[] = []
  /** Of all stretches, as far as they are durable. */
  steps: number
  /** Epoch milliseconds, by the newest thing that is durable. */
  at: number
  note: Json | undefined
  advances = 0
  /** The program has asked for something after its advance. */
  isWoken = false
  /** An advance is in progress. */
  protected isAdvancing = false
  protected bytes = 0
  private readonly before: Before
  private readonly ground: Ground
  private host: Host | undefined
  private readonly pending = new Map<string, Signal>()
  private readonly received = new Set<string>()
  private readonly offering: Offering

  constructor(runId: string, before: Before, ground: Ground) {
    this.runId = runId
    this.before = before
    this.ground = ground
    this.steps = before.steps
    this.at = before.at
    this.note = before.note
    this.offering = new Offering(
      (signal) => !this.isAdvancing || !this.pending.has(signal.id) || this.host?.offer(runId, signal) !== false,
      (ms, act) => void ground.platform.timer(ms, act),
    )
    for (const signal of before.signals ?? []) this.pending.set(signal.id, signal)
    if (before.reopen !== undefined) this.entries.push(reopenEntry(before.reopen))
  }

  // ── what the adapter brings, in the engine's words ────────────────────────────────────────────────────────────────

  /**
   * Resolves with what the engine has recorded of an advance: what `ask` gave in some process, again until it answered.
   * `name`: for the engine's console. `number`: of the advance in this stretch. Undefined: the next stretch makes it.
   */
  protected abstract record(name: string, request: Advance, number: number): Promise<Advanced | undefined>
  /** Resolves when `isCalled(names)`, or at `until`. */
  protected abstract rest(names: readonly string[], until: number | undefined): Promise<void>
  /** The program asks for something though its advance has returned: the engine is to advance again. */
  protected abstract wake(): void
  /** Entries of the stretches before, from `from` on. */
  protected async stored(_from: number): Promise<readonly Entry[]> {
    return []
  }
  /** Makes what an advance has brought known to others: its questions. */
  protected async show(_entries: readonly Entry[]): Promise<void> {}
  /** Makes the end of the run known to others. */
  protected async finish(_outcome: Outcome): Promise<void> {}
  /** The run has changed, for who waits for that in this process. `now`: all that is new. */
  protected touched(_now?: Now): void {}
  /** Begins the next stretch. */
  protected async handOn(): Promise<void> {
    throw new Error(`The history of run ${this.runId} is renewed, and its engine has said nothing of how.`)
  }

  // ── the loop ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves with how the run ended; undefined: the next stretch goes on. */
  async drive(start: Start): Promise<Outcome | undefined> {
    const { runId, cursor } = this
    let outcome: Outcome | undefined
    try {
      outcome = await drive({ runId, start, ...(cursor > 0 && { seed: { cursor } }) }, this)
      probe('engine.before-finish')
      await this.finish(outcome)
      probe('engine.after-finish')
      this.evict()
    } catch (error) {
      if (error !== OVER) throw error
    }
    this.touched()
    return outcome
  }

  async advance(name: string, request: Advance): Promise<Progress> {
    this.isWoken = false
    this.isAdvancing = true
    const advanced = await this.record(name, request, this.advances++)
    this.isAdvancing = false
    if (advanced === undefined) return await this.startAnew()
    this.take(advanced)
    await this.show(advanced.entries)
    const isGoingOn = advanced.kind === 'continue' || advanced.kind === 'rotate'
    this.touched(isGoingOn ? { status: 'running', entries: advanced.cursor } : undefined)
    return advanced
  }

  /** What was signalled goes into the next advance by itself. */
  async waitFor(names: readonly string[], until: number | undefined): Promise<readonly Signal[]> {
    if (until === undefined || until > this.at) await this.rest(names, until)
    return NOTHING
  }

  now(): number {
    return this.at
  }

  isFull(): boolean {
    const { rotateAfter = {} } = this.ground
    if (rotateAfter === 'never') return false
    const { advances = ADVANCES, bytes = BYTES } = rotateAfter
    return this.advances >= advances || this.bytes >= bytes
  }

  get announces(): boolean {
    return this.ground.namesSteps ?? true
  }

  async startAnew(): Promise<never> {
    await this.handOn()
    throw OVER
  }

  // ── what is known ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** How many entries are durable, those of the stretches before included. */
  get cursor(): number {
    return this.before.entries + this.entries.length
  }

  /** Heard of, and named by no reply. */
  get signals(): readonly Signal[] {
    return [...this.pending.values()]
  }

  /** Whether there is a reason to advance: a signal of one of these names, a command (`$…`), or the program itself. */
  isCalled(names: readonly string[]): boolean {
    return this.isWoken || this.signals.some(({ name }) => names.includes(name) || name.startsWith('$'))
  }

  /** Whether a reply has named it, or this one does. */
  protected isReceived(id: string, by?: Pick<Advanced, 'received'>): boolean {
    return this.received.has(id) || by?.received.includes(id) === true
  }

  hear(signal: Signal): void {
    if (this.received.has(signal.id) || this.pending.has(signal.id)) return
    this.pending.set(signal.id, signal)
    this.offering.add(signal)
  }

  /** One advance of the live program, in this process. What comes of it is not durable before the engine has recorded it. */
  async ask(host: Host, request: Advance, asking: Asking): Promise<Advanced> {
    const { platform } = this.ground
    this.host = host
    const signals = new Map([...this.pending.values(), ...(asking.signals ?? [])].map((signal) => [signal.id, signal]))
    const { budget } = asking
    const asked = { ...request, signals: [...signals.values()], now: platform.now(), ...(budget && { budget }) }
    const progress = await host.advance(asked, this.control(asking))
    return advancedBy(progress, platform.now(), this.steps)
  }

  /** Entries from `from` on, of all stretches. */
  async load(from: number): Promise<readonly Entry[]> {
    return await entriesBetween(this.before.entries, () => this.stored(from), this.entries, from)
  }

  /** The program is not in memory from here on. */
  evict(): void {
    this.host?.evict(this.runId)
  }

  private control({ delivery, abortSignal = NEVER_ABORTED, mayLive, untilSure }: Asking): Control {
    const load = (from: number): Promise<readonly Entry[]> => this.load(from)
    return {
      abortSignal,
      heartbeat: () => {},
      journal: { load, keepsAll: true },
      delivery,
      ...(mayLive !== undefined && {
        authorMayLive: async (seq: number) => {
          const [intent] = await load(seq)
          return intent?.type !== 'intent' || mayLive(intent.host)
        },
      }),
      ...(untilSure !== undefined && { untilSure }),
      wake: () => this.wake(),
    }
  }

  private take({ entries, received, steps, at, status }: Advanced): void {
    this.entries.push(...entries)
    this.bytes += entries.length === 0 ? 0 : JSON.stringify(entries).length
    this.steps = steps
    this.at = Math.max(this.at, at)
    this.note = status
    for (const id of received) {
      this.received.add(id)
      this.pending.delete(id)
    }
  }
}
