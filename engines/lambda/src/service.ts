/** The service's API, as far as runs need it: the official client, in our words and with our errors. */
import {
  type Event,
  type Execution,
  GetDurableExecutionCommand,
  GetDurableExecutionHistoryCommand,
  InvokeCommand,
  type LambdaClient,
  ListDurableExecutionsByFunctionCommand,
  SendDurableExecutionCallbackSuccessCommand,
} from '@aws-sdk/client-lambda'
import { tooLarge, unavailable } from './errors.ts'
import { PAYLOAD_BYTES } from './limits.ts'
import { Names, unqualified } from './names.ts'
import type { Payload } from './wire.ts'

export interface Found {
  readonly arn: string
  /** RUNNING, SUCCEEDED, FAILED, TIMED_OUT or STOPPED. */
  readonly status: string
  readonly startedAt: number
  readonly endedAt?: number
  readonly input: string
  readonly result?: string
  readonly error?: string
}

export interface HistoryOptions {
  /** Newest first. */
  readonly reverse?: boolean
  /** Also what steps and callbacks came to. */
  readonly data?: boolean
  readonly pageSize?: number
}

/** ARNs of executions, by name: they never change. */
const MAX_ARNS = 10_000
const LIST_PAGE = 100
/** The official client waits without end on a connection that ended without a word. Its own retries are within that time. */
const SILENT_MS = 60_000

interface How {
  readonly abortSignal: AbortSignal
}

export class LambdaService {
  readonly functionName: string
  readonly names: Names
  private readonly client: LambdaClient
  private readonly arns = new Map<string, string>()

  constructor(client: LambdaClient, functionName: string) {
    this.client = client
    this.functionName = functionName
    this.names = new Names(functionName)
  }

  /**
   * Resolves when the execution is accepted; false if there is one of that name with another payload. UNSUPPORTED for one that
   * is too large.
   */
  async invoke(name: string, payload: Payload): Promise<boolean> {
    const text = JSON.stringify(payload)
    const bytes = Buffer.byteLength(text)
    if (bytes > PAYLOAD_BYTES) throw tooLarge('input', bytes, PAYLOAD_BYTES)
    const command = new InvokeCommand({
      FunctionName: this.functionName,
      InvocationType: 'Event',
      DurableExecutionName: name,
      Payload: Buffer.from(text),
    })
    const response = await this.asked(`begin execution ${name}`, (how) => this.client.send(command, how), [
      'DurableExecutionAlreadyStartedException',
    ])
    const arn = response?.DurableExecutionArn
    if (arn !== undefined) this.remember(name, arn)
    return response !== undefined
  }

  /** Undefined: there is no execution of that name. */
  async find(name: string): Promise<Found | undefined> {
    const arn = await this.arnOf(name)
    return arn === undefined ? undefined : await this.get(arn)
  }

  /** One that is there; UNAVAILABLE while no list shows it. */
  async shown(name: string): Promise<Found> {
    const found = await this.find(name)
    if (found === undefined) throw unavailable(`show execution ${name}`, this.functionName, 'it is in no list yet')
    return found
  }

  async get(arn: string): Promise<Found | undefined> {
    const command = new GetDurableExecutionCommand({ DurableExecutionArn: arn })
    const seen = await this.asked('describe an execution', (how) => this.client.send(command, how), [
      'ResourceNotFoundException',
    ])
    if (seen === undefined) return undefined
    const { EndTimestamp: ended, Result: result, Error: error } = seen
    return {
      arn,
      status: seen.Status ?? '',
      startedAt: seen.StartTimestamp?.getTime() ?? 0,
      input: seen.InputPayload ?? '{}',
      ...(ended !== undefined && { endedAt: ended.getTime() }),
      ...(result !== undefined && { result }),
      ...(error !== undefined && { error: error.ErrorMessage ?? error.ErrorType ?? '' }),
    }
  }

  async arnOf(name: string): Promise<string | undefined> {
    const known = this.arns.get(name)
    if (known !== undefined) return known
    for await (const { DurableExecutionName, DurableExecutionArn: arn } of this.executions({ name })) {
      if (DurableExecutionName !== name || arn === undefined) continue
      this.remember(name, arn)
      return arn
    }
    return undefined
  }

  /** Executions of the function, newest first, those of signals among them. Times are epoch milliseconds. */
  async *executions(query: {
    readonly name?: string
    readonly before?: number
    readonly from?: number
  }): AsyncGenerator<Execution> {
    const { name, before, from } = query
    const asked = {
      FunctionName: unqualified(this.functionName),
      MaxItems: LIST_PAGE,
      ...(name !== undefined && { DurableExecutionName: name }),
      ...(before !== undefined && { StartedBefore: new Date(before) }),
      ...(from !== undefined && { StartedAfter: new Date(from) }),
    }
    const pages = this.pages('list executions', (Marker, how) =>
      this.client.send(new ListDurableExecutionsByFunctionCommand({ ...asked, Marker }), how),
    )
    for await (const { DurableExecutions } of pages) yield* DurableExecutions ?? []
  }

  async *events(arn: string, options: HistoryOptions = {}): AsyncGenerator<Event> {
    const { reverse = false, data = false, pageSize = 1_000 } = options
    const asked = { DurableExecutionArn: arn, IncludeExecutionData: data, ReverseOrder: reverse, MaxItems: pageSize }
    const pages = this.pages('show the history of an execution', (Marker, how) =>
      this.client.send(new GetDurableExecutionHistoryCommand({ ...asked, Marker }), how),
    )
    for await (const { Events } of pages) yield* Events ?? []
  }

  /** False: it was completed before, or its execution is over. */
  async complete(callbackId: string, text: string): Promise<boolean> {
    const command = new SendDurableExecutionCallbackSuccessCommand({
      CallbackId: callbackId,
      Result: Buffer.from(text),
    })
    const sent = await this.asked('take a callback', (how) => this.client.send(command, how), [
      'CallbackTimeoutException',
      'ResourceNotFoundException',
      'InvalidParameterValueException',
    ])
    return sent !== undefined
  }

  private remember(name: string, arn: string): void {
    if (this.arns.size >= MAX_ARNS) this.arns.clear()
    this.arns.set(name, arn)
  }

  /** Undefined: the service refused, for one of `reasons`. */
  private async asked<T>(
    what: string,
    ask: (how: How) => Promise<T>,
    reasons: readonly string[] = [],
  ): Promise<T | undefined> {
    try {
      return await ask({ abortSignal: AbortSignal.timeout(SILENT_MS) })
    } catch (error) {
      if (reasons.includes((error as Error).name)) return undefined
      throw unavailable(what, this.functionName, error)
    }
  }

  /** Not the SDK's own: that one wants a client of its own copy of the SDK. */
  private async *pages<Page extends { readonly NextMarker?: string | undefined }>(
    what: string,
    ask: (marker: string | undefined, how: How) => Promise<Page>,
  ): AsyncGenerator<Page> {
    let page: Page | undefined
    do {
      const marker = page?.NextMarker
      page = await this.asked(what, (how) => ask(marker, how))
      if (page !== undefined) yield page
    } while (page?.NextMarker)
  }
}
