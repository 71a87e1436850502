/**
 * The engine on AWS Lambda durable functions. A generation of a run is a durable execution of the function, by name; a step
 * of the run is a step of it.
 *
 *   start  ──▶ Invoke (generation 0) ──rotate──▶ (1) ── … ──▶ over ──retry──▶ (n + 1)
 *   signal ──▶ Invoke (claims its id) ──▶ Invoke (its number) ──▶ a callback in the inbox of whichever generation goes on
 *   describe, journal, list, questions ◀── the executions and their histories
 *
 * Any process with credentials may do these. Nobody serves: the service begins the function when there is something to do,
 * and `serve` only says what this process can run when it is that function.
 */
import { randomUUID } from 'node:crypto'
import type { DurableContext } from '@aws/durable-execution-sdk-js'
import { LambdaClient } from '@aws-sdk/client-lambda'
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
  questionsIn,
  type RunDescription,
  RunError,
  type RunQuery,
  type RunSummary,
  reopenRun,
  runMatches,
  type Signal,
  type SignalReceipt,
  type Start,
  sendCancel,
  UsageError,
} from '@selvage/core'
import { archive, type Driver } from './drive-run.ts'
import { closed, conflict, noRetryInside, runEnded } from './errors.ts'
import type { Station } from './handler.ts'
import { readLetter, writeLetter } from './letters.ts'
import { INVOCATION_MS, OPERATIONS } from './limits.ts'
import { manifestFor } from './manifest.ts'
import { Names } from './names.ts'
import { Post } from './post.ts'
import { type Known, knownFrom, outcomeOf, Records } from './records.ts'
import { LambdaService } from './service.ts'
import type { RunPayload } from './wire.ts'

export interface LambdaOptions {
  /**
   * The function whose module exports the handler: name or ARN, with the version or alias that new runs begin on. Default:
   * the function and version that this process is.
   */
  readonly functionName?: string
  /** Default: a client with the settings of the environment. */
  readonly client?: LambdaClient
  /** Where large values go, and the entries of generations that are over. Every process needs the same. See s3Blobs. */
  readonly blobs?: Blobs
  /**
   * Whether the operations of an execution go by the names of steps. Each then costs one small operation more, in which the
   * program asks for it; without, all go by the program's name. Default true.
   */
  readonly namesSteps?: boolean
  /** When a run goes on in a new execution: after so many operations, or bytes of results. Default 2,000 and 4 MiB. */
  readonly rotateAfter?: { readonly operations?: number; readonly bytes?: number }
  /** Nothing new begins in an invocation that has less left, in milliseconds. Default: a quarter of it, at most 5 minutes. */
  readonly reserveMs?: number
  /** `RetentionPeriodInDays` of the function; default 14, as the service's. */
  readonly retentionDays?: number
  /** How often a change of a run is looked for: from the first pause to the longest, in milliseconds. Default 100, 2,000. */
  readonly poll?: { readonly firstMs?: number; readonly longestMs?: number }
  /** Default: the system's. The service's own timers go by its own. */
  readonly clock?: Pick<Clock, 'now'>
  /** Told of failures that are tried again. Default: the console, which is the function's log. */
  readonly onError?: (error: unknown) => void
}

export interface LambdaEngine extends Engine {
  list(query: RunQuery): Promise<Page<RunSummary>>
  questions(query: QuestionQuery): Promise<Page<QuestionRecord>>
  question(id: string): Promise<QuestionRecord>
  retry(runId: string): Promise<void>
  /** For `lambdaHandler` and `runInside`. */
  readonly station: Station
}

const JOURNAL_PAGE = 1_000
const SHARE_IN_RESERVE = 0.25
const LONGEST_RESERVE_MS = 300_000

export function lambdaEngine(options: LambdaOptions = {}): LambdaEngine {
  return new OnLambda(options)
}

class OnLambda implements LambdaEngine {
  readonly manifest: Engine['manifest']
  readonly station: Station
  readonly blobs?: Blobs
  private readonly options: LambdaOptions
  private readonly service: LambdaService
  private readonly client: LambdaClient
  private readonly names: Names
  private readonly records: Records
  private readonly post: Post
  private readonly report: (error: unknown) => void
  private readonly hosts = new Set<Host>()
  private readonly gone = new AbortController()

  constructor(options: LambdaOptions) {
    const { functionName = ownFunction(), retentionDays = 14, blobs } = options
    checkRotation(options.rotateAfter?.operations)
    this.options = options
    this.manifest = manifestFor(retentionDays)
    if (blobs !== undefined) this.blobs = blobs
    this.client = options.client ?? new LambdaClient({})
    this.service = new LambdaService(this.client, functionName)
    this.names = new Names(functionName)
    this.records = new Records(this.service, this.names, blobs)
    this.report = options.onError ?? ((error) => console.error('[selvage]', error))
    this.post = new Post(this.service, this.names, this.records, this.report)
    this.station = {
      post: this.post,
      hostOf: (payload) => this.hostOf(payload),
      driver: (ctx) => this.driver(ctx),
    }
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async start(runId: string, start: Start, options: { readonly startAt?: number } = {}): Promise<{ created: boolean }> {
    this.checkOpen()
    const known = await this.records.find(runId)
    if (known !== undefined) return same(known, start)
    const { startAt } = options
    const payload: RunPayload = {
      selvage: 'run',
      runId,
      generation: 0,
      start,
      nonce: randomUUID(),
      ...(startAt !== undefined && { startAt }),
    }
    if (await this.service.invoke(this.names.generation(runId, 0), payload)) return { created: true }
    return same(await this.records.known(runId), start)
  }

  async signal(runId: string, signal: Signal): Promise<SignalReceipt> {
    this.checkOpen()
    const known = await this.records.known(runId)
    if (outcomeOf(known) !== undefined) {
      const first = await this.post.claimed(runId, signal.id)
      if (first !== undefined) return { accepted: false, first: await readLetter(this.blobs, first.letter) }
      throw runEnded(runId)
    }
    const letter = await writeLetter(this.blobs, { ...signal, at: this.now() })
    const from = this.post.from(runId, await this.records.taken(known))
    probe('engine.before-signal')
    const first = await this.post.claim({ selvage: 'signal', runId, id: signal.id, nonce: randomUUID(), letter, from })
    if (first !== undefined) return { accepted: false, first: await readLetter(this.blobs, first.letter) }
    await this.post.enqueue({ runId, id: signal.id, letter, from })
    probe('engine.after-signal')
    return { accepted: true }
  }

  async cancel(runId: string, reason: string, by?: string): Promise<void> {
    const runs = {
      describe: (id: string) => this.describe(id),
      reopenings: async (id: string) => reopeningsOf(await this.records.known(id)),
      signal: (id: string, signal: Signal) => this.signal(id, signal),
    }
    await sendCancel(runs, runId, reason, by)
  }

  async retry(runId: string): Promise<void> {
    this.checkOpen()
    const load = async (id: string): Promise<readonly Entry[]> => this.journal(id, 0, Number.POSITIVE_INFINITY)
    const runs = { describe: (id: string) => this.describe(id), load, reopen: this.reopen.bind(this) }
    await reopenRun(runs, runId, this.now())
  }

  private async reopen(runId: string, entries: number, voided: readonly string[], at: number): Promise<void> {
    const known = await this.records.known(runId)
    const { payload, createdAt } = known
    if (known.inside !== undefined) throw noRetryInside(runId)
    const { steps } = await this.records.describe(known)
    const own = await this.records.ownEntries(known)
    const taken = await this.records.taken(known)
    const { archives = [], entries: before = 0 } = payload.past ?? {}
    const generation = payload.generation + 1
    const next: RunPayload = {
      selvage: 'run',
      runId,
      generation,
      start: payload.start,
      nonce: randomUUID(),
      past: {
        createdAt,
        entries,
        steps,
        reopenings: reopeningsOf(known),
        taken,
        queued: taken,
        archives: [...archives, await archive(this.blobs, own)],
      },
      reopen: { at, entries, voided },
    }
    if (before + own.length === entries && (await this.service.invoke(this.names.generation(runId, generation), next)))
      return
    throw new EngineError('JOURNAL_GAP', `Run ${runId} was retried by somebody else.`)
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async describe(runId: string): Promise<RunDescription> {
    this.checkOpen()
    return await this.records.describe(await this.records.known(runId))
  }

  async journal(runId: string, from: number, limit: number = JOURNAL_PAGE): Promise<readonly Entry[]> {
    this.checkOpen()
    return await this.records.entries(await this.records.known(runId), from, limit)
  }

  async changed(...[runId, since, abortSignal]: Parameters<Engine['changed']>): Promise<void> {
    const { firstMs = 100, longestMs = 2_000 } = this.options.poll ?? {}
    for (let pauseMs = firstMs; abortSignal?.aborted !== true; pauseMs = Math.min(longestMs, pauseMs * 2)) {
      const { status, entries } = await this.describe(runId)
      if (status !== since.status || (since.entries !== undefined && since.entries !== entries)) return
      await pause(pauseMs, abortSignal, this.gone.signal)
    }
  }

  async list(query: RunQuery): Promise<Page<RunSummary>> {
    this.checkOpen()
    const found: RunSummary[] = []
    for await (const known of this.all(query)) {
      const run = summaryOf(await this.records.describe(known))
      if (runMatches(run, query)) found.push(run)
    }
    return pageOf(found, ({ createdAt, id }) => [createdAt, id], query)
  }

  async questions(query: QuestionQuery): Promise<Page<QuestionRecord>> {
    this.checkOpen()
    const { runId } = query
    const found: QuestionRecord[] = []
    const runs = runId === undefined ? this.all({}) : [await this.records.known(runId)]
    for await (const known of runs) {
      const { tags } = known.payload.start
      for (const record of await this.asked(known)) if (questionMatches(record, query, tags)) found.push(record)
    }
    return pageOf(found, ({ openedAt, id }) => [openedAt, id], query)
  }

  async question(id: string): Promise<QuestionRecord> {
    this.checkOpen()
    for await (const known of this.all({})) {
      const record = (await this.asked(known)).find((each) => each.id === id)
      if (record !== undefined) return record
    }
    throw new RunError('NOT_FOUND', `There is no question ${id} on Lambda.`, { details: { id } })
  }

  /** Runs, newest first, each by its newest generation. */
  private async *all({ createdFrom, createdBefore }: RunQuery): AsyncGenerator<Known> {
    let marker: string | undefined
    do {
      const page = await this.service.list({
        ...(marker !== undefined && { marker }),
        // The service's bounds are exclusive, and of seconds at times: the filter behind is exact.
        ...(createdFrom !== undefined && { from: createdFrom - 1_000 }),
        ...(createdBefore !== undefined && { before: createdBefore + 1_000 }),
      })
      for (const { DurableExecutionName: name = '', DurableExecutionArn: arn = '' } of page.items) {
        const first = Names.isFirst(name) ? await this.service.get(arn) : undefined
        if (first !== undefined) yield await this.records.known(knownFrom(first).runId)
      }
      marker = page.next
    } while (marker !== undefined)
  }

  private async asked(known: Known): Promise<readonly QuestionRecord[]> {
    const { runId } = known
    const records = questionsIn(runId, await this.records.entries(known, 0, Number.POSITIVE_INFINITY))
    return await Promise.all(
      records.map(async (record): Promise<QuestionRecord> => {
        if (record.status !== 'open' && record.status !== 'answered') return record
        const claim = await this.post.claimed(runId, record.id)
        if (claim === undefined) return record
        return { ...record, status: 'answered', answer: await readLetter(this.blobs, claim.letter) }
      }),
    )
  }

  // ── the function ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Says what this process can run when Lambda invokes it: see lambdaHandler. Elsewhere nothing comes of it. */
  async serve(host: Host): Promise<{ stop(): Promise<void> }> {
    this.checkOpen()
    this.hosts.add(host)
    return { stop: async () => void this.hosts.delete(host) }
  }

  private hostOf({ start: { program, version } }: RunPayload): Host | undefined {
    const has = (host: Host): boolean =>
      host.registered().some((other) => other.name === program && other.version === version)
    return [...this.hosts].find(has)
  }

  private driver(ctx: DurableContext): Driver {
    const {
      reserveMs,
      namesSteps = true,
      rotateAfter: { operations = 2_000, bytes = 4 * 1024 * 1024 } = {},
    } = this.options
    const lambda = ctx.lambdaContext as { getRemainingTimeInMillis?: () => number }
    const remainingMs = (): number => lambda.getRemainingTimeInMillis?.() ?? INVOCATION_MS
    return {
      hostOf: (payload) => this.hostOf(payload),
      ...(this.blobs !== undefined && { blobs: this.blobs }),
      now: () => this.now(),
      remainingMs,
      reserveMs: reserveMs ?? Math.min(LONGEST_RESERVE_MS, remainingMs() * SHARE_IN_RESERVE),
      namesSteps,
      rotateAfter: { operations, bytes },
      stored: (payload) => this.records.stored(payload),
      queued: async (runId, number) => (await this.post.at(runId, number))?.letter,
      complete: (callbackId, text) => this.service.complete(callbackId, text),
      begin: async (payload) =>
        void (await this.service.invoke(this.names.generation(payload.runId, payload.generation), payload)),
      report: this.report,
    }
  }

  async close(): Promise<void> {
    if (this.gone.signal.aborted) return
    this.gone.abort()
    this.hosts.clear()
    if (this.options.client === undefined) this.client.destroy()
  }

  private now(): number {
    return (this.options.clock ?? Date).now()
  }

  private checkOpen(): void {
    if (this.gone.signal.aborted) throw closed()
  }
}

function same({ runId, payload }: Known, asked: Start): { created: false } {
  const { start } = payload
  if (start.program === asked.program && canonical(start.input) === canonical(asked.input)) return { created: false }
  throw conflict(runId)
}

function reopeningsOf({ payload: { past, reopen } }: Known): number {
  return (past?.reopenings ?? 0) + (reopen === undefined ? 0 : 1)
}

function summaryOf(run: RunDescription): RunSummary {
  const { start: _, outcome: __, waitsFor: ___, note: ____, ...summary } = run
  return summary
}

function ownFunction(): string {
  const { AWS_LAMBDA_FUNCTION_NAME: name, AWS_LAMBDA_FUNCTION_VERSION: version = '$LATEST' } = process.env
  if (name !== undefined) return `${name}:${version}`
  throw new UsageError('BAD_INPUT', 'The engine on Lambda does not know its function.', {
    hint: "Outside of it give its name: lambdaEngine({ functionName: 'my-function:live' }).",
  })
}

function checkRotation(operations: number | undefined): void {
  if (operations === undefined || (Number.isInteger(operations) && operations >= 10 && operations <= OPERATIONS / 2))
    return
  throw new UsageError('BAD_INPUT', `rotateAfter.operations of the engine on Lambda is ${operations}.`, {
    hint: `Give a whole number from 10 to ${OPERATIONS / 2}: an execution takes ${OPERATIONS}.`,
  })
}

async function pause(ms: number, ...over: readonly (AbortSignal | undefined)[]): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      for (const each of over) each?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    for (const each of over) each?.addEventListener('abort', done)
  })
}
