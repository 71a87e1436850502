import type { Entry, Question, Store } from '@selvage/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { claimed, enlisted, type Place, place } from '../../test/place.ts'
import { plan } from '../../test/plan.ts'
import { questionsStatement } from './asked.ts'

let here: Place
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

it('are found by an index, whatever the filters', async () => {
  const { fence } = await claimed(store)
  await store.append('r', fence, 1, [open(1, 'ap_1', { quorum: { need: 1, of: ['a'] } })])
  const filters = { runId: 'r', assignee: 'a', status: 'open', kind: 'approval' } as const
  for (const names of subsets(Object.keys(filters))) {
    const query = Object.fromEntries(Object.entries(filters).filter(([name]) => names.includes(name)))
    for (const seats of [false, true]) {
      const after = Buffer.from('7').toString('base64url')
      const { sql, values } = questionsStatement({ ...query, after }, 10, seats)
      const steps = plan(here.path, sql, values)
      expect(steps.filter((step) => /^SCAN|TEMP B-TREE/.test(step))).toEqual([])
    }
  }
})

function subsets(names: readonly string[]): string[][] {
  return Array.from({ length: 2 ** names.length }, (_, bits) => names.filter((_, i) => (bits >> i) & 1))
}
