import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LONGEST_MS, Suspects } from './suspects.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Suspects that ask for their turn at once; `moves` of each is called when it has moved. */
function asking(names: readonly string[]) {
  const suspects = new Suspects()
  const begun: string[] = []
  const all = names.map((name) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const turn = suspects.turn().then((begins) => {
      begun.push(name)
      begins(promise)
    })
    return { turn, moves: resolve }
  })
  return { suspects, begun, all }
}

it('one begins when the one before has moved', async () => {
  const { begun, all } = asking(['a', 'b', 'c'])
  await all[0]?.turn
  await vi.advanceTimersByTimeAsync(LONGEST_MS - 1)
  expect(begun).toEqual(['a'])
  all[0]?.moves()
  await all[1]?.turn
  expect(begun).toEqual(['a', 'b'])
  // Out of its turn.
  all[2]?.moves()
  all[1]?.moves()
  await all[2]?.turn
  expect(begun).toEqual(['a', 'b', 'c'])
})

it('or when that takes too long: each has its time', async () => {
  const { begun, all } = asking(['a', 'b', 'c'])
  await all[0]?.turn
  await vi.advanceTimersByTimeAsync(LONGEST_MS)
  expect(begun).toEqual(['a', 'b'])
  await vi.advanceTimersByTimeAsync(LONGEST_MS - 1)
  expect(begun).toEqual(['a', 'b'])
  await vi.advanceTimersByTimeAsync(1)
  expect(begun).toEqual(['a', 'b', 'c'])
})

it('keeps the process alive where one waits, and not otherwise', async () => {
  const timers = vi.spyOn(globalThis, 'setTimeout')
  const { suspects, all } = asking(['a'])
  await all[0]?.turn
  const kept = (): readonly boolean[] => timers.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())
  expect(kept()).toEqual([false])
  const next = suspects.turn()
  expect(kept()).toEqual([true])
  all[0]?.moves()
  const begins = await next
  begins(new Promise(() => {}))
  expect(kept().at(-1)).toBe(false)
})
