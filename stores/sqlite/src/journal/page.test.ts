/** Pages of a journal: what does not fit their form is read as exactly as what does. */
import { DatabaseSync } from 'node:sqlite'
import type { Entry, EntryOf, Op, Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claimed, enlisted, type Place, place } from '../../test/place.ts'

let here: Place
let store: Store
beforeEach(async () => {
  here = place()
  store = await here.open()
  await enlisted(store)
})
afterEach(() => here.close())

type Parts = Omit<Partial<EntryOf<'step'>>, 'op'> & { readonly op?: Partial<Op> }

function step(seq: number, { op, ...parts }: Parts = {}): EntryOf<'step'> {
  const key = `s${seq}`
  const whole: Op = { key, kind: 'tool', name: 'look', ...op }
  return { type: 'step', seq, at: 1_000, key, op: whole, attempt: 1, startedAt: 990, outcome: { ok: seq }, ...parts }
}

/** By what makes each of them unlike most. */
const ODD: { readonly [what: string]: (seq: number) => Entry } = {
  'a time limit': (seq) => step(seq, { op: { timeoutMs: 5_000 } }),
  'a check that is no hash': (seq) => step(seq, { op: { check: '="f00 Ünïcode"' } }),
  'a check that looks like one in hex': (seq) => step(seq, { op: { check: 'CAFEBABE1' } }),
  'a check that is a hash': (seq) => step(seq, { op: { check: 'AbC-_0123456' } }),
  'an effect without a check': (seq) => step(seq, { op: { effect: 'once' } }),
  'a clock that went back': (seq) => step(seq, { startedAt: 1_010 }),
  'a clock that is no whole number': (seq) => step(seq, { at: 1_000.25, startedAt: 0.1 }),
  'more than a thousand attempts': (seq) => step(seq, { attempt: 70_000 }),
  'a year': (seq) => step(seq, { startedAt: -31_536_000_000 }),
  'a name that is a number': (seq) => step(seq, { op: { kind: 'code', name: '17' } }),
  'a name in quotes': (seq) => step(seq, { op: { name: '"17"' } }),
  'a value of nothing': (seq) => step(seq, { outcome: { ok: null } }),
  'a body in pieces': (seq) => step(seq, { outcome: { ok: ',"é]'.repeat(700) } }),
  'an intent': (seq) => ({
    ...{ type: 'intent', seq, at: 1, key: `s${seq}`, attempt: 1, host: 'h' },
    op: { key: `s${seq}`, kind: 'tool', name: 'look', effect: 'once', input: ['x'] },
  }),
  'a wait that time ended': (seq) => ({ type: 'wait', seq, at: 1, key: `w${seq}` }),
  'a message': (seq) => ({ ...step(seq), sent: [{ id: `msg_${seq}`, topic: 'mail', payload: 1 }] }),
}

describe('a page of a journal', () => {
  it('has each entry as it was appended, and so has an entry read by itself', async () => {
    const { fence } = await claimed(store)
    const entries = Object.values(ODD).map((make, index) => make(index + 1))
    await store.append('r', fence, 1, entries)
    expect((await store.load('r', 0)).slice(1)).toEqual(entries)
    for (const entry of entries) expect(await store.load('r', entry.seq, 1)).toEqual([entry])
  })

  it.each([
    ['no JSON', "update entry set body = '{' where seq = 3", 3],
    ['nothing', "update entry set body = '' where seq = 3", 3],
    ['not there', 'update entry set body = null where seq = 3', 3],
    ['two values', "update entry set body = '1,2' where seq = 3", 3],
    ['one with its neighbour', "update entry set body = iif(seq = 3, '[1', '2]') where seq in (3, 4)", 3],
    ['of an unknown type', 'update entry set type = 63 where seq = 3', 3],
    ['of a type beyond all', 'update entry set type = 4000 where seq = 3', 3],
    ['of no operation', 'update entry set op = null where seq = 3', 3],
    ['of a name that nobody knows', 'update entry set name = 4711 where seq = 3', 3],
  ])('names the entry whose body or row is %s', async (_, sql, seq) => {
    const { fence } = await claimed(store)
    await store.append(
      'r',
      fence,
      1,
      Array.from({ length: 10 }, (_, index) => step(index + 1)),
    )
    const database = new DatabaseSync(here.path)
    database.exec(sql)
    database.close()
    await expect(store.load('r', 0)).rejects.toMatchObject({ code: 'CORRUPT', details: { runId: 'r', seq } })
  })
})
