/**
 * The engine on Restate. A run is an invocation of a virtual object with the run's id as its key; a step of it is a step of
 * Restate's, by its name.
 *
 *   start ──▶ drive (generation 0) ──rotate──▶ drive (1) ── … ──▶ over ──retry──▶ drive (n + 1)
 *   signal ──▶ inbox ──▶ whoever drives now
 *   describe, journal, list, questions ◀── SQL on the admin port
 *
 * Commands are messages: they are durable when the server has them, whether or not a worker is there. Reads need none
 * either. Only workers listen, and only where `serve` is called.
 */
import { hostname } from 'node:os'
import {
  type Blobs,
  type Clock,
  canonical,
  type Engine,
  EngineError,
  type Entry,
  type Host,
  type Page,
  pageOf,
  probe,
  type QuestionQuery,
  type QuestionRecord,
  questionMatches,
  type RunDescription,
  RunError,
  type RunQuery,
  type RunSummary,
  reopenRun,
  runMatches,
  type ServeOptions,
  type Signal,
  type SignalReceipt,
  type Start,
  sendCancel,
  UsageError,
} from '@selvage/core'
import type { KeptQuestion } from './asked.ts'
import { restateBlobs } from './blobs.ts'
import { Changes } from './changes.ts'
import type { Driver } from './drive-run.ts'
import { closed, conflict, runEnded } from './errors.ts'
import type { Claimed } from './inbox.ts'
import { type Begin, questionKey, type Services, servicesOf } from './kept.ts'
import { MANIFEST } from './manifest.ts'
import { Places } from './places.ts'
import { describe, type Known, Records } from './records.ts'
import { RestateServer } from './server.ts'
import { type ListenOptions, Worker } from './worker.ts'

export interface RestateOptions {
  /** Where handlers are called. Default http://127.0.0.1:8080. */
  readonly ingress?: string
  /** Where workers are made known and runs are read. Default http://127.0.0.1:9070. */
  readonly admin?: string
  /** Sent with each request to both: `authorization`, say. */
  readonly headers?: { readonly [name: string]: string }
  /** Of the virtual object, and how those of its inbox and its blobs begin; default `selvage`. One for each application. */
  readonly name?: string
  readonly listen?: ListenOptions
  /** Where the server reaches the workers: a load balancer, say. Default: http://127.0.0.1 and the port listened on. */
  readonly advertise?: string
  /** False: the workers are made known by other means (`restate deployments register`). */
  readonly register?: boolean
  /** Public keys (`publickeyv1_…`) of the server: requests that it has not signed are refused. */
  readonly identityKeys?: readonly string[]
  /**
   * Whether Restate's console shows the steps of a run by their names. Each then costs one small step of Restate's more, in
   * which the program asks for it; without, all go by the program's name. Default true.
   */
  readonly namesSteps?: boolean
  /** When a run's history in Restate is renewed: after so many advances, or bytes of entries. Default 500 and 4 MiB. */
  readonly rotateAfter?: { readonly advances?: number; readonly bytes?: number }
  /** Milliseconds that a stop waits for what is in flight; default 10,000. */
  readonly stopGraceMs?: number
  /** Default: the system's. Restate's own timers go by the server's. */
  readonly clock?: Pick<Clock, 'now'>
  /** Told of failures that are tried again. Default: a warning on the console, once per message. */
  readonly onError?: (error: unknown) => void
}

export interface RestateEngine extends Engine {
  /** Values in Restate itself. */
  readonly blobs: Blobs
  /** Names of its objects, for `runInside`. */
  readonly services: Services
  list(query: RunQuery): Promise<Page<RunSummary>>
  questions(query: QuestionQuery): Promise<Page<QuestionRecord>>
  question(id: string): Promise<QuestionRecord>
  retry(runId: string): Promise<void>
}

const DEFAULT_CONCURRENCY = 100
const JOURNAL_PAGE = 1_000
const LOOK_AGAIN_MS = 20

export function restateEngine(options: RestateOptions = {}): RestateEngine {
  return new OnRestate(options)
}

class OnRestate implements RestateEngine {
  readonly manifest = MANIFEST
  readonly blobs: Blobs
  private readonly options: RestateOptions
  readonly services: Services
  private readonly server: RestateServer
  private readonly records: Records
  private readonly changes: Changes
  private readonly report: (error: unknown) => void
  private readonly hosts = new Set<Host>()
  private readonly stops = new Set<() => Promise<void>>()
  private isClosed = false

  constructor(options: RestateOptions) {
    const {
      ingress = 'http://127.0.0.1:8080',
      admin = 'http://127.0.0.1:9070',
      headers = {},
      name = 'selvage',
    } = options
    this.options = options
    this.services = servicesOf(checkedName(name))
    this.server = new RestateServer({ ingress: trimmed(ingress), admin: trimmed(admin), headers })
    this.records = new Records(this.server, this.services)
    this.changes = new Changes(this.records)
    this.blobs = restateBlobs(this.server, this.services.blobs)
    this.report = options.onError ?? warnOnce()
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async start(runId: string, start: Start, options: { readonly startAt?: number } = {}): Promise<{ created: boolean }> {
    this.checkOpen()
    const known = await this.records.find(runId)
    if (known !== undefined) return same(runId, known.kept.start, start)
    const { startAt } = options
    const begin: Begin = {
      generation: 0,
      first: { start, at: this.now(), ...(startAt !== undefined && { startAt }) },
    }
    const receipt = await this.server.send(this.to(this.services.runs, runId, 'drive'), begin, 'start')
    if (receipt.status === 'Accepted') return { created: true }
    return same(runId, (await this.soon(() => this.records.find(runId))).kept.start, start)
  }

  async signal(runId: string, signal: Signal): Promise<SignalReceipt> {
    this.checkOpen()
    const [known, [taken]] = await Promise.all([
      this.records.known(runId),
      this.records.signals([{ runId, id: signal.id }]),
    ])
    if (taken !== undefined) return { accepted: false, first: taken }
    if (describe(known).outcome !== undefined) throw runEnded(runId)
    const stamped = { ...signal, at: this.now() }
    probe('engine.before-signal')
    const receipt = await this.server.send(this.to(this.services.inbox, runId, 'signal'), stamped, signal.id)
    probe('engine.after-signal')
    if (receipt.status === 'PreviouslyAccepted') {
      return { accepted: false, first: await this.soon(() => this.firstOf(runId, signal.id, receipt.invocationId)) }
    }
    for (const host of this.hosts) host.offer(runId, stamped)
    return { accepted: true }
  }

  async cancel(runId: string, reason: string, by?: string): Promise<void> {
    const runs = {
      describe: (id: string) => this.describe(id),
      reopenings: async (id: string) => (await this.records.known(id)).kept.reopenings,
      signal: (id: string, signal: Signal) => this.signal(id, signal),
    }
    await sendCancel(runs, runId, reason, by)
  }

  async retry(runId: string): Promise<void> {
    this.checkOpen()
    const load = (id: string): Promise<readonly Entry[]> => this.records.entries(id, 0, Number.POSITIVE_INFINITY)
    const runs = { describe: (id: string) => this.describe(id), load, reopen: this.reopen.bind(this) }
    await reopenRun(runs, runId, this.now())
  }

  private async reopen(runId: string, entries: number, voided: readonly string[], at: number): Promise<void> {
    const { kept } = await this.records.known(runId)
    const generation = kept.generation + 1
    const begin: Begin = { generation, reopen: { at, entries, voided } }
    const target = this.to(this.services.runs, runId, 'drive')
    const { status } = await this.server.send(target, begin, `retry#${generation}`)
    if (status === 'Accepted' && kept.entries === entries) return
    throw new EngineError('JOURNAL_GAP', `Run ${runId} was retried by somebody else.`)
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async describe(runId: string): Promise<RunDescription> {
    this.checkOpen()
    return describe(await this.records.known(runId))
  }

  async journal(runId: string, from: number, limit: number = JOURNAL_PAGE): Promise<readonly Entry[]> {
    this.checkOpen()
    return await this.records.entries(runId, from, limit)
  }

  async changed(...[runId, since, abortSignal]: Parameters<Engine['changed']>): Promise<void> {
    this.checkOpen()
    await this.changes.wait(runId, since, abortSignal)
  }

  async list(query: RunQuery): Promise<Page<RunSummary>> {
    this.checkOpen()
    const runs = (await this.records.all()).map(summaryOf).filter((run) => runMatches(run, query))
    return pageOf(runs, ({ createdAt, id }) => [createdAt, id], query)
  }

  async questions(query: QuestionQuery): Promise<Page<QuestionRecord>> {
    this.checkOpen()
    const { runId } = query
    const ofRun = runId === undefined ? 'true' : `service_key = '${runId.replaceAll("'", "''")}'`
    const records = await this.asked(`key like 'q:%' and ${ofRun}`)
    const tags = query.tag === undefined ? undefined : await this.tagsOf(records)
    const found = records.filter((record) => questionMatches(record, query, tags?.get(record.runId)))
    return pageOf(found, ({ openedAt, id }) => [openedAt, id], query)
  }

  async question(id: string): Promise<QuestionRecord> {
    this.checkOpen()
    const [record] = await this.asked(`key = '${questionKey(id).replaceAll("'", "''")}'`)
    if (record !== undefined) return record
    throw new RunError('NOT_FOUND', `There is no question ${id} in Restate.`, { details: { id } })
  }

  private async asked(where: string): Promise<readonly QuestionRecord[]> {
    const rows = await this.records.state(`service_name = '${this.services.runs}' and ${where}`)
    const kept = rows.map(({ value_utf8 }) => JSON.parse(value_utf8) as KeptQuestion)
    const may = kept.filter(({ status }) => status === 'open' || status === 'answered')
    const answers = new Map((await this.records.signals(may)).map((signal) => [signal.id, signal]))
    return kept.map((record): QuestionRecord => {
      const answer = may.includes(record) ? answers.get(record.id) : undefined
      return answer === undefined ? record : { ...record, status: 'answered', answer }
    })
  }

  private async tagsOf(records: readonly QuestionRecord[]): Promise<ReadonlyMap<string, RunSummary['tags']>> {
    const runIds = [...new Set(records.map(({ runId }) => runId))]
    return new Map(await Promise.all(runIds.map(async (id) => [id, (await this.describe(id)).tags] as const)))
  }

  private async firstOf(runId: string, id: string, invocation: string): Promise<Signal | undefined> {
    return (await this.records.input<Signal>(invocation)) ?? (await this.records.signals([{ runId, id }]))[0]
  }

  /** What the server has accepted can be read a moment later; what stands in a queue, when a worker is there. */
  private async soon<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      this.checkOpen()
      const found = await look()
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
    }
  }

  // ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async serve(
    host: Host,
    { concurrency = DEFAULT_CONCURRENCY }: ServeOptions = {},
  ): Promise<{ stop(): Promise<void> }> {
    this.checkOpen()
    if (!(Number.isInteger(concurrency) && concurrency >= 1)) {
      throw new UsageError('BAD_INPUT', `The option concurrency of the engine on Restate is ${String(concurrency)}.`, {
        hint: 'Give a whole number of at least 1.',
      })
    }
    const { listen = {}, identityKeys = [], advertise, register = true, stopGraceMs = 10_000 } = this.options
    const { services, report } = this
    const places = new Places(concurrency)
    const worker = await Worker.listen({ services, listen, identityKeys, report }, this.driver(host, places))
    this.hosts.add(host)
    const stop = async (): Promise<void> => {
      if (!this.stops.delete(stop)) return
      await places.close(stopGraceMs)
      this.hosts.delete(host)
      await worker.close()
    }
    this.stops.add(stop)
    try {
      if (register) await this.server.register(advertise ?? `http://127.0.0.1:${worker.port}`)
    } catch (error) {
      await stop()
      throw error
    }
    return { stop }
  }

  private driver(host: Host, places: Places): Driver {
    const { inbox } = this.services
    const { advances = 500, bytes = 4 * 1024 * 1024 } = this.options.rotateAfter ?? {}
    return {
      host,
      now: () => this.now(),
      stored: (runId, from, to) => this.records.stored(runId, from, to),
      claim: (runId, claiming) => this.server.call<Claimed>(this.to(inbox, runId, 'claim'), claiming),
      spare: async (runId) => void (await this.server.send(this.to(inbox, runId, 'spare'), null)),
      wake: async (runId) => void (await this.server.send(this.to(inbox, runId, 'wake'), null)),
      mayLive,
      namesSteps: this.options.namesSteps ?? true,
      inPlace: (body) => places.take(body),
      durable: (advance, cutOff) => places.durable(advance, cutOff),
      touched: (runId) => this.changes.touched(runId),
      rotateAfter: { advances, bytes },
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    await Promise.all([...this.stops].map((stop) => stop()))
    this.isClosed = true
    this.changes.close()
  }

  private to(service: string, key: string, handler: string): { service: string; key: string; handler: string } {
    return { service, key, handler }
  }

  private now(): number {
    return (this.options.clock ?? Date).now()
  }

  private checkOpen(): void {
    if (this.isClosed) throw closed()
  }
}

function same(runId: string, known: Start, asked: Start): { created: false } {
  if (known.program === asked.program && canonical(known.input) === canonical(asked.input)) return { created: false }
  throw conflict(runId)
}

function summaryOf(known: Known): RunSummary {
  const { start: _, outcome: __, waitsFor: ___, note: ____, ...summary } = describe(known)
  return summary
}

/** `host`: name of the machine and pid, as in an intent. On another machine nobody here can tell. */
function mayLive(host: string): boolean {
  const at = host.lastIndexOf(':')
  if (host.slice(0, at) !== hostname()) return true
  try {
    process.kill(Number(host.slice(at + 1)), 0)
    return true
  } catch (error) {
    return (error as { code?: unknown }).code !== 'ESRCH'
  }
}

function checkedName(name: string): string {
  if (/^[a-zA-Z][a-zA-Z0-9._-]*$/.test(name)) return name
  throw new UsageError('BAD_INPUT', `The engine on Restate cannot name its objects '${name}'.`, {
    hint: 'Give letters, digits, dots, dashes and underscores, beginning with a letter.',
  })
}

function trimmed(url: string): string {
  return url.replace(/\/+$/, '')
}

function warnOnce(): (error: unknown) => void {
  const seen = new Set<string>()
  return (error) => {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    if (seen.has(message) || seen.size === 1_000) return
    seen.add(message)
    console.warn(`[selvage] ${message}`)
  }
}
