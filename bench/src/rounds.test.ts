import { afterEach, describe, expect, it, vi } from 'vitest'
import { interleave } from './rounds.ts'

function blocks(order: string[]): (() => Promise<string>)[] {
  return ['a', 'b', 'c'].map((name) => async () => {
    order.push(name)
    return name
  })
}

afterEach(() => void vi.useRealTimers())

describe('interleave', () => {
  it('lets everybody follow everybody, and leaves the warm-up out', async () => {
    const order: string[] = []
    const results = await interleave(blocks(order), { warmUp: 1, rounds: 3 })
    expect(order.join('')).toBe('abcbcacababc')
    expect(results).toEqual([
      ['a', 'a', 'a'],
      ['b', 'b', 'b'],
      ['c', 'c', 'c'],
    ])
  })

  it('ends when its time is over, and not before the least', async () => {
    const results = await interleave(blocks([]), { warmUp: 0, rounds: 100, least: 2, budgetMs: -1 })
    expect(results.map(({ length }) => length)).toEqual([2, 2, 2])
  })
})

describe('who is slow', () => {
  const lasting = (ms: number) => async (): Promise<void> => void vi.advanceTimersByTime(ms)
  const fromNow = (ms: number): number => performance.now() + ms

  it('plays the first round only where the others leave no time for all of its rounds', async () => {
    vi.useFakeTimers()
    const field = [lasting(1), lasting(5), lasting(1), lasting(20)]
    const options = { warmUp: 0, rounds: 3, patienceMs: 4 }
    const lengths = async (leftMs: number): Promise<number[]> =>
      (await interleave(field, { ...options, until: fromNow(leftMs) })).map(({ length }) => length)
    expect(await lengths(27 + 81)).toEqual([3, 3, 3, 3])
    expect(await lengths(27 + 80)).toEqual([3, 3, 3, 1])
    expect(await lengths(27 + 20)).toEqual([3, 1, 3, 1])
  })

  it('nobody plays behind the end of the time, but once', async () => {
    const results = await interleave(blocks([]), { warmUp: 1, rounds: 9, until: -1 })
    expect(results.map(({ length }) => length)).toEqual([1, 1, 1])
  })
})
