/** A Restate server, by HTTP: its ingress, where handlers are called, and its admin port, where it is asked what it holds. */
import { SelvageError } from '@selvage/core'
import { refused, unreachable } from './errors.ts'

export interface ServerOptions {
  readonly ingress: string
  readonly admin: string
  readonly headers: { readonly [name: string]: string }
}

/** A handler of one object. */
export interface Target {
  readonly service: string
  readonly key: string
  readonly handler: string
}

export interface Receipt {
  readonly invocationId: string
  /** `PreviouslyAccepted`: somebody was faster with the same idempotency key. */
  readonly status: 'Accepted' | 'PreviouslyAccepted'
}

interface Patience {
  readonly tries: number
  readonly againMs: number
}

/** A server that has just started answers, but not yet this. */
const QUERY: Patience = { tries: 100, againMs: 100 }
/** It asks the worker, and may do so on a connection that it has kept to the process which stood at that address before. */
const REGISTER: Patience = { tries: 5, againMs: 200 }
/** It sends an answer in parts. On a connection that is kept the last one may wait 40 ms for an acknowledgement of the first. */
const ANSWERED_AT_ONCE = { connection: 'close' }
/** Milliseconds. It sends what it reads as it reads it. */
const SILENT_MS = 60_000
/** Milliseconds. A server that was killed answers from what it had on disk before it has read its own log again. */
const CATCHES_UP = 10_000

export class RestateServer {
  private readonly options: ServerOptions
  /** When it last gave no answer, or one of its own fault. */
  private failedAt = Number.NEGATIVE_INFINITY

  constructor(options: ServerOptions) {
    this.options = options
  }

  /** It was away a moment ago, and may not know yet what it knew before. */
  get mayBeBehind(): boolean {
    return performance.now() - this.failedAt < CATCHES_UP
  }

  /** Resolves when the invocation is durable, whether or not a worker is there. */
  async send(target: Target, body: unknown, idempotencyKey?: string): Promise<Receipt> {
    const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKeyOf(idempotencyKey) }
    return (await this.post(this.urlOf(target, '/send'), body, headers)) as Receipt
  }

  /** Resolves with what the handler returns: a worker must be there. */
  async call<Result>(target: Target, body: unknown): Promise<Result> {
    return (await this.post(this.urlOf(target), body)) as Result
  }

  /** One SQL statement on what Restate holds. */
  async query<Row>(sql: string): Promise<readonly Row[]> {
    const url = `${this.options.admin}/query`
    const { rows } = (await patiently(QUERY, () => this.post(url, { query: sql }, ANSWERED_AT_ONCE))) as {
      readonly rows: readonly Row[]
    }
    return rows
  }

  /** Where the workers of that object were said to be last. */
  async registered(service: string): Promise<string | undefined> {
    const rows = await this.query<{ readonly endpoint: string | null }>(
      `select d.endpoint from sys_service s join sys_deployment d on s.deployment_id = d.id where s.name = ${quoted(service)}`,
    )
    return rows[0]?.endpoint ?? undefined
  }

  /** Says that workers are to be found at `uri`; again if they are known, since their handlers may have changed. */
  async register(uri: string): Promise<void> {
    await patiently(REGISTER, () => this.post(`${this.options.admin}/deployments`, { uri, force: true }))
  }

  private urlOf({ service, key, handler }: Target, how = ''): string {
    return `${this.options.ingress}/${service}/${encodeURIComponent(key)}/${handler}${how}`
  }

  private async post(url: string, body: unknown, more: ServerOptions['headers'] = {}): Promise<unknown> {
    const json = { 'content-type': 'application/json', accept: 'application/json' }
    const headers = { ...this.options.headers, ...json, ...more }
    const { status, text } = await answered(url, { method: 'POST', headers, body: JSON.stringify(body) }).catch(
      (error) => {
        this.failedAt = performance.now()
        throw unreachable(url, error)
      },
    )
    if (status >= 500) this.failedAt = performance.now()
    if (status >= 300) throw refused(url, status, text)
    return text === '' ? undefined : JSON.parse(text)
  }
}

/** Rejects where nothing comes for too long: by itself `fetch` waits five minutes on a connection that ended without a word. */
async function answered(url: string, request: RequestInit): Promise<{ status: number; text: string }> {
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(new Error(`Nothing came for ${SILENT_MS} ms.`)), SILENT_MS)
  try {
    const response = await fetch(url, { ...request, signal: silence.signal })
    const parts: Uint8Array[] = []
    for await (const part of response.body ?? []) {
      timer.refresh()
      parts.push(part)
    }
    return { status: response.status, text: Buffer.concat(parts).toString() }
  } finally {
    clearTimeout(timer)
  }
}

async function patiently<T>({ tries, againMs }: Patience, ask: () => Promise<T>): Promise<T> {
  for (let left = tries; ; ) {
    try {
      return await ask()
    } catch (error) {
      left -= 1
      if (left === 0 || !isServersFault(error)) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, againMs))
  }
}

function isServersFault(error: unknown): boolean {
  return SelvageError.is(error) && Number(error.details.status) >= 500
}

/** As the server knows it: a header has no place for every character. */
export function idempotencyKeyOf(key: string): string {
  return encodeURIComponent(key)
}

/** A string in SQL. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
