/**
 * Commands and reads of an engine whose journal lies in another system, on what its adapter brings: how a run is begun,
 * sent to, looked at, reopened and worked on there. What must be the same everywhere is said here once: what makes a start
 * idempotent, how a cancel and a retry go, that an engine that was closed says so, and who is told of changes.
 */
import { tellParent } from '../fibers/told-parent.ts'
import type { Entry, Signal, Start } from '../journal/entry.ts'
import type { Engine, Host, Manifest, ServeOptions, SignalReceipt } from '../ports.ts'
import { probe } from '../probe.ts'
import type { RunDescription } from '../records.ts'
import { canonical } from '../values/codec.ts'
import type { Json } from '../values/json.ts'
import type { Reopen } from './advanced.ts'
import { Changes, type Look, type Pauses } from './changes.ts'
import type { Platform } from './platform.ts'
import { checkNumbers, engineClosed, retriedBefore, startedOtherwise } from './refusals.ts'
import { reopenRun, sendCancel } from './reopen.ts'

const DEFAULT_CONCURRENCY = 100
const JOURNAL_PAGE = 1_000

/** An engine that lists its runs, keeps questions and retries: what is optional in the port is there. */
export type ListingEngine = Engine & Required<Pick<Engine, 'list' | 'questions' | 'question' | 'retry'>>

export abstract class OutsideEngine implements Engine {
  abstract readonly manifest: Manifest
  protected readonly platform: Platform
  protected readonly changes: Changes
  /** Of the workers in this process. */
  protected readonly hosts: Set<Host> = new Set()
  protected readonly place: string
  private readonly stops = new Set<() => Promise<void>>()
  /** Ends from outside, of which this process has told the parents. */
  private readonly toldOf = new Set<string>()
  private isClosed = false

  /** `place`: where its runs lie, for people. */
  constructor(place: string, platform: Platform, pauses: Pauses = {}) {
    this.place = place
    this.platform = platform
    this.changes = new Changes(place, platform, pauses, (runId) => this.watch(runId))
  }

  // ── what the adapter brings ───────────────────────────────────────────────────────────────────────────────────────

  /** Resolves when the run is durable: undefined if it was made, else how the one was started that is there. */
  protected abstract begin(runId: string, start: Start, at: number, startAt?: number): Promise<Start | undefined>
  /**
   * Resolves when the signal is durable, or another one has its id. NOT_FOUND; RUN_ENDED, unless it brings the end of a child
   * (`isOfChild`) and the run may be retried: it is sent once.
   */
  protected abstract send(runId: string, signal: Signal): Promise<SignalReceipt>
  /** NOT_FOUND. */
  protected abstract look(runId: string): Promise<RunDescription>
  /** NOT_FOUND. Entries from `from` on, at most `limit`. */
  protected abstract read(runId: string, from: number, limit: number): Promise<readonly Entry[]>
  /** Begins to work; resolves with what ends it. */
  protected abstract work(host: Host, concurrency: number): Promise<() => Promise<void>>
  /** Gives back what is open. */
  protected async release(): Promise<void> {}
  /** How often the run was retried. */
  protected async reopenings(_runId: string): Promise<number> {
    return 0
  }
  /** A look that may be cheaper, for who waits for a change. */
  protected watch(runId: string): Promise<Look> {
    return this.look(runId)
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async start(runId: string, start: Start, { startAt }: { startAt?: number } = {}): Promise<{ created: boolean }> {
    this.checkOpen()
    return begun(runId, start, await this.begin(runId, start, this.platform.now(), startAt))
  }

  async signal(runId: string, signal: Signal): Promise<SignalReceipt> {
    this.checkOpen()
    probe('engine.before-signal')
    const receipt = await this.send(runId, { ...signal, at: this.platform.now() })
    probe('engine.after-signal')
    return receipt
  }

  async cancel(runId: string, reason: string, by?: string): Promise<void> {
    const reopenings = (id: string): Promise<number> => this.reopenings(id)
    await sendCancel({ ...this.own, reopenings }, runId, reason, by)
  }

  /** For `retry`, where the adapter has it. `reopen`: false if somebody else was faster. */
  protected async retryBy(runId: string, reopen: (runId: string, reopen: Reopen) => Promise<boolean>): Promise<void> {
    this.checkOpen()
    const runs = {
      ...this.own,
      load: (id: string) => this.read(id, 0, Number.MAX_SAFE_INTEGER),
      reopen: async (id: string, entries: number, voided: readonly string[], at: number) => {
        if (!(await reopen(id, { at, entries, voided }))) throw retriedBefore(id)
      },
    }
    await reopenRun(runs, runId, this.platform.now())
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async describe(runId: string): Promise<RunDescription> {
    this.checkOpen()
    return await this.look(runId)
  }

  async journal(runId: string, from: number, limit: number = JOURNAL_PAGE): Promise<readonly Entry[]> {
    this.checkOpen()
    return await this.read(runId, from, limit)
  }

  async changed(...[runId, since, abortSignal]: Parameters<Engine['changed']>): Promise<void> {
    this.checkOpen()
    await this.changes.wait(runId, since, abortSignal)
  }

  // ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async serve(
    host: Host,
    { concurrency = DEFAULT_CONCURRENCY }: ServeOptions = {},
  ): Promise<{ stop(): Promise<void> }> {
    this.checkOpen()
    checkNumbers(this.place, { concurrency }, { least: 1, isWhole: true })
    const working = this.work(host, concurrency)
    // Whoever closes the engine meanwhile waits for what has begun, and ends it.
    const stop = async (): Promise<void> => {
      if (!this.stops.delete(stop)) return
      const end = await working.catch(() => undefined)
      await end?.()
      this.hosts.delete(host)
    }
    this.stops.add(stop)
    await working.catch((error) => {
      this.stops.delete(stop)
      throw error
    })
    if (!this.stops.has(stop)) throw engineClosed(this.place)
    this.hosts.add(host)
    return { stop }
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    await Promise.all([...this.stops].map((stop) => stop()))
    if (this.isClosed) return
    this.isClosed = true
    this.changes.close()
    await this.release()
  }

  /**
   * Rule 11 for a run that was ended by the system that keeps it, and so could not tell its parent: whoever sees that end
   * first tells it. No look fails for it; the next one tries again.
   */
  protected async tellOfEnd(run: Pick<RunDescription, 'id' | 'start' | 'outcome'>, reopenings: number): Promise<void> {
    const { id, start, outcome } = run
    const end = `${reopenings} ${id}`
    if (outcome === undefined || start.parent === undefined || this.toldOf.has(end)) return
    this.toldOf.add(end)
    try {
      await tellParent(this, id, start, reopenings, outcome)
    } catch (error) {
      this.toldOf.delete(end)
      this.platform.report(error)
    }
  }

  /** One here that has the program of a run. */
  protected hostFor(start: Start): Host | undefined {
    return [...this.hosts].find((host) => isRegistered(host, start))
  }

  protected checkOpen(): void {
    if (this.isClosed) throw engineClosed(this.place)
  }

  private get own(): Pick<Engine, 'describe' | 'signal'> {
    return { describe: (id) => this.describe(id), signal: (id, signal) => this.signal(id, signal) }
  }
}

export function isRegistered(host: Host, { program, version }: Pick<Start, 'program' | 'version'>): boolean {
  return host.registered().some((other) => other.name === program && other.version === version)
}

/** What comes of a start where a run is `there`. RUN_CONFLICT: another one. */
export function begun(runId: string, start: Start, there: Start | undefined): { readonly created: boolean } {
  if (there !== undefined && identity(there) !== identity(start)) throw startedOtherwise(runId, there.program)
  return { created: there === undefined }
}

/** Two starts of one id are the same run if these are. */
function identity({ program, input, forkedFrom }: Start): string {
  const { runId = null, at = null, effects = null } = forkedFrom ?? {}
  return canonical([program, input, runId, at, effects as Json])
}
