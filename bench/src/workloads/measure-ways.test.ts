import { expect, it } from 'vitest'
import type { Ran, Size } from '../cycles/run-way.ts'
import type { WayName } from '../cycles/ways.ts'
import { measureWays } from './measure-ways.ts'

const SMALL: Size = { cycles: 5, resultBytes: 200 }
const LATER = { until: Number.POSITIVE_INFINITY, patience: Number.POSITIVE_INFINITY }

/** Runs that take a turn of the event loop each, and tell of it. */
function told(log: string[], fails?: WayName) {
  return async (way: WayName) => ({
    run: async () => {
      log.push(`${way} begins`)
      await new Promise(setImmediate)
      log.push(`${way} ends`)
      if (way === fails) throw new Error(`"${way}" fell over`)
      return { ms: 1 } as Ran
    },
  })
}

it('the ways of a group are run one at a time, each of them first in turn', async () => {
  const log: string[] = []
  const groups = [[['plain', 'durable, with the seam'] as const, 2]] as const
  const [found] = await measureWays({ ...SMALL, groups }, LATER, told(log))
  const [a, b] = ['plain', 'durable, with the seam']
  const order = [a, b, b, a].flatMap((way) => [`${way} begins`, `${way} ends`])
  expect(log).toEqual(order)
  expect(found?.runs.get('plain')).toHaveLength(2)
  expect(found?.notes).toEqual([])
})

it('a way that fails is named, and the others go on', async () => {
  const groups = [[['plain', 'plain, with the seam'] as const, 1]] as const
  const [found] = await measureWays({ ...SMALL, groups, why: 'one round' }, LATER, told([], 'plain'))
  expect([...(found?.runs.keys() ?? [])]).toEqual(['plain, with the seam'])
  expect(found?.notes).toEqual(['one round', '"plain" fell over'])
})

it('nothing begins when the time is over, and what has not begun is named', async () => {
  const log: string[] = []
  const [found] = await measureWays({ ...SMALL, groups: [[['plain'], 3]] }, { ...LATER, until: -1 }, told(log))
  expect(log).toEqual([])
  expect(found?.notes).toEqual(['no time was left for "plain"'])
})

it('what is found in lanes is put together by size', async () => {
  const long: Size = { cycles: 9, resultBytes: 4_000 }
  const lanes = [
    [
      { way: 'plain', size: SMALL },
      { way: 'plain, with the seam', size: long },
    ],
    [{ way: 'durable, with the seam', size: SMALL }],
  ] as const
  const sizes = [
    { ...SMALL, why: 'minutes' },
    { ...long, why: 'more minutes' },
  ]
  const found = await measureWays({ lanes, sizes }, LATER, told([]))
  expect(found.map(({ size, runs, notes }) => ({ size, ways: [...runs.keys()], notes }))).toEqual([
    { size: SMALL, ways: ['plain', 'durable, with the seam'], notes: ['minutes'] },
    { size: long, ways: ['plain, with the seam'], notes: ['more minutes'] },
  ])
})
