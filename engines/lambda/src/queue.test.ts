import type { Signal } from '@selvage/core'
import { expect, it } from 'vitest'
import { Large } from './large.ts'
import { Queue } from './queue.ts'

const signal = (n: number): Signal => ({ id: `i${n}`, name: 'x', payload: n })

it('what is looked for keeps its number, though a bell rings for it and others meanwhile', async () => {
  const there = [0, 1, 2, 3].map(signal)
  const queue: Queue = new Queue(
    'r',
    { taken: 0, queued: 0 },
    async (number) => {
      if (number === 1) for (const n of [1, 2]) queue.hear(n, { ...signal(n) })
      return there[number] && { ...there[number] }
    },
    new Large(undefined),
  )
  await queue.look()
  expect((await queue.read(Number.POSITIVE_INFINITY)).map(({ id }) => id)).toEqual(['i0', 'i1', 'i2', 'i3'])
})

it('is taken as far as all have been received, and no further', async () => {
  const queue = new Queue('r', { taken: 0, queued: 3 }, async (number) => ({ ...signal(number) }), new Large(undefined))
  await queue.read(Number.POSITIVE_INFINITY)
  expect(queue.takenWith((id) => id !== 'i1')).toBe(1)
  expect(queue.takenWith(() => true)).toBe(3)
})
