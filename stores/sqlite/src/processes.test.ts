/** Several processes on one file. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Child, claimed, enlisted, newRun, type Place, place, step } from '../test/place.ts'

let here: Place
beforeEach(() => {
  here = place()
})
afterEach(() => here.close())

/** Enlists, claims run `args[0]` and, once told to, appends without pause for `args[1]` ms; says how often, and every error. */
const WRITER = `
  const [runId, ms] = args
  await store.enlist({ id: runId, pid: process.pid, host: 'child' }, 60_000, Date.now())
  await store.create({ runId, start: { program: 'p', input: null }, salt: '', inputHash: '', at: 1 })
  const { fence, cursor } = await store.claimRun(runId, runId, Date.now())
  say('ready')
  process.stdin.once('data', async () => {
    const until = performance.now() + Number(ms)
    let at = cursor
    try {
      while (performance.now() < until) {
        await store.append(runId, fence, at, [{ seq: at, at: 5, type: 'state', key: 'k', patch: { text: 'x'.repeat(300) } }])
        at++
      }
      say(String(at - cursor))
    } catch (error) {
      say(error.stack)
    }
    await store.close()
    process.exit()
  })
`

/** Says \`heard\` when it is rung and run `r` has got further than it was. */
const LISTENER = `
  let { entries, status } = await store.describe('r')
  store.watch(async () => {
    const run = await store.describe('r')
    if (run.entries === entries && run.status === status) return
    entries = run.entries
    status = run.status
    say('heard ' + status + ' ' + entries)
  })
  say('listening')
  setInterval(() => {}, 1_000)
`

const go = (child: Child): void => void child.process.stdin?.write('\n')

describe('two processes that write without pause', () => {
  it('see no SQLITE_BUSY, and each gets its share', async () => {
    const writers = ['a', 'b'].map((runId) => here.child(WRITER, runId, '1500'))
    for (const writer of writers) expect(await writer.line()).toBe('ready')
    for (const writer of writers) go(writer)
    const [a = 0, b = 0] = (await Promise.all(writers.map((writer) => writer.line()))).map(Number)
    expect(Math.min(a, b) / (a + b)).toBeGreaterThanOrEqual(0.25)
    const store = await here.open()
    expect([(await store.load('a', 0)).length, (await store.load('b', 0)).length]).toEqual([a + 1, b + 1])
  })

  it('leave room for a third that writes now and then', async () => {
    const writers = ['a', 'b'].map((runId) => here.child(WRITER, runId, '1500'))
    for (const writer of writers) await writer.line()
    const store = await here.open()
    for (const writer of writers) go(writer)
    const written = async (): Promise<number> => {
      const runs = await Promise.all(writers.map((_, i) => store.describe(i === 0 ? 'a' : 'b')))
      return runs.reduce((sum, { entries }) => sum + entries, 0)
    }
    const passed: number[] = []
    for (let i = 0; i < 15; i++) {
      const before = await written()
      await store.create(newRun(`r${i}`))
      passed.push((await written()) - before)
      await sleep(20)
    }
    // Each of the others writes now and then while it waits; through SQLite's own busy handler they went on for seconds.
    expect(passed.sort((x, y) => x - y)[7]).toBeLessThan(200)
    for (const writer of writers) expect(Number(await writer.line())).toBeGreaterThan(0)
  })
})

describe('a commit', () => {
  let store: Store
  let listener: Child
  beforeEach(async () => {
    store = await here.open()
    await enlisted(store)
    await claimed(store)
    listener = here.child(LISTENER)
    expect(await listener.line()).toBe('listening')
  })

  it('is heard by another process: an entry, a giving up, a claim', async () => {
    await store.append('r', 1, 1, [step(1)])
    expect(await listener.line()).toBe('heard running 2')
    await store.suspend('r', 1, { signals: ['s'] }, undefined, 2_000)
    expect(await listener.line()).toBe('heard suspended 2')
    await store.claimRun('w', 'r', 2_000)
    expect(await listener.line()).toBe('heard running 2')
  })

  it('is heard even where it is one of very many: the last rings always', async () => {
    for (let at = 1; at <= 50; at++) await store.append('r', 1, at, [step(at)])
    for (;;) if ((await listener.line()) === 'heard running 51') break
  })

  it('is heard where nobody rang: SQLite is asked', async () => {
    // Another connection in the listener's stead, which commits without a bell.
    const { DatabaseSync } = await import('node:sqlite')
    const other = new DatabaseSync(here.path)
    other.exec('update run set status = 2')
    other.close()
    expect(await listener.line()).toBe('heard suspended 1')
  })
})

describe('watching', () => {
  it('is told what another store commits, in this process or another, until it stops', async () => {
    const store = await here.open()
    const other = await here.open()
    let heard = 0
    const stop = store.watch(() => heard++)
    await other.create(newRun('r'))
    await expect.poll(() => heard).toBeGreaterThan(0)
    stop()
    stop()
    const before = heard
    await other.signal('r', { id: 's', name: 'n', payload: 1 }, 1)
    await sleep(700)
    expect(heard).toBe(before)
  })

  it('is not told what it committed itself', async () => {
    for (const path of [here.path, ':memory:']) {
      const store = await here.open({ path })
      let heard = 0
      store.watch(() => heard++)
      await store.create(newRun('r'))
      await sleep(700)
      expect(heard).toBe(0)
    }
  })

  it('keeps no process alive, and neither does an open store', async () => {
    const child = here.child(`
      store.watch(() => {})
      await store.enlist({ id: 'w', pid: process.pid, host: 'child' }, 60_000, Date.now())
      say('open')`)
    expect(await child.line()).toBe('open')
    expect(await child.exited).toBe(0)
  })
})
