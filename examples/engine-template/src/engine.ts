/**
 * An engine in memory, as a place to begin: it passes the conformance kit, and everything that an engine must do is in it
 * once, in its shortest form.
 *
 *   start ──▶ begin ──▶ MemoryRun.drive ──▶ advance ──▶ a worker ──▶ reply: entries to keep, and whether to go on, wait or end
 *   signal ──▶ send ──▶ MemoryRun.hear      └────▶ waitFor ──▶ a signal, or the time
 *
 * What is the same on every engine is in `OutsideEngine` and `Stretch` of core; what is written here are the verbs that
 * they ask for. On a real engine `begin` and `send` are durable commands, `look` and `read` queries, and `runs` a database.
 */
import type { Engine, Entry, Host, RunDescription, Signal, SignalReceipt, Start } from '@selvage/core'
import { noRun, OutsideEngine, runEnded } from '@selvage/core/engines'
import { nodePlatform } from '@selvage/runtime-node'
import { MANIFEST } from './manifest.ts'
import { MemoryRun } from './run.ts'
import { Workers } from './workers.ts'

const PLACE = 'memory'

export function memoryEngine(): Engine {
  return new MemoryEngine()
}

class MemoryEngine extends OutsideEngine {
  readonly manifest = MANIFEST
  private readonly runs = new Map<string, MemoryRun>()
  private readonly workers = new Workers()

  constructor() {
    super(PLACE, nodePlatform())
  }

  protected async begin(runId: string, start: Start, at: number, startAt?: number): Promise<Start | undefined> {
    const there = this.runs.get(runId)
    if (there !== undefined) return there.start
    const { platform, workers } = this
    const run = new MemoryRun(runId, start, at, { platform, workers, touched: () => this.changes.touched(runId) })
    this.runs.set(runId, run)
    void run.begin(startAt)
    return undefined
  }

  protected async send(runId: string, signal: Signal): Promise<SignalReceipt> {
    const run = this.run(runId)
    const first = run.accepted.get(signal.id)
    if (first !== undefined) return { accepted: false, first }
    if (run.outcome !== undefined) throw runEnded(runId, run.status)
    run.hear(structuredClone(signal))
    return { accepted: true }
  }

  protected async look(runId: string): Promise<RunDescription> {
    return this.run(runId).describe()
  }

  protected async read(runId: string, from: number, limit: number): Promise<readonly Entry[]> {
    return structuredClone(this.run(runId).entries.slice(from, from + limit))
  }

  protected async work(host: Host): Promise<() => Promise<void>> {
    const stop = this.workers.add(host)
    return async () => {
      stop()
      for (const runId of this.runs.keys()) host.evict(runId)
    }
  }

  private run(runId: string): MemoryRun {
    const run = this.runs.get(runId)
    if (run === undefined) throw noRun(PLACE, runId)
    return run
  }
}
