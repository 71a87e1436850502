/** The runs that a worker holds, by id, and how signals reach them while they are being advanced. */
import type { HeldRun } from './held-run.ts'
import { inTurns } from './in-turns.ts'

export class Holdings {
  private readonly runs = new Map<string, HeldRun>()
  /** Grows with every signal that may have arrived: who claims compares, as a claim hands out the signals before it. */
  signalsSeen = 0

  get size(): number {
    return this.runs.size
  }

  get(runId: string): HeldRun | undefined {
    return this.runs.get(runId)
  }

  add(run: HeldRun): void {
    this.runs.set(run.runId, run)
  }

  remove(run: HeldRun): void {
    if (this.runs.get(run.runId) === run) this.runs.delete(run.runId)
  }

  all(): readonly HeldRun[] {
    return [...this.runs.values()]
  }

  /** This process has accepted a signal. Those of others that were accepted before it are handed over before it. */
  signalled(runId: string): void {
    this.signalsSeen++
    const run = this.runs.get(runId)
    // What cannot be read now is read at the next look.
    if (run !== undefined) void run.lookIntoInbox().catch(() => {})
  }

  /** Somebody may have: looks into the inbox of every run that is being advanced; the others look before they go on. */
  async lookForSignals(): Promise<void> {
    this.signalsSeen++
    await this.handOver(this.all())
  }

  /** Others have them. */
  loseAll(): void {
    for (const run of this.all()) run.lose()
  }

  async handOver(runs: readonly HeldRun[]): Promise<void> {
    await inTurns(runs, (run) => run.lookIntoInbox())
  }
}
