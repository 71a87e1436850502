import { expect, it } from 'vitest'
import { fakeClock } from './fake-clock.ts'

it('fires timers in the order in which they are due, each at its own time', async () => {
  const clock = fakeClock(1_000)
  const fired: string[] = []
  clock.timer(20, () => fired.push(`b ${clock.now()}`))
  clock.timer(10, () => {
    fired.push(`a ${clock.now()}`)
    void Promise.resolve().then(() => clock.timer(5, () => fired.push(`armed by a ${clock.now()}`)))
  })
  const cancel = clock.timer(15, () => fired.push('cancelled'))
  cancel()
  await clock.advance(19)
  expect(fired).toEqual(['a 1010', 'armed by a 1015'])
  expect(clock.nextTimerAt).toBe(1_020)
  await clock.advance(1)
  expect(fired.at(-1)).toBe('b 1020')
  expect(clock.monotonic()).toBe(20)
  expect(clock.nextTimerAt).toBeUndefined()
})
