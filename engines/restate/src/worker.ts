/**
 * A worker: a process that Restate calls. It listens on the loopback address unless told otherwise, over HTTP/2, and has the
 * handlers of all three objects.
 */
import { createServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import {
  createEndpointHandler,
  handlers,
  type LoggerTransport,
  type ObjectContext,
  object,
  type VirtualObjectDefinition,
} from '@restatedev/restate-sdk'
import { EngineError, SelvageError, UsageError } from '@selvage/core'
import { blobObject } from './blobs.ts'
import { type Driver, driveRun } from './drive-run.ts'
import { inboxObject } from './inbox.ts'
import type { Begin } from './kept.ts'
import { DRIVE_OPTIONS } from './options.ts'

export interface ListenOptions {
  /** Default 127.0.0.1. Whoever can reach another address can call the handlers: give `identityKeys` there. */
  readonly host?: string
  /** Default 9080; 0: any free one. */
  readonly port?: number
  /** Several processes on one port, where the system can (Linux): the next connection goes to one that lives. */
  readonly reusePort?: boolean
}

export interface Worker {
  readonly port: number
  /** What is not durable by now is cut off. */
  close(): Promise<void>
}

const LOOPBACK = '127.0.0.1'
const PORT = 9080
const ELSEWHERE_MS = 1_000

export async function openWorker(
  { host = LOOPBACK, port = PORT, reusePort = false }: ListenOptions,
  identityKeys: readonly string[],
  driver: Driver,
): Promise<Worker> {
  const { services, platform } = driver
  const { report } = platform
  const over = new AbortController()
  const sessions = new Set<ServerHttp2Session>()
  const elsewhere = atMostEvery(ELSEWHERE_MS, platform, () => {
    for (const session of sessions) session.close()
  })
  const handler = createEndpointHandler({
    services: [runObject(services.runs, driver, elsewhere), inboxObject(services.inbox), blobObject(services.blobs)],
    logger: loggerOf(report, host === LOOPBACK, over.signal),
    ...(identityKeys.length > 0 && { identityKeys: [...identityKeys] }),
  })
  const server = createServer(handler)
  server.on('session', (session) => {
    sessions.add(session.once('close', () => sessions.delete(session)))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(host, port, error)))
    server.listen({ host, port, ...(reusePort && { reusePort }) }, resolve)
  })
  server.removeAllListeners('error').on('error', report)
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      over.abort()
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      for (const session of sessions) session.destroy()
      await closed
    },
  }
}

/**
 * A run whose program is not here is tried again, on the connection that is there: for as long as this process lives it would
 * come here again, beside a worker at the same address that has the program. So connections are given up once their requests
 * are done, and who is at that address gets the next one.
 */
function runObject(name: string, driver: Driver, elsewhere: () => void): VirtualObjectDefinition<string, unknown> {
  return object({
    name,
    options: DRIVE_OPTIONS,
    handlers: {
      drive: handlers.object.exclusive(async (ctx: ObjectContext, begin: Begin) => {
        try {
          await driveRun(ctx, begin, driver)
        } catch (error) {
          if (SelvageError.is(error, 'NOT_REGISTERED')) elsewhere()
          throw error
        }
      }),
    },
  })
}

function atMostEvery(ms: number, { now }: Driver['platform'], body: () => void): () => void {
  let next = 0
  return () => {
    const at = now()
    if (at < next) return
    next = at + ms
    body()
  }
}

/**
 * The SDK tells of each attempt that fails; all of them are made again. That connections break and can no longer be written
 * to when the worker stops is what stopping does.
 */
function loggerOf(report: (error: unknown) => void, isLoopback: boolean, over: AbortSignal): LoggerTransport {
  return ({ level }, message, ...rest) => {
    if (over.aborted || (level !== 'warn' && level !== 'error')) return
    if (isLoopback && String(message).startsWith('Accepting requests without validating')) return
    const cause = rest.find((each) => each instanceof Error)
    report(cause ?? new EngineError('UNAVAILABLE', `Restate's SDK says: ${[message, ...rest].map(String).join(' ')}`))
  }
}

function cannotListen(host: string, port: number, cause: Error): UsageError {
  return new UsageError('BAD_INPUT', `No worker can listen on ${host}:${port}: ${cause.message}.`, {
    hint: 'Give another port: restateEngine({ listen: { port } }), or share it: { reusePort: true }.',
    cause,
  })
}
