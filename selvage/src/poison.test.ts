/** A run, or a message, that kills its process beside runs that do nothing wrong. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import { afterEach, expect, test, vi } from 'vitest'
import { Workers } from '../test/workers.ts'
import type { Selvage } from './core.ts'

vi.setConfig({ testTimeout: 120_000 })

const URL_OF_WORKERS = 'SELVAGE_TEST_URL'
const SLOW = Array.from({ length: 12 }, (_, n) => `slow-${n}`)

let workers: Workers | undefined
let server: PostgresTestServer | undefined

afterEach(async () => {
  await workers?.close()
  await server?.close()
  delete process.env[URL_OF_WORKERS]
  server = undefined
})

async function startSlow(selvage: Selvage, runIds: readonly string[], program = 'slow'): Promise<void> {
  for (const runId of runIds) await selvage.reference(program).start(undefined, { runId })
}

/** Spawns workers, one after the other was killed, until `over`. Resolves to how many were killed. */
async function workUntil(opened: Workers, over: Promise<unknown>): Promise<number> {
  for (let deaths = 0; ; deaths++) {
    const died = once(opened.spawn(), 'exit')
    const isOver = await Promise.race([died.then(([, signal]) => signal), over.then(() => true)])
    if (isOver === true) return deaths
    expect(isOver).toBe('SIGKILL')
  }
}

async function takesNoneAlong(opened: Workers): Promise<void> {
  const { selvage } = opened
  await startSlow(selvage, SLOW.slice(0, 6))
  await selvage.reference('poison').start(undefined, { runId: 'poison' })
  await startSlow(selvage, SLOW.slice(6))
  const over = Promise.allSettled(['poison', ...SLOW].map((runId) => selvage.run(runId).result()))
  expect(await workUntil(opened, over)).toBeGreaterThanOrEqual(5)
  const [poison, ...others] = await over
  expect(poison).toMatchObject({ status: 'rejected', reason: { cause: { code: 'CRASH_LOOP' } } })
  expect(others).toEqual(SLOW.map(() => ({ status: 'fulfilled', value: 'well' })))
}

test('a run that kills every process fails with CRASH_LOOP, and takes none of those beside it along', async () => {
  workers = await Workers.open('poison-process.ts')
  await takesNoneAlong(workers)
})

test('the same on PostgreSQL', async ({ skip }) => {
  const missing = noPostgres()
  if (missing !== undefined) return skip(missing)
  server = await PostgresTestServer.open()
  const url = await server.createDatabase()
  process.env[URL_OF_WORKERS] = url
  workers = await Workers.open('poison-process.ts', { url })
  await takesNoneAlong(workers)
})

test('of agents that their author’s process invokes, one that kills it takes none of the others along', async () => {
  workers = await Workers.open('poison-inline-process.ts')
  for (let deaths = 0; ; deaths++) {
    const [code, signal] = await once(workers.spawn(), 'exit')
    if (code === 0) break
    expect(signal).toBe('SIGKILL')
    expect(deaths).toBeLessThan(40)
  }
  const results = JSON.parse(readFileSync(join(workers.folder, 'results.json'), 'utf8')) as object
  const slow = [1, 2, 3, 4, 5, 6].map((n) => [`slow-${n}`, 'well'])
  expect(results).toEqual({ poison: 'RUN_ENDED: CRASH_LOOP', ...Object.fromEntries(slow) })
  // A retry lets it go on: its process dies of it again, and not with the error of before.
  await workers.selvage.run('poison').retry()
  expect(await once(workers.spawn(), 'exit')).toEqual([null, 'SIGKILL'])
})

test('a message that kills every process is dead in the end, and takes no run along', async () => {
  workers = await Workers.open('poison-process.ts')
  const { selvage } = workers
  // Few, so that each would be beside it often enough.
  const slow = SLOW.slice(0, 2)
  await selvage.reference('sender').start(undefined, { runId: 'sender' })
  await startSlow(selvage, slow, 'slower')
  const over = Promise.allSettled(slow.map((runId) => selvage.run(runId).result()))
  expect(await workUntil(workers, over)).toBe(10)
  expect(await over).toEqual(slow.map(() => ({ status: 'fulfilled', value: 'well' })))
  expect((await selvage.messages({ topic: 'deadly' })).items).toMatchObject([{ state: 'dead' }])
})
