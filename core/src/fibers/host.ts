/**
 * The host holds live programs and answers `advance`: the one implementation of the port that every engine calls.
 *
 * Per run there is at most one fiber and at most one advance in progress. A request with the cursor of the advance in
 * progress joins it; one with the cursor of the last reply gets that reply again; a higher cursor acknowledges the
 * reply; anything that does not fit the fiber means that another host has moved on, and the fiber is dropped for a new
 * one from the journal. Idle fibers are kept, the least recently used dropped beyond `maxFibers`: nothing is lost with
 * them but the time to fold or replay. Those that wait for something go first: a run that goes on is asked for again at
 * once, and hundreds that take turns would be replayed at each of their steps.
 */
import { EngineError, isInfrastructure, UsageError } from '../errors.ts'
import type { Entry, Signal } from '../journal/entry.ts'
import type {
  Advance,
  Blobs,
  Control,
  Host,
  LiveNote,
  Manifest,
  Outbound,
  Program,
  Progress,
  Runtime,
  Seed,
} from '../ports.ts'
import { createOffload } from '../values/offload.ts'
import { decodeText, encodeText } from '../values/text.ts'
import { Fiber, type FiberEnvironment, takenAway } from './fiber.ts'
import { Turn } from './turn.ts'

export interface HostOptions {
  readonly runtime: Runtime
  readonly manifest: Manifest
  /** Asked at each use, so that programs can be registered later. */
  readonly programs: () => readonly Program[]
  readonly outbound: Outbound
  /** Where values above `offloadBytes` and rotated journals go; without it they stay in the entries. */
  readonly blobs?: Blobs
  /** Default 32 KiB. */
  readonly offloadBytes?: number
  /** Idle fibers kept in memory; default 256. With those of runs that are about to go on up to four times as many. */
  readonly maxFibers?: number
  /** How long a cancelled run may take to end by itself; default 30,000 ms. */
  readonly cancelGraceMs?: number
}

interface Starting {
  readonly slot: Promise<Slot>
  /** The highest cursor asked for meanwhile. */
  newest: number
  /** The engine has taken the run away meanwhile. */
  isEvicted: boolean
}

interface Slot {
  readonly fiber: Fiber
  turn: Turn | undefined
  pending: { readonly cursor: number; readonly reply: Promise<Progress> } | undefined
  last: { readonly cursor: number; readonly progress: Progress } | undefined
  wake: (() => void) | undefined
}

/** So many times `maxFibers` are kept with those of runs that are about to go on. */
const GOING_ON = 4

export function createHost(options: HostOptions): Host {
  return new LiveHost(options)
}

class LiveHost implements Host {
  private readonly options: HostOptions
  private readonly env: FiberEnvironment
  private readonly maxFibers: number
  /** Insertion order is order of use. */
  private readonly slots = new Map<string, Slot>()
  /** Of them those that are not about to go on, in the order in which they came to rest. */
  private readonly resting = new Map<string, Slot>()
  /** Requests for a run whose fiber is being made. */
  private readonly starting = new Map<string, Starting>()
  private readonly listeners = new Map<string, Set<(note: LiveNote) => void>>()

  constructor(options: HostOptions) {
    this.options = options
    this.maxFibers = options.maxFibers ?? 256
    this.env = {
      runtime: options.runtime,
      manifest: options.manifest,
      offload: createOffload({
        runtime: options.runtime,
        manifest: options.manifest,
        ...(options.blobs !== undefined && { blobs: options.blobs }),
        ...(options.offloadBytes !== undefined && { thresholdBytes: options.offloadBytes }),
      }),
      outbound: options.outbound,
      cancelGraceMs: options.cancelGraceMs ?? 30_000,
      note: (note) => this.tell(note),
    }
  }

  async advance(request: Advance, control: Control): Promise<Progress> {
    for (let starting = this.starting.get(request.runId); starting !== undefined; ) {
      starting.newest = Math.max(starting.newest, request.cursor)
      await starting.slot.catch(() => {})
      starting = this.starting.get(request.runId)
    }
    const slot = this.slots.get(request.runId)
    const known = slot === undefined ? undefined : this.answerKnown(slot, request)
    if (known !== undefined) return known
    const fitting = this.fit(request)
    return fitting === undefined ? this.make(request, control) : this.serve(fitting, request, control)
  }

  offer(runId: string, signal: Signal): boolean {
    const turn = this.slots.get(runId)?.turn
    turn?.offer(signal)
    return turn !== undefined
  }

  registered(): readonly { readonly name: string; readonly version?: string }[] {
    return this.options.programs().map(({ name, version }) => ({ name, ...(version !== undefined && { version }) }))
  }

  evict(runId: string): void {
    const starting = this.starting.get(runId)
    if (starting !== undefined) starting.isEvicted = true
    this.slots.get(runId)?.fiber.drop()
    this.slots.delete(runId)
    this.resting.delete(runId)
  }

  holdsWork(runId: string): boolean {
    const fiber = this.slots.get(runId)?.fiber
    return fiber !== undefined && hasWork(fiber)
  }

  subscribe(runId: string, listener: (note: LiveNote) => void): () => void {
    const set = this.listeners.get(runId) ?? new Set()
    this.listeners.set(runId, set.add(listener))
    return () => {
      set.delete(listener)
      if (set.size === 0) this.listeners.delete(runId)
    }
  }

  private tell(note: LiveNote): void {
    const listeners = this.listeners.get(note.runId)
    if (listeners !== undefined) for (const listener of listeners) listener(note)
  }

  // ── which fiber answers ───────────────────────────────────────────────────────────────────────────────────────────

  /** Rule 2: the reply in progress or the last one, if the request is theirs. */
  private answerKnown(slot: Slot, request: Advance): Promise<Progress> | undefined {
    if (slot.pending?.cursor === request.cursor) {
      for (const signal of request.signals) slot.turn?.offer(signal)
      return slot.pending.reply
    }
    const { last } = slot
    if (slot.pending === undefined && last?.cursor === request.cursor && last.progress.entries.length > 0) {
      return Promise.resolve(last.progress)
    }
    if (request.cursor < slot.fiber.acknowledged) throw stale(request, slot.fiber.acknowledged)
    return undefined
  }

  /** The fiber that is exactly where the request says, with its reply acknowledged. */
  private fit(request: Advance): Slot | undefined {
    const slot = this.slots.get(request.runId)
    if (slot === undefined) return undefined
    const { fiber } = slot
    const { replied } = fiber
    // As many entries as were replied are the very ones only if the request says so.
    const taken = fiber.acknowledged + replied.length === request.cursor && fiber.mark === request.acknowledges?.mark
    const fits = fiber.acknowledged === request.cursor || taken
    if (slot.pending !== undefined || fiber.dropped || !fits) {
      this.evict(request.runId)
      return undefined
    }
    if (request.cursor > fiber.acknowledged) fiber.acknowledge(replied.splice(0))
    return slot
  }

  /** From `starting` to `pending` without a gap: nobody finds the new fiber idle. */
  private async make(request: Advance, control: Control): Promise<Progress> {
    const starting: Starting = { slot: this.build(request, control), newest: request.cursor, isEvicted: false }
    this.starting.set(request.runId, starting)
    let slot: Slot
    try {
      slot = await starting.slot
    } finally {
      this.starting.delete(request.runId)
    }
    if (!starting.isEvicted && starting.newest === request.cursor) return this.serve(slot, request, control)
    slot.fiber.drop()
    throw starting.isEvicted ? takenAway(request.runId) : stale(request, starting.newest)
  }

  private async build(request: Advance, control: Control): Promise<Slot> {
    const { runId, start, cursor } = request
    const program = this.program(start.program, start.version)
    const entries = await this.load(request, control)
    if (entries.length < cursor) {
      throw new EngineError(
        'JOURNAL_GAP',
        `The journal of run ${runId} holds ${entries.length} entries, the engine says ${cursor}.`,
      )
    }
    if (entries.length > cursor && this.options.manifest.journal === 'engine') throw stale(request, entries.length)
    const fiber = new Fiber(this.env, program, runId, start)
    fiber.setHostTime(request.now)
    const slot: Slot = { fiber, turn: undefined, pending: undefined, last: undefined, wake: undefined }
    fiber.onLateAsk = () => {
      if (slot.turn === undefined) slot.wake?.()
    }
    await fiber.begin(entries.slice(0, cursor))
    return slot
  }

  private program(name: string, version: string | undefined): Program {
    const found = this.options.programs().find((program) => program.name === name && program.version === version)
    if (found !== undefined) return found
    const label = version === undefined ? name : `${name} version ${version}`
    throw new UsageError('NOT_REGISTERED', `No program ${label} is registered here.`, {
      hint: 'Register it before work begins, under the version that the run was started with.',
    })
  }

  // ── one advance ───────────────────────────────────────────────────────────────────────────────────────────────────

  private serve(slot: Slot, request: Advance, control: Control): Promise<Progress> {
    const { runId, cursor } = request
    const turn = new Turn(slot.fiber, request, control, this.options.manifest, (fiber) =>
      this.rotate(fiber, request, control),
    )
    slot.turn = turn
    slot.wake = control.wake?.bind(control)
    this.slots.delete(runId)
    this.slots.set(runId, slot)
    this.resting.delete(runId)
    const reply = turn.run().then(
      (progress) => {
        const isGoingOn = progress.kind === 'continue' || progress.kind === 'rotate'
        this.rest(runId, slot, isGoingOn)
        slot.last = { cursor, progress }
        return progress
      },
      (error: unknown) => {
        this.rest(runId, slot, false)
        if (!mayGoOn(error) && this.slots.get(runId) === slot) this.evict(runId)
        throw error
      },
    )
    slot.pending = { cursor, reply }
    return reply
  }

  private rest(runId: string, slot: Slot, isGoingOn: boolean): void {
    slot.turn = undefined
    slot.pending = undefined
    if (!isGoingOn && this.slots.get(runId) === slot) this.resting.set(runId, slot)
    this.drop(this.resting, this.maxFibers, slot)
    this.drop(this.slots, GOING_ON * this.maxFibers, slot)
  }

  /** Until there are no more than `most` of them. */
  private drop(from: ReadonlyMap<string, Slot>, most: number, but: Slot): void {
    for (const [runId, slot] of from) {
      if (from.size <= most) return
      if (slot.pending === undefined && slot !== but && !hasWork(slot.fiber)) this.evict(runId)
    }
  }

  // ── the journal over generations ──────────────────────────────────────────────────────────────────────────────────

  private async load(request: Advance, control: Control): Promise<readonly Entry[]> {
    const { seed } = request
    if (request.cursor === 0) return []
    if (seed?.entries === undefined) return control.journal.load(0)
    return [...(await this.unrotate(seed.entries)), ...(await control.journal.load(seed.cursor))]
  }

  /** Rule 8. Each generation's entries are stored once: a blob holds them and the hash of the one before. */
  private async rotate(fiber: Fiber, request: Advance, control: Control): Promise<Seed> {
    if (control.journal.keepsAll === true) return { cursor: fiber.acknowledged }
    const entries = await control.journal.load(request.seed?.cursor ?? 0)
    const generation = { before: request.seed?.entries ?? null, entries }
    const hash = await this.blobs(fiber.runId).put(encodeText(JSON.stringify(generation)))
    return { entries: hash, cursor: fiber.acknowledged }
  }

  private async unrotate(newest: string): Promise<readonly Entry[]> {
    const generations: (readonly Entry[])[] = []
    for (let hash: string | null = newest; hash !== null; ) {
      const text = decodeText(await this.blobs(newest).get(hash))
      const generation = JSON.parse(text) as { before: string | null; entries: readonly Entry[] }
      generations.unshift(generation.entries)
      hash = generation.before
    }
    return generations.flat()
  }

  private blobs(runId: string): Blobs {
    const { blobs, manifest } = this.options
    if (blobs !== undefined) return blobs
    throw new UsageError(
      'UNSUPPORTED',
      `Engine ${manifest.name} wants the journal of run ${runId} rotated, but the host has no blob store.`,
      {
        hint: 'Pass blobs to the host.',
      },
    )
  }
}

function stale(request: Advance, at: number): EngineError {
  return new EngineError(
    'STALE_ADVANCE',
    `Run ${request.runId} was advanced from entry ${request.cursor}, but is at ${at}.`,
    { hint: 'Another advance has overtaken this one; drop it.' },
  )
}

/** Steps in flight, or entries that a store would not take. An engine that keeps the journal may ask another host for them. */
function hasWork({ dropped, inFlight, produced, env }: Fiber): boolean {
  return !dropped && (inFlight > 0 || (produced.length > 0 && env.manifest.journal === 'store'))
}

/** After these the fiber still holds what it has done; the same advance can be tried again. */
function mayGoOn(error: unknown): boolean {
  return isInfrastructure(error) && error.code !== 'JOURNAL_GAP'
}
