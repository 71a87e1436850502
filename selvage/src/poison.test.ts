/** A run that kills its process beside runs that do nothing wrong. */
import { once } from 'node:events'
import { noPostgres, PostgresTestServer } from '@selvage/testing/servers'
import { afterEach, expect, test } from 'vitest'
import { Workers } from '../test/workers.ts'

const PATIENCE_MS = 180_000
const URL_OF_WORKERS = 'SELVAGE_TEST_URL'

let workers: Workers | undefined
let server: PostgresTestServer | undefined
afterEach(async () => {
  await workers?.close()
  await server?.close()
  delete process.env[URL_OF_WORKERS]
  server = undefined
})

async function takesNoneAlong(opened: Workers): Promise<void> {
  const { selvage } = opened
  const slow = Array.from({ length: 12 }, (_, n) => `slow-${n}`)
  for (const runId of slow.slice(0, 6)) await selvage.reference('slow').start(undefined, { runId })
  await selvage.reference('poison').start(undefined, { runId: 'poison' })
  for (const runId of slow.slice(6)) await selvage.reference('slow').start(undefined, { runId })

  const over = Promise.allSettled(['poison', ...slow].map((runId) => selvage.run(runId).result()))
  let deaths = 0
  for (let isOver = false; !isOver; ) {
    const died = once(opened.spawn(), 'exit').then(() => false)
    isOver = await Promise.race([died, over.then(() => true)])
    if (!isOver) deaths++
  }
  const [poison, ...others] = await over
  expect(poison).toMatchObject({ status: 'rejected', reason: { cause: { code: 'CRASH_LOOP' } } })
  expect(others).toEqual(slow.map(() => ({ status: 'fulfilled', value: 'well' })))
  expect(deaths).toBeGreaterThanOrEqual(5)
}

test(
  'a run that kills every process fails with CRASH_LOOP, and takes none of those beside it along',
  async () => {
    workers = await Workers.open('poison-process.ts')
    await takesNoneAlong(workers)
  },
  PATIENCE_MS,
)

test(
  'the same on PostgreSQL',
  async ({ skip }) => {
    const missing = noPostgres()
    if (missing !== undefined) return skip(missing)
    server = await PostgresTestServer.open()
    const url = await server.createDatabase()
    process.env[URL_OF_WORKERS] = url
    workers = await Workers.open('poison-process.ts', { url })
    await takesNoneAlong(workers)
  },
  PATIENCE_MS,
)
