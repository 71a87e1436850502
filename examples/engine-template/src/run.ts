/** One run: its loop, in the words of this engine, and what is kept of it. */
import type { Advance, Outcome, Primitives, Progress, RunDescription, RunStatus, Signal, Start } from '@selvage/core'
import { type Advanced, described, endStatus, type Platform, Stretch } from '@selvage/core/engines'
import type { Worker, Workers } from './workers.ts'

const AGAIN_MS = 20

export interface Around {
  readonly platform: Platform
  readonly workers: Workers
  /** The run has changed. */
  touched(): void
}

export class MemoryRun implements Primitives {
  readonly start: Start
  readonly stretch: Stretch
  /** By id: the first one counts. */
  readonly accepted: Map<string, Signal> = new Map()
  status: RunStatus = 'pending'
  outcome: Outcome | undefined
  private readonly createdAt: number
  private readonly around: Around
  private waitsFor: RunDescription['waitsFor']
  private wakeUp = (): void => {}

  constructor(runId: string, start: Start, at: number, around: Around) {
    this.start = structuredClone(start)
    this.createdAt = at
    this.around = around
    this.stretch = new Stretch(
      runId,
      { entries: 0, steps: 0, at },
      {
        platform: around.platform,
        stored: async () => [],
        wake: () => {
          this.stretch.isWoken = true
          this.wakeUp()
        },
        rotateAfter: { advances: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY },
      },
    )
  }

  async drive(startAt: number | undefined): Promise<void> {
    if (startAt !== undefined) await this.waitFor([], startAt)
    this.outcome = await this.stretch.drive(this.start, this)
    this.becomes(endStatus(this.outcome))
  }

  hear(signal: Signal): void {
    this.accepted.set(signal.id, signal)
    this.stretch.hear(signal)
    this.wakeUp()
  }

  // ── Primitives ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Asks until a host has answered: one that stops, or fails for want of anything, is followed by the next. */
  async advance(_name: string, request: Advance): Promise<Progress> {
    const { workers, platform } = this.around
    const progress = await this.stretch.advance(async () => {
      for (let delivery = 1; ; delivery++) {
        const worker = await workers.find(this.start)
        if (this.status !== 'running') this.becomes('running')
        const reply = await this.ask(worker, request, delivery).catch(platform.report)
        // What travels is JSON, and what is kept here is what a real engine would have written before it goes on.
        if (reply !== undefined) return JSON.parse(JSON.stringify(reply)) as Advanced
        await new Promise<void>((resolve) => platform.timer(AGAIN_MS, resolve))
      }
    })
    if (progress.kind === 'wait') this.becomes('suspended', progress)
    else this.around.touched()
    return progress
  }

  async waitFor(names: readonly string[], until: number | undefined): Promise<readonly Signal[]> {
    const { platform } = this.around
    while (!this.stretch.isCalled(names) && (until === undefined || until > platform.now())) {
      await new Promise<void>((resolve) => {
        const cancel = until === undefined ? undefined : platform.timer(until - platform.now(), resolve)
        this.wakeUp = () => {
          cancel?.()
          resolve()
        }
      })
    }
    // They go into the next advance by themselves.
    return []
  }

  now(): number {
    return this.around.platform.now()
  }

  startAnew(): Promise<never> {
    return Promise.reject(new Error('its manifest says that it does not rotate'))
  }

  // ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────────

  describe(): RunDescription {
    const { start, status, outcome, createdAt, waitsFor, stretch } = this
    const { cursor: entries, steps, at: updatedAt, note } = stretch
    return described(stretch.runId, {
      ...{ start, status, outcome, createdAt, updatedAt, waitsFor, note },
      ...{ entries, steps, crashes: 0 },
    })
  }

  /** Undefined: it stopped before it had answered. */
  private async ask({ host, stopped }: Worker, request: Advance, delivery: number): Promise<Advanced | undefined> {
    const gone = new Promise<undefined>((resolve) => {
      stopped.addEventListener('abort', () => resolve(undefined), { once: true })
    })
    return await Promise.race([this.stretch.ask(host, request, { delivery, abortSignal: stopped }), gone])
  }

  private becomes(status: RunStatus, waitsFor?: RunDescription['waitsFor']): void {
    this.status = status
    this.waitsFor = waitsFor
    this.around.touched()
  }
}
