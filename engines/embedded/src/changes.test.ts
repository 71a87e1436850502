/** What somebody who waits for a change of a run is told, and what the store is asked for it. */
import { RunError, type RunGlance, type Store } from '@selvage/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { Bell } from './bell.ts'
import { Changes, type Seen } from './changes.ts'

/** Runs as a store has them, and each question about them. */
let runs: Map<string, RunGlance>
let asked: (readonly string[])[]
let commit: () => void
let changes: Changes

beforeEach(() => {
  runs = new Map()
  asked = []
  const watchers = new Set<() => void>()
  commit = () => {
    for (const tell of watchers) tell()
  }
  const store: Pick<Store, 'glance' | 'describe' | 'watch'> = {
    glance: async (ids) => {
      asked.push(ids)
      return ids.flatMap((id) => runs.get(id) ?? [])
    },
    describe: async (id) => {
      throw new RunError('NOT_FOUND', `There is no run ${id}.`)
    },
    watch: (tell) => {
      watchers.add(tell)
      return () => void watchers.delete(tell)
    },
  }
  changes = new Changes(store as Store, new Bell(store as Store), () => {})
})

const SEEN: RunGlance = { runId: 'r', status: 'running', entries: 3, worker: 'w1' }

/** Waits as somebody who has seen that, and says once it is over. */
function waiting(since: Seen, runId = 'r'): { readonly over: Promise<void>; isOver: boolean } {
  const wait = { over: Promise.resolve(), isOver: false }
  wait.over = changes.wait(runId, since).then(() => {
    wait.isOver = true
  })
  return wait
}

/** Until the store was asked so often, and who was waiting knows what it said. */
async function looked(questions: number): Promise<void> {
  while (asked.length < questions) await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
}

describe('a change', () => {
  it.each([
    ['status', { status: 'suspended' }],
    ['entries', { entries: 4 }],
    ['worker', { worker: 'w2' }],
  ] as const)('of %s is told to who follows it', async (_, change) => {
    runs.set('r', SEEN)
    const wait = waiting(SEEN)
    await looked(1)
    expect(wait.isOver).toBe(false)
    runs.set('r', { ...SEEN, ...change })
    commit()
    await looked(2)
    expect(wait.isOver).toBe(true)
  })

  it.each([
    ['entries', { entries: 4 }, { status: 'running', worker: 'w1' }],
    ['worker', { worker: 'w2' }, { status: 'running', entries: 3 }],
  ] as const)('of %s is not told to who does not follow it', async (_, change, since) => {
    runs.set('r', { ...SEEN, ...change })
    const wait = waiting(since)
    await looked(1)
    expect(wait.isOver).toBe(false)
    changes.close()
    await expect(wait.over).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('is looked for with one question for all who wait, each run named once', async () => {
    const ids = Array.from({ length: 100 }, (_, at) => `r${at}`)
    for (const runId of ids) runs.set(runId, { ...SEEN, runId })
    const waits = [...ids, ...ids].map((id) => waiting(SEEN, id))
    await looked(200)
    asked.length = 0
    for (const runId of ids) runs.set(runId, { ...SEEN, runId, entries: 4 })
    commit()
    await looked(1)
    expect(waits.every(({ isOver }) => isOver)).toBe(true)
    expect(asked).toEqual([ids])
  })

  it('of a run that is not there is no change: whoever waits is told so', async () => {
    await expect(changes.wait('none', SEEN)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
