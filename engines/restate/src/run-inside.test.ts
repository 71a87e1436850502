/** A run of ours as a part of a handler of a user's, whose process is killed in the middle of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Context, TerminalError } from '@restatedev/restate-sdk'
import { type Blobs, createOffload, EngineError, errorToJson, type Outcome } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { memoryBlobs } from '@selvage/testing'
import { freePorts, noRestate, RestateTestServer } from '@selvage/testing/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openOn, URLS } from '../test/under-test.ts'
import type { RestateEngine } from './engine.ts'
import { servicesOf } from './kept.ts'
import { runInside } from './run-inside.ts'

const missing = noRestate()
if (missing !== undefined) console.info(`restate: skipped: ${missing}`)

const LOOK_AGAIN_MS = 10

describe('what a handler is told of the run in it', () => {
  const runtime = nodeRuntime()

  /** The run ended so; `own`: what the engine's blobs are. */
  async function inside(outcome: Outcome, own: Blobs, more: { blobs?: Blobs } = {}): Promise<unknown> {
    const ctx = {
      request: () => ({ id: 'inv_1' }),
      date: { now: async () => 1 },
      awakeable: () => ({ id: 'tells', promise: Promise.resolve(outcome) }),
      objectSendClient: () => ({ drive() {} }),
    } as unknown as Context
    const engine = { services: servicesOf('t'), blobs: own } as unknown as RestateEngine
    return await runInside(ctx, { name: 'count' }, null, { engine, runtime, ...more })
  }
  const large = async (blobs: Blobs): Promise<Outcome> => {
    return { ok: await createOffload({ runtime, blobs, thresholdBytes: 0 }).pack('a large result') }
  }
  const away = new EngineError('UNAVAILABLE', 'Restate cannot be reached.')
  const unreachable: Blobs = { put: () => Promise.reject(away), get: () => Promise.reject(away) }

  it('its result is read from the blobs that the workers have', async () => {
    const [own, theirs] = [memoryBlobs(), memoryBlobs()]
    expect(await inside(await large(own), own)).toBe('a large result')
    expect(await inside(await large(theirs), own, { blobs: theirs })).toBe('a large result')
  })

  it('one that cannot be read just now is no end of the handler; how the run failed is', async () => {
    await expect(inside(await large(memoryBlobs()), unreachable)).rejects.toBe(away)
    // The program's own error, be its code what it likes.
    const failed = inside({ error: errorToJson(away) }, unreachable)
    await expect(failed).rejects.toBeInstanceOf(TerminalError)
    await expect(failed).rejects.toMatchObject({ cause: { code: 'UNAVAILABLE' } })
  })
})

describe.skipIf(missing !== undefined)('runInside on Restate', { timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-restate-inside-'))
  const processes: ChildProcess[] = []
  let server: RestateTestServer
  let port = 0
  beforeAll(async () => {
    server = await RestateTestServer.open()
    port = (await freePorts(1))[0] ?? 0
    process.env[URLS] = JSON.stringify({ ingress: server.ingress, admin: server.admin })
    await begin()
    await post(`${server.admin}/deployments`, { uri: `http://127.0.0.1:${port}` })
  }, 240_000)
  afterAll(async () => {
    for (const each of processes) each.kill('SIGKILL')
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function begin(): Promise<void> {
    const main = fileURLToPath(new URL('../test/inside.ts', import.meta.url))
    const child = spawn(process.execPath, [main, folder, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] })
    processes.push(child)
    await once(child.stdout, 'data')
  }
  async function post(url: string, body: unknown): Promise<unknown> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
    return await response.json()
  }
  const effects = (): readonly string[] =>
    existsSync(join(folder, 'effects')) ? readFileSync(join(folder, 'effects'), 'utf8').split('\n').slice(0, -1) : []

  it('its process is killed: handler and run go on, each where it was', async () => {
    const placed = post(`${server.ingress}/desk/place`, 40)
    while (effects().length < 6) await sleep(LOOK_AGAIN_MS)
    processes[0]?.kill('SIGKILL')
    await begin()
    const { sum, runId } = (await placed) as { sum: number; runId: string }
    expect(sum).toBe(820)
    const times = (line: string): number => effects().filter((each) => each.split(' ')[0] === line).length
    expect([times('before'), times('after')]).toEqual([1, 1])
    const steps = Array.from({ length: 40 }, (_, index) => times(`s${index + 1}`))
    // One was in flight when the process died.
    expect(steps.filter((count) => count !== 1).length).toBeLessThanOrEqual(1)
    const { engine } = await openOn(server, folder)
    expect(await engine.describe(runId)).toMatchObject({ status: 'completed', outcome: { ok: 820 }, steps: 40 })
    await engine.close()
  })

  it('the run is found, and a cancel of it ends the part', async () => {
    const asked = post(`${server.ingress}/desk/ask`, null)
    const { engine } = await openOn(server, folder)
    let runId: string | undefined
    while (runId === undefined) {
      runId = (await engine.list({ program: 'ask', status: 'suspended' })).items[0]?.id
      await sleep(LOOK_AGAIN_MS)
    }
    expect((await engine.questions({ runId, status: 'open' })).items.length).toBe(1)
    await engine.cancel(runId, 'not needed')
    expect(await asked).toContain('was cancelled: not needed')
    await engine.close()
  })
})
