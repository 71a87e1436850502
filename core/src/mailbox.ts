/**
 * The signals and waits of a fiber.
 *
 *   signal:  arriving (its entry is on its way) ──settled──▶ in the journal's inbox ──▶ consumed by one wait
 *   wait:    open ──▶ recorded (its entry is on its way: a signal claimed, or time over) ──settled──▶ answered
 *
 * A signal counts once by its id. What is never true: one signal claimed by two waits; a wait ended by a signal that is
 * not in the journal before it.
 */
import type { AskedWait } from './asked.ts'
import { decode } from './codec.ts'
import type { Signal } from './entry.ts'
import type { Fiber } from './fiber.ts'
import type { Json } from './json.ts'
import type { EndedWait } from './known.ts'
import type { WaitResult } from './ports.ts'

const NONE: readonly AskedWait[] = []

export class Mailbox {
  private readonly fiber: Fiber
  private readonly waits = new Map<string, AskedWait>()
  private readonly arriving: Signal[] = []
  /** Ids of signals whose `wait` entry is not settled yet. */
  private readonly claimed = new Set<string>()

  constructor(fiber: Fiber) {
    this.fiber = fiber
  }

  // ── signals ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Journals a signal and ends the wait that it answers. Only when live. */
  accept(signal: Signal): void {
    if (this.knows(signal)) return
    this.arriving.push(signal)
    this.fiber.produce({ type: 'signal', signal })
    for (const wait of this.waits.values()) {
      if (wait.signalName === signal.name && !wait.recorded) {
        this.match(wait)
        break
      }
    }
  }

  /** Whether a signal is journaled or about to be, or is of no further use. */
  knows(signal: Signal): boolean {
    if (this.fiber.known.seen(signal.id) || (signal.name.startsWith('$') && signal.name !== '$cancel')) return true
    return this.arriving.some((other) => other.id === signal.id)
  }

  arrived(signalName: string): boolean {
    return this.unclaimed(signalName) !== undefined
  }

  settleSignal(signal: Signal): void {
    const at = this.arriving.findIndex((candidate) => candidate.id === signal.id)
    if (at >= 0) this.arriving.splice(at, 1)
  }

  /** The oldest signal of that name, journaled or about to be, that no wait has taken. */
  private unclaimed(name: string): Signal | undefined {
    const free = (signal: Signal): boolean => !this.claimed.has(signal.id)
    return (
      this.fiber.known.inbox(name).find(free) ?? this.arriving.find((signal) => signal.name === name && free(signal))
    )
  }

  // ── waits ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  holds(key: string): boolean {
    return this.waits.has(key)
  }

  /** Opens a wait, or answers it from what the journal has passed by. */
  ask<T>(key: string, signalName: string, until: number | undefined, shielded: boolean): Promise<WaitResult<T>> {
    const { fiber } = this
    return new Promise((resolve, reject) => {
      const wait: AskedWait = {
        key,
        signalName,
        until,
        shielded,
        resolve: resolve as (result: WaitResult<unknown>) => void,
        reject,
        recorded: false,
      }
      const { waits } = fiber.known
      const ended = waits.get(key)
      if (ended !== undefined) {
        waits.delete(key)
        fiber.owed.watch(this.answer(wait, ended))
        return
      }
      this.waits.set(key, wait)
      if (fiber.live) this.match(wait)
      fiber.asked()
    })
  }

  settleWait(key: string): Promise<void> | undefined {
    const wait = this.waits.get(key)
    if (wait === undefined) return undefined
    this.waits.delete(key)
    const { waits } = this.fiber.known
    const ended = waits.get(key)
    waits.delete(key)
    if (ended === undefined) return undefined
    if (ended.signal !== undefined) this.claimed.delete(ended.signal.id)
    return this.answer(wait, ended)
  }

  /** What came during replay ends the waits that the journal left open. */
  goLive(): void {
    for (const wait of this.waits.values()) if (!wait.recorded) this.match(wait)
  }

  /** Ends waits whose time has come, in the order of their times: nobody may have been here to look at the first. */
  expire(now: number): void {
    if (this.waits.size === 0) return
    const due: { readonly wait: AskedWait; readonly until: number }[] = []
    for (const wait of this.waits.values()) {
      const { recorded, until } = wait
      if (!recorded && until !== undefined && until <= now) due.push({ wait, until })
    }
    for (const { wait } of due.sort((a, b) => a.until - b.until)) {
      wait.recorded = true
      this.fiber.produce({ type: 'wait', key: wait.key })
    }
  }

  cancel(error: unknown): void {
    for (const [key, wait] of this.waits) {
      if (wait.shielded) continue
      this.waits.delete(key)
      wait.reject(error)
    }
  }

  /** Waits that nothing has ended yet. */
  open(): readonly AskedWait[] {
    return this.waits.size === 0 ? NONE : [...this.waits.values()].filter((wait) => !wait.recorded)
  }

  /** Nothing that an open wait waits for has come. */
  get isUnanswered(): boolean {
    return this.open().every((wait) => this.unclaimed(wait.signalName) === undefined)
  }

  private match(wait: AskedWait): void {
    const signal = this.unclaimed(wait.signalName)
    if (signal === undefined) return
    this.claimed.add(signal.id)
    wait.recorded = true
    this.fiber.produce({ type: 'wait', key: wait.key, signalId: signal.id })
  }

  private async answer(wait: AskedWait, { signal, at }: EndedWait): Promise<void> {
    this.fiber.given(at, wait.key)
    if (signal === undefined) {
      wait.resolve({ ok: false, at })
      return
    }
    const read = (): Promise<Json> => this.payloadOf(signal)
    await this.fiber.owed.given(read(), read, (payload) => {
      wait.resolve({ ok: true, value: decode(payload), signal: { ...signal, payload } })
    })
  }

  /** The result of a child is packed inside the outcome that its signal brings. */
  private async payloadOf({ name, payload }: Signal): Promise<Json> {
    const { offload } = this.fiber.env
    const whole = await offload.unpack(payload)
    if (!name.startsWith('child:') || typeof whole !== 'object' || whole === null || !('ok' in whole)) return whole
    return { ok: await offload.unpack(whole.ok) }
  }
}
