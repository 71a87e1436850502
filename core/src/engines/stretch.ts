/**
 * A stretch of a run: what the process that drives it knows, from where the engine's own history was renewed last.
 *
 *   durable         entries, steps, bytes, note, time: all of it follows from what the engine has recorded, so whoever replays
 *                   that record has the same
 *   not journaled   signals that were heard of and that no reply has named yet; whether the program asked to be woken
 *
 * A signal goes into each request until a reply names it. While an advance is in progress it is also offered to the live
 * program, again and again while that folds or replays its journal: a cancel must reach a step that runs for an hour.
 */
import { drive, type Primitives } from '../drive.ts'
import type { Entry, Outcome, Signal, Start } from '../entry.ts'
import type { Json } from '../json.ts'
import { Offering } from '../offering.ts'
import type { Advance, Budget, Control, Host } from '../ports.ts'
import { type Advanced, advancedBy, type Reopen, reopenEntry } from './advanced.ts'
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

/** What a stretch needs of its adapter. */
export interface Ground {
  readonly platform: Pick<Platform, 'now' | 'timer'>
  /** Entries of the stretches before, from `from` on. */
  stored(from: number): Promise<readonly Entry[]>
  /** The program asks for something though its advance has returned: the engine is to advance again. */
  wake(): void
  /** When the history is to be renewed: after so many advances, or bytes of entries. */
  readonly rotateAfter: { readonly advances: number; readonly bytes: number }
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
}

const NEVER_ABORTED: AbortSignal = new AbortController().signal

export class Stretch {
  readonly runId: string
  /** As far as they are durable. */
  readonly entries: Entry[] = []
  /** Of all stretches, as far as they are durable. */
  steps: number
  /** Epoch milliseconds, by the newest thing that is durable. */
  at: number
  note: Json | undefined
  advances = 0
  /** An advance is in progress. */
  isAdvancing = false
  /** The program has asked for something after its advance. */
  isWoken = false
  private bytes = 0
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

  /** How many entries are durable, those of the stretches before included. */
  get cursor(): number {
    return this.before.entries + this.entries.length
  }

  /** Heard of, and named by no reply. */
  get signals(): readonly Signal[] {
    return [...this.pending.values()]
  }

  get isFull(): boolean {
    const { advances, bytes } = this.ground.rotateAfter
    return this.advances >= advances || this.bytes >= bytes
  }

  /** Whether there is a reason to advance: a signal of one of these names, a command (`$…`), or the program itself. */
  isCalled(names: readonly string[]): boolean {
    return this.isWoken || this.signals.some(({ name }) => names.includes(name) || name.startsWith('$'))
  }

  /** The loop of the run, in the engine's words. */
  async drive(start: Start, engine: Primitives): Promise<Outcome> {
    const { runId, cursor } = this
    return await drive({ runId, start, ...(cursor > 0 && { seed: { cursor } }) }, engine)
  }

  /** `body` resolves with what the engine has recorded; undefined: the advance is not made here. */
  async advance<T extends Advanced | undefined>(body: (number: number) => Promise<T>): Promise<T> {
    this.isWoken = false
    this.isAdvancing = true
    const advanced = await body(this.advances++)
    this.isAdvancing = false
    if (advanced !== undefined) this.take(advanced)
    return advanced
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

  hear(signal: Signal): void {
    if (this.received.has(signal.id)) return
    this.pending.set(signal.id, signal)
    this.offering.add(signal)
  }

  /** Entries from `from` on, of all stretches. */
  async load(from: number): Promise<readonly Entry[]> {
    const { entries } = this.before
    const stored = from < entries ? await this.ground.stored(from) : []
    return [...stored, ...this.entries.slice(Math.max(0, from - entries))]
  }

  /** The program is not in memory from here on. */
  evict(): void {
    this.host?.evict(this.runId)
  }

  private control({ delivery, abortSignal = NEVER_ABORTED, mayLive }: Asking): Control {
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
      wake: () => this.ground.wake(),
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
