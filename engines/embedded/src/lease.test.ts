import { EngineError, LeaseLostError, type Store } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { type FakeClock, fakeClock } from '@selvage/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Lease } from './lease.ts'

const LEASE_MS = 3_000
const FULL = new EngineError('DISK_FULL', 'There is no space left.')

let clock: FakeClock
let lease: Lease
let beats: number
let lost: number
let refusal: Error | undefined
let errors: unknown[]

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  clock = fakeClock()
  beats = 0
  lost = 0
  refusal = undefined
  errors = []
  const store: Partial<Store> = {
    enlist: async () => {},
    heartbeat: async () => {
      beats++
      if (refusal !== undefined) throw refusal
    },
  }
  const options = {
    store: store as Store,
    runtime: nodeRuntime({ clock }),
    leaseMs: LEASE_MS,
    report: (error: unknown) => errors.push(error),
  }
  lease = new Lease(options, () => lost++)
  await lease.enlist()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Both clocks. */
async function pass(ms: number): Promise<void> {
  await clock.advance(ms)
  await vi.advanceTimersByTimeAsync(ms)
}

describe('a lease', () => {
  it('is renewed three times, and its worker may judge others all along', async () => {
    for (let third = 0; third < 6; third++) {
      await pass(LEASE_MS / 3)
      expect(await lease.keepUp()).toBe(true)
    }
    expect(beats).toBe(6)
  })

  it('that could not be renewed is due again at once, and its worker is no judge until it is', async () => {
    refusal = FULL
    await pass(LEASE_MS / 3)
    expect([beats, errors]).toEqual([1, [FULL]])
    expect(await lease.keepUp()).toBe(false)
    expect(beats).toBe(2)
    refusal = undefined
    expect(await lease.keepUp()).toBe(true)
    expect(beats).toBe(3)
    expect(lost).toBe(0)
  })

  it('that was renewed late leaves others a lease to renew theirs: the clock may have jumped for them, too', async () => {
    await clock.advance(LEASE_MS)
    expect(await lease.keepUp()).toBe(false)
    await pass(LEASE_MS / 3)
    await pass(LEASE_MS / 3)
    expect(await lease.keepUp()).toBe(false)
    await pass(LEASE_MS / 3)
    expect(await lease.keepUp()).toBe(true)
  })

  it('that others declared over is followed by one under another id', async () => {
    const before = lease.workerId
    refusal = new LeaseLostError('LEASE_LOST', 'The worker is not enlisted.')
    await pass(LEASE_MS / 3)
    expect(lost).toBe(1)
    // The operator is told why: nothing else says that a tool blocks the event loop.
    expect(errors.map(String)).toEqual([
      expect.stringMatching(
        /taken for dead: it renewed its lease of 3 s after 1\.0 s\. Others have its runs\..*leaseMs/,
      ),
    ])
    expect(lease.workerId).not.toBe(before)
    refusal = undefined
    expect(await lease.keepUp()).toBe(true)
  })

  it('lets nothing begin behind half of it, before it is renewed or what it held is given up', async () => {
    expect(lease.untilSure()).toBeUndefined()
    await clock.advance(LEASE_MS / 2)
    expect(lease.untilSure()).toBeUndefined()
    await clock.advance(1)
    refusal = FULL
    const sure = lease.untilSure()
    const isKnown = vi.fn()
    void sure?.then(() => isKnown(lost))
    await vi.advanceTimersByTimeAsync(500)
    expect([beats, isKnown.mock.calls]).toEqual([1, []])
    // Whoever asks next has it tried again.
    refusal = new LeaseLostError('LEASE_LOST', 'The worker is not enlisted.')
    expect(lease.untilSure()).toBe(sure)
    await sure
    expect(isKnown.mock.calls).toEqual([[1]])
    expect(lease.untilSure()).toBeUndefined()
  })
})
