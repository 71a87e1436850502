/** Connections that end without a word, as behind a router that forgets them: nothing comes back, and nothing is refused. */
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ended, enginePrograms, isSuspended, until } from '@selvage/testing'
import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { DATABASE, openIn } from '../test/under-test.ts'
import { Bell } from './bell.ts'
import type { DbosEngine } from './engine.ts'

/** A way to the server, whose connections of until now `silence` leaves open and empty. */
interface Way {
  readonly url: string
  silence(): void
  close(): void
}

async function wayTo(server: string): Promise<Way> {
  const { hostname, port } = new URL(server)
  const sockets = new Set<Socket>()
  let open = { isSilent: false }
  const listener: Server = createServer((near) => {
    const way = open
    const far = connect(Number(port), hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (data) => void (way.isSilent || to.write(data)))
      from.on('error', () => {})
      from.on('close', () => void (way.isSilent || to.destroy()))
    }
  })
  await new Promise<void>((resolve) => void listener.listen(0, '127.0.0.1', resolve))
  const url = new URL(server)
  url.host = `127.0.0.1:${(listener.address() as AddressInfo).port}`
  return {
    url: url.href,
    silence() {
      open.isSilent = true
      open = { isSilent: false }
    },
    close() {
      listener.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

const missing = noPostgres()
if (missing !== undefined) console.info(`dbos: skipped: ${missing}`)

describe.skipIf(missing !== undefined)('on a connection that ended without a word', { timeout: 60_000 }, () => {
  let server: PostgresTestServer
  let url: string
  const folder = mkdtempSync(join(tmpdir(), 'selvage-dbos-silent-'))
  const opened: DbosEngine[] = []
  const ways: Way[] = []
  beforeAll(async () => {
    server = await PostgresTestServer.open()
    url = await server.createDatabase()
    process.env[DATABASE] = url
  }, 60_000)
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
    for (const way of ways.splice(0)) way.close()
  })
  afterAll(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })

  async function way(): Promise<Way> {
    const made = await wayTo(url)
    ways.push(made)
    return made
  }

  it('who waits for a run hears of its end', async () => {
    const through = await way()
    const working = await openIn(folder)
    const waiting = await openIn(folder, { url: through.url, leaseMs: 300, onError: () => {} })
    opened.push(waiting.engine, working.engine)
    await working.engine.serve(working.host(enginePrograms(() => {})))
    await waiting.engine.start('c', { program: 'charge', input: null })
    await waiting.engine.signal('c', { id: 'go', name: 'go', payload: null })
    await until(waiting.engine, 'c', isSuspended)
    const { entries, status } = await waiting.engine.describe('c')
    const change = waiting.engine.changed('c', { entries, status })
    through.silence()
    await working.engine.signal('c', { id: 'end', name: 'end', payload: null })
    await change
    expect(await ended(waiting.engine, 'c')).toEqual({ ok: 'charged' })
  })

  it('a bell is made again, with its lock', async () => {
    const through = await way()
    const rang: (string | undefined)[] = []
    const told: unknown[] = []
    const options = { channel: 'bell', lock: 4_712n, silenceMs: 2_000 }
    const bell = await Bell.open({
      ...options,
      url: through.url,
      report: (error) => told.push(error),
      rang: (id) => rang.push(id),
    })
    through.silence()
    await expect.poll(() => rang, { timeout: 5_000 }).toEqual([undefined])
    expect(told).toMatchObject([{ message: 'Query read timeout' }])
    await expect.poll(() => bell.isUnbroken(0)).toBe(true)
    await bell.close()
  })
})
