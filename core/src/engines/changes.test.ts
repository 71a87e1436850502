import { beforeEach, describe, expect, it } from 'vitest'
import { Changes, type Look, type Pauses } from './changes.ts'

/** A run that is looked at, and timers that are over when they are told to be. */
let seen: Look
let looks: number
let due: { ms: number; callback: () => void }[]
beforeEach(() => {
  seen = { status: 'running', entries: 3 }
  looks = 0
  due = []
})
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function changes(pauses: Pauses = {}): Changes {
  const waitingTimer = (ms: number, callback: () => void) => {
    const timer = { ms, callback }
    due.push(timer)
    return () => void due.splice(due.indexOf(timer), 1)
  }
  return new Changes('a test', { waitingTimer }, pauses, async () => {
    looks++
    return seen
  })
}

/** The next pause is over: its milliseconds. */
async function next(): Promise<number | undefined> {
  await turn()
  const timer = due.shift()
  timer?.callback()
  await turn()
  return timer?.ms
}

describe('who waits for a change', () => {
  it('is told at once where it is there already, and when this process has made it', async () => {
    const all = changes()
    await all.wait('r', { status: 'pending' })
    await all.wait('r', { status: 'running', entries: 2 })
    const waiting = all.wait('r', { status: 'running', entries: 3 })
    await turn()
    seen = { ...seen, entries: 4 }
    all.touched('r')
    await waiting
    expect(due).toEqual([])
  })

  it('looks soon at first and seldom later; who only follows the status is told of it, and looks most seldom', async () => {
    const all = changes({ firstMs: 5, longestMs: 15, statusMs: 2_000 })
    const waiting = all.wait('r', { status: 'running', entries: 3 })
    expect([await next(), await next(), await next(), await next()]).toEqual([5, 10, 15, 15])
    seen = { ...seen, status: 'suspended' }
    await next()
    await waiting
    void all.wait('r', { status: 'suspended' })
    expect(await next()).toBe(2_000)
  })

  it('misses nothing between a look and the pause behind it', async () => {
    const all = changes()
    let isFirst = true
    seen = {
      get status() {
        // While it is looked at, it changes.
        if (isFirst) {
          isFirst = false
          all.touched('r')
          seen = { status: 'completed', entries: 9 }
        }
        return 'running' as const
      },
      entries: 3,
    }
    await all.wait('r', { status: 'running' })
    expect(looks).toBe(2)
  })

  it('asks for the pulse instead of looking, until it is another one', async () => {
    const all = changes()
    let pulse = 'a'
    seen = { status: 'running', entries: 3, pulse: async () => pulse }
    const waiting = all.wait('r', { status: 'running' })
    for (let n = 0; n < 5; n++) await next()
    expect(looks).toBe(2)
    pulse = 'b'
    seen = { status: 'failed', entries: 4 }
    await next()
    await waiting
    expect(looks).toBe(3)
  })

  it('is let go by an abort, and told when the engine is closed', async () => {
    const all = changes()
    const abort = new AbortController()
    const waiting = all.wait('r', { status: 'running' }, abort.signal)
    await turn()
    abort.abort()
    await waiting
    const other = all.wait('r', { status: 'running' })
    await turn()
    all.close()
    await expect(other).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('a test') })
  })
})
