/**
 * An engine in memory, as a place to begin: it passes the conformance kit, and everything that an engine must do is in it
 * once, in its shortest form.
 *
 *   start ──▶ drive ──▶ advance ──▶ one of the hosts ──▶ reply: entries to keep, and whether to go on, wait or end
 *                └────▶ waitFor ──▶ signals, or the time
 *
 * The loop of a run is `drive` of core; what is written here are its primitives, and the commands around it. On a real
 * engine `advance` is a durable call of the one registered function, `waitFor` a durable wait, and `runs` a database.
 */
import {
  type Advance,
  ConflictError,
  canonical,
  drive,
  type Engine,
  type Entry,
  type Host,
  type Progress,
  type RunDescription,
  RunError,
  type RunStatus,
  SelvageError,
  type Signal,
  type SignalReceipt,
  type Start,
  sendCancel,
} from '@selvage/core'
import { MANIFEST } from './manifest.ts'
import { MemoryRun } from './run.ts'

const AGAIN_MS = 20

/** A host that works, and what tells its advances that it does not any more. */
interface Working {
  readonly host: Host
  readonly stopped: AbortController
}

export function memoryEngine(): Engine {
  return new MemoryEngine()
}

class MemoryEngine implements Engine {
  readonly manifest = MANIFEST
  private readonly runs = new Map<string, MemoryRun>()
  private readonly working = new Set<Working>()
  private isClosed = false

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async start(runId: string, start: Start, { startAt }: { readonly startAt?: number } = {}) {
    const known = this.runs.get(runId)
    if (known === undefined) {
      const run = new MemoryRun(runId, copy(start))
      this.runs.set(runId, run)
      void this.play(run, startAt)
      return { created: true }
    }
    const isSame = known.start.program === start.program && canonical(known.start.input) === canonical(start.input)
    if (isSame) return { created: false }
    throw new ConflictError('RUN_CONFLICT', `Run ${runId} exists with another program or input.`)
  }

  async signal(runId: string, signal: Signal): Promise<SignalReceipt> {
    const run = this.run(runId)
    const first = run.accepted.get(signal.id)
    if (first !== undefined) return { accepted: false, first }
    if (run.outcome !== undefined) throw new RunError('RUN_ENDED', `Run ${runId} has ended.`)
    const accepted = { ...copy(signal), at: Date.now() }
    run.accepted.set(signal.id, accepted)
    // A program that is at work hears of it at once, and has it from the next request for certain.
    for (const { host } of this.working) host.offer(runId, accepted)
    run.arrive(accepted)
    return { accepted: true }
  }

  async cancel(runId: string, reason: string, by?: string): Promise<void> {
    const runs = {
      describe: (id: string) => this.describe(id),
      reopenings: async () => 0,
      signal: (id: string, signal: Signal) => this.signal(id, signal),
    }
    await sendCancel(runs, runId, reason, by)
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async describe(runId: string): Promise<RunDescription> {
    return this.run(runId).describe()
  }

  async journal(runId: string, from: number, limit = 1_000): Promise<readonly Entry[]> {
    return copy(this.run(runId).entries.slice(from, from + limit))
  }

  async changed(
    runId: string,
    since: { readonly status: RunStatus; readonly entries?: number },
    abortSignal?: AbortSignal,
  ): Promise<void> {
    const run = this.run(runId)
    const isSame = (): boolean =>
      run.status === since.status && (since.entries === undefined || run.entries.length === since.entries)
    while (isSame() && abortSignal?.aborted !== true) await run.nextChange({ abortSignal })
  }

  // ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async serve(host: Host): Promise<{ stop(): Promise<void> }> {
    const working: Working = { host, stopped: new AbortController() }
    this.working.add(working)
    for (const run of this.runs.values()) run.becomes(run.status, run.waitsFor)
    return {
      stop: async () => {
        this.working.delete(working)
        working.stopped.abort()
        for (const runId of this.runs.keys()) host.evict(runId)
      },
    }
  }

  async close(): Promise<void> {
    this.isClosed = true
    for (const { stopped } of this.working) stopped.abort()
    this.working.clear()
  }

  private async play(run: MemoryRun, startAt: number | undefined): Promise<void> {
    const signals = startAt === undefined ? [] : await this.waitFor(run, [], startAt)
    const outcome = await drive(
      { runId: run.id, start: run.start, signals },
      {
        advance: (_, request) => this.advance(run, request),
        waitFor: (names, until) => this.waitFor(run, names, until),
        now: () => Date.now(),
        startAnew: () => Promise.reject(new Error('its manifest says that it does not rotate')),
      },
    )
    run.end(outcome)
  }

  /** Asks until a host has answered: one that stops, or fails for want of anything, is followed by the next. */
  private async advance(run: MemoryRun, request: Advance): Promise<Progress> {
    for (let delivery = 1; ; ) {
      const working = this.able(run.start)
      if (working === undefined) {
        await run.nextChange()
        continue
      }
      if (run.status !== 'running') run.becomes('running')
      const progress = await this.ask(working, run, request, delivery++)
      if (progress === undefined) continue
      run.entries.push(...progress.entries)
      if (progress.kind === 'wait') run.becomes('suspended', progress)
      else run.becomes('running')
      return progress
    }
  }

  private able({ program, version }: Start): Working | undefined {
    const isAble = ({ host }: Working): boolean =>
      host.registered().some((other) => other.name === program && other.version === version)
    return [...this.working].find(isAble)
  }

  /** Undefined: nobody has answered, and somebody is to be asked again. */
  private async ask(
    { host, stopped }: Working,
    run: MemoryRun,
    request: Advance,
    delivery: number,
  ): Promise<Progress | undefined> {
    const { signal: abortSignal } = stopped
    const journal = { load: async (from: number) => copy(run.entries.slice(from)), keepsAll: true }
    const control = { abortSignal, heartbeat: () => {}, journal, delivery, wake: () => run.wake() }
    const gone = new Promise<undefined>((resolve) => {
      abortSignal.addEventListener('abort', () => resolve(undefined), { once: true })
    })
    try {
      // As a wire would have it: what travels is JSON.
      const reply = await Promise.race([host.advance(copy(request), control), gone])
      return reply === undefined ? undefined : copy(reply)
    } catch (error) {
      if (!SelvageError.is(error)) throw error
      await run.nextChange({ until: Date.now() + AGAIN_MS })
      return undefined
    }
  }

  private async waitFor(run: MemoryRun, names: readonly string[], until: number | undefined) {
    for (;;) {
      const taken = run.take(names, until !== undefined && until <= Date.now())
      if (taken !== undefined && !this.isClosed) return taken
      await run.nextChange({ until })
    }
  }

  private run(runId: string): MemoryRun {
    const run = this.runs.get(runId)
    if (run !== undefined) return run
    throw new RunError('NOT_FOUND', `There is no run ${runId}.`, { details: { runId } })
  }
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}
