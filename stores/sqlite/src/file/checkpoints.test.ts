/** The log is moved into the file by a thread, and begins anew, whatever becomes of that thread. */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import type { Entry, Store } from '@selvage/core'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { claimed, enlisted, type Place, place } from '../../test/place.ts'

const threads: Worker[] = []
let mayStart = true
/** Called in place of asking a thread. */
let onAsk: ((asked: unknown, ask: () => void, thread: Worker) => void) | undefined
vi.mock('node:worker_threads', async (original) => {
  const node = await original<typeof import('node:worker_threads')>()
  class Watched extends node.Worker {
    constructor(...given: ConstructorParameters<typeof Worker>) {
      if (!mayStart) throw new Error('Access to this API has been restricted')
      super(...given)
      threads.push(this)
    }
    override postMessage(asked: unknown): void {
      const ask = (): void => super.postMessage(asked)
      if (onAsk === undefined) ask()
      else onAsk(asked, ask, this)
    }
  }
  return { ...node, Worker: Watched }
})

let here: Place
beforeEach(() => {
  here = place()
})
afterEach(async () => {
  onAsk = undefined
  mayStart = true
  await here.close()
  threads.length = 0
})

const logBytes = (): number => statSync(`${here.path}-wal`).size
const LARGE_BYTES = 8_000
/** Some seven pages. */
const large = (seq: number): Entry => ({
  seq,
  at: 5,
  type: 'state',
  key: 'k',
  patch: { text: 'x'.repeat(LARGE_BYTES) },
})
/** Of which the log would have 20 MB. */
const MANY = 1_500

interface Writer {
  readonly store: Store
  append(): Promise<void>
  /** Writes so many at least, and until the log is far smaller than what went through it: resolves with how many. */
  writeMany(): Promise<number>
}

async function writer(): Promise<Writer> {
  const store = await here.open({ durability: 'normal' })
  await enlisted(store)
  const { fence } = await claimed(store)
  let seq = 0
  const append = (): Promise<void> => {
    seq += 1
    return store.append('r', fence, seq, [large(seq)])
  }
  const writeMany = async (): Promise<number> => {
    // What is written while the thread starts, and while it moves what is there, makes the log longer: on a busy machine, a lot.
    while (seq < MANY || logBytes() > (seq * LARGE_BYTES) / 2) {
      if (seq === 10 * MANY) throw new Error(`The log has ${logBytes()} bytes behind ${seq} entries.`)
      await append()
    }
    return seq
  }
  return { store, append, writeMany }
}

it('the log begins anew under writing without pause', async () => {
  const { store, writeMany } = await writer()
  const written = await writeMany()
  expect(threads.length).toBe(1)
  expect((await store.load('r', 0, 20_000)).length).toBe(written + 1)
  await store.close()
  expect(existsSync(`${here.path}-wal`)).toBe(false)
})

it('also where no thread may be started', async () => {
  mayStart = false
  const { writeMany } = await writer()
  await writeMany()
  expect(threads.length).toBe(0)
})

it('and where the thread dies, before it is done or while it is waited for', async () => {
  for (const last of [1, 2]) {
    let asks = 0
    onAsk = (_, ask, thread) => {
      if (++asks < last) ask()
      else void thread.terminate()
    }
    const { store, writeMany } = await writer()
    await writeMany()
    expect(asks).toBe(last)
    await store.close()
    await here.close()
    here = place()
  }
})

it('commits go on while the most of it is moved, and wait while the rest is; the event loop goes on', async () => {
  const { append } = await writer()
  const held: (() => void)[] = []
  onAsk = (asked, ask) => {
    if (asked === 'move') held.push(ask)
    else ask()
  }
  while (held.length < 1) await append()
  for (let n = 0; n < 20; n++) await append()
  held[0]?.()
  while (held.length < 2) {
    await append()
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const order: string[] = []
  const waiting = append().then(() => order.push('commit'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  order.push('timer')
  held[1]?.()
  await waiting
  expect(order).toEqual(['timer', 'commit'])
})

it('a close keeps the process alive until the thread has ended, also where that is still moving', async () => {
  const { store, append } = await writer()
  let move: (() => void) | undefined
  onAsk = (asked, ask) => {
    if (asked === 'move') {
      move = ask
      return
    }
    // What it was asked for before is answered first.
    move?.()
    ask()
  }
  while (move === undefined) await append()
  const [thread] = threads
  if (thread === undefined) throw new Error('no thread')
  const leave = vi.spyOn(thread, 'unref')
  const stay = vi.spyOn(thread, 'ref')
  await store.close()
  expect(stay).toHaveBeenCalledTimes(1)
  const kept = stay.mock.invocationCallOrder[0] ?? Number.POSITIVE_INFINITY
  expect(leave.mock.invocationCallOrder.filter((order) => order > kept)).toEqual([])
})

it.each([
  ['while the thread starts', 220],
  ['after it', MANY],
])('a process that ends %s without closing is not kept alive by it, but for a commit', (_, entries) => {
  const source = `
    const { sqliteStore } = await import('@selvage/store-sqlite')
    const store = await sqliteStore({ path: process.argv[1], durability: 'normal' })
    await store.enlist({ id: 'w', pid: process.pid, host: 'child' }, 60_000, Date.now())
    await store.create({ runId: 'r', start: { program: 'p', input: null }, salt: '', inputHash: '', at: 1 })
    const { fence, cursor } = await store.claimRun('w', 'r', Date.now())
    const patch = { text: 'x'.repeat(8_000) }
    for (let at = cursor; at < cursor + ${entries}; at++)
      await store.append('r', fence, at, [{ seq: at, at: 5, type: 'state', key: 'k', patch }])
    console.log('written')`
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--conditions=@selvage/source', '--input-type=module', '--eval', source, here.path],
    { cwd: import.meta.dirname, encoding: 'utf8', timeout: 60_000 },
  )
  expect([stdout, stderr.match(/SQLite is an experimental/g)?.length ?? 0, status]).toEqual(['written\n', 0, 0])
})
