/**
 * AWS Lambda durable functions, as far as an application sees them, on a port of the loopback address: the official client
 * and the official SDK talk to it unchanged (`AWS_ENDPOINT_URL_LAMBDA`). It is ours, written after the public API; what it
 * proves is that our side keeps to that API over process boundaries, not how the real service behaves where the API is silent.
 *
 *   the API             Invoke · configuration (of its `Timeout`) · checkpoint · state · history · list · get · stop · callbacks
 *   the Runtime API     `/2018-06-01/runtime/invocation/next`, as in a Lambda execution environment: processes ask for work
 *
 * An invocation whose process dies, or takes longer than `timeoutMs` or its function's own `Timeout`, is made again, by
 * another process. The one that took longer gets no more of them; it is not killed where the service has not begun it: what it
 * still writes is refused.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { COMPILED } from '../compiled.ts'
import {
  DurableExecution,
  type HistoryEvent,
  LAMBDA_LIMITS,
  type LambdaLimits,
  type Place,
  Refused,
  type WireOperation,
  type WireUpdate,
} from './lambda-execution.ts'

export interface LambdaServiceOptions {
  /**
   * URL of the module that exports `handler`: each invocation is a process of its own, which begins, makes it and ends.
   * Without it invocations wait for a process that asks for them.
   */
  readonly handler?: string
  /** Where its processes work; default: where this one does. */
  readonly cwd?: string
  /** What its processes find in their environment. */
  readonly env?: { readonly [name: string]: string }
  /** How long a second of the service lasts, in milliseconds; default 1,000. Shorter ones make waits short, not invocations. */
  readonly secondMs?: number
  /** Of one invocation; default 15 minutes. */
  readonly timeoutMs?: number
  readonly limits?: Partial<LambdaLimits>
  /** Operations in the event of an invocation; the others are asked for page by page. Default 100. */
  readonly pageSize?: number
  /** How long the first invocation of an execution is put off, in milliseconds: the service promises no order. Default 0. */
  readonly delayMs?: (name: string) => number
  /** How old an execution or an event is before lists and histories show it, in milliseconds. Default 0. */
  readonly lagMs?: number
}

/** One try of an execution to go on. */
interface Invocation {
  readonly id: string
  readonly execution: DurableExecution
  deadline: number
  /** Who makes it. */
  by?: { readonly pid: number }
  timer?: NodeJS.Timeout
  child?: ChildProcess
}

interface Asker {
  readonly functionName: string
  readonly environment: string
  /** Undefined: it gets none. */
  give(invocation: Invocation | undefined): void
}

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers?: { readonly [name: string]: string }
}

/** An error of the API, by its name. */
class ApiError extends Error {
  readonly status: number
  readonly type: string

  constructor(status: number, type: string, message: string) {
    super(message)
    this.status = status
    this.type = type
  }
}

const INVOCATION_MAIN = fileURLToPath(new URL('../../dist/servers/lambda-invocation.js', import.meta.url))
const AGAIN_MS = 20
/** Of processes that are told no other. */
const FUNCTION = 'runs'

export class LambdaTestService {
  readonly url: string
  /** Of each invocation that was begun, in their order. */
  readonly invocations: { readonly pid: number; readonly name: string }[] = []
  private readonly server: Server
  private readonly options: LambdaServiceOptions
  private readonly byArn = new Map<string, DurableExecution>()
  private readonly byName = new Map<string, DurableExecution>()
  private readonly callbacks = new Map<string, DurableExecution>()
  private readonly queue: Invocation[] = []
  private readonly current = new Map<DurableExecution, Invocation>()
  private readonly asking: Asker[] = []
  /** Of functions that have one of their own. Milliseconds. */
  private readonly timeouts = new Map<string, number>()
  /** What each process that is alive makes now. */
  private readonly environments = new Map<string, Set<Invocation>>()
  private isClosed = false

  static async open(options: LambdaServiceOptions = {}): Promise<LambdaTestService> {
    const server = createServer()
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    return new LambdaTestService(server, options)
  }

  private constructor(server: Server, options: LambdaServiceOptions) {
    this.server = server
    this.options = options
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.keepAliveTimeout = 60_000
    server.on('request', (request, response) => void this.answer(request, response))
  }

  /** What a process needs to talk to it, as in a Lambda execution environment. */
  get env(): { readonly [name: string]: string } {
    return {
      AWS_ENDPOINT_URL_LAMBDA: this.url,
      AWS_LAMBDA_RUNTIME_API: this.url.slice('http://'.length),
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_LAMBDA_FUNCTION_NAME: FUNCTION,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    }
  }

  /** Executions, oldest first. */
  get executions(): readonly DurableExecution[] {
    return [...this.byArn.values()]
  }

  /** Processes that make an invocation now. */
  get working(): readonly number[] {
    return [...this.current.values()].flatMap(({ by }) => by?.pid ?? [])
  }

  async close(): Promise<void> {
    this.isClosed = true
    for (const execution of this.byArn.values()) execution.end('STOPPED')
    for (const { child, timer } of this.current.values()) {
      clearTimeout(timer)
      child?.kill('SIGKILL')
    }
    this.server.closeAllConnections()
    await new Promise<void>((resolve) => void this.server.close(() => resolve()))
  }

  // ── HTTP ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const answer = await this.route(request, Buffer.concat(chunks), response)
      if (answer === undefined) return
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
      response.end(answer.body === undefined ? '' : JSON.stringify(answer.body))
    } catch (error) {
      const known =
        error instanceof Refused ? new ApiError(400, 'InvalidParameterValueException', error.message) : error
      const { status, type, message } =
        known instanceof ApiError ? known : new ApiError(500, 'ServiceException', String(error))
      response.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type })
      response.end(JSON.stringify({ Type: status < 500 ? 'User' : 'Service', message, Message: message }))
    }
  }

  /** Undefined: it is answered later, or never. */
  private async route(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<Answer | undefined> {
    const url = new URL(request.url ?? '/', this.url)
    const [version, kind = '', ...rest] = url.pathname.slice(1).split('/').map(decodeURIComponent)
    const [what = '', verb = ''] = rest
    const json = (): Record<string, unknown> => JSON.parse(body.toString() || '{}') as Record<string, unknown>
    if (version === '2018-06-01') return await this.runtime(rest, json, url.searchParams, response)
    if (kind === 'functions' && verb === 'invocations') return this.invoke(what, request, body.toString())
    if (kind === 'functions' && verb === 'configuration') return this.configure(what, json())
    if (kind === 'functions' && verb === 'durable-executions') return this.list(what, url.searchParams)
    if (kind === 'durable-execution-callbacks') return this.callback(what, verb, body.toString())
    if (kind !== 'durable-executions') throw new ApiError(404, 'ResourceNotFoundException', url.pathname)
    const execution = this.byArn.get(what)
    if (execution === undefined) throw new ApiError(404, 'ResourceNotFoundException', `no execution ${what}`)
    if (verb === '') return { status: 200, body: described(execution) }
    if (verb === 'history') return this.history(execution, url.searchParams)
    if (verb === 'stop') return this.stop(execution, json())
    if (verb === 'state') return this.state(execution, url.searchParams)
    return this.checkpoint(execution, json())
  }

  // ── the API ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private invoke(functionName: string, request: IncomingMessage, input: string): Answer {
    const name = String(request.headers['x-amz-durable-execution-name'] ?? randomUUID())
    if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name)) throw new Refused(`'${name}' is no name of an execution.`)
    if (request.headers['x-amz-invocation-type'] !== 'Event') throw new Refused('Only Event is built here.')
    const { payloadBytes } = this.limits
    if (Buffer.byteLength(input) > payloadBytes) {
      throw new ApiError(413, 'RequestTooLargeException', `${Buffer.byteLength(input)} bytes`)
    }
    const known = this.byName.get(name)
    if (known !== undefined && known.input !== input) {
      throw new ApiError(409, 'DurableExecutionAlreadyStartedException', `${name} has another payload`)
    }
    const execution = known ?? this.begin(unqualified(functionName), name, input)
    return { status: 202, body: undefined, headers: { 'X-Amz-Durable-Execution-Arn': execution.arn } }
  }

  private configure(functionName: string, { Timeout: seconds }: Record<string, unknown>): Answer {
    this.timeouts.set(unqualified(functionName), Number(seconds) * (this.options.secondMs ?? 1_000))
    return { status: 200, body: { FunctionName: functionName, Timeout: seconds } }
  }

  private begin(functionName: string, name: string, input: string): DurableExecution {
    const place: Place = {
      limits: this.limits,
      secondMs: this.options.secondMs ?? 1_000,
      wake: (execution) => this.schedule(execution),
      callback: (id, execution) => void this.callbacks.set(id, execution),
    }
    const execution = new DurableExecution(place, functionName, name, input)
    this.byArn.set(execution.arn, execution)
    this.byName.set(name, execution)
    const delayMs = this.options.delayMs?.(name) ?? 0
    if (delayMs > 0) setTimeout(() => this.schedule(execution), delayMs).unref()
    else this.schedule(execution)
    return execution
  }

  private checkpoint(execution: DurableExecution, body: Record<string, unknown>): Answer {
    this.checkToken(execution, body.CheckpointToken)
    execution.checkpoint((body.Updates ?? []) as readonly WireUpdate[])
    execution.token = randomUUID()
    const operations = execution.news().map((operation) => sent(operation, inSeconds))
    return { status: 200, body: { CheckpointToken: execution.token, NewExecutionState: { Operations: operations } } }
  }

  private state(execution: DurableExecution, query: URLSearchParams): Answer {
    this.checkToken(execution, query.get('CheckpointToken'))
    const from = Number(query.get('Marker') ?? 0)
    const count = Number(query.get('MaxItems') ?? 100)
    const all = execution.state()
    const Operations = all.slice(from, from + count).map((operation) => sent(operation, inSeconds))
    const NextMarker = from + count < all.length ? String(from + count) : undefined
    return { status: 200, body: { Operations, NextMarker } }
  }

  /** An invocation that is over, by time or by death, writes nothing more. */
  private checkToken(execution: DurableExecution, token: unknown): void {
    if (token !== execution.token) throw new Refused('Invalid Checkpoint Token: it is not the newest.')
  }

  private history(execution: DurableExecution, query: URLSearchParams): Answer {
    const shownFrom = Date.now() - (this.options.lagMs ?? 0)
    const seen = execution.events.filter(({ EventTimestamp: at }) => at <= shownFrom)
    const all = query.get('ReverseOrder') === 'true' ? seen.toReversed() : seen
    const from = Number(query.get('Marker') ?? 0)
    const count = Number(query.get('MaxItems') ?? 0) || 100
    const hasData = query.get('IncludeExecutionData') !== 'false'
    const Events = all.slice(from, from + Math.min(1_000, count)).map((event) => shown(event, hasData))
    const NextMarker = from + count < all.length ? String(from + count) : undefined
    return { status: 200, body: { Events, NextMarker } }
  }

  private list(functionName: string, query: URLSearchParams): Answer {
    const name = query.get('DurableExecutionName')
    const [after, before] = [query.get('StartedAfter'), query.get('StartedBefore')]
    const statuses = query.getAll('Statuses')
    const newest = this.executions
      .filter((each) => each.functionName === unqualified(functionName))
      .filter((each) => name === null || each.name === name)
      .filter((each) => each.startedAt <= Date.now() - (this.options.lagMs ?? 0))
      .filter((each) => statuses.length === 0 || statuses.includes(each.status))
      .filter((each) => after === null || each.startedAt > Date.parse(after))
      .filter((each) => before === null || each.startedAt < Date.parse(before))
      .reverse()
    const from = Number(query.get('Marker') ?? 0)
    const count = Number(query.get('MaxItems') ?? 100)
    const DurableExecutions = newest.slice(from, from + count).map((execution) => {
      const { InputPayload: _, Result: __, Error: ___, ...summary } = described(execution)
      return summary
    })
    const NextMarker = from + count < newest.length ? String(from + count) : undefined
    return { status: 200, body: { DurableExecutions, NextMarker } }
  }

  private callback(id: string, verb: string, body: string): Answer {
    const execution = this.callbacks.get(id)
    if (execution === undefined) throw new Refused('The callback id is not valid.')
    const how =
      verb === 'succeed' ? { result: body } : { error: JSON.parse(body || '{}') as { [name: string]: unknown } }
    if (verb === 'heartbeat' || execution.complete(id, how)) return { status: 200, body: {} }
    throw new ApiError(400, 'CallbackTimeoutException', 'The callback has been closed.')
  }

  private stop(execution: DurableExecution, error: Record<string, unknown>): Answer {
    execution.end('STOPPED', { error })
    const invocation = this.current.get(execution)
    if (invocation !== undefined && invocation.by === undefined && invocation.child === undefined) this.over(invocation)
    return { status: 200, body: { StopTimestamp: (execution.endedAt ?? Date.now()) / 1_000 } }
  }

  // ── invocations ───────────────────────────────────────────────────────────────────────────────────────────────────

  private get limits(): LambdaLimits {
    return { ...LAMBDA_LIMITS, ...this.options.limits }
  }

  /** One at a time for each execution. */
  private schedule(execution: DurableExecution): void {
    if (this.isClosed || !execution.isRunning || this.current.has(execution)) return
    const invocation: Invocation = { id: randomUUID(), execution, deadline: 0 }
    this.current.set(execution, invocation)
    if (this.options.handler !== undefined) this.spawn(invocation, this.options.handler)
    const hasProcess = invocation.child !== undefined
    const asker = this.asking.findIndex(({ functionName }) => functionName === execution.functionName)
    if (hasProcess || asker === -1) this.queue.push(invocation)
    else this.asking.splice(asker, 1)[0]?.give(invocation)
  }

  private spawn(invocation: Invocation, handler: string): void {
    const { functionName } = invocation.execution
    const own = { AWS_LAMBDA_FUNCTION_NAME: functionName, SELVAGE_TEST_HANDLER: handler }
    const env = { ...process.env, ...COMPILED, ...this.env, ...this.options.env, ...own }
    const child = spawn(process.execPath, [INVOCATION_MAIN], {
      ...(this.options.cwd !== undefined && { cwd: this.options.cwd }),
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    invocation.child = child
    child.once('exit', () => this.died(invocation))
  }

  /** Hands it out, with all that is known of the execution by now. */
  private event(invocation: Invocation, pid: number): Answer {
    const { execution, id } = invocation
    const { pageSize = 100 } = this.options
    const timeoutMs = this.timeouts.get(execution.functionName) ?? this.options.timeoutMs ?? 15 * 60 * 1_000
    invocation.by = { pid }
    invocation.deadline = Date.now() + timeoutMs
    invocation.timer = setTimeout(() => this.timedOut(invocation), timeoutMs).unref()
    this.invocations.push({ pid, name: execution.name })
    execution.token = randomUUID()
    const changed = execution.news().map(({ Id }) => Id)
    const all = execution.state()
    const body = {
      DurableExecutionArn: execution.arn,
      CheckpointToken: execution.token,
      UpdatedOperationIds: changed,
      InitialExecutionState: {
        Operations: all.slice(0, pageSize).map((operation) => sent(operation, inWords)),
        ...(all.length > pageSize && { NextMarker: String(pageSize) }),
      },
    }
    const headers = {
      'lambda-runtime-aws-request-id': id,
      'lambda-runtime-deadline-ms': String(invocation.deadline),
      'lambda-runtime-invoked-function-arn': execution.arn.split('/')[0] ?? '',
    }
    return { status: 200, body, headers }
  }

  /** `next`, `<id>/response`, `<id>/error`; and, in place of what watches over an environment, `alive`. */
  private async runtime(
    [, what = '', verb = '']: readonly string[],
    json: () => Record<string, unknown>,
    query: URLSearchParams,
    response: ServerResponse,
  ): Promise<Answer | undefined> {
    if (what === 'alive') return this.watch(query.get('environment') ?? '', response)
    if (what === 'next') return await this.next(query, response)
    const invocation = [...this.current.values()].find(({ id }) => id === what)
    if (invocation === undefined) return { status: 202, body: { status: 'OK' } }
    const { execution } = invocation
    const { Status: status, Result: result, Error: error } = verb === 'response' ? json() : {}
    if (status === 'SUCCEEDED') execution.end('SUCCEEDED', { result: String(result ?? '') })
    else if (status === 'FAILED') execution.end('FAILED', { error: (error ?? {}) as { [name: string]: unknown } })
    // What it waited for may have come while it said so: then it is invoked again, to be told.
    else if (status === 'PENDING' && !execution.isAwaiting && !execution.hasNews) {
      execution.end('FAILED', { error: { ErrorType: 'Pending', ErrorMessage: 'It waits for nothing.' } })
    }
    this.over(invocation)
    if (status === undefined) setTimeout(() => this.schedule(execution), AGAIN_MS).unref()
    else if (execution.hasNews) this.schedule(execution)
    return { status: 202, body: { status: 'OK' } }
  }

  private async next(query: URLSearchParams, response: ServerResponse): Promise<Answer | undefined> {
    const pid = Number(query.get('pid'))
    const functionName = query.get('function') ?? FUNCTION
    const environment = query.get('environment') ?? ''
    if (!this.environments.has(environment)) throw new ApiError(410, 'EnvironmentGone', environment)
    const waiting = this.queue.find(({ execution, child }) =>
      child === undefined ? execution.functionName === functionName : child.pid === pid,
    )
    const invocation =
      waiting ??
      (await new Promise<Invocation | undefined>((resolve) => {
        const asker: Asker = { functionName, environment, give: resolve }
        this.asking.push(asker)
        response.once('close', () => {
          const at = this.asking.indexOf(asker)
          if (at !== -1) this.asking.splice(at, 1)
          resolve(undefined)
        })
      }))
    if (invocation === undefined) return undefined
    if (this.queue.includes(invocation)) this.queue.splice(this.queue.indexOf(invocation), 1)
    const made = this.environments.get(environment)
    if (made === undefined) {
      this.died(invocation)
      return undefined
    }
    made.add(invocation)
    return this.event(invocation, pid)
  }

  /** Stays open for as long as the process lives. */
  private watch(environment: string, response: ServerResponse): undefined {
    const invocations = new Set<Invocation>()
    this.environments.set(environment, invocations)
    response.once('close', () => {
      this.environments.delete(environment)
      for (const invocation of invocations) this.died(invocation)
    })
    response.writeHead(200)
    response.write('alive\n')
  }

  private timedOut(invocation: Invocation): void {
    invocation.child?.kill('SIGKILL')
    for (const [environment, made] of this.environments) if (made.has(invocation)) this.reset(environment, made)
    this.died(invocation)
  }

  /** Whatever else it has is made again elsewhere, and it is given nothing more. */
  private reset(environment: string, made: ReadonlySet<Invocation>): void {
    this.environments.delete(environment)
    for (const asker of this.asking.filter((each) => each.environment === environment)) {
      this.asking.splice(this.asking.indexOf(asker), 1)
      asker.give(undefined)
    }
    for (const invocation of made) this.died(invocation)
  }

  private died(invocation: Invocation): void {
    const { execution } = invocation
    if (this.current.get(execution) !== invocation) return
    // Whatever it still sends comes too late.
    execution.token = randomUUID()
    this.over(invocation)
    setTimeout(() => this.schedule(execution), AGAIN_MS).unref()
  }

  private over(invocation: Invocation): void {
    clearTimeout(invocation.timer)
    const { execution } = invocation
    if (this.current.get(execution) === invocation) this.current.delete(execution)
    if (this.queue.includes(invocation)) this.queue.splice(this.queue.indexOf(invocation), 1)
    for (const invocations of this.environments.values()) invocations.delete(invocation)
  }
}

function unqualified(functionName: string): string {
  return functionName.startsWith('arn:') ? (functionName.split(':')[6] ?? '') : (functionName.split(':')[0] ?? '')
}

function described(execution: DurableExecution): { [name: string]: unknown } {
  const { arn, name, functionName, status, startedAt, endedAt, input, result, error } = execution
  return {
    DurableExecutionArn: arn,
    DurableExecutionName: name,
    FunctionArn: `arn:aws:lambda:us-east-1:123456789012:function:${functionName}`,
    Status: status,
    StartTimestamp: startedAt / 1_000,
    InputPayload: input,
    ...(endedAt !== undefined && { EndTimestamp: endedAt / 1_000 }),
    ...(result !== undefined && { Result: result }),
    ...(error !== undefined && { Error: error }),
  }
}

const inSeconds = (at: number): number => at / 1_000
const inWords = (at: number): string => new Date(at).toISOString()

/** The API sends times as seconds, events of invocations as text. */
function sent(operation: WireOperation, time: (at: number) => unknown): unknown {
  const { StartTimestamp, EndTimestamp, StepDetails: step, WaitDetails: wait, ...rest } = operation
  const nextAttempt = step?.NextAttemptTimestamp
  return {
    ...rest,
    StartTimestamp: time(StartTimestamp),
    ...(EndTimestamp !== undefined && { EndTimestamp: time(EndTimestamp) }),
    ...(step !== undefined && {
      StepDetails: { ...step, NextAttemptTimestamp: nextAttempt === undefined ? undefined : time(nextAttempt) },
    }),
    ...(wait !== undefined && { WaitDetails: { ScheduledEndTimestamp: time(wait.ScheduledEndTimestamp) } }),
  }
}

function shown(event: HistoryEvent, hasData: boolean): unknown {
  const { EventTimestamp, ...rest } = event
  const kept = Object.entries(rest).map(([name, value]) => {
    if (hasData || typeof value !== 'object' || value === null) return [name, value]
    const { Input: _, Result: __, ...without } = value as { Input?: unknown; Result?: unknown }
    return [name, without]
  })
  return { ...Object.fromEntries(kept), EventTimestamp: EventTimestamp / 1_000 }
}
