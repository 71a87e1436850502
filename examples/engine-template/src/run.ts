/** One run: its loop, in the words of this engine, and what is kept of it. */
import type { Advance, Outcome, RunDescription, RunStatus, Signal, Start } from '@selvage/core'
import { type Advanced, described, endStatus, type Platform, Stretch, Waiter } from '@selvage/core/engines'
import type { Worker, Workers } from './workers.ts'

const AGAIN_MS = 20

export interface Around {
  readonly platform: Platform
  readonly workers: Workers
  /** The run has changed. */
  touched(): void
}

export class MemoryRun extends Stretch {
  readonly start: Start
  /** By id: the first one counts. */
  readonly accepted: Map<string, Signal> = new Map()
  status: RunStatus = 'pending'
  outcome: Outcome | undefined
  private readonly createdAt: number
  private readonly around: Around
  private readonly waiter: Waiter
  private waitsFor: RunDescription['waitsFor']

  constructor(runId: string, start: Start, at: number, around: Around) {
    super(runId, { entries: 0, steps: 0, at }, { platform: around.platform, namesSteps: false, rotateAfter: 'never' })
    this.start = structuredClone(start)
    this.createdAt = at
    this.around = around
    this.waiter = new Waiter((ms, act) => around.platform.timer(ms, act))
  }

  async begin(startAt: number | undefined): Promise<void> {
    if (startAt !== undefined) await this.waitFor([], startAt)
    await this.drive(this.start)
  }

  override hear(signal: Signal): void {
    this.accepted.set(signal.id, signal)
    super.hear(signal)
    this.waiter.touch()
  }

  // ── the verbs of a stretch ────────────────────────────────────────────────────────────────────────────────────────

  /** Asks until a host has answered: one that stops, or fails for want of anything, is followed by the next. */
  protected async record(_name: string, request: Advance): Promise<Advanced> {
    const { workers, platform } = this.around
    for (let delivery = 1; ; delivery++) {
      const worker = await workers.find(this.start)
      if (this.status !== 'running') this.becomes('running')
      const reply = await this.askIn(worker, request, delivery).catch(platform.report)
      // What travels is JSON, and what is kept here is what a real engine would have written before it goes on.
      if (reply !== undefined) return JSON.parse(JSON.stringify(reply)) as Advanced
      await new Promise<void>((resolve) => platform.timer(AGAIN_MS, resolve))
    }
  }

  protected override touched(): void {
    this.around.touched()
  }

  protected override async finish(outcome: Outcome): Promise<void> {
    this.outcome = outcome
    this.becomes(endStatus(outcome))
  }

  protected async rest(signals: readonly string[], until: number | undefined): Promise<void> {
    const { platform } = this.around
    const waitsFor = { signals, ...(until !== undefined && { until }) }
    if (this.status === 'running') this.becomes('suspended', waitsFor)
    while (!this.isCalled(signals) && (until === undefined || until > platform.now())) {
      this.waiter.isTouched = false
      await this.waiter.pause(until === undefined ? undefined : until - platform.now())
    }
    this.at = platform.now()
  }

  protected wake(): void {
    this.isWoken = true
    this.waiter.touch()
  }

  // ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────────

  describe(): RunDescription {
    const { start, status, outcome, createdAt, waitsFor, cursor: entries, steps, at: updatedAt, note } = this
    const standing = { start, status, outcome, createdAt, waitsFor, entries, steps, updatedAt, note, crashes: 0 }
    return described(this.runId, standing)
  }

  /** Undefined: it stopped before it had answered. */
  private async askIn({ host, stopped }: Worker, request: Advance, delivery: number): Promise<Advanced | undefined> {
    const gone = new Promise<undefined>((resolve) => {
      stopped.addEventListener('abort', () => resolve(undefined), { once: true })
    })
    return await Promise.race([this.ask(host, request, { delivery, abortSignal: stopped }), gone])
  }

  private becomes(status: RunStatus, waitsFor?: RunDescription['waitsFor']): void {
    this.status = status
    this.waitsFor = waitsFor
    this.touched()
  }
}
