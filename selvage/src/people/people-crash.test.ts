/** Several people decide while workers die between each vote, the decision and what follows from it. */
import { join } from 'node:path'
import { type KillAt, LineFile } from '@selvage/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Workers } from '../../test/workers.ts'
import type { Selvage, SelvageError } from '../core.ts'

vi.setConfig({ testTimeout: 120_000 })

let workers: Workers
let selvage: Selvage

beforeEach(async () => {
  workers = await Workers.open('quorum-process.ts')
  selvage = workers.selvage
})

afterEach(() => workers.close())

// Appends of a run: the question; each vote with its wait; the decision's step; its signal; its wait; the step; the end.
const PLACES: readonly KillAt[] = [1, 2, 3, 4, 5, 6].flatMap((hit) => [
  { moment: 'host.before-append', hit },
  { moment: 'host.after-append', hit },
])

test('a worker that dies around every write: each vote counts once, one decision, one payment', async () => {
  const run = await selvage.reference('pay').start(undefined, { runId: 'r' })
  let dying = workers.spawn(PLACES[0])
  let kills = 0
  let id = ''
  const votes = ['ann', 'bob', 'cy']
  const told: string[] = []
  while ((await run.status()).status !== 'completed') {
    if (dying.signalCode !== null) {
      kills += 1
      dying = workers.spawn(PLACES[kills])
    }
    const { items } = await selvage.approvals({ runId: 'r' })
    id = items[0]?.id ?? id
    // One person at a time, each of them twice.
    const by =
      items.length > 0 ? votes.find((name) => told.filter((one) => one.startsWith(name)).length < 2) : undefined
    if (by !== undefined) {
      const how = await run.approve(id, { by }).then(
        () => 'counts',
        (error: SelvageError) => error.code,
      )
      told.push(`${by} ${how}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(await run.result()).toBe(true)
  expect(kills).toBeGreaterThan(2)
  const counted = told.filter((one) => one.endsWith('counts'))
  expect(counted).toEqual([...new Set(counted)])
  const journal = await run.journal()
  const ids = journal.flatMap((entry) => (entry.type === 'signal' ? [entry.signal.id] : []))
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.filter((one) => one === id)).toHaveLength(1)
  expect(journal.filter((entry) => entry.type === 'step' && entry.key === 'paid')).toHaveLength(1)
  expect(new Set(new LineFile<string>(join(workers.folder, 'paid')).read())).toEqual(new Set(['true ann, bob']))
  await expect(run.approve(id, { by: 'cy' })).rejects.toMatchObject({
    code: 'ALREADY_ANSWERED',
    details: { by: 'ann, bob', value: { approved: true } },
  })
})
