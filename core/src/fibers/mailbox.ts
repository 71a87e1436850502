/**
 * The signals and waits of a fiber.
 *
 *   signal:  arriving (its entry is on its way) ──settled──▶ in the journal's inbox ──▶ consumed by one wait
 *   wait:    open ──▶ ended (its entry is on its way: a signal claimed, or time over) ──settled──▶ answered
 *
 * A signal counts once by its id. What is never true: one signal claimed by two waits; a wait ended by a signal that is
 * not in the journal before it.
 */
import type { Signal } from '../journal/entry.ts'
import type { EndedWait } from '../journal/known.ts'
import type { WaitResult } from '../ports.ts'
import { decode } from '../values/codec.ts'
import type { Json } from '../values/json.ts'
import type { AskedWait } from './asked.ts'
import type { Fiber } from './fiber.ts'
import { OpenWaits } from './open-waits.ts'

export class Mailbox {
  /** Those that nothing has ended yet. */
  readonly open: OpenWaits = new OpenWaits()
  private readonly fiber: Fiber
  private readonly waits = new Map<string, AskedWait>()
  /** By name, oldest first, and by id. */
  private readonly arriving = new Map<string, Map<string, Signal>>()
  private readonly arrivingIds = new Set<string>()
  /** Ids of signals whose `wait` entry is not settled yet. */
  private readonly claimed = new Set<string>()

  constructor(fiber: Fiber) {
    this.fiber = fiber
  }

  // ── signals ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Journals a signal and ends the wait that it answers. Only when live. */
  accept(signal: Signal): void {
    if (this.knows(signal)) return
    this.arrivingIds.add(signal.id)
    const named = this.arriving.get(signal.name)
    if (named === undefined) this.arriving.set(signal.name, new Map([[signal.id, signal]]))
    else named.set(signal.id, signal)
    this.fiber.produce({ type: 'signal', signal })
    const wait = this.open.oldest(signal.name)
    if (wait !== undefined) this.match(wait)
  }

  /** Whether a signal is journaled or about to be, or is of no further use. */
  knows({ id, name }: Signal): boolean {
    if (this.fiber.known.seen(id) || (name.startsWith('$') && name !== '$cancel')) return true
    return this.arrivingIds.has(id)
  }

  arrived(signalName: string): boolean {
    return this.unclaimed(signalName) !== undefined
  }

  settleSignal({ id, name }: Signal): void {
    if (!this.arrivingIds.delete(id)) return
    const named = this.arriving.get(name)
    named?.delete(id)
    if (named?.size === 0) this.arriving.delete(name)
  }

  /** The oldest signal of that name, journaled or about to be, that no wait has taken. */
  private unclaimed(name: string): Signal | undefined {
    for (const signal of this.fiber.known.inbox(name)) if (!this.claimed.has(signal.id)) return signal
    for (const signal of this.arriving.get(name)?.values() ?? []) if (!this.claimed.has(signal.id)) return signal
    return undefined
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
      }
      const { waits } = fiber.known
      const ended = waits.get(key)
      if (ended !== undefined) {
        waits.delete(key)
        fiber.owed.watch(this.answer(wait, ended))
        return
      }
      this.waits.set(key, wait)
      this.open.add(wait)
      if (fiber.live) this.match(wait)
      fiber.asked()
    })
  }

  settleWait(key: string): Promise<void> | undefined {
    const wait = this.waits.get(key)
    if (wait === undefined) return undefined
    this.waits.delete(key)
    this.open.delete(wait)
    const { waits } = this.fiber.known
    const ended = waits.get(key)
    waits.delete(key)
    if (ended === undefined) return undefined
    if (ended.signal !== undefined) this.claimed.delete(ended.signal.id)
    return this.answer(wait, ended)
  }

  /** What came during replay ends the waits that the journal left open. */
  goLive(): void {
    for (const wait of this.waits.values()) if (this.open.has(wait)) this.match(wait)
  }

  /** Ends waits whose time has come, in the order of their times: nobody may have been here to look at the first. */
  expire(now: number): void {
    for (const wait of this.open.due(now)) {
      this.open.delete(wait)
      this.fiber.produce({ type: 'wait', key: wait.key })
    }
  }

  cancel(error: unknown): void {
    for (const [key, wait] of this.waits) {
      if (wait.shielded) continue
      this.waits.delete(key)
      this.open.delete(wait)
      wait.reject(error)
    }
  }

  /** Nothing that an open wait waits for has come. */
  get isUnanswered(): boolean {
    for (const name of this.open.names()) if (this.arrived(name)) return false
    return true
  }

  private match(wait: AskedWait): void {
    const signal = this.unclaimed(wait.signalName)
    if (signal === undefined) return
    this.claimed.add(signal.id)
    this.open.delete(wait)
    this.fiber.produce({ type: 'wait', key: wait.key, signalId: signal.id })
  }

  private async answer(wait: AskedWait, { signal, at }: EndedWait): Promise<void> {
    this.fiber.settling.given(at, wait.key)
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
