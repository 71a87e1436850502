/**
 * An engine in memory that makes life hard for its hosts: the protocol is proved here before any outside engine comes.
 *
 * It is an engine that keeps the journal itself (or, on request, lends a store to its hosts), built on `drive` as an
 * adapter is. What it promises is what its manifest says: with `affinity` a run stays with one host until that host's
 * process dies; with `countsDeliveries` each request says how often it has been delivered. Everything else it may do:
 * lose a reply, deliver twice, at once or late, kill processes, delay and reorder signals, rotate (see hostility.ts).
 * Requests and replies pass through JSON. Breaches of the protocol are collected in `violations`.
 */
import {
  type Advance,
  type Clock,
  ConflictError,
  canonical,
  drive,
  type Engine,
  type Entry,
  type Host,
  hasEnded,
  type Manifest,
  type Outcome,
  type Progress,
  RunError,
  type RunStatus,
  type Seed,
  SelvageError,
  type Signal,
  type Start,
} from '@selvage/core'
import { type Random, seededRandom } from '../random.ts'
import { copy } from './copy.ts'
import { Deliveries, type Delivery } from './deliveries.ts'
import { Harm, type Hostility, turns } from './hostility.ts'
import { ProtocolCheck } from './protocol-check.ts'
import { TurnRun } from './turn-run.ts'

export interface TurnEngineOptions {
  readonly clock: Clock
  /** Default `engine`. */
  readonly journal?: 'engine' | 'store'
  /** Default true. */
  readonly affinity?: boolean
  /** Default true. */
  readonly countsDeliveries?: boolean
  readonly hostility?: Hostility
  /** Default: a seed of 0. */
  readonly random?: Random
  /** Is told of deliveries, replies and deaths. */
  readonly trace?: (what: string) => void
}

export interface TurnEngine extends Engine {
  /** What hosts did that the protocol forbids. */
  readonly violations: readonly string[]
  /** Resolves with the end of a run; rejects if advancing it failed for good. */
  ended(runId: string): Promise<Outcome>
  /** Everything durable of a run, over all generations. */
  entries(runId: string): readonly Entry[]
  /** How much of a run this host can know to be durable: the highest cursor it was given, or what it could append. */
  granted(host: Host, runId: string): number
  /** In how many pieces its history of a run was kept. */
  generations(runId: string): number
  /** Lengths of the journal at which something was done to this run. */
  harmed(runId: string): readonly number[]
  /** Resolves when no advance of an ended run is in progress any more. */
  quiet(): Promise<void>
}

export function turnEngine(options: TurnEngineOptions): TurnEngine {
  return new HostileEngine(options)
}

class HostileEngine implements TurnEngine {
  readonly manifest: Manifest
  private readonly clock: Clock
  private readonly hostility: Hostility
  private readonly random: Random
  private readonly check = new ProtocolCheck()
  private readonly runs = new Map<string, TurnRun>()
  private readonly deliveries: Deliveries
  private readonly harms = new Map<TurnRun, Harm>()

  constructor(options: TurnEngineOptions) {
    const { clock, journal = 'engine', affinity = true, countsDeliveries = true, hostility = {} } = options
    this.clock = clock
    this.hostility = hostility
    this.random = options.random ?? seededRandom(0)
    this.manifest = {
      name: 'turn-engine',
      limits: {},
      journal,
      affinity,
      countsDeliveries,
      survives: 'nothing',
      abilities: { list: false, approvals: false, attach: false, rotate: true },
    }
    this.deliveries = new Deliveries(
      this.manifest,
      clock,
      this.random,
      this.check,
      hostility.doubts ?? 0,
      options.trace,
    )
  }

  get violations(): readonly string[] {
    return this.check.violations
  }

  // ── Engine ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async start(runId: string, start: Start, options?: { readonly startAt?: number }): Promise<{ created: boolean }> {
    const known = this.runs.get(runId)
    if (known !== undefined) {
      if (known.start.program === start.program && canonical(known.start.input) === canonical(start.input)) {
        return { created: false }
      }
      throw new ConflictError('RUN_CONFLICT', `Run ${runId} exists with another program or input.`)
    }
    const run = new TurnRun(runId, copy(start), this.clock.now())
    this.runs.set(runId, run)
    if (options?.startAt === undefined) this.drive(run)
    else void this.waitFor(run, [], options.startAt).then((early) => this.drive(run, undefined, early))
    return { created: true }
  }

  async signal(runId: string, signal: Signal): Promise<{ accepted: true } | { accepted: false; first: Signal }> {
    const run = this.run(runId)
    const first = run.accepted.get(signal.id)
    if (first !== undefined) return { accepted: false, first }
    if (run.outcome !== undefined) throw new RunError('RUN_ENDED', `Run ${runId} has ended.`)
    const accepted: Signal = { ...copy(signal), at: this.clock.now() }
    run.accepted.set(signal.id, accepted)
    const harm = this.harm(run)
    if (harm.strikes('offers')) for (const host of this.deliveries.hosts) host.offer(runId, copy(accepted))
    if (harm.strikes('delaysSignals')) this.deliveries.track(harm.delay().then(() => run.arrive(accepted)))
    else run.arrive(accepted)
    return { accepted: true }
  }

  async cancel(runId: string, reason: string, by?: string): Promise<void> {
    await this.signal(runId, { id: '$cancel', name: '$cancel', payload: reason, ...(by !== undefined && { by }) })
  }

  async describe(runId: string): ReturnType<Engine['describe']> {
    const { id, start, status, createdAt, updatedAt, entries, outcome, waitsFor } = this.run(runId)
    const { program, version, parent, tenant, queue, tags = {} } = start
    return {
      id,
      start,
      status,
      program,
      tags,
      ...(version !== undefined && { version }),
      ...(parent !== undefined && { parent: parent.runId }),
      ...(tenant !== undefined && { tenant }),
      ...(queue !== undefined && { queue }),
      createdAt,
      updatedAt,
      entries: entries.length,
      steps: entries.filter(({ type }) => type === 'step').length,
      crashes: 0,
      ...(waitsFor !== undefined && { waitsFor }),
      ...(outcome !== undefined && { outcome, endedAt: updatedAt }),
    }
  }

  async journal(runId: string, from: number, limit = 1_000): Promise<readonly Entry[]> {
    return copy(this.run(runId).entries.slice(from, from + limit))
  }

  async changed(
    runId: string,
    since: { readonly entries?: number; readonly status: RunStatus; readonly untilEnd?: true },
    abortSignal?: AbortSignal,
  ): Promise<void> {
    const run = this.run(runId)
    const { entries, status, untilEnd = false } = since
    const isSame = (): boolean => {
      if (untilEnd) return !hasEnded(run.status)
      return run.status === status && (entries === undefined || run.entries.length === entries)
    }
    while (isSame() && abortSignal?.aborted !== true) {
      await run.nextChange((done) => {
        abortSignal?.addEventListener('abort', done, { once: true })
        return () => abortSignal?.removeEventListener('abort', done)
      })
    }
  }

  async serve(host: Host): Promise<{ stop(): Promise<void> }> {
    const { hosts } = this.deliveries
    hosts.push(host)
    return {
      stop: async () => {
        for (const run of this.runs.values()) this.deliveries.kill(host, run)
        hosts.splice(hosts.indexOf(host), 1)
      },
    }
  }

  async close(): Promise<void> {
    this.deliveries.close(this.runs.values())
  }

  // ── TurnEngine ────────────────────────────────────────────────────────────────────────────────────────────────────

  ended(runId: string): Promise<Outcome> {
    return this.run(runId).ended
  }

  entries(runId: string): readonly Entry[] {
    return this.run(runId).entries
  }

  granted(host: Host, runId: string): number {
    if (this.manifest.journal === 'engine') return this.check.granted(host, runId)
    const { owner, entries, lostAt } = this.run(runId)
    return owner === host ? entries.length : (lostAt.get(host) ?? -1)
  }

  generations(runId: string): number {
    return this.run(runId).generations
  }

  harmed(runId: string): readonly number[] {
    return this.run(runId).harmed
  }

  async quiet(): Promise<void> {
    await this.deliveries.quiet()
  }

  // ── the loop of a run ─────────────────────────────────────────────────────────────────────────────────────────────

  private drive(run: TurnRun, seed?: Seed, signals: readonly Signal[] = []): void {
    run.generations++
    run.advances = 0
    run.seed = seed
    const { rotatesEvery } = this.hostility
    const primitives = {
      advance: (_: string, request: Advance) => this.advance(run, request),
      waitFor: (names: readonly string[], until: number | undefined) => this.waitFor(run, names, until),
      now: () => this.clock.now(),
      isFull: () => rotatesEvery !== undefined && run.advances >= rotatesEvery,
      startAnew: (next: Seed, left: readonly Signal[]) => {
        this.drive(run, copy(next), copy(left))
        return new Promise<never>(() => {})
      },
    }
    drive({ runId: run.id, start: run.start, ...(seed !== undefined && { seed }), signals }, primitives).then(
      (outcome) => run.end(outcome, this.clock.now()),
      (error: unknown) => run.breakDown(error),
    )
  }

  private async waitFor(run: TurnRun, names: readonly string[], until: number | undefined): Promise<readonly Signal[]> {
    if (names.length > 0 && this.harm(run).strikes('wakesForNothing')) run.wake()
    while (true) {
      const taken = run.take(names, until !== undefined && until <= this.clock.now())
      if (taken !== undefined) return copy(taken)
      await run.nextChange((done) =>
        until === undefined ? undefined : this.clock.timer(until - this.clock.now(), done),
      )
    }
  }

  private async advance(run: TurnRun, request: Advance): Promise<Progress> {
    const { budgetMs } = this.hostility
    const text = JSON.stringify(budgetMs === undefined ? request : { ...request, budget: { ms: budgetMs } })
    const harm = this.harm(run)
    if (run.status !== 'pending' || this.deliveries.hosts.length > 0) run.status = 'running'
    run.waitsFor = undefined
    for (let delivery = 1; ; delivery++) {
      if (harm.strikes('drops')) await this.deliveries.killNext(run)
      const tries = [await this.deliveries.deliver(run, text, delivery, harm)]
      const atOnce = this.random.chance(0.5)
      if (atOnce ? harm.strikes('deliversTwice') : await harm.strikesLater('deliversTwice')) {
        tries.push(await this.deliveries.deliver(run, text, ++delivery, harm, true))
      }
      const progress = await this.first(tries)
      if (progress === undefined || harm.strikes('losesReplies')) continue
      this.take(run, JSON.parse(text), progress)
      for (const { abort } of tries) if (this.random.chance(0.5)) abort.abort()
      this.deliveries.track(this.deliverLate(run, text, delivery + 1))
      return progress
    }
  }

  private async deliverLate(run: TurnRun, text: string, delivery: number): Promise<void> {
    const harm = this.harm(run)
    if (await harm.strikesLater('deliversLate'))
      await (await this.deliveries.deliver(run, text, delivery, harm, true)).reply
  }

  /** The first reply; nothing if no process lived to give one. */
  private async first(tries: readonly Delivery[]): Promise<Progress | undefined> {
    try {
      return await Promise.any(tries.map(({ reply }) => reply))
    } catch (error) {
      const errors = error instanceof AggregateError ? error.errors : [error]
      const fatal = errors.find(
        (each) => !SelvageError.is(each) || !['LeaseLostError', 'EngineError'].includes(each.name),
      )
      if (fatal !== undefined) throw fatal
      await turns(1)
      return undefined
    }
  }

  private take(run: TurnRun, request: Advance, progress: Progress): void {
    const inReply = this.manifest.journal === 'engine'
    this.check.taken(request, progress, run.entries, inReply)
    if (inReply) run.entries.push(...progress.entries)
    run.advances++
    run.returned()
    run.updatedAt = this.clock.now()
    run.status = progress.kind === 'wait' ? 'suspended' : 'running'
    run.waitsFor = progress.kind === 'wait' ? progress : undefined
    run.changed()
  }

  private harm(run: TurnRun): Harm {
    const harm = this.harms.get(run) ?? new Harm(this.hostility, this.random, run)
    this.harms.set(run, harm)
    return harm
  }

  private run(runId: string): TurnRun {
    const run = this.runs.get(runId)
    if (run !== undefined) return run
    throw new RunError('NOT_FOUND', `No run ${runId}.`)
  }
}
