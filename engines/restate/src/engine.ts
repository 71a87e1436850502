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
import type { Blobs, Entry, Host, QuestionRecord, Signal, SignalReceipt, Start } from '@selvage/core'
import {
  type Asked,
  type Changes,
  checkedName,
  checkNumbers,
  isOfChild,
  type ListingEngine,
  type Look,
  Places,
  ReadingEngine,
  type Reopen,
  runEnded,
} from '@selvage/core/engines'
import { nodePlatform } from '@selvage/runtime-node'
import { restateBlobs } from './blobs.ts'
import { journalGone, movedAddress, PLACE } from './errors.ts'
import { type Begin, questionKey, type Services, servicesOf } from './kept.ts'
import { MANIFEST } from './manifest.ts'
import { type RestateOptions, refuseOptions } from './options.ts'
import { Partitions } from './partitions.ts'
import { describe, type Known, Records, reopeningsOf, unkept } from './records.ts'
import { RestateServer } from './server.ts'
import { openWorker } from './worker.ts'

export interface RestateEngine extends ListingEngine {
  /** Values in Restate itself. */
  readonly blobs: Blobs
  /** Names of its objects, for `runInside`. */
  readonly services: Services
}

const LOOK_AGAIN_MS = 20
const NAME = /^[a-zA-Z][a-zA-Z0-9._-]*$/
const NAMES = 'Give letters, digits, dots, dashes and underscores, beginning with a letter.'

export function restateEngine(options: RestateOptions = {}): RestateEngine {
  refuseOptions(options)
  return new OnRestate(options)
}

class OnRestate extends ReadingEngine<Known> implements RestateEngine {
  readonly manifest = MANIFEST
  readonly blobs: Blobs
  readonly services: Services
  private readonly options: RestateOptions
  private readonly server: RestateServer
  private readonly records: Records

  constructor(options: RestateOptions) {
    super(PLACE, nodePlatform(options))
    const {
      ingress = 'http://127.0.0.1:8080',
      admin = 'http://127.0.0.1:9070',
      headers = {},
      name = 'selvage',
    } = options
    const { advances, bytes } = options.rotateAfter ?? {}
    checkNumbers(PLACE, { 'rotateAfter.advances': advances, 'rotateAfter.bytes': bytes }, { least: 1 })
    this.options = options
    this.services = servicesOf(checkedName(PLACE, 'objects', name, NAME, NAMES))
    this.server = new RestateServer({ ingress: trimmed(ingress), admin: trimmed(admin), headers })
    const partitions = new Partitions(this.server)
    this.records = new Records(this.server, partitions, this.services)
    this.blobs = restateBlobs(this.server, partitions, this.services.blobs)
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  protected async make(runId: string, start: Start, at: number, startAt?: number): Promise<boolean> {
    const begin: Begin = { generation: 0, first: { start, at, ...(startAt !== undefined && { startAt }) } }
    if ((await this.drive(runId, begin, 'start')).status === 'Accepted') return true
    await this.soon(() => this.find(runId))
    return false
  }

  protected async send(runId: string, signal: Signal): Promise<SignalReceipt> {
    const { id } = signal
    const [known, [taken]] = await Promise.all([this.known(runId), this.records.signals([{ runId, id }])])
    if (taken !== undefined) return { accepted: false, first: taken }
    const { outcome, status } = describe(known)
    if (outcome !== undefined && !isOfChild(signal.name)) throw runEnded(runId, status)
    const target = { service: this.services.inbox, key: runId, handler: 'signal' }
    const receipt = await this.server.send(target, signal, id)
    if (receipt.status === 'PreviouslyAccepted') {
      return { accepted: false, first: await this.soon(() => this.firstOf(runId, id, receipt.invocationId)) }
    }
    // No host is offered it here: it would overtake those that are on their way by the inbox.
    return { accepted: true }
  }

  protected async reopen(runId: string, reopen: Reopen): Promise<boolean> {
    const known = await this.known(runId)
    const { kept, isLost, going } = known
    if (isLost && going === undefined) throw journalGone(runId)
    const generation = kept.generation + 1
    const entries = unkept(known)
    // Asked for by what was read before somebody else retried it. Should that be seen too late, `begun` finds it.
    if (kept.entries + entries.length !== reopen.entries) return false
    const left = isLost ? { left: { invocation: kept.invocation, entries } } : {}
    const { status } = await this.drive(runId, { generation, reopen, ...left }, `retry#${generation}`)
    return status === 'Accepted'
  }

  private drive(runId: string, begin: Begin, idempotencyKey: string): ReturnType<RestateServer['send']> {
    return this.server.send({ service: this.services.runs, key: runId, handler: 'drive' }, begin, idempotencyKey)
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected find(runId: string): Promise<Known | undefined> {
    return this.records.find(runId)
  }

  /** The server refuses a second start as long as the first one stands in a queue or goes on, and for a day: what is kept is enough. */
  protected override async startOf(runId: string): Promise<Start | undefined> {
    return (await this.records.kept(runId))?.start
  }

  protected async *readRuns(): AsyncGenerator<Known> {
    yield* await this.records.all()
  }

  protected readonly picture = describe
  protected readonly reopeningsOf = reopeningsOf

  protected override async watch(runId: string): Promise<Look> {
    const known = await this.known(runId)
    const { status, entries } = describe(known)
    return { status, entries, pulse: () => this.records.pulse(known) }
  }

  protected entriesOf(known: Known, from: number, limit: number): Promise<readonly Entry[]> {
    return this.records.entries(known, from, limit)
  }

  protected async readQuestions(asked: Asked): Promise<readonly QuestionRecord[]> {
    if ('id' in asked) return await this.records.questions(undefined, questionKey(asked.id))
    return await this.records.questions(asked.runId, undefined)
  }

  protected async readAnswers(records: readonly QuestionRecord[]): Promise<ReadonlyMap<string, Signal>> {
    return new Map((await this.records.answers(records)).map((signal) => [signal.id, signal]))
  }

  private async firstOf(runId: string, id: string, invocation: string): Promise<Signal | undefined> {
    return (await this.records.input<Signal>(invocation)) ?? (await this.records.signals([{ runId, id }]))[0]
  }

  /** What the server has accepted can be read a moment later. */
  private async soon<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      this.checkOpen()
      const found = await look()
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
    }
  }

  // ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected async work(host: Host, concurrency: number): Promise<() => Promise<void>> {
    const { listen = {}, identityKeys = [], advertise, register = true, stopGraceMs = 10_000 } = this.options
    const { namesSteps, rotateAfter } = this.options
    const { platform, server, services, records } = this
    const places = new Places(concurrency, platform)
    const touched: Changes['touched'] = (...change) => this.changes.touched(...change)
    const driver = { host, places, platform, namesSteps, rotateAfter, server, services, records, touched }
    const worker = await openWorker(listen, identityKeys, driver)
    const stop = async (): Promise<void> => {
      await places.close(stopGraceMs)
      await worker.close()
    }
    try {
      if (register) await this.register(advertise ?? `http://127.0.0.1:${worker.port}`)
    } catch (error) {
      await stop()
      throw error
    }
    return stop
  }

  private async register(uri: string): Promise<void> {
    const before = await this.server.registered(this.services.runs)
    if (before !== undefined && trimmed(before) !== trimmed(uri)) {
      this.platform.report(movedAddress(this.services.runs, trimmed(before), trimmed(uri)))
    }
    await this.server.register(uri)
  }
}

function trimmed(url: string): string {
  return url.replace(/\/+$/, '')
}
