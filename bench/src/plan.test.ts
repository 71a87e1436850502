import { expect, it } from 'vitest'
import { DEADLINE, GRACE, PLAN, TOTAL } from './plan.ts'

it.each([
  ['quick', 2],
  ['whole', 20],
] as const)('a %s run has fewer than %i minutes, and all of its sections fit in', (mode, minutes) => {
  const sum = PLAN.reduce((seconds, each) => seconds + each.seconds[mode], 0)
  expect(sum).toBeLessThanOrEqual(TOTAL[mode])
  expect(DEADLINE[mode]).toBeLessThan(minutes * 60 - 10)
  expect(TOTAL[mode] - GRACE[mode]).toBeLessThan(DEADLINE[mode])
})
