import type { Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Child, claimed, end, enlisted, LEASE_MS, newRun, P, type StorePlace, step, whenSeen } from './place.ts'

export function workers(place: () => StorePlace): void {
  let here: StorePlace
  let store: Store
  beforeEach(async () => {
    here = place()
    store = await here.open()
  })
  afterEach(() => here.close())

  /** Enlists as worker `args[0]`, claims `r`, then appends an entry at each line that it is sent. */
  const WORKER = `
  await store.enlist({ id: args[0], pid: process.pid, host: 'child' }, ${LEASE_MS}, Date.now())
  const claim = await store.claimRun(args[0], 'r', Date.now())
  say('claimed ' + claim.fence)
  let at = claim.cursor
  process.stdin.on('data', async () => {
    const entry = { seq: at, at: 5, type: 'state', key: 'k', patch: {} }
    say(await store.append('r', claim.fence, at, [entry]).then(() => (at++, 'appended'), (error) => error.code))
  })
`

  async function append(child: Child): Promise<string> {
    child.process.stdin?.write('\n')
    return await child.line()
  }

  describe('a worker that was killed', () => {
    it('is dead at once, whatever its lease says, and its runs can be claimed', async () => {
      await store.create(newRun('r'))
      const child = here.child(WORKER, 'w1')
      expect(await child.line()).toBe('claimed 1')
      expect(await store.reap(Date.now())).toBe(0)
      expect(await append(child)).toBe('appended')
      child.process.kill('SIGKILL')
      await child.exited

      expect(await store.describe('r')).toMatchObject({ status: 'running', owner: { worker: 'w1', host: 'child' } })
      expect(await whenSeen(() => store.reap(Date.now()))).toBe(1)
      expect(await store.reap(Date.now())).toBe(0)
      expect(await store.describe('r')).toMatchObject({ status: 'pending', crashes: 0, entries: 2 })
      expect(await store.describe('r')).not.toHaveProperty('owner')
      await enlisted(store, 'w2', Date.now())
      expect(await store.claim('w2', P, 5, Date.now())).toMatchObject([
        { runId: 'r', fence: 2, cursor: 2, delivery: 1, recoveredFrom: 'w1' },
      ])
    })

    it('is found out by who asks for its run by name', async () => {
      await store.create(newRun('r'))
      const child = here.child(WORKER, 'w1')
      await child.line()
      await enlisted(store, 'w2', Date.now())
      const held = { code: 'RUN_HELD', details: { pid: child.process.pid, host: 'child', worker: 'w1' } }
      await expect(store.claimRun('w2', 'r', Date.now())).rejects.toMatchObject(held)
      child.process.kill('SIGKILL')
      await child.exited
      const claim = await whenSeen(() => store.claimRun('w2', 'r', Date.now()).catch(() => undefined))
      expect(claim).toMatchObject({ fence: 2, recoveredFrom: 'w1', delivery: 2 })
    })
  })

  describe('a worker that is stopped', () => {
    it('is alive until its lease has run out; then its writes are refused, before and after the next claim', async () => {
      await store.create(newRun('r'))
      const child = here.child(WORKER, 'w1')
      await child.line()
      child.process.kill('SIGSTOP')
      expect(await store.reap(Date.now())).toBe(0)
      expect(await store.reap(Date.now() + LEASE_MS + 1_000)).toBe(1)
      child.process.kill('SIGCONT')
      expect(await append(child)).toBe('LEASE_LOST')

      await enlisted(store, 'w2', Date.now())
      const { fence, cursor } = await store.claimRun('w2', 'r', Date.now())
      expect(await append(child)).toBe('LEASE_LOST')
      await store.append('r', fence, cursor, [step(cursor)])
      expect((await store.load('r', 0)).length).toBe(2)
    })

    it('may live as the author of what it appended, until it has died, whoever has the run by then', async () => {
      await store.create(newRun('r'))
      const child = here.child(WORKER, 'w1')
      await child.line()
      expect(await append(child)).toBe('appended')
      child.process.kill('SIGSTOP')
      await store.reap(Date.now() + LEASE_MS + 1_000)
      await enlisted(store, 'w2', Date.now())
      const { fence, cursor } = await store.claimRun('w2', 'r', Date.now())
      await store.append('r', fence, cursor, [step(cursor)])
      expect(await Promise.all([1, 2].map((seq) => store.authorMayLive('r', seq)))).toEqual([true, true])
      child.process.kill('SIGKILL')
      await child.exited
      expect(await Promise.all([1, 2].map((seq) => store.authorMayLive('r', seq)))).toEqual([false, true])
    })

    it('is buried or renews its lease, where both happen at once', async () => {
      await enlisted(store, 'w1', 1_000)
      await claimed(store, 'r', 'w1')
      const late = 1_000 + LEASE_MS
      const beat = store.heartbeat('w1', LEASE_MS, late).then(
        () => 'alive',
        (error: { code: string }) => error.code,
      )
      const [reaped, outcome] = await Promise.all([store.reap(late), beat])
      expect([reaped, outcome]).toEqual(reaped === 0 ? [0, 'alive'] : [1, 'LEASE_LOST'])
      const appended = store.append('r', 1, 1, [step(1)])
      if (reaped === 0) await appended
      else await expect(appended).rejects.toMatchObject({ code: 'LEASE_LOST' })
    })

    it('learns at its next heartbeat that it was declared dead', async () => {
      await enlisted(store, 'w1', 1_000)
      await store.heartbeat('w1', LEASE_MS, 5_000)
      expect(await store.reap(5_000 + LEASE_MS - 1)).toBe(0)
      await store.heartbeat('w1', LEASE_MS, 6_000)
      await store.reap(6_000 + LEASE_MS)
      await expect(store.heartbeat('w1', LEASE_MS, 9_000)).rejects.toMatchObject({ code: 'LEASE_LOST' })
      await store.create(newRun('r'))
      await expect(store.claim('w1', P, 1, 9_000)).rejects.toMatchObject({ code: 'LEASE_LOST' })
    })
  })

  describe('deliveries', () => {
    /** The worker dies (its lease runs out) and another claims the run. */
    async function die(worker: string, next: string, now: number): Promise<unknown> {
      await store.reap(now)
      await store.enlist({ id: next, pid: 1, host: 'h' }, LEASE_MS, now)
      const claim = await store.claimRun(next, 'r', now)
      expect(claim.recoveredFrom).toBe(worker)
      return claim.delivery
    }

    it('count the claims in a row whose worker died without moving the cursor', async () => {
      await enlisted(store, 'w0', 0)
      await claimed(store, 'r', 'w0')
      expect(await die('w0', 'w1', 20_000)).toBe(2)
      expect(await die('w1', 'w2', 40_000)).toBe(3)
      expect(await store.describe('r')).toMatchObject({ crashes: 2, status: 'running' })
      await store.append('r', 3, 1, [step(1)])
      expect(await store.describe('r')).toMatchObject({ crashes: 0 })
      expect(await die('w2', 'w3', 60_000)).toBe(1)
      expect(await die('w3', 'w4', 80_000)).toBe(2)
    })

    it('begin anew after the run was given up as it should be', async () => {
      await enlisted(store, 'w0', 0)
      await claimed(store, 'r', 'w0')
      expect(await die('w0', 'w1', 20_000)).toBe(2)
      await store.release('r', 2, 21_000)
      const claim = await store.claimRun('w1', 'r', 21_000)
      expect(claim).toMatchObject({ delivery: 1 })
      expect(claim).not.toHaveProperty('recoveredFrom')
      expect(await die('w1', 'w2', 40_000)).toBe(2)
      await store.suspend('r', 4, { signals: [] }, undefined, 41_000)
      expect(await store.claimRun('w2', 'r', 42_000)).toMatchObject({ delivery: 1 })
    })
  })

  describe('dismissing', () => {
    it('gives back runs that were not', async () => {
      await enlisted(store, 'w1')
      await claimed(store, 'r', 'w1')
      await store.dismiss('w1')
      const run = await store.describe('r')
      expect(run).toMatchObject({ status: 'pending', crashes: 0 })
      await enlisted(store, 'w2')
      const [claim] = await store.claim('w2', P, 1, 9_000)
      expect(claim).toMatchObject({ fence: 2, delivery: 1 })
      expect(claim).not.toHaveProperty('recoveredFrom')
    })

    it('of one that acts on: its process counts as alive, whatever becomes of the store', async () => {
      await enlisted(store, 'w1')
      await claimed(store, 'r', 'w1')
      await store.append('r', 1, 1, [step(1)])
      await store.dismiss('w1', true)
      expect(await store.authorMayLive('r', 1)).toBe(true)
      await store.close()
      store = await here.open()
      expect(await store.authorMayLive('r', 1)).toBe(true)
    })

    it('leaves ended runs as they are', async () => {
      await enlisted(store, 'w1')
      await claimed(store, 'r', 'w1')
      await store.append('r', 1, 1, [end(1)])
      await store.finish('r', 1, { ok: 1 }, 9)
      await store.dismiss('w1')
      expect(await store.describe('r')).toMatchObject({ status: 'completed' })
    })
  })
}
