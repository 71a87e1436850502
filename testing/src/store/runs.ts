import type { Claim, Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, end, enlisted, LEASE_MS, newRun, P, type StorePlace, step } from './place.ts'

export function runs(place: () => StorePlace): void {
  let here: StorePlace
  let store: Store
  beforeEach(async () => {
    here = place()
    store = await here.open()
    await enlisted(store)
  })
  afterEach(() => here.close())

  const ERROR = { error: { name: 'Error', message: 'no' } }
  const claimOne = async (now: number, programs = P): Promise<Claim | undefined> =>
    (await store.claim('w', programs, 1, now))[0]

  describe('create', () => {
    it('is idempotent for the same program and input, a conflict for others', async () => {
      expect(await store.create(newRun('r', { input: 1 }))).toEqual({ created: true })
      expect(await store.create(newRun('r', { input: 1, tags: { a: 'b' } }, { at: 9 }))).toEqual({ created: false })
      const conflict = { name: 'ConflictError', code: 'RUN_CONFLICT', details: { runId: 'r' } }
      await expect(store.create(newRun('r', { input: 2 }))).rejects.toMatchObject(conflict)
      await expect(store.create(newRun('r', { input: 1, program: 'q' }))).rejects.toMatchObject(conflict)
      expect((await store.load('r', 0)).length).toBe(1)
    })
  })

  describe('claim', () => {
    it('takes runs of exactly the programs and versions named, oldest due first', async () => {
      await store.create(newRun('later', {}, { startAt: 3_000 }))
      await store.create(newRun('old', {}, { at: 500 }))
      await store.create(newRun('v1', { version: '1' }, { at: 400 }))
      await store.create(newRun('q', { program: 'q' }, { at: 300 }))
      await store.create(newRun('new', {}, { at: 900 }))
      expect(await store.claim('w', [{ name: 'p', version: '2' }], 9, 9_000)).toEqual([])
      expect((await store.claim('w', [...P, { name: 'q' }], 2, 2_000)).map(({ runId }) => runId)).toEqual(['q', 'old'])
      expect((await store.claim('w', P, 9, 2_000)).map(({ runId }) => runId)).toEqual(['new'])
      expect((await store.claim('w', [...P, { name: 'p', version: '1' }], 9, 3_000)).map(({ runId }) => runId)).toEqual(
        ['v1', 'later'],
      )
      expect(await store.claim('w', P, 9, 9_000)).toEqual([])
    })

    it('hands out what the run needs, with a fence that grows', async () => {
      await store.create(newRun('r', { input: { a: 1 }, tags: { t: 'v' } }))
      await store.signal('r', { id: 's1', name: 'n', payload: 1, by: 'me' }, 1_100)
      await store.signal('r', { id: 's2', name: 'n', payload: 2 }, 1_200)
      const first = await claimOne(2_000)
      expect(first).toEqual({
        runId: 'r',
        fence: 1,
        start: { program: 'p', input: { a: 1 }, tags: { t: 'v' } },
        cursor: 1,
        signals: [
          { id: 's1', name: 'n', payload: 1, by: 'me', at: 1_100 },
          { id: 's2', name: 'n', payload: 2, at: 1_200 },
        ],
        delivery: 1,
      })
      await store.append('r', 1, 1, [step(1)])
      await store.release('r', 1, 2_100)
      expect(await claimOne(2_100)).toMatchObject({ fence: 2, cursor: 2, delivery: 1 })
    })

    it('knows when the next run is due', async () => {
      expect(await store.nextDue(P)).toBeUndefined()
      await store.create(newRun('b', {}, { startAt: 7_000 }))
      await store.create(newRun('a', { version: '1' }, { startAt: 5_000 }))
      expect(await store.nextDue(P)).toBe(7_000)
      expect(await store.nextDue([...P, { name: 'p', version: '1' }])).toBe(5_000)
      expect(await store.nextDue([])).toBeUndefined()
      await store.claimRun('w', 'b', 1)
      expect(await store.nextDue(P)).toBeUndefined()
    })

    it('is refused to a worker that nobody would miss', async () => {
      await store.create(newRun('r'))
      await expect(store.claim('stranger', P, 1, 2_000)).rejects.toMatchObject({ code: 'LEASE_LOST' })
      await expect(store.claimRun('stranger', 'r', 2_000)).rejects.toMatchObject({ code: 'LEASE_LOST' })
      expect(await claimOne(2_000)).toBeDefined()
    })
  })

  describe('claimRun', () => {
    it('takes a run whatever its program, due or not, unless a live worker has it', async () => {
      await store.create(newRun('r', { program: 'inline:x', version: '9' }, { startAt: 9_000 }))
      expect(await store.claimRun('w', 'r', 1_000)).toMatchObject({ runId: 'r', fence: 1 })
      await enlisted(store, 'other')
      const held = { code: 'RUN_HELD', details: { runId: 'r', worker: 'w', pid: process.pid, host: 'here' } }
      await expect(store.claimRun('other', 'r', 1_000)).rejects.toMatchObject(held)
      await store.suspend('r', 1, { signals: [] }, undefined, 1_000)
      expect(await store.claimRun('other', 'r', 1_000)).toMatchObject({ fence: 2 })
    })

    it('takes it from a worker whose lease has run out', async () => {
      await claimed(store)
      await store.enlist({ id: 'other', pid: 1, host: 'there' }, LEASE_MS, 50_000)
      expect(await store.claimRun('other', 'r', 50_000)).toMatchObject({ fence: 2, delivery: 2, recoveredFrom: 'w' })
    })

    it('is refused for runs that are unknown or have ended', async () => {
      await expect(store.claimRun('w', 'x', 1)).rejects.toMatchObject({ name: 'RunError', code: 'NOT_FOUND' })
      await claimed(store)
      await store.append('r', 1, 1, [end(1)])
      await store.finish('r', 1, { ok: null }, 2)
      await expect(store.claimRun('w', 'r', 1)).rejects.toMatchObject({ name: 'RunError', code: 'RUN_ENDED' })
    })
  })

  describe('append', () => {
    it('is refused where the journal does not end at `at`, or an entry has another number', async () => {
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [step(1), step(2)])
      for (const at of [0, 1, 2, 4, 100]) {
        const gap = { name: 'EngineError', code: 'JOURNAL_GAP', details: { runId: 'r', expected: 3, got: at } }
        await expect(store.append('r', fence, at, [step(at)])).rejects.toMatchObject(gap)
      }
      await expect(store.append('r', fence, 3, [step(3), step(5)])).rejects.toMatchObject({ code: 'JOURNAL_GAP' })
      await store.append('r', fence, 3, [])
      expect((await store.load('r', 0)).length).toBe(3)
    })

    it('needs the newest fence of a run that is running', async () => {
      const { fence } = await claimed(store)
      const lost = { name: 'LeaseLostError', code: 'LEASE_LOST' }
      await expect(store.append('r', fence + 1, 1, [step(1)])).rejects.toMatchObject(lost)
      await store.release('r', fence, 2_000)
      await expect(store.append('r', fence, 1, [step(1)])).rejects.toMatchObject(lost)
      const again = await store.claimRun('w', 'r', 2_100)
      await expect(store.append('r', fence, 1, [step(1)])).rejects.toMatchObject(lost)
      await store.append('r', again.fence, 1, [step(1)])
      await expect(store.append('unknown', 1, 1, [step(1)])).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    it('is read back from anywhere, in pages', async () => {
      const { fence } = await claimed(store)
      await claimed(store, 'between')
      for (let at = 1; at < 1_500; at += 50) {
        await Promise.all([
          store.append(
            'r',
            fence,
            at,
            Array.from({ length: 50 }, (_, i) => step(at + i)),
          ),
          store.append(
            'between',
            1,
            at,
            Array.from({ length: 50 }, (_, i) => step(at + i)),
          ),
        ])
      }
      const seqs = async (from: number, limit?: number): Promise<number[]> =>
        (await store.load('r', from, limit)).map(({ seq }) => seq)
      const range = (from: number, before: number): number[] =>
        Array.from({ length: before - from }, (_, i) => from + i)
      expect(await seqs(0)).toEqual(range(0, 1_501))
      expect((await store.load('r', 0))[1_234]).toEqual(step(1_234))
      for (const from of [0, 1, 63, 64, 65, 511, 512, 513, 1_400, 1_499, 1_500]) {
        expect(await seqs(from)).toEqual(range(from, 1_501))
        for (const limit of [1, 2, 63, 64, 65, 600]) {
          expect(await seqs(from, limit)).toEqual(range(from, Math.min(from + limit, 1_501)))
        }
      }
      expect(await seqs(1_501)).toEqual([])
      expect(await seqs(9_999)).toEqual([])
      await expect(store.load('unknown', 0)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })
  })

  describe('suspend', () => {
    it('gives the run up until a signal or a time', async () => {
      const { fence } = await claimed(store)
      expect(await store.suspend('r', fence, { signals: ['a', 'b'], until: 5_000 }, { at: 'work' }, 2_000)).toBe(true)
      expect(await store.describe('r')).toMatchObject({
        status: 'suspended',
        waitsFor: { signals: ['a', 'b'], until: 5_000 },
        note: { at: 'work' },
        updatedAt: 2_000,
      })
      expect(await store.nextDue(P)).toBe(5_000)
      expect(await claimOne(4_999)).toBeUndefined()
      expect(await claimOne(5_000)).toMatchObject({ fence: 2, delivery: 1 })
      expect(await store.describe('r')).not.toHaveProperty('waitsFor')
      await expect(store.suspend('r', fence, { signals: [] }, undefined, 2_000)).rejects.toMatchObject({
        code: 'LEASE_LOST',
      })
    })

    it('is woken by signals that it waits for and by those of Selvage, by no other', async () => {
      for (const [name, wakes] of [
        ['a', true],
        ['$cancel', true],
        ['ab', false],
        ['A', false],
        ['', false],
      ] as const) {
        const runId = `r-${name}`
        await claimed(store, runId)
        await store.suspend(runId, 1, { signals: ['a'] }, undefined, 2_000)
        expect(await store.signal(runId, { id: 'x', name, payload: null }, 3_000)).toEqual({ accepted: true })
        expect((await claimOne(3_000)) !== undefined).toBe(wakes)
      }
    })

    it('is not done where such a signal is pending already', async () => {
      const { fence } = await claimed(store)
      await store.signal('r', { id: 'other', name: 'other', payload: null }, 1)
      await store.signal('r', { id: 's', name: 'a', payload: null }, 1)
      expect(await store.suspend('r', fence, { signals: ['a'] }, { lost: true }, 2_000)).toBe(false)
      expect(await store.describe('r')).toMatchObject({ status: 'running' })
      const [, signal] = await store.pendingSignals('r')
      await store.append('r', fence, 1, [
        { seq: 1, at: 1, type: 'signal', signal: signal ?? { id: '', name: '', payload: 0 } },
      ])
      expect(await store.suspend('r', fence, { signals: ['a'] }, undefined, 2_000)).toBe(true)
      expect(await claimOne(9_000)).toBeUndefined()
    })

    it('keeps the note that is there when it is given none', async () => {
      await claimed(store)
      await store.suspend('r', 1, { signals: [], until: 0 }, { n: 1 }, 2_000)
      await claimOne(2_000)
      await store.suspend('r', 2, { signals: [] }, undefined, 2_000)
      expect(await store.describe('r')).toMatchObject({ note: { n: 1 } })
    })
  })

  describe('show', () => {
    it('replaces what is shown beside the status of a run that goes on', async () => {
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [step(1)])
      for (const note of [{ n: 1 }, 'two', null]) {
        await store.show('r', fence, note)
        expect(await store.describe('r')).toMatchObject({ status: 'running', note, entries: 2 })
      }
      await store.append('r', fence, 2, [end(2)])
      await store.show('r', fence, { n: 4 })
      await store.finish('r', fence, { ok: null }, 2_000)
      expect(await store.describe('r')).toMatchObject({ status: 'completed', note: { n: 4 } })
    })

    it('is refused to whoever does not have the run', async () => {
      const { fence } = await claimed(store)
      await store.show('r', fence, 'mine')
      await expect(store.show('r', fence + 1, 'other')).rejects.toMatchObject({ code: 'LEASE_LOST' })
      await expect(store.show('unknown', 1, 'other')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await store.release('r', fence, 2_000)
      await expect(store.show('r', fence, 'late')).rejects.toMatchObject({ code: 'LEASE_LOST' })
      const again = await store.claimRun('w', 'r', 2_100)
      await expect(store.show('r', fence, 'late')).rejects.toMatchObject({ code: 'LEASE_LOST' })
      expect(await store.describe('r')).toMatchObject({ note: 'mine' })
      await store.show('r', again.fence, 'next')
      expect(await store.describe('r')).toMatchObject({ note: 'next' })
    })
  })

  describe('postpone', () => {
    it('gives the run up until a time, though a signal is pending that wakes it', async () => {
      const { fence } = await claimed(store)
      await store.signal('r', { id: 'c', name: '$cancel', payload: 'enough' }, 1)
      expect(await store.suspend('r', fence, { signals: [] }, undefined, 2_000)).toBe(false)
      await store.postpone('r', fence, 5_000, { at: 'work' }, 2_000)
      expect(await store.describe('r')).toMatchObject({
        status: 'suspended',
        waitsFor: { signals: [], until: 5_000 },
        note: { at: 'work' },
        updatedAt: 2_000,
      })
      expect(await store.nextDue(P)).toBe(5_000)
      expect(await claimOne(4_999)).toBeUndefined()
      expect(await claimOne(5_000)).toMatchObject({ fence: 2, delivery: 1, signals: [{ id: 'c' }] })
      await expect(store.postpone('r', fence, 6_000, undefined, 5_000)).rejects.toMatchObject({ code: 'LEASE_LOST' })
    })

    it('ends with the next signal that wakes any run', async () => {
      const { fence } = await claimed(store)
      await store.postpone('r', fence, 5_000, undefined, 2_000)
      await store.signal('r', { id: 's', name: 'a', payload: null }, 3_000)
      expect(await claimOne(3_000)).toBeUndefined()
      await store.signal('r', { id: 'c', name: '$cancel', payload: 'enough' }, 3_000)
      expect(await claimOne(3_000)).toMatchObject({ fence: 2 })
    })
  })

  describe('finish', () => {
    it('ends the run with the outcome of its journal', async () => {
      for (const [runId, outcome, status] of [
        ['a', { ok: { text: 'done' } }, 'completed'],
        ['b', ERROR, 'failed'],
        ['c', { cancelled: 'no longer needed' }, 'cancelled'],
      ] as const) {
        await claimed(store, runId)
        await store.append(runId, 1, 1, [step(1), end(2, outcome)])
        await store.finish(runId, 1, outcome, 4_000)
        const run = await store.describe(runId)
        expect(run).toMatchObject({ status, outcome, endedAt: 4_000, updatedAt: 4_000, entries: 3, steps: 1 })
        expect(run).not.toHaveProperty('owner')
        await expect(store.append(runId, 1, 3, [step(3)])).rejects.toMatchObject({ code: 'LEASE_LOST' })
        expect(await claimOne(9_000)).toBeUndefined()
      }
    })

    it('is refused before the journal has the end, and to others', async () => {
      const { fence } = await claimed(store)
      await expect(store.finish('r', fence, { ok: 1 }, 1)).rejects.toMatchObject({ code: 'JOURNAL_GAP' })
      await store.append('r', fence, 1, [step(1)])
      await expect(store.finish('r', fence, { ok: 1 }, 1)).rejects.toMatchObject({ code: 'JOURNAL_GAP' })
      await store.append('r', fence, 2, [end(2)])
      await expect(store.finish('r', fence + 1, { ok: 1 }, 1)).rejects.toMatchObject({ code: 'LEASE_LOST' })
      expect(await store.describe('r')).toMatchObject({ status: 'running', owner: { worker: 'w' } })
    })
  })

  describe('reopen', () => {
    it('makes a failed run pending again, and void steps uncounted', async () => {
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [step(1), step(2, { outcome: ERROR }), end(3, ERROR)])
      await store.finish('r', fence, ERROR, 4_000)
      await store.reopen('r', 4, ['k2', 'nothing'], 5_000)
      expect(await store.load('r', 4)).toEqual([{ seq: 4, at: 5_000, type: 'reopen', voided: ['k2', 'nothing'] }])
      const run = await store.describe('r')
      expect(run).toMatchObject({ status: 'pending', entries: 5, steps: 1 })
      expect(run).not.toHaveProperty('endedAt')
      expect(run).not.toHaveProperty('outcome')

      expect(await claimOne(5_000)).toMatchObject({ fence: 2, cursor: 5 })
      await store.append('r', 2, 5, [step(5, { key: 'k2', outcome: ERROR }), end(6, ERROR)])
      await store.finish('r', 2, ERROR, 6_000)
      expect(await store.describe('r')).toMatchObject({ steps: 2 })
      await store.reopen('r', 7, ['k2', 'k1'], 7_000)
      expect(await store.describe('r')).toMatchObject({ steps: 0 })

      // Void before and not made again: not counted when the run is reopened once more.
      await claimOne(7_000)
      await store.append('r', 3, 8, [end(8, ERROR)])
      await store.finish('r', 3, ERROR, 8_000)
      await store.reopen('r', 9, [], 9_000)
      expect(await store.describe('r')).toMatchObject({ steps: 0 })
    })

    it('is refused for runs that go on, that completed, that are unknown, and from two sides at once', async () => {
      await expect(store.reopen('x', 1, [], 1)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await claimed(store)
      await expect(store.reopen('r', 1, [], 1)).rejects.toMatchObject({ code: 'BAD_INPUT' })
      await store.append('r', 1, 1, [end(1, { cancelled: 'x' })])
      await store.finish('r', 1, { cancelled: 'x' }, 1)
      const both = await Promise.allSettled([store.reopen('r', 2, [], 5), store.reopen('r', 2, [], 5)])
      expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
      expect(both[1]).toMatchObject({ reason: { code: 'JOURNAL_GAP' } })

      await claimed(store, 'done')
      await store.append('done', 1, 1, [end(1)])
      await store.finish('done', 1, { ok: null }, 1)
      await expect(store.reopen('done', 2, [], 1)).rejects.toMatchObject({ code: 'RUN_ENDED' })
    })
  })
}
