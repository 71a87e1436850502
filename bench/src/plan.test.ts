import { expect, it } from 'vitest'
import { budgetOf, DEADLINE, graceOf, longFor, PLAN, PREPARING, READ } from './plan.ts'

/** Of `npm run bench` before and behind what is planned: packages of ours, servers, the last lines. */
const BESIDE_S = 12

it.each([
  ['quick', 2],
  ['whole', 20],
] as const)('a %s run has fewer than %i minutes, and all of its sections fit in', (mode, minutes) => {
  const sum = PLAN.reduce((seconds, each) => seconds + each.seconds[mode], 0)
  expect(PREPARING[mode] + sum).toBeLessThanOrEqual(DEADLINE[mode])
  const graces = PLAN.slice(1).map((each) => graceOf(each, mode))
  expect(DEADLINE[mode] + Math.max(...graces) + BESIDE_S).toBeLessThan(minutes * 60)
})

it('each workload is planned once and read once', () => {
  const names = (all: typeof READ): string[] => all.map(({ name }) => name).sort()
  expect(names(READ)).toEqual(names([...PLAN, longFor(1)].map(({ workload }) => workload)))
})

it('what is left is shared out among those that are still to come, and nobody takes much more than its own', () => {
  const [first, ...others] = PLAN
  const own = first?.seconds.whole ?? 0
  const all = PLAN.reduce((sum, { seconds }) => sum + seconds.whole, 0)
  expect(budgetOf(PLAN, all, 'whole')).toBe(own)
  expect(budgetOf(PLAN, all / 2, 'whole')).toBe(Math.round(own / 2))
  expect(budgetOf(PLAN, 100 * all, 'whole')).toBe(Math.round(2.5 * own))
  expect(budgetOf(others, -5, 'whole')).toBe(0)
})
