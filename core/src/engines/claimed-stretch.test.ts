import { expect, it } from 'vitest'
import type { Advance, Control, Host, Progress } from '../ports.ts'
import { type Claimed, ClaimedStretch } from './claimed-stretch.ts'
import { Places } from './places.ts'

const REQUEST = { runId: 'r', start: { program: 'p', input: null }, cursor: 0, signals: [], now: 0 } as Advance
const REPLY = { kind: 'continue', cursor: 0, entries: [], next: [], received: [] } as Progress

function claiming(
  claims: readonly (Claimed | Error)[],
  replies: readonly (Progress | Error | Promise<Progress>)[],
  spares = false,
) {
  const [claimed, answered, said] = [[...claims], [...replies], [] as unknown[]]
  const waitingTimer = () => () => {}
  const platform = { now: () => 1, timer: waitingTimer, waitingTimer, mayLive: () => true, report() {} }
  const host = {
    async advance({ signals }: Advance, { delivery }: Control) {
      said.push(`asked ${delivery} ${signals.map(({ id }) => id)}`)
      return given(answered)
    },
    evict: (runId: string) => said.push(`evicted ${runId}`),
  } as unknown as Host
  class Tried extends ClaimedStretch {
    try(number: number) {
      return this.attempt(REQUEST, number).catch(({ message }: Error) => message)
    }
    protected async claim(number: number): Promise<Claimed> {
      said.push(`claimed ${number}`)
      return given(claimed)
    }
    protected async spare(left: number): Promise<void> {
      said.push(`spared ${left}`)
      if (!spares) throw new Error('away')
    }
    protected async record(): Promise<undefined> {}
    protected async rest(): Promise<void> {}
    protected override async handOn(): Promise<void> {}
    protected wake(): void {}
  }
  const crew = { platform, host, places: new Places(2, platform) }
  const stretchOf = (runId: string): Tried => new Tried(runId, { entries: 0, steps: 0, at: 0 }, crew)
  return { stretch: stretchOf('r'), stretchOf, said }
}

function given<T>(values: (T | Error | Promise<T>)[]): T | Promise<T> {
  const value = values.shift()
  if (value instanceof Error || value === undefined) throw value ?? new Error('nothing more')
  return value
}

it('the first advance of a process is claimed, and asked for with what the claim says; the next are its own', async () => {
  const signals = [{ id: 's', name: 's', payload: null }]
  const { stretch, said } = claiming([{ delivery: 2, signals }], [REPLY, REPLY])
  await stretch.try(4)
  await stretch.try(5)
  stretch.evict()
  expect(said).toEqual(['claimed 4', 'asked 2 s', 'asked 1 ', 'evicted r'])
})

it('an attempt that fails while its process lives is taken back, whatever comes of that', async () => {
  const claims = [new Error('no claim'), { delivery: 1 }, { delivery: 1 }]
  const { stretch, said } = claiming(claims, [new Error('no reply'), REPLY])
  expect(await stretch.try(0)).toBe('no claim')
  expect(await stretch.try(0)).toBe('no reply')
  // Claimed again: should the process die now, somebody must see that it did.
  expect(await stretch.try(0)).toMatchObject(REPLY)
  expect(said).toEqual(['claimed 0', 'spared 0', 'claimed 0', 'asked 1 ', 'spared 0', 'claimed 0', 'asked 1 '])
})

it('of runs whose process died with them again and again one is taken up at a time, and who waits has begun nothing', async () => {
  const first = Promise.withResolvers<Progress>()
  const claims = [3, 4, 3, 4].map((delivery) => ({ delivery }))
  const { stretch, stretchOf, said } = claiming(claims, [first.promise, REPLY], true)
  const both = [stretch.try(0), stretchOf('other').try(0)]
  await new Promise((resolve) => setImmediate(resolve))
  const waiting = ['claimed 0', 'claimed 0', 'spared 2', 'spared 3', 'claimed 0', 'asked 3 ']
  expect(said).toEqual(waiting)
  first.resolve(REPLY)
  expect(await Promise.all(both)).toMatchObject([REPLY, REPLY])
  expect(said).toEqual([...waiting, 'claimed 0', 'asked 4 '])
})
