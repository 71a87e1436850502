import { expect, it } from 'vitest'
import type { Entry } from '../journal/entry.ts'
import { entriesBetween, isAdvanced } from './advanced.ts'

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => ({ seq: from + index }) as Entry)

it('a journal in two parts is read as one, and what is stored only where a page begins in it', async () => {
  const pages: (readonly number[])[] = []
  let reads = 0
  for (const [from, limit] of [
    [0, 9],
    [0, 2],
    [1, 3],
    [3, 9],
    [4, 1],
    [9, 9],
  ] as const) {
    const stored = async () => {
      reads++
      return numbered(0, 3).slice(from)
    }
    pages.push((await entriesBetween(3, stored, numbered(3, 6), from, limit)).map(({ seq }) => seq))
  }
  expect(pages).toEqual([[0, 1, 2, 3, 4, 5], [0, 1], [1, 2, 3], [3, 4, 5], [4], []])
  expect(reads).toBe(3)
})

it('among the results of steps those of advances are known by their cursor', () => {
  expect([{ cursor: 0 }, { rested: 'due' }, null, undefined, 'cursor', 7].map(isAdvanced)).toEqual([
    true,
    ...Array(5).fill(false),
  ])
})
