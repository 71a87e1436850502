import type { Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, end, enlisted, newRun, type StorePlace, step } from './place.ts'

export function inbox(place: () => StorePlace): void {
  let here: StorePlace
  let store: Store
  beforeEach(async () => {
    here = place()
    store = await here.open()
    await enlisted(store)
  })
  afterEach(() => here.close())

  describe('a signal', () => {
    it('has one first writer, whoever asks and whenever', async () => {
      const { fence } = await claimed(store)
      const other = await here.open()
      const send = (n: number): ReturnType<Store['signal']> =>
        (n % 2 === 0 ? store : other).signal('r', { id: 's', name: 'go', payload: { n }, by: `writer ${n}` }, 2_000 + n)
      const receipts = await Promise.all(Array.from({ length: 50 }, (_, n) => send(n)))
      const winner = receipts.findIndex(({ accepted }) => accepted)
      const first = { id: 's', name: 'go', payload: { n: winner }, by: `writer ${winner}`, at: 2_000 + winner }
      expect(receipts.filter(({ accepted }) => accepted).length).toBe(1)
      for (const [n, receipt] of receipts.entries())
        if (n !== winner) expect(receipt).toEqual({ accepted: false, first })

      expect(await store.pendingSignals('r')).toEqual([first])
      await store.append('r', fence, 1, [{ seq: 1, at: 1, type: 'signal', signal: first }])
      expect(await store.pendingSignals('r')).toEqual([])
      expect(await send(50)).toEqual({ accepted: false, first })
      await store.append('r', fence, 2, [end(2)])
      await store.finish('r', fence, { ok: null }, 3_000)
      expect(await send(51)).toEqual({ accepted: false, first })
    })

    it('is refused by a run that has ended or is unknown, with nothing kept', async () => {
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [end(1)])
      await store.finish('r', fence, { ok: null }, 3_000)
      const ended = { name: 'RunError', code: 'RUN_ENDED', details: { runId: 'r', status: 'completed' } }
      await expect(store.signal('r', { id: 's', name: 'n', payload: 1 }, 1)).rejects.toMatchObject(ended)
      await expect(store.signal('r', { id: 's', name: 'n', payload: 1 }, 1)).rejects.toMatchObject(ended)
      await expect(store.signal('x', { id: 's', name: 'n', payload: 1 }, 1)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      })
      await expect(store.pendingSignals('x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    it('is pending behind others in the order in which it came, and can be read behind any of them', async () => {
      const { fence } = await claimed(store)
      const ids = ['b', 'a', '"c\u0000 \ud800', 'd']
      for (const [n, id] of ids.entries()) await store.signal('r', { id, name: 'n', payload: n }, 10 + n)
      const read = async (after?: string): Promise<string[]> =>
        (await store.pendingSignals('r', after)).map(({ id }) => id)
      expect(await read()).toEqual(ids)
      for (const [n, id] of ids.entries()) expect(await read(id)).toEqual(ids.slice(n + 1))
      const [first, second] = await store.pendingSignals('r')
      if (first === undefined || second === undefined) throw new Error('they are pending')
      await store.append('r', fence, 1, [
        { seq: 1, at: 1, type: 'signal', signal: first },
        { seq: 2, at: 1, type: 'signal', signal: second },
      ])
      expect(await read(ids[2])).toEqual(['d'])
      // What is in the journal is behind nothing any more: whatever is pending may come.
      expect((await read('a')).slice(-2)).toEqual(ids.slice(2))
      for (const id of ids.slice(2)) {
        const signal = (await store.pendingSignals('r')).find((pending) => pending.id === id)
        if (signal === undefined) throw new Error('it is pending')
        const { entries } = await store.describe('r')
        await store.append('r', fence, entries, [{ seq: entries, at: 1, type: 'signal', signal }])
      }
      await store.signal('r', { id: 'later', name: 'n', payload: 5 }, 20)
      expect(await read('d')).toEqual(['later'])
      expect(await read('unknown')).toEqual(['later'])
    })

    it('is unheard until it is in the journal, of many runs at once', async () => {
      const runs = await Promise.all(
        Array.from({ length: 40 }, (_, n) => claimed(store, n === 7 ? '"a \ud800' : `r${n}`)),
      )
      const ids = runs.map(({ runId }) => runId)
      expect(await store.unheard([...ids, 'none'])).toEqual([])
      const called = ids.filter((_, n) => n % 7 === 0)
      for (const id of called) await store.signal(id, { id: 's', name: 'go', payload: 1 }, 2_000)
      await store.signal(called[0] as string, { id: 't', name: 'go', payload: 2 }, 2_000)
      expect([...(await store.unheard([...ids, 'none']))].sort()).toEqual([...called].sort())
      expect(await store.unheard(ids.filter((id) => !called.includes(id)))).toEqual([])
      const [signal] = await store.pendingSignals(called[1] as string)
      if (signal === undefined) throw new Error('it is pending')
      const { fence } = runs[7] as (typeof runs)[number]
      await store.append(called[1] as string, fence, 1, [{ seq: 1, at: 1, type: 'signal', signal }])
      expect(await store.unheard([called[1] as string, 'r1', called[2] as string])).toEqual([called[2]])
      expect(await store.unheard([])).toEqual([])
    })

    it('that brings the end of a child is kept by a run that has ended, for its retry', async () => {
      const { fence } = await claimed(store)
      const failed = { error: { name: 'Error', message: 'no' } }
      await store.append('r', fence, 1, [{ seq: 1, at: 1, type: 'end', outcome: failed }])
      await store.finish('r', fence, failed, 3_000)
      const signal = { id: 'child:r/a', name: 'child:r/a', payload: { ok: 1 } }
      expect(await store.signal('r', signal, 4_000)).toEqual({ accepted: true })
      expect((await store.describe('r')).status).toBe('failed')
      await store.reopen('r', 2, [], 5_000)
      const [claim] = await store.claim('w', [{ name: 'p' }], 1, 6_000)
      expect(claim?.signals).toEqual([{ ...signal, at: 4_000 }])
    })

    it('that cancels a run which is just ending does not cancel its retry', async () => {
      const { fence } = await claimed(store)
      const failed = { error: { name: 'Error', message: 'no' } }
      await store.append('r', fence, 1, [{ seq: 1, at: 1, type: 'end', outcome: failed }])
      const cancel = { id: '$cancel', name: '$cancel', payload: 'enough' }
      expect(await store.signal('r', cancel, 2_000)).toEqual({ accepted: true })
      await store.finish('r', fence, failed, 3_000)
      await store.reopen('r', 2, [], 5_000)
      const [claim] = await store.claim('w', [{ name: 'p' }], 1, 6_000)
      expect(claim?.signals).toEqual([])
      expect(await store.signal('r', cancel, 7_000)).toEqual({ accepted: true })
    })

    it('belongs to its run: another may use the id', async () => {
      await store.create(newRun('a'))
      await store.create(newRun('b'))
      expect(await store.signal('a', { id: 's', name: 'n', payload: 1 }, 1)).toEqual({ accepted: true })
      expect(await store.signal('b', { id: 's', name: 'n', payload: 2 }, 1)).toEqual({ accepted: true })
    })

    it('is journaled once', async () => {
      const { fence } = await claimed(store)
      const signal = { id: 's', name: 'n', payload: 1 }
      // Not through the inbox: a host may journal what it sent to itself.
      await store.append('r', fence, 1, [{ seq: 1, at: 1, type: 'signal', signal }])
      await expect(
        store.append('r', fence, 2, [step(2), { seq: 3, at: 1, type: 'signal', signal }]),
      ).rejects.toMatchObject({ code: 'JOURNAL_GAP' })
      expect(await store.signal('r', { ...signal, payload: 2 }, 1)).toEqual({ accepted: false, first: signal })
    })

    it('brings a run that has not begun forward only if it is from Selvage', async () => {
      await store.create(newRun('r', {}, { startAt: 9_000 }))
      await store.signal('r', { id: 's', name: 'n', payload: 1 }, 2_000)
      expect(await store.nextDue([{ name: 'p' }])).toBe(9_000)
      await store.signal('r', { id: 'c', name: '$cancel', payload: 1 }, 2_000)
      expect(await store.nextDue([{ name: 'p' }])).toBe(2_000)
    })
  })
}
