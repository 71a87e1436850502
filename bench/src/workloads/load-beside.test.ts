import { expect, it } from 'vitest'
import { stepsFor } from './load-beside.ts'

it.each([
  ['who is fast makes all steps', 64, 8_000, 1, 20],
  ['who is slower makes fewer', 64, 500, 1, 10],
  ['who is slow makes few', 64, 90, 1, 2],
  ['nobody makes fewer than the least', 512, 50, 2, 2],
])('%s', (_, runs, rate, least, steps) => {
  expect(stepsFor(runs, rate, least, 1_600)).toBe(steps)
})
