import { describe, expect, it } from 'vitest'
import { interleave } from './rounds.ts'

function blocks(order: string[]): (() => Promise<string>)[] {
  return ['a', 'b', 'c'].map((name) => async () => {
    order.push(name)
    return name
  })
}

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
