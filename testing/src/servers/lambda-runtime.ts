/**
 * A Lambda execution environment's side of the Runtime API: asks for invocations, calls the handler, and says what it came
 * to. The service notices the death of the process by a connection that stays open.
 */
import { randomUUID } from 'node:crypto'
import { type ClientRequest, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const GRACE_MS = 2_000

/** As Lambda calls it. */
export type LambdaHandler = (event: never, context: never) => Promise<unknown>

export interface LambdaRuntimeOptions {
  /** Whose invocations it makes. */
  readonly functionName: string
  /** Invocations at once; default 1, as on Lambda. */
  readonly concurrency?: number
  /** How many are made; default: until `stop`. */
  readonly count?: number
}

export interface LambdaRuntime {
  /** Resolves when `count` were made. */
  readonly over: Promise<void>
  /** Asks for no more, and waits a little for what is under way: the rest is made again by others. */
  stop(): Promise<void>
}

/** `api`: host and port, as in AWS_LAMBDA_RUNTIME_API. Resolves when the service knows this process. */
export async function lambdaRuntime(
  api: string,
  handler: LambdaHandler,
  { functionName, concurrency = 1, count = Number.POSITIVE_INFINITY }: LambdaRuntimeOptions,
): Promise<LambdaRuntime> {
  const base = `http://${api}/2018-06-01/runtime/invocation`
  const environment = randomUUID()
  const alive = await new Promise<ClientRequest>((resolve, reject) => {
    const request = get(`${base}/alive?environment=${environment}`, (response) => {
      response.resume()
      response.once('error', () => {})
      response.once('data', () => resolve(request))
    })
    request.once('error', reject)
  })
  alive.on('error', () => {})
  alive.socket?.unref()
  const stopped = new AbortController()
  let left = count
  const logged = new Set<string>()
  /** As Lambda's own runtime does, into the function's log, but the same line only once. */
  const log = (line: string): void => {
    if (!logged.has(line)) console.error(line)
    logged.add(line)
  }

  const post = async (path: string, body: unknown): Promise<void> => {
    await fetch(`${base}/${path}`, { method: 'POST', body: JSON.stringify(body) })
  }
  const makeOne = async (): Promise<void> => {
    const query = `environment=${environment}&pid=${process.pid}&function=${functionName}`
    const response = await fetch(`${base}/next?${query}`, { signal: stopped.signal })
    if (response.status === 410) return stopped.abort()
    const id = response.headers.get('lambda-runtime-aws-request-id') ?? ''
    const deadline = Number(response.headers.get('lambda-runtime-deadline-ms'))
    const context = {
      awsRequestId: id,
      invokedFunctionArn: response.headers.get('lambda-runtime-invoked-function-arn') ?? '',
      getRemainingTimeInMillis: () => deadline - Date.now(),
    }
    const event = (await response.json()) as { readonly DurableExecutionArn?: string }
    try {
      await post(`${id}/response`, await handler(event as never, context as never))
    } catch (error) {
      const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) }
      if (!stopped.signal.aborted) log(`Invoke Error ${event.DurableExecutionArn}: ${name}: ${message}`)
      await post(`${id}/error`, { errorType: name, errorMessage: message })
    }
  }
  const work = async (): Promise<void> => {
    while (left-- > 0 && !stopped.signal.aborted) {
      try {
        await makeOne()
      } catch (error) {
        if (stopped.signal.aborted) return
        throw error
      }
    }
  }
  const over = Promise.all(Array.from({ length: concurrency }, work)).then(() => {})
  over.catch(() => {})
  return {
    over,
    stop: async () => {
      stopped.abort()
      const grace = new AbortController()
      await Promise.race([over.catch(() => {}), sleep(GRACE_MS, undefined, { signal: grace.signal }).catch(() => {})])
      grace.abort()
      // What was handed out and not taken up any more, the service learns so.
      alive.destroy()
    },
  }
}
