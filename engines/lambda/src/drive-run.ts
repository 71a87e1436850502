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
  EngineError,
  type Entry,
  errorToJson,
  type Host,
  type Outcome,
  probe,
  type Signal,
} from '@selvage/core'
import {
  type Advanced as Asked,
  type Ground,
  notRegistered,
  type Platform,
  reopenEntry,
  Stretch,
} from '@selvage/core/engines'
import { tooLarge } from './errors.ts'
import { Inbox, OPEN_CALLBACKS } from './inbox.ts'
import type { Kept, Large } from './large.ts'
import { ENVELOPE_BYTES, operationName, PAYLOAD_BYTES, wholeSeconds } from './limits.ts'
import { inboxName } from './names.ts'
import type { Post } from './post.ts'
import { Queue } from './queue.ts'
import type { Records } from './records.ts'
import type { LambdaService } from './service.ts'
import {
  type Advanced,
  type Bell,
  CLOSED,
  type Failed,
  type Letter,
  LOOK,
  NO_PAST,
  type Past,
  type RunPayload,
} from './wire.ts'

/** What a run needs of the process that drives it. */
export interface Driver extends Ground {
  /** The one that has the program; undefined: none here has it. */
  hostOf(payload: RunPayload): Host | undefined
  readonly large: Large
  readonly platform: Platform
  /** Milliseconds that are left to this invocation. */
  remainingMs(): number
  /** Nothing new begins when so little is left. */
  readonly reserveMs: number
  /** `operations`: of the service's. */
  readonly rotateAfter: { readonly advances: number; readonly operations: number; readonly bytes?: number } | 'never'
  readonly service: LambdaService
  readonly records: Records
  readonly post: Post
}

const LONGEST_PAUSE_SECONDS = 300

export class Generation extends Stretch {
  private readonly ctx: DurableContext
  private readonly payload: RunPayload
  private readonly driver: Driver
  private readonly inbox: Inbox
  private readonly queue: Queue
  /** Of this generation, as far as they are durable. */
  private readonly kept: Kept[] = []
  private readonly past: Past
  private last: Advanced | undefined
  private heard = 0
  private operations = 0
  private warm = false

  constructor(ctx: DurableContext, payload: RunPayload, driver: Driver) {
    const { runId, past = NO_PAST, reopen } = payload
    super(runId, { ...past, at: 0, reopen }, driver)
    this.ctx = ctx
    this.payload = payload
    this.driver = driver
    this.past = past
    this.queue = new Queue(runId, past, async (number) => (await driver.post.at(runId, number))?.letter, driver.large)
    this.inbox = new Inbox(ctx, inboxName(runId), (text) => this.ring(text))
    if (reopen !== undefined) this.kept.push([reopenEntry(reopen)])
  }

  /** Undefined: the next generation goes on. */
  async live(): Promise<Outcome | undefined> {
    const { start, startAt } = this.payload
    this.listenTo(0)
    if (startAt !== undefined) await this.sleep(startAt)
    return await this.drive(start)
  }

  // ── the verbs of a stretch ────────────────────────────────────────────────────────────────────────────────────────

  protected async record(name: string, request: Advance): Promise<Asked> {
    for (let tries = 0; ; tries++) {
      const advanced = await this.step(name, (attempt) => this.attempt(request, tries, attempt))
      this.listenTo(advanced.heard)
      if (advanced.kind === 'failed') {
        await this.pause('try again', advanced.afterSeconds)
        continue
      }
      this.last = advanced
      this.kept.push(advanced.entries)
      this.bytes += JSON.stringify(advanced).length
      this.queue.take(advanced.taken)
      if (advanced.isLate === true) await this.pause('next invocation', 1)
      // The loop asks for no entries: they may lie elsewhere.
      return { ...advanced, entries: [] }
    }
  }

  protected async rest(_: readonly string[], until: number | undefined): Promise<void> {
    if (this.last?.kind !== 'wait' || this.last.called === true) return
    probe('engine.before-suspend')
    await this.called(until)
  }

  override isFull(): boolean {
    const { rotateAfter } = this.driver
    return super.isFull() || (rotateAfter !== 'never' && this.operations >= rotateAfter.operations)
  }

  protected override async handOn(): Promise<void> {
    const { driver, inbox, payload, queue, steps } = this
    const { generation } = payload
    await this.step('close the inbox', async () => {
      for (const id of await inbox.ids(this.heard)) await driver.service.complete(id, CLOSED)
      return null
    })
    await this.step(`begin generation ${generation + 1}`, async () => {
      await inbox.until(inbox.opened)
      const next = { nonce: `rotated from ${generation}`, steps, taken: queue.taken, queued: queue.end }
      probe('engine.before-rotate')
      await driver.records.beginNext(payload, await driver.large.entries(this.kept), next)
      probe('engine.after-rotate')
      return null
    })
    this.evict()
  }

  override async load(from: number): Promise<readonly Entry[]> {
    const before = this.past.entries === 0 ? [] : await this.driver.records.stored(this.payload)
    return [...before, ...(await this.driver.large.entries(this.kept))].slice(from)
  }

  /** By a callback of its own. */
  protected wake(): void {
    const wake = async (): Promise<void> => {
      for (const id of await this.inbox.ids(this.heard)) {
        if (await this.driver.service.complete(id, JSON.stringify({ wake: true }))) return
      }
    }
    void wake().catch((error: unknown) => this.driver.platform.report(error))
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
  private async sleep(startAt: number): Promise<void> {
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
  private async attempt(request: Advance, tries: number, attempt: number): Promise<Advanced | Failed> {
    const { driver, payload, queue } = this
    if (!this.warm) probe('engine.after-claim')
    this.warm = true
    const { program, version } = payload.start
    try {
      const host = driver.hostOf(payload)
      if (host === undefined) throw notRegistered(payload.runId, program, version)
      await this.look()
      const unread = await this.listen()
      const end = queue.taken + unread.length
      const begunAt = driver.platform.now()
      const ms = driver.remainingMs() - driver.reserveMs
      this.isWoken = false
      // Tried before in this or another process, it may have begun.
      const delivery = tries === 0 ? attempt : Math.max(2, attempt)
      const asked = await this.ask(host, request, { delivery, ...(ms > 0 && { budget: { ms } }) })
      // Cut with a step in flight: all that can be done is to go on with it, until it or the invocation is over.
      const isCut = asked.entries.length === 0 && driver.platform.now() - begunAt >= ms
      const isLate = driver.remainingMs() < driver.reserveMs && !isCut
      const isCalled = asked.kind === 'wait' && (this.isWoken || queue.end > end)
      const advanced: Advanced = {
        ...asked,
        heard: this.inbox.heard,
        taken: queue.takenWith((id) => this.isReceived(id, asked)),
        ...(isCalled && { called: true }),
        ...(isLate && { isLate: true }),
      }
      return await this.fitted(advanced, request.cursor)
    } catch (error) {
      driver.platform.report(error)
      const afterSeconds = backoffSeconds(tries + 1)
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      return { kind: 'failed', heard: this.inbox.heard, message: message.slice(0, 4_096), afterSeconds }
    }
  }

  /** What is too large for the result of a step lies in a blob. `before`: entries that are durable. */
  private async fitted(advanced: Advanced, before: number): Promise<Advanced> {
    const bytes = Buffer.byteLength(JSON.stringify(advanced))
    if (bytes <= PAYLOAD_BYTES) return advanced
    const entries = await this.driver.large.archive(advanced.entries)
    if (entries === null) return this.refused(advanced, before, bytes)
    const small: Advanced = { ...advanced, entries }
    if (Buffer.byteLength(JSON.stringify(small)) <= PAYLOAD_BYTES) return small
    throw new EngineError('UNAVAILABLE', `The status of run ${this.runId} is too large for Lambda.`, {
      hint: 'Show less in ctx.status.',
    })
  }

  /** Several values that fit one by one and not together: the run ends, and can be retried where there are blobs. */
  private refused({ at, steps, heard }: Advanced, seq: number, bytes: number): Advanced {
    const outcome = { error: errorToJson(tooLarge('reply', bytes, PAYLOAD_BYTES - ENVELOPE_BYTES)) }
    const { taken } = this.queue
    const common = { cursor: seq + 1, next: [], received: [], at, steps, heard, taken }
    this.evict()
    return { ...common, kind: 'done', outcome, entries: [{ seq, at, type: 'end', outcome }] }
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

  // ── hearing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private ring(text: string): void {
    const bell = parsed(text)
    if (bell === undefined) return
    if ('wake' in bell) this.isWoken = true
    else this.queue.hear(bell.number, bell.letter)
    if (this.isAdvancing) void this.listen().catch((error: unknown) => this.driver.platform.report(error))
  }

  /** Hears of those that are not taken: a live program has them at once. */
  private async listen(): Promise<readonly Signal[]> {
    const { blobs } = this.driver.large
    const unread = await this.queue.read(blobs === undefined ? PAYLOAD_BYTES / 2 : Number.POSITIVE_INFINITY)
    for (const signal of unread) this.hear(signal)
    return unread
  }
}

/** 1, 2, 4, … after the first, second, third failure. */
function backoffSeconds(failures: number): number {
  return Math.min(LONGEST_PAUSE_SECONDS, 2 ** Math.min(failures - 1, 20))
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
