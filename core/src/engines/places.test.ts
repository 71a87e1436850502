import { expect, it } from 'vitest'
import { Places } from './places.ts'

/** A timer that is over when it is told to be. */
function timers() {
  const due: (() => void)[] = []
  const waitingTimer = (_: number, callback: () => void) => {
    due.push(callback)
    return () => {}
  }
  return { due, waitingTimer }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('makes so many advances at once, and the next one when one of them is over, also by an error', async () => {
  const places = new Places(2, timers())
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>())
  const begun: number[] = []
  const made = gates.map(({ promise }, n) =>
    places.take(async () => {
      begun.push(n)
      await promise
    }),
  )
  await turn()
  expect(begun).toEqual([0, 1])
  gates[1]?.reject(new Error('broken'))
  await expect(made[1]).rejects.toThrow('broken')
  await turn()
  expect(begun).toEqual([0, 1, 2])
})

it('waits at its end for what is in flight; nothing begins after that, and no reply is handed on', async () => {
  const places = new Places(2, timers())
  const gate = Promise.withResolvers<string>()
  const told: string[] = []
  const never = new AbortController().signal
  const inFlight = places.durable(() => gate.promise, never)
  void inFlight.then((reply) => told.push(reply))
  const closed = places.close(1_000).then(() => told.push('closed'))
  void places.durable(async () => told.push('begun'), never)
  await turn()
  expect(told).toEqual([])
  gate.resolve('reply')
  await closed
  expect(told).toEqual(['closed'])
})

it('waits no longer than its grace, and not at all for what was cut off', async () => {
  const platform = timers()
  const places = new Places(2, platform)
  void places.durable(() => new Promise(() => {}), new AbortController().signal)
  const closed = places.close(1_000)
  platform.due[0]?.()
  await closed
  const cut = new AbortController()
  const others = new Places(2, timers())
  void others.durable(() => new Promise(() => {}), cut.signal)
  cut.abort()
  await others.close(1_000)
})
