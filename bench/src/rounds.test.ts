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
  it('plays the first round only', async () => {
    vi.useFakeTimers()
    const quick = async (): Promise<void> => {}
    const slow = async (): Promise<void> => void vi.advanceTimersByTime(5)
    const results = await interleave([quick, slow, quick], { warmUp: 0, rounds: 3, patienceMs: 4 })
    expect(results.map(({ length }) => length)).toEqual([3, 1, 3])
  })

  it('nobody plays behind the end of the time, but once', async () => {
    const results = await interleave(blocks([]), { warmUp: 1, rounds: 9, until: -1 })
    expect(results.map(({ length }) => length)).toEqual([1, 1, 1])
  })
})
