import type { Entry, MessageClaim, OutboxStore, Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, LEASE_MS, type StorePlace, step } from './place.ts'

export function outbox(place: () => StorePlace): void {
  let here: StorePlace
  let store: Store
  let outbox: OutboxStore

  beforeEach(async () => {
    here = place()
    store = await here.open()
    outbox = store.outbox as OutboxStore
    await enlisted(store)
  })
  afterEach(() => here.close())

  const T = ['mail']

  const sending = (seq: number, ...payloads: readonly (string | number)[]): Entry => ({
    ...step(seq),
    sent: payloads.map((payload) => ({ id: `m${payload}`, topic: 'mail', payload })),
  })

  const claimOne = async (workerId = 'w', now = 5_000): Promise<MessageClaim> => {
    const [claim, ...others] = await outbox.claim(workerId, T, 10, now)
    expect(others).toEqual([])
    return claim as MessageClaim
  }

  describe('messages of a run', () => {
    it('are claimed one after the other, in the order of their entries', async () => {
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [sending(1, 1, 2), sending(2, 3)])
      for (const payload of [1, 2, 3]) {
        expect(await outbox.nextDue(T)).toBeLessThanOrEqual(5_000)
        const claim = await claimOne()
        expect(claim).toEqual({ id: `m${payload}`, topic: 'mail', payload, runId: 'r', fence: 1, attempt: 1 })
        expect(await outbox.nextDue(T)).toBeUndefined()
        expect(await outbox.claim('w', T, 10, 9_000)).toEqual([])
        await outbox.settle(claim, { kind: 'delivered' }, 5_000)
      }
      expect(await outbox.nextDue(T)).toBeUndefined()
    })

    it('of other runs do not wait for them', async () => {
      for (const runId of ['a', 'b']) {
        const { fence } = await claimed(store, runId)
        await store.append(runId, fence, 1, [sending(1, `${runId}1`, `${runId}2`)])
      }
      expect((await outbox.claim('w', T, 10, 5_000)).map(({ id }) => id)).toEqual(['ma1', 'mb1'])
    })

    it('are there only if their entry is', async () => {
      const { fence } = await claimed(store)
      await store.reap(1_000 + LEASE_MS)
      await expect(store.append('r', fence, 1, [sending(1, 1)])).rejects.toMatchObject({ code: 'LEASE_LOST' })
      expect((await outbox.list({})).items).toEqual([])
    })

    it('are sent once where a step that is made again after it was void sends them again', async () => {
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [sending(1, 1)])
      await store.append('r', fence, 2, [sending(2, 1)])
      expect((await outbox.list({})).items).toHaveLength(1)
    })

    it('to topics of Selvage keep an order of their own', async () => {
      const { fence } = await claimed(store)
      const sent = ['mail', '$notify', 'mail', '$notify'].map((topic, n) => ({ id: `m${n}`, topic, payload: n }))
      await store.append('r', fence, 1, [{ ...step(1), sent }])
      const claims = await outbox.claim('w', ['mail', '$notify'], 10, 5_000)
      expect(claims.map(({ id }) => id)).toEqual(['m0', 'm1'])
    })
  })

  describe('a message in the hands of a worker', () => {
    beforeEach(async () => {
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [sending(1, 1, 2)])
    })

    it('is free again when that worker has died, and then refuses it', async () => {
      const claim = await claimOne()
      await store.enlist({ id: 'x', pid: 1, host: 'here' }, 10 * LEASE_MS, 2_000)
      expect(await store.reap(1_000 + LEASE_MS)).toBeGreaterThan(0)
      const again = await claimOne('x', 20_000)
      expect(again).toMatchObject({ id: 'm1', attempt: 2, fence: 2, recoveredFrom: 'w' })
      await expect(outbox.settle(claim, { kind: 'delivered' }, 20_000)).rejects.toMatchObject({ code: 'LEASE_LOST' })
      await outbox.settle(again, { kind: 'delivered' }, 20_000)
      expect(await outbox.message('m1')).toMatchObject({ state: 'delivered', attempts: 2, settledAt: 20_000 })
    })

    it('is settled by its newest claim only', async () => {
      const claim = await claimOne()
      await outbox.settle(claim, { kind: 'released' }, 5_000)
      const again = await claimOne()
      expect(again).toMatchObject({ attempt: 1, fence: 2 })
      await expect(outbox.settle(claim, { kind: 'delivered' }, 5_000)).rejects.toMatchObject({ code: 'LEASE_LOST' })
      expect(await outbox.message('m1')).toMatchObject({ state: 'delivering' })
    })

    it('waits until it is due again, and holds up the next; a dead one does not', async () => {
      const error = { name: 'Error', message: 'down' }
      await outbox.settle(await claimOne(), { kind: 'retry', at: 8_000, error }, 5_000)
      expect(await outbox.nextDue(T)).toBe(8_000)
      expect(await outbox.claim('w', T, 10, 7_999)).toEqual([])
      await outbox.settle(await claimOne('w', 8_000), { kind: 'dead', error }, 8_000)
      expect(await outbox.message('m1')).toMatchObject({ state: 'dead', attempts: 2, settledAt: 8_000, error })
      expect(await claimOne('w', 8_000)).toMatchObject({ id: 'm2', attempt: 1 })
      // Sent again, it waits until nobody delivers another message of its run.
      await outbox.resend('m1', 9_000)
      expect(await outbox.nextDue(T)).toBeUndefined()
      expect(await outbox.message('m1')).toMatchObject({ state: 'waiting', attempts: 0 })
    })

    it('is claimed only by a worker whose death would be noticed', async () => {
      await expect(outbox.claim('nobody', T, 10, 5_000)).rejects.toMatchObject({ code: 'LEASE_LOST' })
    })
  })
}
