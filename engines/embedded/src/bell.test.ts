import type { Store } from '@selvage/core'
import { expect, it } from 'vitest'
import { Bell } from './bell.ts'

/** A store of which only `watch` is there. */
function watched(): { readonly store: Store; commit(): void; readonly listeners: number } {
  const listeners = new Set<() => void>()
  const watch = (listener: () => void): (() => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  return {
    store: { watch } as Store,
    commit: () => {
      for (const listener of listeners) listener()
    },
    get listeners() {
      return listeners.size
    },
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

it('passes the first commit on at once, a flood of them now and then, and never misses the last', async () => {
  const place = watched()
  const bell = new Bell(place.store)
  let committed = 0
  let seen = 0
  let rings = 0
  const silence = bell.listen(async () => {
    rings++
    seen = committed
  })
  committed++
  place.commit()
  expect(rings).toBe(1)
  for (const until = performance.now() + 100; performance.now() < until; await sleep(0)) {
    committed++
    place.commit()
  }
  await expect.poll(() => seen, { timeout: 10_000 }).toBe(committed)
  expect(rings).toBeGreaterThan(1)
  expect(rings).toBeLessThan(30)
  silence()
})

it('watches the store only while somebody listens', () => {
  const place = watched()
  const bell = new Bell(place.store)
  const first = bell.listen(async () => {})
  const second = bell.listen(async () => {})
  expect(place.listeners).toBe(1)
  first()
  second()
  expect(place.listeners).toBe(0)
})
