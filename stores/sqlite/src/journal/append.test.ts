/** Appends that are alone, one after the other: the row in `live` lags behind them, and nobody may notice. */
import { DatabaseSync } from 'node:sqlite'
import type { Claim, Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, end, enlisted, LEASE_MS, newRun, type Place, place, step } from '../../test/place.ts'

let here: Place
let store: Store
beforeEach(async () => {
  here = place()
  store = await here.open()
  await enlisted(store, 'w', Date.now())
})
afterEach(() => here.close())

async function appendAlone({ runId, fence, cursor }: Claim, count: number): Promise<void> {
  for (let seq = cursor; seq < cursor + count; seq++) await store.append(runId, fence, seq, [step(seq)])
}

/** What the row in `live` says, by a connection of its own. */
function liveRow(): { length: number; behind: number } {
  const database = new DatabaseSync(here.path, { readOnly: true })
  try {
    const row = database.prepare('select length, behind from live').get() as { length: number; behind: number }
    return { ...row }
  } finally {
    database.close()
  }
}

describe('entries that stand behind the row of their run', () => {
  it('are seen by another process that reads', async () => {
    const claim = await claimed(store)
    await appendAlone(claim, 20)
    expect(liveRow()).toEqual({ length: 2, behind: 1 })
    const reader = await here.open()
    expect((await reader.load('r', 0)).map(({ seq }) => seq)).toEqual(Array.from({ length: 21 }, (_, seq) => seq))
    expect((await reader.load('r', 7, 3)).map(({ seq }) => seq)).toEqual([7, 8, 9])
    expect(await reader.describe('r')).toMatchObject({ entries: 21, steps: 20, updatedAt: 2_020 })
    expect((await reader.list({ status: 'running' })).items[0]).toMatchObject({ entries: 21, steps: 20 })
  })

  it.each([
    ['together', 0],
    ['beside those of another run', 1],
    ['far apart, between those of another run', 20],
  ])('are read in order and in parts where they lie %s', async (_, between) => {
    const claim = await claimed(store)
    const other = between > 0 ? await claimed(store, 'other') : undefined
    for (let at = claim.cursor; at < 300; at++) {
      await store.append('r', claim.fence, at, [step(at)])
      if (other === undefined) continue
      const from = other.cursor + (at - claim.cursor) * between
      await store.append(
        'other',
        other.fence,
        from,
        Array.from({ length: between }, (_, index) => step(from + index)),
      )
    }
    for (const [from, limit] of [[0], [1, 1], [63, 3], [0, 200], [130, 130], [299], [300]] as const) {
      const before = Math.min(300, from + (limit ?? 300))
      const seqs = (await store.load('r', from, limit)).map(({ seq }) => seq)
      expect(seqs).toEqual(Array.from({ length: Math.max(0, before - from) }, (_, index) => from + index))
    }
  })

  it('are no more than 32', async () => {
    const claim = await claimed(store)
    for (let at = claim.cursor; at < 200; at++) {
      await store.append('r', claim.fence, at, [step(at)])
      expect(at + 1 - liveRow().length).toBeLessThanOrEqual(32)
    }
  })

  it('are counted by the heartbeat of the worker, and by a group of appends', async () => {
    const claim = await claimed(store)
    await appendAlone(claim, 5)
    await store.heartbeat('w', LEASE_MS, Date.now())
    expect(liveRow()).toEqual({ length: 6, behind: 0 })
    await appendAlone({ ...claim, cursor: 6 }, 5)
    expect(liveRow().behind).toBe(1)
    const other = await claimed(store, 'other')
    await Promise.all([appendAlone({ ...claim, cursor: 11 }, 1), appendAlone(other, 1)])
    expect(liveRow()).toEqual({ length: 12, behind: 0 })
  })

  it('are not counted by a worker that has lost the run, and has woken', async () => {
    const other = await here.open()
    await appendAlone(await claimed(store, 'r', 'w'), 3)
    const late = Date.now() + 2 * LEASE_MS
    await other.reap(late)
    await enlisted(other, 'next', late)
    const taken = await other.claimRun('next', 'r', late)
    for (let seq = 4; seq < 7; seq++) await other.append('r', taken.fence, seq, [step(seq)])
    await enlisted(store, 'woken', late)
    for (let beat = 0; beat < 3; beat++) await store.heartbeat('woken', LEASE_MS, late)
    for (let seq = 7; seq < 10; seq++) await other.append('r', taken.fence, seq, [step(seq)])
    await other.release('r', taken.fence, late)
    expect(await other.claimRun('next', 'r', late)).toMatchObject({ cursor: 10 })
    expect(await other.describe('r')).toMatchObject({ entries: 10, steps: 9 })
  })

  it('are there for who takes the run over from a worker that was killed', async () => {
    await store.create(newRun('taken'))
    const child = here.child(`
      await store.enlist({ id: 'killed', pid: process.pid, host: 'child' }, ${LEASE_MS}, Date.now())
      const { fence } = await store.claimRun('killed', 'taken', Date.now())
      for (let seq = 1; seq <= 9; seq++) {
        const op = { key: 'k' + seq, kind: 'code', name: 'n' }
        const entry = { seq, at: 5, type: 'step', key: op.key, op, attempt: 1, startedAt: 5, outcome: { ok: seq } }
        await store.append('taken', fence, seq, [entry])
      }
      say('appended')
      await new Promise(() => setInterval(() => {}, 1_000))
    `)
    expect(await child.line()).toBe('appended')
    expect(liveRow()).toEqual({ length: 2, behind: 1 })
    child.process.kill('SIGKILL')
    await child.exited
    const taken = await store.claimRun('w', 'taken', Date.now())
    expect(taken).toMatchObject({ cursor: 10, delivery: 1, recoveredFrom: 'killed' })
    await store.append('taken', taken.fence, 10, [step(10)])
    expect(await store.describe('taken')).toMatchObject({ entries: 11, steps: 10 })
  })

  it('are kept when the run is given up or ends', async () => {
    const claim = await claimed(store)
    await appendAlone(claim, 3)
    expect(await store.suspend('r', claim.fence, { signals: ['x'] }, undefined, 3_000)).toBe(true)
    expect(await store.describe('r')).toMatchObject({ entries: 4, steps: 3 })
    const again = await store.claimRun('w', 'r', 3_100)
    expect(again.cursor).toBe(4)
    await appendAlone(again, 3)
    await store.append('r', again.fence, 7, [end(7)])
    await store.finish('r', again.fence, { ok: null }, 4_000)
    expect(await store.describe('r')).toMatchObject({
      status: 'completed',
      entries: 8,
      steps: 6,
      outcome: { ok: null },
    })
  })

  it('are refused once the claim is gone, and where they leave a gap', async () => {
    const claim = await claimed(store)
    await appendAlone(claim, 3)
    await expect(store.append('r', claim.fence, 9, [step(9)])).rejects.toMatchObject({
      code: 'JOURNAL_GAP',
      details: { expected: 4, got: 9 },
    })
    const other = await here.open()
    await enlisted(other, 'other', Date.now())
    await expect(other.claimRun('other', 'r', Date.now())).rejects.toMatchObject({ code: 'RUN_HELD' })
    // The lease of `w` is over: another takes the run, and what `w` still knows of its end is of no use.
    const taken = await other.claimRun('other', 'r', Date.now() + 2 * LEASE_MS)
    await expect(store.append('r', claim.fence, 4, [step(4)])).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await other.append('r', taken.fence, 4, [step(4)])
    expect(await store.describe('r')).toMatchObject({ entries: 5, steps: 4 })
  })

  it('survive a group that was taken back', async () => {
    const claim = await claimed(store)
    const other = await claimed(store, 'other')
    await appendAlone(claim, 3)
    const signal = { seq: 9, at: 5, type: 'signal', signal: { id: 's', name: 'n', payload: 1 } } as const
    const [alone, refused] = await Promise.allSettled([
      store.append('r', claim.fence, 4, [step(4)]),
      store.append('other', other.fence, 9, [signal]),
    ])
    expect(alone.status).toBe('fulfilled')
    expect(refused.status).toBe('rejected')
    await appendAlone({ ...claim, cursor: 5 }, 40)
    expect((await store.load('r', 0)).map(({ seq }) => seq)).toEqual(Array.from({ length: 45 }, (_, seq) => seq))
  })

  it('are kept where more runs are known than a process can remember', async () => {
    const claim = await claimed(store)
    await appendAlone(claim, 3)
    expect(liveRow().behind).toBe(1)
    const few = Array.from({ length: 500 }, (_, n) => n)
    for (let block = 0; block < 21; block++) {
      const others = few.map((n) => claimed(store, `other ${block} ${n}`))
      await Promise.all(others.map(async (other) => appendAlone(await other, 1)))
    }
    const other = await claimed(store, 'other')
    await Promise.all([appendAlone({ ...claim, cursor: 4 }, 1), appendAlone(other, 1)])
    await store.heartbeat('w', LEASE_MS, Date.now())
    await store.release('r', claim.fence, 3_000)
    expect(await store.describe('r')).toMatchObject({ entries: 5, steps: 4 })
    expect((await store.claimRun('w', 'r', 3_000)).cursor).toBe(5)
  })

  it('are counted by the heartbeat where something else was refused meanwhile, or the heartbeat itself was', async () => {
    const claim = await claimed(store)
    await appendAlone(claim, 5)
    await expect(store.claimRun('w', 'r', Date.now())).rejects.toMatchObject({ code: 'RUN_HELD' })
    await store.heartbeat('w', LEASE_MS, Date.now())
    expect(liveRow()).toEqual({ length: 6, behind: 0 })
    await appendAlone({ ...claim, cursor: 6 }, 5)
    const database = new DatabaseSync(here.path)
    database.exec(`create trigger full before insert on inbox begin select raise(rollback, 'disk I/O error'); end`)
    // They share a transaction, which is taken back as a whole.
    const together = [
      store.heartbeat('w', LEASE_MS, Date.now()),
      store.signal('r', { id: 's', name: 'n', payload: 1 }, 5),
    ]
    expect((await Promise.allSettled(together)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(liveRow()).toEqual({ length: 7, behind: 1 })
    database.exec('drop trigger full')
    database.close()
    await store.heartbeat('w', LEASE_MS, Date.now())
    expect(liveRow()).toEqual({ length: 11, behind: 0 })
    await appendAlone({ ...claim, cursor: 11 }, 40)
    expect((await store.load('r', 0)).map(({ seq }) => seq)).toEqual(Array.from({ length: 51 }, (_, seq) => seq))
    await store.heartbeat('w', LEASE_MS, Date.now())
    await store.heartbeat('w', LEASE_MS, Date.now())
    expect(liveRow()).toEqual({ length: 51, behind: 0 })
  })
})
