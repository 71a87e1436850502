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
  type Entry,
  type OptionNames,
  type QuestionRecord,
  questionsIn,
  type RunDescription,
  type RunQuery,
  refuseNoFunction,
  refuseNoPort,
  refuseNoSwitch,
  refuseNoText,
  refuseNumber,
  refuseUnknown,
  type Signal,
  type SignalReceipt,
  type Start,
  UsageError,
} from '@selvage/core'
import {
  type Asked,
  checkNumbers,
  endStatus,
  isOfChild,
  type ListingEngine,
  ReadingEngine,
  type Reopen,
  runEnded,
} from '@selvage/core/engines'
import { type NodePlatformOptions, nodePlatform } from '@selvage/runtime-node'
import type { Driver } from './drive-run.ts'
import { noRetryInside, PLACE } from './errors.ts'
import type { Station } from './handler.ts'
import { Large } from './large.ts'
import { INVOCATION_MS, OPERATIONS } from './limits.ts'
import { MANIFEST } from './manifest.ts'
import { Names } from './names.ts'
import { Post } from './post.ts'
import { type Known, knownFrom, outcomeOf, Records } from './records.ts'
import { LambdaService } from './service.ts'
import { reopeningsOf } from './wire.ts'

/** `clock`: the service's own timers go by its own. `onError` by default: the console, which is the function's log. */
export interface LambdaOptions extends NodePlatformOptions {
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
  /** How often a change of a run is looked for: from the first pause to the longest, in milliseconds. Default 100, 2,000. */
  readonly poll?: { readonly firstMs?: number; readonly longestMs?: number }
}

export const LAMBDA_OPTIONS: OptionNames<LambdaOptions> = {
  functionName: true,
  client: true,
  blobs: true,
  namesSteps: true,
  rotateAfter: true,
  reserveMs: true,
  poll: true,
  clock: true,
  onError: true,
}
const ROTATE_AFTER: OptionNames<NonNullable<LambdaOptions['rotateAfter']>> = { operations: true, bytes: true }
const POLL: OptionNames<NonNullable<LambdaOptions['poll']>> = { firstMs: true, longestMs: true }

export interface LambdaEngine extends ListingEngine {
  /** For `lambdaHandler` and `runInside`. */
  readonly station: Station
}

const SHARE_IN_RESERVE = 0.25
const LONGEST_RESERVE_MS = 300_000

export function lambdaEngine(options: LambdaOptions = {}): LambdaEngine {
  refuseUnknown('lambdaEngine()', options, LAMBDA_OPTIONS)
  refuseUnknown('rotateAfter of lambdaEngine()', options.rotateAfter, ROTATE_AFTER)
  refuseUnknown('poll of lambdaEngine()', options.poll, POLL)
  const of = (name: string): string => `${name} of lambdaEngine()`
  if (options.functionName !== undefined) refuseNoText(of('functionName'), options.functionName)
  refuseNoPort(of('client'), options.client, ['send'])
  refuseNoPort(of('blobs'), options.blobs, ['put', 'get'])
  refuseNoPort(of('clock'), options.clock, ['now'])
  refuseNoSwitch(of('namesSteps'), options.namesSteps)
  refuseNumber(of('reserveMs'), options.reserveMs, { least: 0 })
  refuseNumber(of('poll.firstMs'), options.poll?.firstMs, { least: 1 })
  refuseNumber(of('poll.longestMs'), options.poll?.longestMs, { least: 1 })
  refuseNoFunction(of('onError'), options.onError)
  return new OnLambda(options)
}

class OnLambda extends ReadingEngine<Known> implements LambdaEngine {
  readonly manifest = MANIFEST
  readonly station: Station
  readonly blobs?: Blobs
  private readonly options: LambdaOptions
  private readonly service: LambdaService
  private readonly client: LambdaClient
  private readonly records: Records
  private readonly post: Post
  private readonly large: Large

  constructor(options: LambdaOptions) {
    const { functionName = ownFunction(), blobs, onError = logged, clock, poll = {} } = options
    const { firstMs = 100, longestMs = 2_000 } = poll
    super(PLACE, nodePlatform({ clock, onError }), { firstMs, longestMs })
    const { operations, bytes } = options.rotateAfter ?? {}
    checkNumbers(PLACE, { 'rotateAfter.operations': operations }, { least: 10, most: OPERATIONS / 2, isWhole: true })
    checkNumbers(PLACE, { 'rotateAfter.bytes': bytes }, { least: 1 })
    this.options = options
    if (blobs !== undefined) this.blobs = blobs
    this.client = options.client ?? new LambdaClient({})
    this.service = new LambdaService(this.client, functionName)
    this.large = new Large(blobs)
    this.records = new Records(this.service, this.large)
    this.post = new Post(this.service, this.records, onError)
    this.station = { post: this.post, driver: (ctx) => this.driver(ctx) }
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────

  protected async make(runId: string, start: Start, _at: number, startAt?: number): Promise<boolean> {
    const first = { runId, generation: 0, start, nonce: randomUUID() }
    return await this.records.begin({ ...first, ...(startAt !== undefined && { startAt }) })
  }

  protected async send(runId: string, signal: Signal): Promise<SignalReceipt> {
    const known = await this.known(runId)
    const outcome = outcomeOf(known)
    if (outcome !== undefined && !isOfChild(signal.name)) {
      const first = await this.answerOf(runId, signal.id)
      if (first !== undefined) return { accepted: false, first }
      throw runEnded(runId, endStatus(outcome))
    }
    const letter = await this.large.pack(signal)
    const from = this.post.from(runId, await this.records.taken(known))
    const first = await this.post.claim({ selvage: 'signal', runId, id: signal.id, nonce: randomUUID(), letter, from })
    if (first !== undefined) return { accepted: false, first: await this.large.unpack<Signal>(first.letter) }
    await this.post.enqueue({ runId, id: signal.id, letter, from })
    return { accepted: true }
  }

  protected async reopen(runId: string, reopen: Reopen): Promise<boolean> {
    const known = await this.known(runId)
    const { payload } = known
    if (known.inside !== undefined) throw noRetryInside(runId)
    const { steps } = await this.records.describe(known)
    const own = await this.records.ownEntries(known)
    const taken = await this.records.taken(known)
    const next = { nonce: randomUUID(), steps, taken, queued: taken, reopen }
    const entries = (payload.past?.entries ?? 0) + own.length
    return entries === reopen.entries && (await this.records.beginNext(payload, own, next))
  }

  // ── reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected find(runId: string): Promise<Known | undefined> {
    return this.records.find(runId)
  }

  protected picture(known: Known): Promise<RunDescription> {
    return this.records.describe(known)
  }

  protected entriesOf(known: Known, from: number, limit: number): Promise<readonly Entry[]> {
    return this.records.entries(known, from, limit)
  }

  protected reopeningsOf({ payload }: Known): number {
    return reopeningsOf(payload)
  }

  protected async readQuestions(asked: Asked): Promise<readonly QuestionRecord[]> {
    const records: QuestionRecord[] = []
    const runId = 'runId' in asked ? asked.runId : undefined
    for await (const known of runId === undefined ? this.readRuns({}) : [await this.known(runId)]) {
      const all = questionsIn(known.runId, await this.records.entries(known, 0, Number.POSITIVE_INFINITY))
      if ('id' in asked && all.some(({ id }) => id === asked.id)) return all
      records.push(...all)
    }
    return 'id' in asked ? [] : records
  }

  protected async readAnswers(records: readonly QuestionRecord[]): Promise<ReadonlyMap<string, Signal>> {
    const answers = await Promise.all(records.map(({ runId, id }) => this.answerOf(runId, id)))
    return new Map(answers.flatMap((answer) => (answer === undefined ? [] : [[answer.id, answer]])))
  }

  /** The signal of that id, if there is one. */
  private async answerOf(runId: string, id: string): Promise<Signal | undefined> {
    const claim = await this.post.claimed(runId, id)
    return claim && (await this.large.unpack<Signal>(claim.letter))
  }

  /** Runs, newest first, each by its newest generation. */
  protected async *readRuns({ createdFrom, createdBefore }: RunQuery): AsyncGenerator<Known> {
    // The service's bounds are exclusive, and of seconds at times: the filter behind is exact.
    const found = this.service.executions({
      ...(createdFrom !== undefined && { from: createdFrom - 1_000 }),
      ...(createdBefore !== undefined && { before: createdBefore + 1_000 }),
    })
    for await (const { DurableExecutionName: name = '', DurableExecutionArn: arn = '' } of found) {
      const first = Names.isFirst(name) ? await this.service.get(arn) : undefined
      if (first !== undefined) yield await this.known(knownFrom(first).runId)
    }
  }

  // ── the function ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Says what this process can run when Lambda invokes it: see lambdaHandler. Elsewhere nothing comes of it. */
  protected async work(): Promise<() => Promise<void>> {
    return async () => {}
  }

  private driver(ctx: DurableContext): Driver {
    const { service, records, post, large, platform } = this
    const { reserveMs, namesSteps, rotateAfter } = this.options
    const operations = rotateAfter?.operations ?? 2_000
    const lambda = ctx.lambdaContext as { getRemainingTimeInMillis?: () => number }
    const remainingMs = (): number => lambda.getRemainingTimeInMillis?.() ?? INVOCATION_MS
    return {
      ...{ service, records, post, large, platform, namesSteps, remainingMs },
      hostOf: ({ start }) => this.hostFor(start),
      reserveMs: reserveMs ?? Math.min(LONGEST_RESERVE_MS, remainingMs() * SHARE_IN_RESERVE),
      rotateAfter: { ...rotateAfter, advances: operations, operations },
    }
  }

  protected override async release(): Promise<void> {
    if (this.options.client === undefined) this.client.destroy()
  }
}

function logged(error: unknown): void {
  console.error('[selvage]', error)
}

function ownFunction(): string {
  const { AWS_LAMBDA_FUNCTION_NAME: name, AWS_LAMBDA_FUNCTION_VERSION: version = '$LATEST' } = process.env
  if (name !== undefined) return `${name}:${version}`
  throw new UsageError('BAD_INPUT', 'The engine on Lambda does not know its function.', {
    hint: "Outside of it give its name: lambdaEngine({ functionName: 'my-function:live' }).",
  })
}
