import { describe, expect, it } from 'vitest'
import type { Entry, Signal } from '../journal/entry.ts'
import type { Advance, Control, Host, Progress } from '../ports.ts'
import type { Advanced } from './advanced.ts'
import type { Now } from './changes.ts'
import { type Before, Stretch } from './stretch.ts'

const signal = (id: string, name = id): Signal => ({ id, name, payload: null })
const step = (seq: number): Entry =>
  ({ seq, at: seq, type: 'step', key: `s${seq}`, attempt: 1, outcome: { ok: seq } }) as Entry
const advanced = (more: Partial<Advanced> = {}): Advanced =>
  ({ kind: 'continue', cursor: 0, entries: [], received: [], next: [], at: 0, steps: 0, ...more }) as Advanced
const REQUEST = { runId: 'r', start: { program: 'p', input: null }, cursor: 0, signals: [], now: 0 } as Advance

class Tried extends Stretch {
  next: (() => Promise<Advanced | undefined>) | undefined
  readonly rests: unknown[] = []
  readonly told: unknown[] = []
  handedOn = 0

  /** One advance, of which the engine records that. */
  async made(record: () => Promise<Advanced | undefined>): Promise<void> {
    this.next = record
    await this.advance('', REQUEST)
  }

  protected async record(): Promise<Advanced | undefined> {
    return await this.next?.()
  }

  protected async rest(...asked: unknown[]): Promise<void> {
    this.rests.push(asked)
  }

  protected wake(): void {}

  protected override touched(now?: Now): void {
    this.told.push(now)
  }

  protected override async stored(from: number): Promise<readonly Entry[]> {
    return [step(0), step(1)].slice(from)
  }

  protected override async handOn(): Promise<void> {
    this.handedOn++
  }
}

function stretchOf(before: Partial<Before> = {}, rotateAfter = { advances: 3, bytes: 1_000 }) {
  const later: (() => void)[] = []
  const timer = (_: number, callback: () => void) => {
    later.push(callback)
    return () => {}
  }
  const ground = { platform: { now: () => 50, timer }, namesSteps: false, rotateAfter }
  const stretch = new Tried('r', { entries: 0, steps: 0, at: 7, ...before }, ground)
  return { stretch, later }
}

/** A host that takes an offer when it is told to. */
function hostOf(reply: Partial<Progress> = {}) {
  const seen = { requests: [] as Advance[], controls: [] as Control[], offered: [] as string[], takes: false }
  const host = {
    async advance(request: Advance, control: Control) {
      seen.requests.push(request)
      seen.controls.push(control)
      return { kind: 'continue', cursor: 1, entries: [step(2)], next: [], received: [], ...reply } as Progress
    },
    offer(_: string, { id }: Signal) {
      if (seen.takes) seen.offered.push(id)
      return seen.takes
    },
  }
  return { host: host as unknown as Host, seen }
}

describe('a stretch', () => {
  it('tells who waits what is new where the run goes on, and else that they must look', async () => {
    const { stretch } = stretchOf()
    await stretch.made(async () => advanced({ cursor: 4 }))
    await stretch.made(async () => advanced({ kind: 'wait', cursor: 5, signals: ['go'] }))
    await stretch.made(async () => advanced({ kind: 'done', cursor: 6, outcome: { ok: 1 } }))
    expect(stretch.told).toEqual([{ status: 'running', entries: 4 }, undefined, undefined])
  })

  it('has the entries of all stretches, from those that are stored to those of its own', async () => {
    const { stretch } = stretchOf({ entries: 2, steps: 2, reopen: { at: 9, entries: 2, voided: ['s1'] } })
    await stretch.made(async () => advanced({ entries: [step(3)], at: 12, steps: 3, status: 'far' }))
    expect((await stretch.load(1)).map(({ seq, type }) => `${seq} ${type}`)).toEqual(['1 step', '2 reopen', '3 step'])
    expect((await stretch.load(3)).map(({ seq }) => seq)).toEqual([3])
    expect(stretch).toMatchObject({ cursor: 4, steps: 3, at: 12, note: 'far' })
  })

  it('puts a signal into each request until a reply has named it, once', async () => {
    const { stretch } = stretchOf({ signals: [signal('early')] })
    const { host, seen } = hostOf()
    stretch.hear(signal('a'))
    stretch.hear(signal('a'))
    const asked = await stretch.ask(host, REQUEST, { delivery: 1, signals: [signal('b'), signal('a')] })
    expect(seen.requests[0]).toMatchObject({ now: 50, signals: [{ id: 'early' }, { id: 'a' }, { id: 'b' }] })
    expect(asked).toMatchObject({ steps: 1, at: 50 })
    await stretch.made(async () => ({ ...asked, received: ['early', 'a', 'b'] }))
    stretch.hear(signal('b'))
    expect(stretch.signals).toEqual([])
  })

  it('is called by a name that is waited for, by a command, and by its program, which the next advance hears', async () => {
    const { stretch } = stretchOf()
    stretch.hear(signal('x'))
    expect([stretch.isCalled(['y']), stretch.isCalled(['x'])]).toEqual([false, true])
    stretch.isWoken = true
    expect(stretch.isCalled([])).toBe(true)
    await stretch.made(async () => advanced())
    expect(stretch.isCalled([])).toBe(false)
    stretch.hear(signal('c', '$cancel'))
    expect(stretch.isCalled([])).toBe(true)
  })

  it('offers what it hears to a live program that is advanced, again while that cannot take it, and in its order', async () => {
    const { stretch, later } = stretchOf()
    const { host, seen } = hostOf()
    stretch.hear(signal('before'))
    await stretch.made(async () => {
      const asked = await stretch.ask(host, REQUEST, { delivery: 1 })
      stretch.hear(signal('a'))
      seen.takes = true
      stretch.hear(signal('b'))
      for (const act of later.splice(0)) act()
      return { ...asked, received: ['before', 'a', 'b'] }
    })
    expect(seen.offered).toEqual(['a', 'b'])
    stretch.hear(signal('between'))
    expect(seen.offered).toEqual(['a', 'b'])
  })

  it('is full after so many advances or bytes, and counts what was replayed', async () => {
    const { stretch } = stretchOf()
    for (let n = 0; n < 3; n++) {
      expect(stretch.isFull()).toBe(false)
      await stretch.made(async () => advanced())
    }
    expect(stretch.isFull()).toBe(true)
    const { stretch: large } = stretchOf({}, { advances: 99, bytes: 10 })
    await large.made(async () => advanced({ entries: [step(0)] }))
    expect(large.isFull()).toBe(true)
  })

  it('knows of the author of an intent only where it is told how', async () => {
    const { stretch } = stretchOf({ entries: 2 })
    const { host, seen } = hostOf()
    await stretch.made(async () =>
      advanced({ entries: [{ seq: 2, at: 1, type: 'intent', key: 'k', attempt: 1, host: 'here:1' } as Entry] }),
    )
    await stretch.ask(host, REQUEST, { delivery: 1 })
    await stretch.ask(host, REQUEST, { delivery: 1, mayLive: (identity) => identity === 'here:1' })
    expect(seen.controls[0]?.authorMayLive).toBeUndefined()
    expect(await seen.controls[1]?.authorMayLive?.(2)).toBe(true)
  })

  it('an advance that was not made here leaves no trace: the next stretch begins, and the loop is over', async () => {
    const { stretch } = stretchOf()
    expect(await stretch.drive(REQUEST.start)).toBeUndefined()
    expect(stretch).toMatchObject({ cursor: 0, handedOn: 1, rests: [] })
  })

  it('drives a run to its end, and rests where the program waits for what is not over', async () => {
    const { stretch } = stretchOf()
    const replies = [
      advanced({ cursor: 1, entries: [step(0)], at: 9, kind: 'wait', signals: ['x'], until: 8 } as Partial<Advanced>),
      advanced({ cursor: 1, at: 9, kind: 'wait', signals: ['x'] } as Partial<Advanced>),
      advanced({ cursor: 1, at: 9, kind: 'done', outcome: { ok: 1 } } as Partial<Advanced>),
    ]
    stretch.next = async () => replies.shift()
    expect(await stretch.drive(REQUEST.start)).toEqual({ ok: 1 })
    expect(stretch).toMatchObject({ cursor: 1, advances: 3, rests: [[['x'], undefined]] })
  })
})
