/** The outbox as its users see it: handlers by topic, and messages with their values as the program gave them. */
import type {
  Duration,
  Engine,
  EngineOutbox,
  MessageQuery,
  MessageRecord,
  OutboxHandler,
  Page,
  Runtime,
} from '@selvage/core'
import {
  checkTopic,
  decode,
  noOutbox,
  type OptionNames,
  refuseUnknown,
  toMs,
  UsageError,
  withDefaults,
} from '@selvage/core'
import { type RetryPolicy, retryBehaviour } from '@selvage/programs'
import { MESSAGES } from './option-names.ts'
import { checkFilters } from './runs/query.ts'
import type { Records } from './runs/records.ts'

/** What a handler is given. */
export interface MessageDelivery<Payload = unknown> {
  /** `msg_…`, as `send` returned it. */
  readonly id: string
  readonly runId: string
  readonly topic: string
  readonly payload: Payload
  /** The same at every attempt, of every worker: hand it to whatever counts a message once. */
  readonly idempotencyKey: string
  /** 1, 2, … */
  readonly attempt: number
  /** Fires when the delivery takes too long, when this worker stops, and when another one has the message. */
  readonly abortSignal: AbortSignal
}

/** Resolves when the message is where it belongs. TerminalError: it never will be, the message is dead at once. */
export type MessageHandler<Payload = unknown> = (message: MessageDelivery<Payload>) => Promise<unknown> | unknown

export interface OutboxOptions {
  /** Default: 20 attempts, after 1 second, doubled up to 1 hour: they go on for about 10 hours. Then the message is dead. */
  readonly retry?: RetryPolicy
  /** How long one delivery may take. Default 5 minutes. */
  readonly timeout?: Duration
}

const OPTIONS: OptionNames<OutboxOptions> = { retry: true, timeout: true }

/** A message with what became of it. Times are epoch milliseconds. */
export interface Message extends Omit<MessageRecord, 'payload'> {
  readonly payload: unknown
}

const RETRY: RetryPolicy = { maxAttempts: 20, initial: 1_000, factor: 2, max: 3_600_000 }
const TIMEOUT_MS = 300_000

export class Topics {
  readonly #engine: Engine
  readonly #runtime: Runtime
  readonly #records: Records
  readonly #handlers: OutboxHandler[] = []

  constructor(engine: Engine, runtime: Runtime, records: Records) {
    this.#engine = engine
    this.#runtime = runtime
    this.#records = records
  }

  get handlers(): readonly OutboxHandler[] {
    return this.#handlers
  }

  add(topic: string, handler: MessageHandler, options: OutboxOptions): void {
    this.#outbox()
    checkTopic(topic)
    refuseUnknown(`The handler of topic "${topic}"`, options, OPTIONS)
    const { retry, timeout } = options
    if (typeof handler !== 'function') {
      throw new UsageError('BAD_INPUT', `The topic "${topic}" has no handler.`, { hint: 'Give outbox() a function.' })
    }
    if (this.#handlers.some((other) => other.topic === topic)) {
      throw new UsageError('ALREADY_REGISTERED', `The topic "${topic}" has a handler already.`, {
        hint: 'One handler may call several others; each of them may then be called again when a later one fails.',
      })
    }
    const records = this.#records
    this.#handlers.push({
      topic,
      async deliver({ id, runId, payload, attempt }, abortSignal) {
        const value = decode(await records.value(payload))
        await handler({ id, runId, topic, payload: value, idempotencyKey: id, attempt, abortSignal })
      },
      retryAfterMs: retryBehaviour(
        withDefaults(`retry of topic "${topic}"`, RETRY, retry ?? {}),
        () => Number.parseInt(this.#runtime.random(6), 16) / 2 ** 48,
      ),
      timeoutMs: timeout === undefined ? TIMEOUT_MS : toMs(timeout, `timeout of the topic "${topic}"`),
    })
  }

  async messages(query: MessageQuery): Promise<Page<Message>> {
    refuseUnknown('messages()', query, MESSAGES)
    checkFilters('messages()', query)
    const page = await this.#outbox().list(query)
    return { ...page, items: await Promise.all(page.items.map((record) => this.#decoded(record))) }
  }

  async message(id: string): Promise<Message> {
    return this.#decoded(await this.#outbox().message(id))
  }

  async resend(id: string): Promise<void> {
    await this.#outbox().resend(id)
  }

  async #decoded({ payload, ...record }: MessageRecord): Promise<Message> {
    return { ...record, payload: decode(await this.#records.value(payload)) }
  }

  #outbox(): EngineOutbox {
    if (this.#engine.outbox === undefined) throw noOutbox(this.#engine.manifest)
    return this.#engine.outbox
  }
}
