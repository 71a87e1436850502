import type { Entry, Question, QuestionRecord, Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, end, enlisted, type StorePlace } from './place.ts'

export function questions(place: () => StorePlace): void {
  let here: StorePlace
  let store: Store
  beforeEach(async () => {
    here = place()
    store = await here.open()
    await enlisted(store)
  })
  afterEach(() => here.close())

  const open = (seq: number, id: string, over: Partial<Question> = {}): Entry => ({
    seq,
    at: 2_000 + seq,
    type: 'open',
    key: `key ${id}`,
    question: { id, kind: 'approval', name: 'publish', ...over },
  })
  const waited = (seq: number, id: string, signalId?: string): Entry => ({
    seq,
    at: 5_000,
    type: 'wait',
    key: `key ${id}`,
    ...(signalId === undefined ? {} : { signalId }),
  })
  const status = async (id: string): Promise<QuestionRecord['status']> => (await store.question(id)).status

  describe('a question', () => {
    it('is read as it was asked, and with its answer as soon as that is accepted', async () => {
      const { fence } = await claimed(store)
      const asked = { tool: 'charge', input: { amount: 5 }, reason: 'over 4', assignee: 'ann', expiresAt: 9_000 }
      await store.append('r', fence, 1, [open(1, 'ap_1', asked)])
      const record = {
        id: 'ap_1',
        kind: 'approval',
        name: 'publish',
        ...asked,
        runId: 'r',
        key: 'key ap_1',
        openedAt: 2_001,
      }
      expect(await store.question('ap_1')).toEqual({ ...record, status: 'open' })
      const answer = { id: 'ap_1', name: 'ap_1', payload: { approved: true }, by: 'ann' }
      await store.signal('r', answer, 3_000)
      const answered = { ...record, status: 'answered', answer: { ...answer, at: 3_000 } }
      expect(await store.question('ap_1')).toEqual(answered)
      await store.append('r', fence, 2, [
        { seq: 2, at: 3_001, type: 'signal', signal: { ...answer, at: 3_000 } },
        waited(3, 'ap_1', 'ap_1'),
      ])
      expect(await store.question('ap_1')).toEqual(answered)
      await expect(store.question('ap_2')).rejects.toMatchObject({ name: 'RunError', code: 'NOT_FOUND' })
    })

    it('expires when the run stops waiting first, even if an answer has come in meanwhile', async () => {
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [open(1, 'a'), open(2, 'b'), waited(3, 'a')])
      expect(await status('a')).toBe('expired')
      await store.signal('r', { id: 'b', name: 'b', payload: 1 }, 1)
      await store.append('r', fence, 4, [waited(4, 'b')])
      expect(await status('b')).toBe('expired')
      await store.signal('r', { id: 'a', name: 'a', payload: 1 }, 1)
      expect(await status('a')).toBe('expired')
    })

    it('closes with its run, and is open again if that goes on', async () => {
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [open(1, 'a'), open(2, 'b'), open(3, 'c'), end(4, { cancelled: 'x' })])
      await store.signal('r', { id: 'a', name: 'a', payload: 1 }, 1)
      await store.finish('r', fence, { cancelled: 'x' }, 1)
      expect([await status('a'), await status('b'), await status('c')]).toEqual(['answered', 'closed', 'closed'])
      await store.reopen('r', 5, ['key c'], 2)
      expect([await status('a'), await status('b'), await status('c')]).toEqual(['answered', 'open', 'closed'])
    })

    it('may be answered before it is asked', async () => {
      const { fence } = await claimed(store)
      await store.signal('r', { id: 'a', name: 'a', payload: 1 }, 1)
      await store.append('r', fence, 1, [open(1, 'a')])
      expect(await status('a')).toBe('answered')
    })

    it('has an id of its own over all runs, but may be asked again by its run', async () => {
      const { fence } = await claimed(store)
      await claimed(store, 'other')
      await store.append('r', fence, 1, [open(1, 'a')])
      await expect(store.append('other', 1, 1, [open(1, 'a')])).rejects.toMatchObject({ code: 'BAD_INPUT' })
      await store.append('r', fence, 2, [open(2, 'a', { assignee: 'bob' })])
      expect(await store.question('a')).toMatchObject({ openedAt: 2_002, assignee: 'bob' })
      expect((await store.questions({})).items.length).toBe(1)
    })
  })

  describe('questions', () => {
    it('are listed newest first, by each filter and all together, in pages that stay', async () => {
      for (const [index, runId] of ['r0', 'r1'].entries()) {
        await claimed(store, runId)
        const entries = Array.from({ length: 6 }, (_, i) =>
          open(1 + i, `${runId}-${i}`, {
            kind: i % 2 === 0 ? 'approval' : 'callback',
            ...(i % 3 === index ? { assignee: 'ann' } : {}),
          }),
        )
        await store.append(runId, 1, 1, entries)
      }
      await store.signal('r1', { id: 'r1-1', name: 'r1-1', payload: 1 }, 1)
      const ids = async (query: Parameters<Store['questions']>[0]): Promise<string[]> =>
        (await store.questions(query)).items.map(({ id }) => id)
      expect(await ids({})).toEqual(
        [5, 4, 3, 2, 1, 0].map((i) => `r1-${i}`).concat([5, 4, 3, 2, 1, 0].map((i) => `r0-${i}`)),
      )
      expect(await ids({ runId: 'r0', kind: 'callback' })).toEqual(['r0-5', 'r0-3', 'r0-1'])
      expect(await ids({ assignee: 'ann' })).toEqual(['r1-4', 'r1-1', 'r0-3', 'r0-0'])
      expect(await ids({ assignee: 'ann', status: 'open' })).toEqual(['r1-4', 'r0-3', 'r0-0'])
      expect(await ids({ status: 'answered' })).toEqual(['r1-1'])
      expect(await ids({ runId: 'r1', status: 'open', kind: 'approval', assignee: 'ann' })).toEqual(['r1-4'])
      expect(await ids({ runId: 'nobody' })).toEqual([])

      const seen: string[] = []
      let after: string | undefined
      do {
        const page = await store.questions({ status: 'open', limit: 4, ...(after === undefined ? {} : { after }) })
        seen.push(...page.items.map(({ id }) => id))
        after = page.next
        // Answering what was shown does not move what comes.
        const [shown] = page.items
        if (shown !== undefined) await store.signal(shown.runId, { id: shown.id, name: shown.id, payload: 1 }, 1)
      } while (after !== undefined)
      expect(seen.length).toBe(11)
      expect(new Set(seen).size).toBe(11)
    })

    it('refuse what is no filter, limit or cursor', async () => {
      for (const query of [{ limit: 0 }, { limit: 1_001 }, { limit: 1.5 }, { after: 'x' }, { after: '' }]) {
        await expect(store.questions(query)).rejects.toMatchObject({ name: 'UsageError', code: 'BAD_INPUT' })
      }
      // @ts-expect-error: from JavaScript
      await expect(store.questions({ status: 'done' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    })
  })
}
