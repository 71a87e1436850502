/**
 * The loop of a run in Lambda's words: `drive` of core, within one durable execution.
 *
 *   advance     context.step, named after the step about to run, at most once per attempt: its attempts count deliveries
 *   waitFor     the next callback of the inbox, and context.wait where there is a time
 *   startAnew   a step that begins the execution of the next generation
 *
 * The ids of operations are positions: which operations follow is decided by what is recorded (`Advanced`), never by what
 * this invocation happens to see. Between two operations nothing is waited for but operations: the SDK ends an invocation
 * in which nothing runs. So everything that reads or writes elsewhere happens inside of a step.
 *
 * What this keeps in memory is what the next invocation builds again from the service's record; only `warm` is of the
 * invocation.
 */
import { type DurableContext, StepInterruptedError, StepSemantics } from '@aws/durable-execution-sdk-js'
import {
  type Advance,
  type Blobs,
  type Control,
  drive,
  EngineError,
  type Entry,
  errorToJson,
  type Host,
  Offering,
  type Outcome,
  type Primitives,
  type Progress,
  probe,
  type Seed,
  SelvageError,
  type Signal,
} from '@selvage/core'
import { advancedBy, type Platform, reopenEntry } from '@selvage/core/engines'
import { notRegistered, tooLarge } from './errors.ts'
import { Inbox, OPEN_CALLBACKS } from './inbox.ts'
import { readLetter } from './letters.ts'
import { ENVELOPE_BYTES, operationName, PAYLOAD_BYTES, wholeSeconds } from './limits.ts'
import { inboxName } from './names.ts'
import { type Numbered, Queue } from './queue.ts'
import {
  type Advanced,
  type Bell,
  CLOSED,
  type Failed,
  type Kept,
  type Letter,
  LOOK,
  type Past,
  type RunPayload,
  toProgress,
} from './wire.ts'

/** What a run needs of the process that drives it. */
export interface Driver {
  /** The one that has the program; undefined: none here has it. */
  hostOf(payload: RunPayload): Host | undefined
  readonly blobs?: Blobs
  readonly platform: Platform
  /** Milliseconds that are left to this invocation. */
  remainingMs(): number
  /** Nothing new begins when so little is left. */
  readonly reserveMs: number
  /** Whether operations go by the names of steps. */
  readonly namesSteps: boolean
  readonly rotateAfter: { readonly operations: number; readonly bytes: number }
  /** Entries of the generations before. */
  stored(payload: RunPayload): Promise<readonly Entry[]>
  /** The signal of that number in the queue of a run, if it can be seen. */
  queued(runId: string, number: number): Promise<Letter | undefined>
  /** Completes a callback; false if it was completed before. */
  complete(callbackId: string, text: string): Promise<boolean>
  begin(payload: RunPayload): Promise<void>
}

const LONGEST_PAUSE_SECONDS = 300

/** Thrown through `drive`: the next generation goes on. */
export const ROTATED: unique symbol = Symbol('rotated')

export class Generation implements Primitives {
  readonly announces: boolean
  private readonly ctx: DurableContext
  private readonly payload: RunPayload
  private readonly driver: Driver
  private readonly inbox: Inbox
  private readonly queue: Queue
  private readonly offering: Offering
  /** Of this generation, as far as they are durable. */
  private readonly kept: Kept[] = []
  private readonly past: Past
  private last: Advanced | undefined
  private heard = 0
  private operations = 0
  private bytes = 0
  private readonly received = new Set<string>()
  /** Signals below this number were given to the program, though not all may be in the journal. */
  private given = 0
  private host: Host | undefined
  private warm = false
  private advancing = false
  private woken = false

  constructor(ctx: DurableContext, payload: RunPayload, driver: Driver) {
    this.ctx = ctx
    this.payload = payload
    this.driver = driver
    this.announces = driver.namesSteps
    this.past = payload.past ?? NO_PAST
    const { runId } = payload
    const fetch = (number: number): Promise<Letter | undefined> => driver.queued(runId, number)
    this.queue = new Queue(runId, this.past, fetch, (letter) => readLetter(driver.blobs, letter))
    this.offering = new Offering(
      (signal) => !this.advancing || this.received.has(signal.id) || this.host?.offer(runId, signal) !== false,
      (ms, act) => void driver.platform.timer(ms, act),
    )
    this.inbox = new Inbox(ctx, inboxName(payload.runId), (text) => this.hear(text))
    const { reopen } = payload
    if (reopen !== undefined) this.kept.push([reopenEntry(reopen)])
  }

  async drive(): Promise<Outcome> {
    const { runId, start, startAt } = this.payload
    this.listenTo(0)
    if (startAt !== undefined) await this.rest(startAt)
    const cursor = this.past.entries + (this.payload.reopen === undefined ? 0 : 1)
    const outcome = await drive({ runId, start, ...(cursor > 0 && { seed: { cursor } }) }, this)
    probe('engine.before-finish')
    this.host?.evict(runId)
    probe('engine.after-finish')
    return outcome
  }

  // ── Primitives ────────────────────────────────────────────────────────────────────────────────────────────────────

  async advance(name: string, request: Advance): Promise<Progress> {
    for (let tries = 0; ; tries++) {
      const advanced = await this.step(name, (attempt) => this.live(request, tries, attempt))
      this.advancing = false
      this.listenTo(advanced.heard)
      if (advanced.kind === 'failed') {
        await this.pause('try again', advanced.afterSeconds)
        continue
      }
      this.take(advanced)
      if (advanced.isLate === true) await this.pause('next invocation', 1)
      return toProgress(advanced)
    }
  }

  async waitFor(_: readonly string[], until: number | undefined): Promise<readonly Signal[]> {
    const isOver = until !== undefined && until <= this.now()
    if (this.last?.kind !== 'wait' || this.last.called === true || isOver) return []
    probe('engine.before-suspend')
    await this.called(until)
    return []
  }

  /** By the newest thing that is recorded. */
  now(): number {
    return this.last?.at ?? 0
  }

  isFull(): boolean {
    const { operations, bytes } = this.driver.rotateAfter
    return this.operations >= operations || this.bytes >= bytes
  }

  async startAnew(_: Seed): Promise<never> {
    const { driver, inbox, payload, past, last, queue } = this
    const generation = payload.generation + 1
    await this.step('close the inbox', async () => {
      for (const id of await inbox.ids(this.heard)) await driver.complete(id, CLOSED)
      return null
    })
    await this.step(`begin generation ${generation}`, async () => {
      await inbox.until(inbox.opened)
      const entries = await this.entries()
      await driver.begin({
        selvage: 'run',
        runId: payload.runId,
        generation,
        start: payload.start,
        nonce: `rotated from ${payload.generation}`,
        past: {
          createdAt: past.createdAt,
          entries: past.entries + entries.length,
          steps: last?.steps ?? past.steps,
          reopenings: last?.reopenings ?? past.reopenings,
          taken: queue.taken,
          queued: queue.end,
          archives: [...past.archives, await archive(driver.blobs, entries)],
        },
      })
      return null
    })
    this.host?.evict(payload.runId)
    throw ROTATED
  }

  // ── operations ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A step of the service's: on record before it begins, and begun again for as long as its process dies. */
  private async step<T>(name: string, body: (attempt: number) => Promise<T>): Promise<T> {
    this.operations++
    return await this.ctx.step(operationName(name), ({ attempt }) => body(attempt ?? 1), {
      semantics: StepSemantics.AtMostOncePerRetry,
      retryStrategy: (error, tries) => ({
        shouldRetry: true,
        delay: { seconds: error instanceof StepInterruptedError ? 1 : backoffSeconds(tries) },
      }),
    })
  }

  private async pause(name: string, seconds: number): Promise<void> {
    this.operations++
    await this.ctx.wait(name, { seconds })
  }

  /** Opens as many callbacks as were read, and a few. */
  private listenTo(heard: number): void {
    this.heard = heard
    const before = this.inbox.opened
    this.inbox.open(heard + OPEN_CALLBACKS)
    this.operations += this.inbox.opened - before
  }

  /** Resolves with the next letter, or at that time. */
  private async called(until: number | undefined): Promise<void> {
    const called = this.inbox.until(this.heard + 1)
    if (until === undefined) return await called
    const name = `until ${new Date(until).toISOString()}`
    await Promise.race([called, this.pause(name, wholeSeconds(until - this.driver.platform.now()))])
  }

  /** Until the run may start, or is cancelled: a look after each call, so that callbacks never run out. */
  private async rest(startAt: number): Promise<void> {
    for (let isOver = false; !isOver; ) {
      await this.called(startAt)
      const seen = await this.step(LOOK, async () => {
        return { heard: this.inbox.heard, isOver: this.driver.platform.now() >= startAt || this.queue.isCancelled }
      })
      this.listenTo(seen.heard)
      isOver = seen.isOver
    }
  }

  // ── an advance ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Happens again in another invocation where this one dies. */
  private async live(request: Advance, tries: number, attempt: number): Promise<Advanced | Failed> {
    const { driver, payload } = this
    if (!this.warm) probe('engine.after-claim')
    this.warm = true
    const { program, version } = payload.start
    try {
      this.host ??= driver.hostOf(payload)
      if (this.host === undefined) throw notRegistered(payload.runId, program, version)
      await this.look()
      const unread = await this.unread()
      const end = this.queue.taken + unread.length
      this.given = end
      const begunAt = driver.platform.now()
      const ms = driver.remainingMs() - driver.reserveMs
      this.woken = false
      this.advancing = true
      const signals = unread.flatMap(({ signal }) => (this.received.has(signal.id) ? [] : [signal]))
      // Tried before in this or another process, it may have begun.
      const delivery = tries === 0 ? attempt : Math.max(2, attempt)
      const asked = { ...request, signals, now: begunAt, ...(ms > 0 && { budget: { ms } }) }
      const progress = await this.host.advance(asked, this.control(delivery))
      // Cut with a step in flight: all that can be done is to go on with it, until it or the invocation is over.
      const isCut = progress.entries.length === 0 && driver.platform.now() - begunAt >= ms
      return await this.record(progress, end, driver.remainingMs() < driver.reserveMs && !isCut)
    } catch (error) {
      driver.platform.report(error)
      const afterSeconds = backoffSeconds(tries + 1)
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      return { kind: 'failed', heard: this.inbox.heard, message: message.slice(0, 4_096), afterSeconds }
    }
  }

  private control(delivery: number): Control {
    return {
      abortSignal: NEVER_ABORTED,
      heartbeat: () => {},
      journal: { load: async (from) => (await this.journal()).slice(from), keepsAll: true },
      delivery,
      wake: () => void this.wake().catch((error: unknown) => this.driver.platform.report(error)),
    }
  }

  /** `asked`: up to which number it was given signals. */
  private async record(progress: Progress, asked: number, isLate: boolean): Promise<Advanced> {
    const { driver, past, last, inbox, queue } = this
    const isCalled = progress.kind === 'wait' && (this.woken || queue.end > asked)
    return await this.fitted({
      ...advancedBy(progress, driver.platform.now(), last?.steps ?? past.steps),
      reopenings: past.reopenings + (this.payload.reopen === undefined ? 0 : 1),
      heard: inbox.heard,
      taken: queue.takenWith((id) => this.received.has(id) || progress.received.includes(id)),
      ...(isCalled && { called: true }),
      ...(isLate && { isLate: true }),
    })
  }

  /** What is too large for the result of a step lies in a blob. */
  private async fitted(advanced: Advanced): Promise<Advanced> {
    const { blobs } = this.driver
    const { entries } = advanced
    const bytes = Buffer.byteLength(JSON.stringify(advanced))
    if (bytes <= PAYLOAD_BYTES || !isList(entries)) return advanced
    if (blobs === undefined) return this.refused(advanced, bytes)
    const blob = await blobs.put(Buffer.from(JSON.stringify(entries)))
    const small: Advanced = { ...advanced, entries: { blob, count: entries.length } }
    if (Buffer.byteLength(JSON.stringify(small)) <= PAYLOAD_BYTES) return small
    throw new EngineError('UNAVAILABLE', `The status of run ${this.payload.runId} is too large for Lambda.`, {
      hint: 'Show less in ctx.status.',
    })
  }

  /** Several values that fit one by one and not together: the run ends, and can be retried where there are blobs. */
  private refused(advanced: Advanced, bytes: number): Advanced {
    const outcome = { error: errorToJson(tooLarge('reply', bytes, PAYLOAD_BYTES - ENVELOPE_BYTES)) }
    const seq = this.past.entries + this.count()
    const { at, steps, reopenings, heard } = advanced
    const { taken } = this.queue
    const common = { cursor: seq + 1, next: [], received: [], at, steps, reopenings, heard, taken }
    this.host?.evict(this.payload.runId)
    return { ...common, kind: 'done', outcome, entries: [{ seq, at, type: 'end', outcome }] }
  }

  private take(advanced: Advanced): void {
    this.last = advanced
    this.kept.push(advanced.entries)
    this.bytes += JSON.stringify(advanced).length
    for (const id of advanced.received) this.received.add(id)
    this.queue.take(advanced.taken)
  }

  // ── what is known ─────────────────────────────────────────────────────────────────────────────────────────────────

  private count(): number {
    return this.kept.reduce((sum, kept) => sum + (isList(kept) ? kept.length : kept.count), 0)
  }

  private async entries(): Promise<readonly Entry[]> {
    return await unpack(this.driver.blobs, this.kept)
  }

  private async journal(): Promise<readonly Entry[]> {
    const before = this.past.entries === 0 ? [] : await this.driver.stored(this.payload)
    return [...before, ...(await this.entries())]
  }

  /** What may be there without a bell: what came before this generation began, or when no callback was open. */
  private async look(): Promise<void> {
    const { inbox, payload, queue } = this
    if (this.last !== undefined && inbox.heard < inbox.opened) return
    await queue.look().catch((error: unknown) => {
      // Nothing is lost for a run that has just begun: its signals ring until they are heard.
      if (payload.past !== undefined) throw error
      this.driver.platform.report(error)
    })
  }

  private async unread(): Promise<readonly Numbered[]> {
    return await this.queue.read(this.driver.blobs === undefined ? PAYLOAD_BYTES / 2 : Number.POSITIVE_INFINITY)
  }

  // ── hearing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private hear(text: string): void {
    const bell = parsed(text)
    if (bell === undefined) return
    if ('wake' in bell) this.woken = true
    else this.queue.hear(bell.number, bell.letter)
    if (this.advancing) void this.offer().catch((error: unknown) => this.driver.platform.report(error))
  }

  /** A live program has them at once. */
  private async offer(): Promise<void> {
    for (const { number, signal } of await this.unread()) {
      if (number < this.given) continue
      this.given = number + 1
      this.offering.add(signal)
    }
  }

  private async wake(): Promise<void> {
    for (const id of await this.inbox.ids(this.heard)) {
      if (await this.driver.complete(id, JSON.stringify({ wake: true }))) return
    }
  }
}

const NEVER_ABORTED: AbortSignal = new AbortController().signal
const NO_PAST: Past = { createdAt: 0, entries: 0, steps: 0, reopenings: 0, taken: 0, queued: 0, archives: [] }

/** 1, 2, 4, … after the first, second, third failure. */
export function backoffSeconds(failures: number): number {
  return Math.min(LONGEST_PAUSE_SECONDS, 2 ** Math.min(failures - 1, 20))
}

function isList(kept: Kept): kept is readonly Entry[] {
  return Array.isArray(kept)
}

/** Undefined for what is none: anybody may complete a callback, in the console too. */
function parsed(text: string): Bell | undefined {
  try {
    const bell = JSON.parse(text) as Partial<{ wake: true; number: number; letter: Letter }> | null
    if (bell?.wake === true) return { wake: true }
    const { number, letter } = bell ?? {}
    return Number.isSafeInteger(number) && letter !== undefined ? ({ number, letter } as Bell) : undefined
  } catch {
    return undefined
  }
}

/** Entries as they are, wherever they lie. */
export async function unpack(blobs: Blobs | undefined, kept: readonly Kept[]): Promise<readonly Entry[]> {
  const lists = await Promise.all(kept.map((each) => (isList(each) ? each : readEntries(blobs, each.blob))))
  return lists.flat()
}

export async function readEntries(blobs: Blobs | undefined, blob: string): Promise<readonly Entry[]> {
  if (blobs === undefined) {
    throw new EngineError('CORRUPT', `Entries of a run lie in blob ${blob}, and this process has no blobs.`, {
      hint: 'Give every process the blobs that the function has: lambdaEngine({ blobs }).',
    })
  }
  try {
    return JSON.parse(Buffer.from(await blobs.get(blob)).toString()) as readonly Entry[]
  } catch (cause) {
    if (SelvageError.is(cause, 'UNAVAILABLE')) throw cause
    throw new EngineError('CORRUPT', `Blob ${blob}, which holds entries of a run, cannot be read.`, { cause })
  }
}

/** Null where there are no blobs. */
export async function archive(blobs: Blobs | undefined, entries: readonly Entry[]): Promise<string | null> {
  return blobs === undefined ? null : await blobs.put(Buffer.from(JSON.stringify(entries)))
}
