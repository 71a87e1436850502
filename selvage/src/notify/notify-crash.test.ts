/** Notices under SIGKILL: nobody is left untold, each run's in order, and what is told twice has the same id. */
import { join } from 'node:path'
import type { ProbeName } from '@selvage/core'
import { LineFile } from '@selvage/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Workers } from '../../test/workers.ts'
import type { Selvage } from '../core.ts'

vi.setConfig({ testTimeout: 120_000 })

const EVENTS = ['run.started', 'question.opened', 'question.answered', 'run.completed'] as const

let workers: Workers
let selvage: Selvage

beforeEach(async () => {
  // What happens is told from the first subscription on: here before there is a worker.
  const notify = [{ name: 'file', events: EVENTS, deliver: () => {} }]
  workers = await Workers.open('notify-process.ts', { notify })
  selvage = workers.selvage
})

afterEach(() => workers.close())

interface Told {
  readonly id: string
  readonly type: string
  readonly runId: string
  readonly question?: string
}

const told = (): readonly Told[] => new LineFile<Told>(join(workers.folder, 'told')).read()

/** What was told again stands once. */
function distinct(all: readonly Told[]): Told[] {
  return [...new Map(all.map((one) => [one.id, one])).values()]
}

const PLACES: readonly [ProbeName, number][] = [
  ['store.after-commit', 5],
  ['engine.after-claim-message', 1],
  ['engine.after-delivery', 1],
  ['engine.after-delivery', 5],
  ['engine.after-settle-message', 2],
]

/** Answers every question as soon as it is asked, until told to stop. */
function answering(): () => Promise<void> {
  let over = false
  const done = (async () => {
    while (!over) {
      const { items } = await selvage.approvals()
      for (const { id, runId } of items) await selvage.run(runId).approve(id, { by: 'ann' })
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })()
  return () => {
    over = true
    return done
  }
}

test.each(PLACES)('a worker that dies at %s (%i): everybody is told all the same', async (moment, hit) => {
  const dead = workers.dies({ moment, hit })
  const runIds = ['a', 'b', 'c']
  for (const runId of runIds) await selvage.reference('pay').start(undefined, { runId })
  const stop = answering()
  await dead
  workers.spawn()
  for (const runId of runIds) expect(await selvage.run(runId).result()).toBe(true)
  await stop()
  await vi.waitFor(
    () => {
      for (const runId of runIds) {
        const own = distinct(told().filter((one) => one.runId === runId))
        expect(own.map(({ type }) => type)).toEqual(EVENTS)
      }
    },
    { timeout: 30_000 },
  )
  // Told twice is at most what was being told when the worker died.
  expect(told().length).toBeLessThanOrEqual(distinct(told()).length + 3)
})
