import type { Effect, Entry, ErrorJson, Json, JsonObject, Op, OpKind, Question } from '@selvage/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, type StorePlace, step } from './place.ts'

export function entries(place: () => StorePlace): void {
  /** Any string of UTF-16 units, halves of pairs and quotation marks in front among them. */
  const text = fc.oneof(
    fc.constantFrom('', '1', ' 12 ', '1.5', '-1e3', '0x10', 'Infinity', '=1', 'null'),
    fc.string({ unit: 'grapheme' }),
    fc
      .array(fc.constantFrom('\ud800', '\udc00', '"', '\0', 'a', '😀', '\\'), { maxLength: 8 })
      .map((units) => units.join('')),
  )
  const json = fc
    .jsonValue({ stringUnit: 'binary', maxDepth: 3, noUnicodeString: false })
    .map((value) => JSON.parse(JSON.stringify(value)) as Json)
  const object = fc.dictionary(text, json).map((value) => JSON.parse(JSON.stringify(value)) as JsonObject)
  const at = fc.oneof(
    fc.integer({ min: 0, max: 2 ** 45 }),
    fc.double({ min: 0, max: 2 ** 43, noNaN: true }).map((n) => n + 0),
  )
  const attempt = fc.integer({ min: 1, max: 1_000 })
  const error: fc.Arbitrary<ErrorJson> = fc.record(
    { name: text, message: text, code: fc.oneof(text, fc.integer()), stack: text, details: json },
    { requiredKeys: ['name', 'message'] },
  )

  const op = (input: boolean): fc.Arbitrary<Op> =>
    fc.record<Op>(
      {
        key: text,
        kind: fc.constantFrom<OpKind>('model', 'tool', 'code', 'child'),
        name: text,
        check: text,
        effect: fc.constantFrom<Effect>('read', 'idempotent', 'once'),
        timeoutMs: fc.nat(),
        ...(input ? { input: json } : {}),
      },
      { requiredKeys: ['key', 'kind', 'name'] },
    )

  const outcome = fc.oneof(
    fc.record({ ok: json }),
    fc.record({ error }),
    fc.record({ unknown: text }),
    fc.record({ interrupts: fc.array(json, { maxLength: 3 }) }),
  )

  const question = fc.record<Question>(
    {
      id: text,
      kind: fc.constantFrom('approval', 'interrupt', 'callback', 'unknown'),
      name: text,
      tool: text,
      input: json,
      inputHash: text,
      reason: json,
      assignee: text,
      expiresAt: at,
    },
    { requiredKeys: ['id', 'kind', 'name'] },
  )

  const signal = fc.record(
    { id: text, name: text, payload: json, by: text, at },
    { requiredKeys: ['id', 'name', 'payload'] },
  )

  const sent = fc.array(fc.record({ id: text, topic: text, payload: json }), { maxLength: 3 })

  /** Every kind of entry but `start`, which only `create` writes. */
  const silent: fc.Arbitrary<Entry> = fc.oneof(
    fc
      .record({ o: op(true), at, attempt, host: text })
      .map(({ o, ...rest }) => ({ seq: 0, type: 'intent' as const, key: o.key, op: o, ...rest })),
    fc
      .record({ o: op(false), at, attempt, error, retryAt: at })
      .map(({ o, ...rest }) => ({ seq: 0, type: 'retry' as const, key: o.key, op: o, ...rest })),
    fc
      .record({ o: op(false), at, attempt, startedAt: at, outcome })
      .map(({ o, ...rest }) => ({ seq: 0, type: 'step' as const, key: o.key, op: o, ...rest })),
    fc.record({ at, signal }).map((rest) => ({ seq: 0, type: 'signal' as const, ...rest })),
    fc.record({ at, key: text, question }).map((rest) => ({ seq: 0, type: 'open' as const, ...rest })),
    fc
      .record({ at, key: text, signalId: text }, { requiredKeys: ['at', 'key'] })
      .map((rest) => ({ seq: 0, type: 'wait' as const, ...rest })),
    fc.record({ at, key: text, patch: object }).map((rest) => ({ seq: 0, type: 'state' as const, ...rest })),
    fc
      .record({
        at,
        outcome: fc.oneof(
          fc.record({ ok: json }),
          fc.record({ error, step: text }, { requiredKeys: ['error'] }),
          fc.record({ cancelled: text }),
        ),
      })
      .map((rest) => ({ seq: 0, type: 'end' as const, ...rest })),
    fc
      .record({ at, voided: fc.array(text, { maxLength: 3 }), by: text }, { requiredKeys: ['at', 'voided'] })
      .map((rest) => ({ seq: 0, type: 'reopen' as const, ...rest })),
  )

  /** Now and then with messages. */
  const entry: fc.Arbitrary<Entry> = fc.oneof(
    { weight: 4, arbitrary: silent },
    { weight: 1, arbitrary: fc.record({ of: silent, sent }).map((drawn) => ({ ...drawn.of, sent: drawn.sent })) },
  )

  let here: StorePlace
  beforeEach(() => {
    here = place()
  })
  afterEach(() => here.close())

  describe('an entry', () => {
    it('is read as it was appended, whatever is in it', async () => {
      const store = await here.open()
      await enlisted(store)
      let runs = 0
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(entry, { minLength: 1, maxLength: 8, selector: identity }), async (drawn) => {
          const runId = `r${runs++}`
          const { fence } = await claimed(store, runId)
          const entries = drawn.map((each, index) => unique(each, runId, index + 1))
          await store.append(runId, fence, 1, entries)
          expect(await store.load(runId, 1)).toEqual(entries)
        }),
        { numRuns: 300 },
      )
    })

    it('begins with the start as it was created', async () => {
      const store = await here.open()
      const start = {
        program: '"p\ud800',
        version: '\udfff',
        input: { a: ['\ud83d', 1e21, -0.5] },
        tags: { '\ud800': '"' },
      }
      await store.create({ runId: '"\ud800', start, salt: 'salt', inputHash: 'h', at: 7 })
      expect(await store.load('"\ud800', 0)).toEqual([{ seq: 0, at: 7, type: 'start', start, salt: 'salt' }])
      expect(await store.describe('"\ud800')).toMatchObject({
        id: '"\ud800',
        program: '"p\ud800',
        tags: start.tags,
        start,
      })
      const tagged = await store.list({ program: '"p\ud800', tag: { key: '\ud800', value: '"' } })
      expect(tagged.items.map(({ id }) => id)).toEqual(['"\ud800'])
    })

    it('keeps the input of an operation with its intent only', async () => {
      const store = await here.open()
      await enlisted(store)
      const { fence } = await claimed(store)
      const op: Op = { key: 'k', kind: 'tool', name: 'charge', effect: 'once', input: { amount: 5 } }
      await store.append('r', fence, 1, [
        { seq: 1, at: 5, type: 'intent', key: 'k', op, attempt: 1, host: 'h' },
        { seq: 2, at: 6, type: 'step', key: 'k', op, attempt: 1, startedAt: 5, outcome: { ok: null } },
      ])
      const [intent, step] = await store.load('r', 1)
      expect(intent).toMatchObject({ op: { input: { amount: 5 } } })
      expect(step).toMatchObject({ op: { key: 'k' } })
      expect(step).not.toHaveProperty('op.input')
    })

    it('is refused where its operation has another key: one of the two would be lost', async () => {
      const store = await here.open()
      await enlisted(store)
      const { fence } = await claimed(store)
      const op: Op = { key: 'other', kind: 'tool', name: 'n' }
      const entry: Entry = {
        seq: 1,
        at: 6,
        type: 'step',
        key: 'k',
        op,
        attempt: 1,
        startedAt: 5,
        outcome: { ok: null },
      }
      await expect(store.append('r', fence, 1, [entry])).rejects.toMatchObject({ code: 'BAD_INPUT' })
    })

    it('that need only be written is there as others are, under the same fence, and others follow it', async () => {
      const store = await here.open()
      await enlisted(store)
      const { fence } = await claimed(store)
      await store.append('r', fence, 1, [step(1)], 'written')
      await expect(store.append('r', fence + 1, 2, [step(2)], 'written')).rejects.toMatchObject({ code: 'LEASE_LOST' })
      await expect(store.append('r', fence, 1, [step(1)], 'written')).rejects.toMatchObject({ code: 'JOURNAL_GAP' })
      expect((await (await here.open()).load('r', 0)).map(({ seq }) => seq)).toEqual([0, 1])
      await store.sync?.()
      await store.append('r', fence, 2, [step(2)])
      expect((await store.describe('r')).entries).toBe(3)
    })
  })

  /** What may be in a journal once only. */
  function identity(each: Entry): unknown {
    if (each.type === 'signal') return `signal ${each.signal.id}`
    return each
  }

  /** Ids of questions are unique over all runs. */
  function unique(each: Entry, runId: string, seq: number): Entry {
    if (each.type !== 'open') return { ...each, seq }
    return { ...each, seq, question: { ...each.question, id: `${each.question.id}${runId}.${seq}` } }
  }
}
