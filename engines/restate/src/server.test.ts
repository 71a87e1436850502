/** What is said to a server, whatever it is: one that only listens. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '@selvage/core'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type RestateEngine, restateEngine } from './engine.ts'
import type { RestateOptions } from './options.ts'
import { RestateServer } from './server.ts'

interface Said {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: { readonly uri?: string }
}

/** To whatever it is asked. */
const ANSWER = { rows: [], invocationId: 'inv_1', status: 'Accepted' }
const HOST = { registered: () => [] } as unknown as Host

let server: Server
let url: string
let engine: RestateEngine | undefined
/** So many registrations are refused: it has not come to the worker. */
let refuses = 0
/** So many reads find it away. */
let awayFor = 0
/** What it does in place of an answer. */
let answers: ((response: ServerResponse) => void) | undefined
const said: Said[] = []
beforeEach(async () => {
  said.length = 0
  refuses = 0
  awayFor = 0
  answers = undefined
  server = createServer(async (request, response) => {
    const body = await text(request)
    said.push({ path: request.url ?? '', headers: request.headers, body: JSON.parse(body) })
    if (answers !== undefined) return answers(response)
    if (request.url === '/deployments' && refuses-- > 0) response.statusCode = 500
    if (request.url === '/query' && awayFor-- > 0) response.statusCode = 503
    response.setHeader('content-type', 'application/json').end(JSON.stringify(ANSWER))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  vi.useRealTimers()
  await engine?.close()
  server.closeAllConnections()
  await new Promise((resolve) => void server.close(resolve))
})

function open(options: RestateOptions): RestateEngine {
  engine = restateEngine({ ingress: url, admin: url, listen: { port: 0 }, ...options })
  return engine
}

it('`headers` are in each request', async () => {
  const opened = open({ headers: { authorization: 'Bearer key' } })
  await expect(opened.describe('r')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await opened.start('r', { program: 'p', input: null })).toEqual({ created: true })
  expect(new Set(said.map(({ path }) => path.split('/').at(-1)))).toContain('send')
  expect(said.map(({ headers }) => headers.authorization)).toEqual(said.map(() => 'Bearer key'))
})

it('a run that is not found right after the server was away is looked for until the server must know', async () => {
  const reads = (): number => said.filter(({ path }) => path === '/query').length
  const now = performance.now.bind(performance)
  const later = vi.spyOn(performance, 'now').mockImplementation(() => now() + (reads() < 20 ? 0 : 60_000))
  try {
    const opened = open({})
    await expect(opened.describe('r')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const usual = reads()
    awayFor = 1
    await expect(opened.describe('r')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(usual).toBeLessThan(10)
    expect(reads()).toBeGreaterThanOrEqual(20)
  } finally {
    later.mockRestore()
  }
})

it('an answer of which nothing comes for a minute is given up, and one that comes slowly is not', async () => {
  const asked = async (): Promise<{ rows: Promise<unknown>; response: ServerResponse }> => {
    const heard = Promise.withResolvers<ServerResponse>()
    answers = heard.resolve
    const rows = new RestateServer({ ingress: url, admin: url, headers: {} }).query('select')
    return { rows, response: await heard.promise }
  }
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const slow = await asked()
  for (const part of JSON.stringify(ANSWER)) {
    vi.advanceTimersByTime(10_000)
    await new Promise<void>((resolve) => void slow.response.write(part, () => resolve()))
    await sleep(1)
  }
  slow.response.end()
  expect(await slow.rows).toEqual([])

  const { rows } = await asked()
  vi.advanceTimersByTime(60_000)
  await expect(rows).rejects.toMatchObject({ code: 'UNAVAILABLE', cause: { message: 'Nothing came for 60000 ms.' } })
})

it('a worker makes itself known at the port that it listens on, or as `advertise` says', async () => {
  await open({}).serve(HOST)
  await engine?.close()
  await open({ advertise: 'http://workers.example' }).serve(HOST)
  const uris = said.flatMap(({ path, body }) => (path === '/deployments' ? [body.uri] : []))
  expect(uris).toEqual([expect.stringMatching(/^http:\/\/127\.0\.0\.1:[1-9]\d+$/), 'http://workers.example'])
})

it('with `register: false` it says nothing', async () => {
  await open({ register: false }).serve(HOST)
  expect(said).toEqual([])
})

it('a server that kept a connection to the worker that was there before is asked again', async () => {
  refuses = 2
  const { stop } = await open({}).serve(HOST)
  expect(said.filter(({ path }) => path === '/deployments')).toHaveLength(3)
  await stop()
})

it('one that does not come to the worker at all says so', async () => {
  refuses = 99
  await expect(open({}).serve(HOST)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(said.filter(({ path }) => path === '/deployments')).toHaveLength(5)
})
