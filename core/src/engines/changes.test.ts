import { beforeEach, describe, expect, it } from 'vitest'
import { EngineError } from '../errors.ts'
import { Changes, type Look, type Pauses } from './changes.ts'

/** A run that is looked at, and timers that are over when they are told to be. */
let seen: Look
let looks: number
let due: { ms: number; callback: () => void }[]
let reported: unknown[]
beforeEach(() => {
  reported = []
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
  const report = (error: unknown): void => void reported.push(error)
  return new Changes('a test', { waitingTimer, report }, pauses, async () => {
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

  it('does not look where this process says what is new, and it is nothing to whom waits', async () => {
    const all = changes()
    const ofStatus = all.wait('r', { status: 'running' })
    const ofEntries = all.wait('r', { status: 'running', entries: 3 })
    await turn()
    all.touched('r', { status: 'running', entries: 3 })
    await turn()
    expect(looks).toBe(2)
    seen = { ...seen, entries: 4 }
    all.touched('r', { status: 'running', entries: 4 })
    await ofEntries
    expect(looks).toBe(3)
    seen = { ...seen, status: 'suspended' }
    all.touched('r')
    await ofStatus
    expect(looks).toBe(4)
  })

  it('who waits for the end is told of nothing before it, and what this process says of it costs no look', async () => {
    const all = changes()
    seen = { status: 'pending', entries: 0 }
    let isOver = false
    const waiting = all.wait('r', { status: 'pending', untilEnd: true }).then(() => {
      isOver = true
    })
    await turn()
    seen = { status: 'running', entries: 1 }
    all.touched('r', seen)
    await turn()
    expect([looks, isOver]).toEqual([1, false])
    seen = { status: 'suspended', entries: 2 }
    await next()
    expect([looks, isOver]).toEqual([2, false])
    seen = { status: 'cancelled', entries: 3 }
    all.touched('r')
    await waiting
    expect(looks).toBe(3)
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

  it('looks the more seldom the more there are: all together some hundred times a second', async () => {
    const all = changes({ firstMs: 5, longestMs: 15 })
    for (let n = 0; n < 200; n++) void all.wait(`r${n}`, { status: 'running' })
    await turn()
    expect(new Set(due.map(({ ms }) => ms))).toEqual(new Set([1_990]))
    all.touched('r7')
    seen = { ...seen, status: 'completed' }
    await turn()
    // What this process knows of is looked at as soon as ever.
    expect([due.length, looks]).toEqual([199, 201])
  })

  it('outlives an engine that is away for minutes, and says so', async () => {
    const all = changes()
    const away = new EngineError('UNAVAILABLE', 'It is away.')
    const waiting = all.wait('r', { status: 'running' })
    await turn()
    const { status } = seen
    Object.defineProperty(seen, 'status', {
      get() {
        throw away
      },
      configurable: true,
    })
    for (let n = 0; n < 100; n++) await next()
    expect(reported).toEqual(new Array(100).fill(away))
    Object.defineProperty(seen, 'status', { value: 'completed' })
    await next()
    await waiting
    expect(status).toBe('running')
  })

  it('leaves an engine that is away alone until its pause is over, whatever it was told before', async () => {
    const all = changes()
    const away = new EngineError('UNAVAILABLE', 'It is away.')
    let pulse = async (): Promise<string> => 'a'
    seen = { status: 'running', entries: 3, pulse: () => pulse() }
    const waiting = all.wait('r', { status: 'running' })
    await next()
    pulse = async () => {
      all.touched('r')
      throw away
    }
    await next()
    for (let n = 0; n < 10; n++) await turn()
    expect([reported.length, due.map(({ ms }) => ms)]).toEqual([1, [250]])
    seen = { status: 'completed', entries: 4 }
    await next()
    await waiting
  })

  it('is told of one that stays away, and at once of what is not that', async () => {
    const all = changes()
    const failing = (error: Error): void =>
      void Object.defineProperty(seen, 'status', {
        get() {
          throw error
        },
        configurable: true,
      })
    failing(new EngineError('UNAVAILABLE', 'It is away.'))
    const waiting = all.wait('r', { status: 'running' })
    const told = expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    for (let n = 0; n <= (10 * 60_000) / 250; n++) await next()
    await told
    failing(new EngineError('CORRUPT', 'It is broken.'))
    await expect(all.wait('r', { status: 'running' })).rejects.toMatchObject({ code: 'CORRUPT' })
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
