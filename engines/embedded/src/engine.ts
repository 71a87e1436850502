/**
 * The embedded engine: workers, claims and timers in your own process, on any store.
 *
 * The engine keeps nothing itself. Each of its commands is one transition of the store, after which it tells whom it
 * may concern in this process; other processes hear of it from the store (bell.ts).
 *
 *   start, signal, cancel, retry ──▶ store ──▶ worker: claim, advance, suspend or finish ──▶ whoever waits for a change
 */
import {
  type Attachment,
  type DescribeOptions,
  type DiscardOptions,
  type Engine,
  EngineError,
  type EngineOutbox,
  type Entry,
  type Fork,
  type Host,
  hashJson,
  type Manifest,
  noTransactions,
  type OptionNames,
  type OutboxHandler,
  type OutboxStore,
  type Page,
  type Pots,
  probe,
  type QuestionQuery,
  type QuestionRecord,
  type RunQuery,
  type RunSummary,
  type Runtime,
  refuseNoFunction,
  refuseNoObject,
  refuseNoPort,
  refuseNumber,
  refuseUnknown,
  reopenRun,
  type ServeOptions,
  type Signal,
  type SignalReceipt,
  type Start,
  type Store,
  type Subscription,
  type TransactionDatabase,
  type UnknownQuery,
  type UnknownStep,
  UsageError,
} from '@selvage/core'
import { Attachments } from './attachments.ts'
import { Bell } from './bell.ts'
import { cancelRun } from './cancel.ts'
import { Changes } from './changes.ts'
import { forkRun } from './fork.ts'
import { Leases } from './leases.ts'
import { embeddedManifest } from './manifest.ts'
import type { Parts } from './parts.ts'
import { potsOf } from './pots.ts'
import { guarded, warnOnce } from './report.ts'
import { Worker } from './worker.ts'

export interface EmbeddedOptions {
  /** Belongs to the engine from here on: `close` closes it. */
  readonly store: Store
  readonly runtime: Runtime
  /**
   * Milliseconds after which a worker that stopped renewing is dead, where its lock cannot tell (another machine, a
   * process that stands still). At least 100; default 15,000.
   */
  readonly leaseMs?: number
  /** Milliseconds that a stop waits for steps in flight before it drops them; default 10,000. */
  readonly stopGraceMs?: number
  /** Told of failures of infrastructure that are tried again. Default: a warning on the console, once per message. */
  readonly onError?: (error: unknown) => void
}

const OPTIONS: OptionNames<EmbeddedOptions> = {
  store: true,
  runtime: true,
  leaseMs: true,
  stopGraceMs: true,
  onError: true,
}

const SHORTEST_LEASE_MS = 100
const DEFAULT_CONCURRENCY = 100
const JOURNAL_PAGE = 1_000

export function embeddedEngine(options: EmbeddedOptions): Engine {
  refuseNoObject('embeddedEngine()', options ?? null)
  refuseUnknown('embeddedEngine()', options, OPTIONS)
  refuseNoPort('store of embeddedEngine()', options.store ?? null, ['create', 'claim', 'append', 'close'])
  refuseNoPort('runtime of embeddedEngine()', options.runtime ?? null, ['random', 'drain'])
  refuseNoFunction('onError of embeddedEngine()', options.onError)
  const { leaseMs = 15_000, stopGraceMs = 10_000 } = options
  refuseNumber(optionOf('leaseMs'), leaseMs, { least: SHORTEST_LEASE_MS })
  refuseNumber(optionOf('stopGraceMs'), stopGraceMs, { least: 0 })
  return new EmbeddedEngine({ ...options, leaseMs, stopGraceMs })
}

class EmbeddedEngine implements Engine {
  readonly manifest: Manifest
  readonly outbox?: EngineOutbox
  readonly pots?: Pots
  private readonly store: Store
  private readonly runtime: Runtime
  private readonly parts: Parts
  private readonly changes: Changes
  private readonly attachments: Attachments
  private readonly workers = new Set<Worker>()
  private readonly openings = new Set<Promise<unknown>>()
  private closing: Promise<void> | undefined

  constructor(options: EmbeddedOptions & { readonly leaseMs: number; readonly stopGraceMs: number }) {
    const { store, runtime, leaseMs, stopGraceMs } = options
    const bell = new Bell(store)
    this.manifest = embeddedManifest(store)
    this.store = store
    this.runtime = runtime
    this.changes = new Changes(store, bell, () => {
      for (const worker of this.workers) worker.poke()
    })
    const report = guarded(options.onError ?? warnOnce())
    const leases = new Leases({ store, runtime, leaseMs, report }, () => bell.ring())
    const sent = (): void => this.sent()
    this.parts = { store, runtime, leaseMs, stopGraceMs, bell, changes: this.changes, leases, report, sent }
    if (store.outbox !== undefined) this.outbox = engineOutbox(store.outbox, this.parts, () => this.checkOpen())
    this.attachments = new Attachments(this.parts)
    if (store.pots !== undefined) {
      const by = 'budget raised'
      this.pots = potsOf(store, store.pots, (runId, id, payload) => this.signal(runId, { id, name: id, payload, by }))
    }
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async start(runId: string, start: Start, options: { readonly startAt?: number } = {}): Promise<{ created: boolean }> {
    this.checkOpen()
    const { startAt } = options
    const receipt = await this.store.create({
      runId,
      start,
      salt: this.runtime.random(16),
      inputHash: hashJson(this.runtime, start.input),
      ...(startAt !== undefined && { startAt }),
      at: this.runtime.clock.now(),
    })
    if (receipt.created) this.changes.touched(runId, { status: 'pending' })
    return receipt
  }

  async signal(runId: string, signal: Signal): Promise<SignalReceipt> {
    this.checkOpen()
    const at = this.runtime.clock.now()
    const stamped = { ...signal, at }
    probe('engine.before-signal')
    const receipt = await this.store.signal(runId, stamped, at)
    probe('engine.after-signal')
    if (!receipt.accepted) return receipt
    for (const worker of this.workers) worker.signalled(runId)
    this.attachments.signalled(runId)
    return receipt
  }

  async cancel(runId: string, reason: string, by?: string): Promise<void> {
    this.checkOpen()
    await cancelRun(
      {
        store: this.store,
        runtime: this.runtime,
        signal: (id, signal) => this.signal(id, signal),
        workerId: () => this.attachments.workerId(),
        report: this.parts.report,
        isOpen: () => this.closing === undefined,
        touched: (id) => this.changes.touched(id, { status: 'pending' }),
      },
      runId,
      reason,
      by,
    )
    this.changes.touched(runId)
  }

  async discard(runId: string, options: DiscardOptions = {}): Promise<readonly string[]> {
    this.checkOpen()
    if (this.store.discard === undefined) {
      throw new UsageError('UNSUPPORTED', `The store ${this.store.location} cannot discard runs.`, {
        hint: 'Leave them: an ended run costs its space only.',
      })
    }
    const gone = await this.store.discard(runId, options, this.runtime.clock.now())
    for (const id of gone) this.changes.touched(id)
    return gone
  }

  async fork(runId: string, fork: Fork): Promise<void> {
    this.checkOpen()
    await forkRun(this.store, this.runtime, runId, fork)
    this.changes.touched(fork.runId, { status: 'pending' })
  }

  async retry(runId: string): Promise<void> {
    this.checkOpen()
    await reopenRun(this.store, runId, this.runtime.clock.now())
    this.changes.touched(runId)
  }

  async transaction<T>(body: (database: TransactionDatabase) => T): Promise<T> {
    this.checkOpen()
    if (this.store.transaction === undefined) throw noTransactions(this.manifest)
    return await this.store.transaction(body)
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async describe(runId: string, options: DescribeOptions = {}): ReturnType<Engine['describe']> {
    this.checkOpen()
    const dead = options.liveness === true ? await this.dead() : undefined
    const run = await this.store.describe(runId)
    return {
      ...(dead === undefined ? run : withLiveness(run, dead)),
      ...(options.claims === true && { claims: await this.store.claims(runId) }),
    }
  }

  async journal(runId: string, from: number, limit: number = JOURNAL_PAGE): Promise<readonly Entry[]> {
    this.checkOpen()
    return await this.store.load(runId, from, limit)
  }

  async changed(...[runId, since, abortSignal]: Parameters<Engine['changed']>): Promise<void> {
    this.checkOpen()
    await this.changes.wait(runId, since, abortSignal)
  }

  async list(query: RunQuery): Promise<Page<RunSummary>> {
    this.checkOpen()
    const dead = await this.dead()
    const page = await this.store.list(query)
    return { ...page, items: page.items.map((run) => withLiveness(run, dead)) }
  }

  async unknownSteps(query: UnknownQuery): Promise<Page<UnknownStep>> {
    this.checkOpen()
    return await this.store.unknownSteps(query)
  }

  async questions(query: QuestionQuery): Promise<Page<QuestionRecord>> {
    this.checkOpen()
    return await this.store.questions(query)
  }

  async question(id: string): Promise<QuestionRecord> {
    this.checkOpen()
    return await this.store.question(id)
  }

  /** To be asked before a run is looked at: the other way round, a worker that just left in order would pass for dead. */
  private async dead(): Promise<ReadonlySet<string>> {
    return new Set(await this.store.dead(this.runtime.clock.now()))
  }

  // ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async attach(runId: string, start: Start, host: Host): Promise<Attachment> {
    this.checkOpen()
    const attaching = async (): Promise<Attachment> => {
      const { created } = await this.start(runId, start)
      return await this.attachments.attach(runId, host, created)
    }
    return await this.opening(attaching())
  }

  async serve(host: Host, options: ServeOptions = {}): Promise<{ stop(): Promise<void> }> {
    this.checkOpen()
    const { concurrency = DEFAULT_CONCURRENCY } = options
    refuseNumber(optionOf('concurrency'), concurrency, { least: 1, isWhole: true })
    return await this.opening(this.beginWork(host, concurrency, options.outbox ?? (() => [])))
  }

  private async beginWork(
    host: Host,
    concurrency: number,
    handlers: () => readonly OutboxHandler[],
  ): Promise<{ stop(): Promise<void> }> {
    const worker = await Worker.begin(this.parts, host, concurrency, handlers)
    this.workers.add(worker)
    const stop = async (): Promise<void> => {
      await worker.stop()
      this.workers.delete(worker)
    }
    return { stop }
  }

  private sent(): void {
    for (const worker of this.workers) worker.sent()
  }

  /** Gives back every run, then closes the store. */
  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  private async shutDown(): Promise<void> {
    await Promise.allSettled(this.openings)
    try {
      await Promise.all([...this.workers].map((worker) => worker.stop()))
      await this.attachments.close()
    } finally {
      this.changes.close()
      await this.store.close()
    }
  }

  /** What `close` waits for before it closes what was opened. */
  private async opening<T>(opened: Promise<T>): Promise<T> {
    this.openings.add(opened)
    try {
      return await opened
    } finally {
      this.openings.delete(opened)
    }
  }

  private checkOpen(): void {
    if (this.closing === undefined) return
    throw new EngineError('UNAVAILABLE', `The engine on ${this.store.location} was closed.`, {
      hint: 'Open it again to go on.',
    })
  }
}

/** A dead owner still stands in the store until somebody takes its runs over. */
function withLiveness<Run extends RunSummary>(run: Run, dead: ReadonlySet<string>): Run {
  const { owner } = run
  return owner === undefined ? run : { ...run, owner: { ...owner, alive: !dead.has(owner.worker) } }
}

function engineOutbox(outbox: OutboxStore, { runtime, sent }: Parts, checkOpen: () => void): EngineOutbox {
  return {
    async list(query) {
      checkOpen()
      return await outbox.list(query)
    },
    async message(id) {
      checkOpen()
      return await outbox.message(id)
    },
    async resend(id) {
      checkOpen()
      await outbox.resend(id, runtime.clock.now())
      sent()
    },
    ...(outbox.subscribe !== undefined && {
      async subscribe(subscriptions: readonly Subscription[]) {
        checkOpen()
        await outbox.subscribe?.(subscriptions, runtime.clock.now())
      },
    }),
  }
}

function optionOf(name: string): string {
  return `The option ${name} of the embedded engine`
}
