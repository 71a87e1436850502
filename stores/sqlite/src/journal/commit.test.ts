import { DatabaseSync } from 'node:sqlite'
import { onProbe, type Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, newRun, type Place, place, step } from '../../test/place.ts'

let here: Place
let store: Store
beforeEach(async () => {
  here = place()
  store = await here.open()
  await enlisted(store)
})
afterEach(() => here.close())

/** How many commits `body` takes. */
async function commits(body: () => Promise<unknown>): Promise<number> {
  let count = 0
  const stop = onProbe((name) => {
    if (name === 'store.after-commit') count++
  })
  await body().finally(stop)
  return count
}

describe('writes of one turn of the event loop', () => {
  it('share commits', async () => {
    // One, unless the machine is so slow that a group takes up work for longer than 5 ms.
    const runs = await Promise.all(Array.from({ length: 64 }, (_, i) => claimed(store, `r${i}`)))
    const append = (): Promise<unknown> =>
      Promise.all(runs.map(({ runId, fence }) => store.append(runId, fence, 1, [step(1)])))
    expect(await commits(append)).toBeLessThan(16)
    const mixed = (): Promise<unknown> =>
      Promise.all(
        runs.flatMap(({ runId, fence }) => [
          store.create(newRun(`${runId}/child`)),
          store.append(runId, fence, 2, [step(2)]),
          store.signal(runId, { id: 's', name: 'n', payload: 1 }, 5),
          store.heartbeat('w', 1_000, 2_000),
          store.suspend(runId, fence, { signals: [] }, undefined, 6),
        ]),
      )
    expect(await commits(mixed)).toBeLessThan(80)
  })

  it('wait for nobody when they are alone', async () => {
    const { fence } = await claimed(store)
    expect(await commits(() => store.append('r', fence, 1, [step(1)]))).toBe(1)
  })

  it('are in the order in which they were made', async () => {
    const { fence } = await claimed(store)
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.append('r', fence, i + 1, [step(i + 1)])))
    expect((await store.load('r', 0)).map(({ seq }) => seq)).toEqual(Array.from({ length: 21 }, (_, i) => i))
  })

  it('do not fail together: the one that is refused leaves nothing, the others all', async () => {
    const a = await claimed(store, 'a')
    const b = await claimed(store, 'b')
    const signal = { id: 's', name: 'n', payload: 1 }
    await store.append('b', b.fence, 1, [{ seq: 1, at: 1, type: 'signal', signal }])
    const results = await Promise.allSettled([
      store.append('a', a.fence, 1, [step(1)]),
      store.append('a', a.fence + 1, 2, [step(2)]),
      store.append('a', a.fence, 7, [step(7)]),
      // Its first entry is written before the second is refused.
      store.append('b', b.fence, 2, [step(2), { seq: 3, at: 1, type: 'signal', signal }]),
      store.append('nobody', 1, 1, [step(1)]),
      store.append('a', a.fence, 2, [step(2)]),
      store.create(newRun('c')),
    ])
    expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'done'))).toEqual([
      'done',
      'LEASE_LOST',
      'JOURNAL_GAP',
      'JOURNAL_GAP',
      'NOT_FOUND',
      'done',
      'done',
    ])
    expect((await store.load('a', 0)).length).toBe(3)
    expect((await store.load('b', 0)).length).toBe(2)
    expect(await store.describe('b')).toMatchObject({ entries: 2, steps: 0 })
    await store.append('b', b.fence, 2, [step(2)])
  })

  it('are settled after the commit, never before', async () => {
    const { fence } = await claimed(store)
    const other = new DatabaseSync(here.path)
    const count = (): unknown => other.prepare('select count(*) as n from entry').get()?.n
    let settled = false
    const seen: unknown[] = []
    const stop = onProbe((name) => {
      seen.push(name, count(), settled)
    })
    await store.append('r', fence, 1, [step(1)]).then(() => {
      settled = true
    })
    stop()
    other.close()
    expect(seen).toEqual(['store.before-commit', 1, false, 'store.after-commit', 2, false])
  })

  it('leave the event loop its turns, however many they are', async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const groups = await commits(() =>
      Promise.all(Array.from({ length: 5_000 }, (_, i) => store.create(newRun(`many${i}`)))),
    )
    clearInterval(timer)
    // A group takes up work for 5 ms, then the timer has its turn.
    expect(groups).toBeGreaterThan(3)
    expect(turns).toBeGreaterThanOrEqual(groups / 2)
  })
})

describe('who reads without pause', () => {
  it('leaves the event loop its turns', async () => {
    await claimed(store, 'r')
    let hasHappened = false
    setTimeout(() => {
      hasHappened = true
    }, 20)
    let reads = 0
    while (!hasHappened && reads < 200_000) {
      await store.describe('r')
      reads++
    }
    expect(hasHappened).toBe(true)
  })

  it('leaves other readers theirs', async () => {
    await claimed(store, 'r')
    let others = 0
    const other = async (): Promise<void> => {
      for (; others < 20; others++) {
        await store.describe('r')
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const over = other()
    for (let reads = 0; others < 20 && reads < 100_000; reads++) await store.describe('r')
    expect(others).toBe(20)
    await over
  })

  it('is many who read at once: they have several turns', async () => {
    await claimed(store, 'r')
    let turns = 0
    const count = (): void => {
      turns++
      if (!isOver) setImmediate(count)
    }
    let isOver = false
    setImmediate(count)
    await Promise.all(Array.from({ length: 5_000 }, () => store.describe('r')))
    isOver = true
    expect(turns).toBeGreaterThan(2)
  })
})

describe('a store that is closed', () => {
  it('has finished what was asked of it, and takes nothing more', async () => {
    const { fence } = await claimed(store)
    const appended = store.append('r', fence, 1, [step(1)])
    await Promise.all([store.close(), store.close()])
    await expect(appended).resolves.toBeUndefined()
    await expect(store.append('r', fence, 2, [step(2)])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(store.list({})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect((await (await here.open()).load('r', 0)).length).toBe(2)
  })
})
