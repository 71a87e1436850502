import type { Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, end, enlisted, LEASE_MS, newRun, P, type StorePlace, step, whenSeen } from './place.ts'

export function holders(place: () => StorePlace): void {
  let here: StorePlace
  let store: Store
  beforeEach(async () => {
    here = place()
    store = await here.open()
  })
  afterEach(() => here.close())

  describe('who has had a run', () => {
    it('is told by each claim, with the journal as it was then and the dead worker before', async () => {
      await enlisted(store, 'w1', 1_000)
      await claimed(store, 'r', 'w1')
      await store.append('r', 1, 1, [step(1), step(2)])
      await store.release('r', 1, 2_000)
      await store.claim('w1', P, 1, 2_500)
      await store.append('r', 2, 3, [step(3)])
      const later = 2_500 + LEASE_MS
      await store.reap(later)
      await store.enlist({ id: 'w2', pid: 77, host: 'there' }, LEASE_MS, later)
      await store.claimRun('w2', 'r', later)
      await store.append('r', 3, 4, [end(4)])
      await store.finish('r', 3, { ok: null }, later)
      const w1 = { worker: 'w1', pid: process.pid, host: 'here' }
      expect(await store.claims('r')).toEqual([
        { ...w1, fence: 1, at: 1_500, from: 1 },
        { ...w1, fence: 2, at: 2_500, from: 3 },
        { worker: 'w2', pid: 77, host: 'there', fence: 3, at: later, from: 4, recoveredFrom: 'w1' },
      ])
    })

    it('is nobody, where nobody has claimed it or a claim was refused', async () => {
      await enlisted(store, 'w1')
      await store.create(newRun('r'))
      expect(await store.claims('r')).toEqual([])
      expect(await store.claims('no such run')).toEqual([])
      await store.claimRun('w1', 'r', 1_500)
      await store.enlist({ id: 'w2', pid: 1, host: 'h' }, LEASE_MS, 1_000)
      await expect(store.claimRun('w2', 'r', 1_600)).rejects.toMatchObject({ code: 'RUN_HELD' })
      expect((await store.claims('r')).map(({ worker }) => worker)).toEqual(['w1'])
    })

    it('is remembered for the newest 100 claims of each run', async () => {
      await enlisted(store, 'w1')
      await claimed(store, 'other', 'w1')
      await claimed(store, 'r', 'w1')
      for (let fence = 1; fence < 103; fence++) {
        await store.release('r', fence, 2_000)
        await store.claimRun('w1', 'r', 2_000)
      }
      const fences = (await store.claims('r')).map(({ fence }) => fence)
      expect(fences).toEqual(Array.from({ length: 100 }, (_, index) => index + 4))
      expect(await store.claims('other')).toHaveLength(1)
    })
  })

  describe('the dead', () => {
    it('are those whose lock is free or whose lease is over; to look at them takes nothing from them', async () => {
      await store.create(newRun('r'))
      const child = here.child(`
      setInterval(() => {}, 1_000)
      await store.enlist({ id: 'killed', pid: process.pid, host: 'child' }, ${LEASE_MS}, Date.now())
      await store.claimRun('killed', 'r', Date.now())
      say('claimed')
    `)
      await store.enlist({ id: 'late', pid: 1, host: 'h' }, 1, Date.now() - 1_000)
      await store.enlist({ id: 'left', pid: 1, host: 'h' }, LEASE_MS, Date.now())
      await store.enlist({ id: 'here', pid: 1, host: 'h' }, LEASE_MS, Date.now())
      await store.dismiss('left')
      await child.line()
      expect(await store.dead(Date.now())).toEqual(['late'])
      child.process.kill('SIGKILL')
      await child.exited
      const dead = await whenSeen(async () => {
        const found = await store.dead(Date.now())
        return found.length > 1 ? found : undefined
      })
      expect([...(dead ?? [])].sort()).toEqual(['killed', 'late'])
      expect(await store.describe('r')).toMatchObject({ status: 'running', owner: { worker: 'killed' } })
    })
  })
}
