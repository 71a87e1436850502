/**
 * An engine played by hand: a test says which host is asked, what arrives, what is lost and who dies, one request after
 * another. It keeps the journal as an engine does, and acknowledges a reply only when told to take it.
 */
import {
  type Advance,
  createHost,
  type Effect,
  type Entry,
  type Host,
  type HostOptions,
  LeaseLostError,
  type LiveNote,
  type Manifest,
  type Op,
  type Outbound,
  type Program,
  type Progress,
  type Runtime,
  type Seed,
  type Signal,
  type Start,
} from '@selvage/core'
import { type FakeClock, fakeClock } from '../fake-clock.ts'
import { memoryBlobs } from '../memory-blobs.ts'
import { copy } from '../turn-engine/copy.ts'

export interface ByHandOptions {
  readonly makeRuntime: (clock: FakeClock) => Runtime
  readonly run: Program['run']
  readonly resume?: Program['resume']
  readonly manifest?: Partial<Manifest>
  readonly start?: Partial<Start>
  readonly host?: Partial<HostOptions>
}

export interface Ask {
  /** Default 1. */
  readonly delivery?: number
  readonly signals?: readonly Signal[]
  readonly cursor?: number
  readonly rotate?: boolean
  readonly announced?: readonly string[]
  readonly budget?: Advance['budget']
  readonly seed?: Seed
  readonly abortSignal?: AbortSignal
  readonly untilSure?: () => Promise<void> | undefined
}

export class ByHand {
  readonly clock: FakeClock = fakeClock()
  readonly manifest: Manifest
  /** What is durable. */
  readonly entries: Entry[] = []
  readonly told: { readonly runId: string; readonly signal: Signal }[] = []
  woken = 0
  /** Called before each append of a store; may throw. */
  beforeAppend: (entries: readonly Entry[]) => Promise<void> | void = () => {}
  /** Called when a host has read the journal, before it is told what it read. */
  beforeLoad: () => Promise<void> | void = () => {}
  /** Replaces the program for hosts that start a fiber from now on. */
  run: Program['run']
  outbound: Outbound = {
    start: async () => ({ created: true }),
    signal: async (runId, signal) => {
      this.told.push({ runId, signal })
      return { accepted: true }
    },
    cancel: async () => {},
  }
  private readonly options: ByHandOptions
  private readonly blobs = memoryBlobs()
  private acknowledges: Advance['acknowledges']
  private fence = 0

  constructor(options: ByHandOptions) {
    this.options = options
    this.run = options.run
    this.manifest = {
      name: 'by hand',
      limits: {},
      journal: 'engine',
      affinity: true,
      countsDeliveries: true,
      survives: 'nothing',
      abilities: { list: false, approvals: false, attach: false, rotate: true },
      ...options.manifest,
    }
  }

  host(identity = 'host'): Host {
    return createHost({
      runtime: { ...this.options.makeRuntime(this.clock), identity },
      manifest: this.manifest,
      programs: () => [{ name: 'p', resume: this.options.resume ?? 'replay', run: (durable) => this.run(durable) }],
      outbound: {
        start: (...all) => this.outbound.start(...all),
        signal: (...all) => this.outbound.signal(...all),
        cancel: (...all) => this.outbound.cancel(...all),
      },
      blobs: this.blobs,
      ...this.options.host,
    })
  }

  /** Sends the request that is due, or the same one again. */
  async ask(host: Host, ask: Ask = {}): Promise<Progress> {
    const {
      delivery = 1,
      signals = [],
      cursor = this.entries.length,
      rotate,
      announced,
      budget,
      seed,
      abortSignal,
      untilSure,
    } = ask
    const request: Advance = {
      runId: 'r',
      start: this.start,
      cursor,
      ...(this.acknowledges !== undefined && { acknowledges: this.acknowledges }),
      signals,
      now: this.clock.now(),
      ...(rotate !== undefined && { rotate }),
      ...(announced !== undefined && { announced }),
      ...(budget !== undefined && { budget }),
      ...(seed !== undefined && { seed }),
    }
    const fence = ++this.fence
    const progress = await host.advance(copy(request), {
      abortSignal: abortSignal ?? new AbortController().signal,
      heartbeat: () => {},
      journal: {
        load: async (from) => {
          const entries = copy(this.entries.slice(from))
          await this.beforeLoad()
          return entries
        },
        ...(this.manifest.journal === 'store' && {
          append: (at: number, entries: readonly Entry[]) => this.append(fence, at, entries),
        }),
      },
      delivery: this.manifest.countsDeliveries ? delivery : 0,
      ...(untilSure !== undefined && { untilSure }),
      wake: () => {
        this.woken++
      },
    })
    return copy(progress)
  }

  /** Its entries are durable now; the next request acknowledges them. */
  take(progress: Progress): Progress {
    const { mark, entries } = progress
    this.acknowledges = mark === undefined ? undefined : { mark, from: this.entries.length }
    this.entries.push(...entries)
    return progress
  }

  async step(host: Host, ask: Ask = {}): Promise<Progress> {
    return this.take(await this.ask(host, ask))
  }

  /** Asks and takes until the reply is not `continue`. */
  async finish(host: Host, ask: Ask = {}): Promise<Progress> {
    let progress = await this.step(host, ask)
    while (progress.kind === 'continue') progress = await this.step(host)
    return progress
  }

  /** Gives the run to another worker: what the one before it appends is refused. */
  takeOver(): void {
    this.fence++
  }

  /** The journal in words. */
  get story(): readonly string[] {
    return this.entries.map((entry) => ('key' in entry ? `${entry.type} ${entry.key}` : entry.type))
  }

  notes(host: Host): readonly LiveNote[] {
    const notes: LiveNote[] = []
    host.subscribe('r', (note) => notes.push(note))
    return notes
  }

  private get start(): Start {
    return { program: 'p', input: null, ...this.options.start }
  }

  private async append(fence: number, at: number, entries: readonly Entry[]): Promise<void> {
    await new Promise<void>((resolve) => void setImmediate(resolve))
    await this.beforeAppend(entries)
    if (fence !== this.fence) throw new LeaseLostError('LEASE_LOST', 'Another worker has the run.')
    if (at !== this.entries.length) throw new Error(`append at ${at}, but the journal ends at ${this.entries.length}`)
    this.entries.push(...copy(entries))
  }
}

/** `byHand(run, options)` on this platform. */
export function byHandOn(
  makeRuntime: ByHandOptions['makeRuntime'],
): (run: Program['run'], options?: Partial<ByHandOptions>) => ByHand {
  return (run, options = {}) => new ByHand({ makeRuntime, run, ...options })
}

export function code(key: string, effect?: Effect): Op {
  return { key, kind: 'code', name: key, ...(effect !== undefined && { effect }) }
}

export interface Held {
  /** The idempotency keys with which it was begun. */
  readonly begun: string[]
  /** Ends the body that has waited longest. */
  end(value?: unknown): void
  fail(error: unknown): void
  body(at: { readonly idempotencyKey: string }): Promise<unknown>
}

/** A body that ends when the test says so. */
export function held(): Held {
  const begun: string[] = []
  const waiting: { resolve(value: unknown): void; reject(error: unknown): void }[] = []
  return {
    begun,
    end: (value) => waiting.shift()?.resolve(value),
    fail: (error) => waiting.shift()?.reject(error),
    body: (at) => {
      begun.push(at.idempotencyKey)
      return new Promise((resolve, reject) => void waiting.push({ resolve, reject }))
    },
  }
}
