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

const QUERY_TRIES = 100
const QUERY_AGAIN_MS = 100
/** It sends an answer in parts. On a connection that is kept the last one may wait 40 ms for an acknowledgement of the first. */
const ANSWERED_AT_ONCE = { connection: 'close' }

export class RestateServer {
  private readonly options: ServerOptions

  constructor(options: ServerOptions) {
    this.options = options
  }

  /** Resolves when the invocation is durable, whether or not a worker is there. */
  async send(target: Target, body: unknown, idempotencyKey?: string): Promise<Receipt> {
    const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': encodeURIComponent(idempotencyKey) }
    return (await this.post(this.urlOf(target, '/send'), body, headers)) as Receipt
  }

  /** Resolves with what the handler returns: a worker must be there. */
  async call<Result>(target: Target, body: unknown): Promise<Result> {
    return (await this.post(this.urlOf(target), body)) as Result
  }

  /** One SQL statement on what Restate holds. A server that has just started answers, but not yet this. */
  async query<Row>(sql: string): Promise<readonly Row[]> {
    const url = `${this.options.admin}/query`
    for (let tries = 1; ; tries++) {
      try {
        return ((await this.post(url, { query: sql }, ANSWERED_AT_ONCE)) as { rows: readonly Row[] }).rows
      } catch (error) {
        if (tries === QUERY_TRIES || !isServersFault(error)) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, QUERY_AGAIN_MS))
    }
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
    await this.post(`${this.options.admin}/deployments`, { uri, force: true })
  }

  private urlOf({ service, key, handler }: Target, how = ''): string {
    return `${this.options.ingress}/${service}/${encodeURIComponent(key)}/${handler}${how}`
  }

  private async post(url: string, body: unknown, more: ServerOptions['headers'] = {}): Promise<unknown> {
    const json = { 'content-type': 'application/json', accept: 'application/json' }
    const headers = { ...this.options.headers, ...json, ...more }
    let status: number
    let text: string
    try {
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
      status = response.status
      text = await response.text()
    } catch (error) {
      throw unreachable(url, error)
    }
    if (status >= 300) throw refused(url, status, text)
    return text === '' ? undefined : JSON.parse(text)
  }
}

function isServersFault(error: unknown): boolean {
  return SelvageError.is(error) && Number(error.details.status) >= 500
}

/** A string in SQL. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
