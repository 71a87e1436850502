/** When the log is synced, and by whom: inside of a commit by SQLite, or behind it by us. */
import { onProbe } from '@selvage/core'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { claimed, enlisted, type Place, place, step } from '../../test/place.ts'
import { Database } from '../database.ts'
import { Log } from '../file/log.ts'

type Told = (error: Error | null) => void

/** Syncs of the log by us: by another thread, and on this one. */
let syncs = 0
let atOnce = 0
/** Called in place of a sync. */
let onSync: ((told: Told, go: () => void) => void) | undefined
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const fdatasync = (descriptor: number, told: Told): void => {
    syncs += 1
    const go = (): void => fs.fdatasync(descriptor, told)
    if (onSync === undefined) go()
    else onSync(told, go)
  }
  const fdatasyncSync = (descriptor: number): void => {
    atOnce += 1
    fs.fdatasyncSync(descriptor)
  }
  return { ...fs, fdatasync, fdatasyncSync }
})

let here: Place
beforeEach(() => {
  here = place()
  syncs = 0
  atOnce = 0
})
afterEach(() => {
  onSync = undefined
  return here.close()
})

/** A write that takes so long that the next one is synced by another thread. */
async function onSlowDisk(write: () => Promise<unknown>): Promise<void> {
  const fast = onProbe((name) => {
    if (name !== 'store.before-commit') return
    const until = performance.now() + 60
    while (performance.now() < until);
  })
  await write()
  fast()
}

it('I9: a group is told when the log is synced behind its commit, and not before', async () => {
  const store = await here.open()
  await enlisted(store)
  const [a, b] = [await claimed(store, 'a'), await claimed(store, 'b')]
  await onSlowDisk(() => store.signal('a', { id: 's', name: 'n', payload: 1 }, 5))
  const before = syncs
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    onSync = (_, go) => {
      release = go
      resolve()
    }
  })
  const told: string[] = []
  const appends = [a, b].map(async ({ runId, fence }) => {
    await store.append(runId, fence, 1, [step(1)])
    told.push(runId)
  })
  await held
  // More than one turn of the event loop; meanwhile others may ask, and wait.
  const third = store.append('a', a.fence, 2, [step(2)]).then(() => told.push('a again'))
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect((await store.load('a', 0)).length).toBe(2)
  expect([told, syncs - before]).toEqual([[], 1])
  onSync = undefined
  release()
  await Promise.all([...appends, third])
  expect(told).toEqual(['a', 'b', 'a again'])
})

it('a log that cannot be synced is said to be so, to all who wait and to all who come', async () => {
  const store = await here.open()
  await enlisted(store)
  const [a, b] = [await claimed(store, 'a'), await claimed(store, 'b')]
  await onSlowDisk(() => store.signal('a', { id: 's', name: 'n', payload: 1 }, 5))
  onSync = (told) => setImmediate(told, new Error('EIO: i/o error, fdatasync'))
  const appends = [a, b].map(({ runId, fence }) => store.append(runId, fence, 1, [step(1)]))
  const failed = { name: 'EngineError', code: 'UNAVAILABLE', message: expect.stringContaining('EIO: i/o error') }
  for (const append of appends) await expect(append).rejects.toMatchObject(failed)
  await expect(store.append('a', a.fence, 2, [step(2)])).rejects.toMatchObject(failed)
  expect((await store.load('a', 0)).length).toBe(2)
  await store.close()
  onSync = undefined
  const again = await here.open()
  expect((await again.load('b', 0)).length).toBe(2)
})

it('a disk that takes long does not hold the event loop, until it is fast again', async () => {
  const store = await here.open()
  await enlisted(store)
  const { fence } = await claimed(store)
  let seq = 0
  const append = (): Promise<void> => store.append('r', fence, ++seq, [step(seq)])
  await onSlowDisk(append)
  const before = syncs
  await append()
  expect(syncs).toBe(before + 1)
  // Not for ever: the first one that is synced on this thread may be slow again, where this machine's disk is.
  onSync = (told) => setImmediate(told, null)
  let behind: number
  do {
    behind = syncs
    await append()
  } while (syncs > behind)
})

it('what is written and not durable has not been synced; a sync, or the next durable write, is behind it', async () => {
  const store = await here.open()
  await enlisted(store)
  const { fence } = await claimed(store)
  await onSlowDisk(() => store.append('r', fence, 1, [step(1)]))
  const before = syncs
  await store.append('r', fence, 2, [step(2)], 'written')
  expect([(await store.load('r', 0)).length, syncs]).toEqual([3, before])
  onSync = (told) => setImmediate(told, new Error('EIO'))
  await expect(store.sync?.()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await expect(store.append('r', fence, 3, [step(3)], 'written')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

it('what follows what is written is synced by us, where SQLite would not: it has nothing to commit', async () => {
  const store = await here.open()
  await enlisted(store)
  const [{ fence }, b] = [await claimed(store), await claimed(store, 'b')]
  for (const follow of [
    // A refusal is all that is in its transaction.
    () => Promise.all([expect(store.append('r', fence + 1, 9, [step(9)])).rejects.toThrow(), store.sync?.()]),
    () => store.sync?.(),
    async () => {
      const seq = (await store.load('r', 0)).length
      await Promise.all([
        store.append('r', fence, seq, [step(seq)], 'written'),
        store.append('b', b.fence, 1, [step(1)]),
      ])
    },
  ]) {
    const seq = (await store.load('r', 0)).length
    await store.append('r', fence, seq, [step(seq)], 'written')
    const before = syncs + atOnce
    await follow()
    expect(syncs + atOnce).toBeGreaterThan(before)
  }
})

it('what is not synced at all is not synced behind a commit either', async () => {
  const store = await here.open({ durability: 'normal' })
  await enlisted(store)
  const runs = await Promise.all(['a', 'b', 'c'].map((runId) => claimed(store, runId)))
  await Promise.all(runs.map(({ runId, fence }) => store.append(runId, fence, 1, [step(1)])))
  expect(syncs).toBe(0)
})

it('SQLite leaves out its syncs for as long as it is told to, and where there is a log', async () => {
  await (await here.open()).close()
  const database = new Database(here.path)
  database.exec('pragma synchronous = full; begin immediate; commit')
  const synchronous = (): unknown => database.get<{ synchronous: number }>('pragma synchronous')?.synchronous
  const options = { roomBytes: 0 }
  const log = new Log(database, { ...options, synced: true })
  const [FULL, NORMAL] = [2, 1]
  expect([log.leaveSync(false), synchronous()]).toEqual([false, FULL])
  expect([log.leaveSync(true), synchronous()]).toEqual([true, NORMAL])
  // Not to and fro with each commit, and not before what it left out has been synced.
  for (let more = 0; more < 20; more++) expect([log.leaveSync(false), synchronous()]).toEqual([true, NORMAL])
  for (let more = 0; more < 8; more++) {
    expect([log.leaveSync(false), synchronous()]).toEqual([true, NORMAL])
    expect(log.syncNow()).toBe(null)
  }
  expect([log.leaveSync(false), synchronous()]).toEqual([false, FULL])
  expect([log.leaveSync(true), synchronous()]).toEqual([true, NORMAL])
  expect(new Log(database, { ...options, synced: false }).leaveSync(false)).toBe(false)
  expect(synchronous()).toBe(NORMAL)
  log.close()
  database.close()
})
