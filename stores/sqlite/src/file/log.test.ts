import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type Entry, onProbe } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { claimed, enlisted, type Place, place, step } from '../../test/place.ts'
import { LOG_ROOM_BYTES } from '../open.ts'

/** Called before room is written behind the log. */
let beforeRoom = (): void => {}
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const writeSync = (descriptor: number, bytes: Uint8Array, ...where: number[]): number => {
    if (bytes.length >= 1_024) beforeRoom()
    return fs.writeSync(descriptor, bytes, ...where)
  }
  return { ...fs, writeSync }
})

let here: Place
beforeEach(() => {
  here = place()
})
afterEach(() => {
  beforeRoom = () => {}
  return here.close()
})

const logBytes = (): number => statSync(`${here.path}-wal`).size
const large = (seq: number): Entry => ({ seq, at: 5, type: 'state', key: 'k', patch: { text: 'x'.repeat(8_000) } })

/** Appends, says that it has, and waits to be killed. */
const WRITER = `
  await store.enlist({ id: 'w', pid: process.pid, host: 'child' }, 60_000, Date.now())
  await store.create({ runId: 'r', start: { program: 'p', input: null }, salt: '', inputHash: '', at: 1 })
  const { fence, cursor } = await store.claimRun('w', 'r', Date.now())
  for (let at = cursor; at < cursor + 50; at++)
    await store.append('r', fence, at, [{ seq: at, at: 5, type: 'state', key: 'k', patch: { text: 'x'.repeat(300) } }])
  say('written')
  setInterval(() => {}, 1_000)
`

describe('the log', () => {
  it('has room: commits write over it and do not make it longer', async () => {
    const store = await here.open()
    await enlisted(store)
    const { fence } = await claimed(store)
    for (let seq = 1; seq <= 40; seq++) await store.append('r', fence, seq, [step(seq)])
    const before = logBytes()
    for (let seq = 41; seq <= 60; seq++) await store.append('r', fence, seq, [step(seq)])
    expect(logBytes()).toBe(before)
  })

  it('is made longer while nobody else can write', async () => {
    const store = await here.open()
    await enlisted(store)
    const { fence } = await claimed(store)
    const other = new DatabaseSync(here.path, { timeout: 0 })
    const tries: string[] = []
    beforeRoom = () => {
      try {
        other.exec('begin immediate')
        other.exec('rollback')
        tries.push('could')
      } catch (error) {
        tries.push((error as Error).message)
      }
    }
    for (let seq = 1; seq <= 40; seq++) await store.append('r', fence, seq, [large(seq)])
    other.close()
    expect(tries.length).toBeGreaterThan(0)
    expect(new Set(tries)).toEqual(new Set(['database is locked']))
  })

  it('has no more room than it is used to', async () => {
    const store = await here.open()
    await enlisted(store)
    const { fence } = await claimed(store)
    // What is written while a checkpoint is made may make it longer.
    let longest = 0
    beforeRoom = () => {
      longest = Math.max(longest, logBytes())
    }
    for (let seq = 1; seq <= 400; seq++) await store.append('r', fence, seq, [large(seq)])
    expect(longest).toBeGreaterThan(0)
    expect(longest).toBeLessThan(LOG_ROOM_BYTES)
    expect((await store.load('r', 0)).length).toBe(401)
  })

  it('has room again where another process has cut it', async () => {
    const store = await here.open()
    await enlisted(store)
    const { fence } = await claimed(store)
    for (let seq = 1; seq <= 40; seq++) await store.append('r', fence, seq, [step(seq)])
    await (await here.open()).close()
    expect(logBytes()).toBe(0)
    for (let seq = 41; seq <= 80; seq++) await store.append('r', fence, seq, [step(seq)])
    const before = logBytes()
    for (let seq = 81; seq <= 90; seq++) await store.append('r', fence, seq, [step(seq)])
    expect(logBytes()).toBe(before)
  })

  it('is read as far as it was written, by whoever comes after a kill', async () => {
    const writer = here.child(WRITER)
    await writer.line()
    writer.process.kill('SIGKILL')
    await writer.exited
    const store = await here.open()
    expect((await store.load('r', 0)).length).toBe(51)
  })

  it('is moved into the file behind the commit that makes it long, not inside of it', async () => {
    const store = await here.open()
    await enlisted(store)
    const { fence } = await claimed(store)
    const bytes = (): number => statSync(here.path).size
    const before = bytes()
    let insideOf = 0
    const stop = onProbe((name) => {
      if (name === 'store.after-commit' && insideOf === 0 && bytes() > before) insideOf = bytes()
    })
    let seq = 0
    while (bytes() === before) {
      seq += 1
      await store.append('r', fence, seq, [large(seq)])
      await new Promise((resolve) => setImmediate(resolve))
    }
    stop()
    expect(insideOf).toBe(0)
    expect((await store.load('r', 0)).length).toBe(seq + 1)
  })

  it('stays as it is where nothing is synced', async () => {
    const store = await here.open({ durability: 'normal' })
    await enlisted(store)
    const { fence } = await claimed(store)
    const before = logBytes()
    await store.append('r', fence, 1, [step(1)])
    expect(logBytes() - before).toBeLessThan(8 * 2_072)
  })
})
