/** A run that kills its process beside runs that do nothing wrong. */
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { Workers } from '../test/workers.ts'

let workers: Workers
afterEach(() => workers.close())

test('a run that kills every process fails with CRASH_LOOP, and takes none of those beside it along', async () => {
  workers = await Workers.open('poison-process.ts')
  const { selvage } = workers
  const slow = Array.from({ length: 12 }, (_, n) => `slow-${n}`)
  for (const runId of slow.slice(0, 6)) await selvage.reference('slow').start(undefined, { runId })
  await selvage.reference('poison').start(undefined, { runId: 'poison' })
  for (const runId of slow.slice(6)) await selvage.reference('slow').start(undefined, { runId })

  const over = Promise.allSettled(['poison', ...slow].map((runId) => selvage.run(runId).result()))
  let deaths = 0
  for (let isOver = false; !isOver; ) {
    const worker = workers.spawn()
    const died = once(worker, 'exit').then(() => false)
    isOver = await Promise.race([died, over.then(() => true)])
    if (!isOver) deaths++
  }
  const [poison, ...others] = await over
  expect(poison).toMatchObject({ status: 'rejected', reason: { cause: { code: 'CRASH_LOOP' } } })
  expect(others).toEqual(slow.map(() => ({ status: 'fulfilled', value: 'well' })))
  expect(deaths).toBeGreaterThanOrEqual(5)
}, 120_000)
