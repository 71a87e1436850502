import type { RunQuery, Store } from '@selvage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { end, enlisted, newRun, type Place, place } from '../../test/place.ts'
import { plan } from '../../test/plan.ts'
import { Database } from '../database.ts'
import { ANCHOR, ANCHOR_BEFORE, NEIGHBOURS, WALK } from '../journal/journal.ts'
import { FAILED, PENDING } from '../status.ts'
import { DUE, DUE_SUSPECTS, NEXT_DUE } from './claims.ts'
import { listStatements, matchingStatement } from './queries.ts'
import { indexesOf, shortest } from './which-index.ts'

let here: Place
let store: Store
beforeEach(async () => {
  here = place()
  store = await here.open()
  await enlisted(store)
})
afterEach(() => here.close())

interface Made {
  readonly id: string
  readonly program: string
  readonly version: string
  readonly tags: Record<string, string>
  readonly status: 'pending' | 'failed'
}

async function make({ id, program, version, tags, status }: Made): Promise<void> {
  await store.create(newRun(id, { program, version, tags }))
  if (status === 'pending') return
  const outcome = { error: { name: 'E', message: '' } }
  await store.claimRun('w', id, 1_000)
  await store.append(id, 1, 1, [end(1, outcome)])
  await store.finish(id, 1, outcome, 1_000)
}

const ORDINARY = {
  program: 'p',
  version: '1',
  tags: { k: 'x' },
  status: 'pending',
} as const

describe('list', () => {
  it('walks one index and sorts nothing, whatever the filters', () => {
    const filters: RunQuery = {
      program: 'p',
      version: '1',
      parent: 'a',
      tenant: 't',
      tag: { key: 'k', value: 'v' },
      createdFrom: 1,
      createdBefore: 2,
      after: Buffer.from('1,2').toString('base64url'),
    }
    const names = Object.keys(filters)
    for (let bits = 0; bits < 2 ** names.length; bits++) {
      const drawn = Object.fromEntries(Object.entries(filters).filter((_, i) => (bits >> i) & 1))
      for (const status of [undefined, 'running', ['failed', 'cancelled']] as const) {
        const asked: RunQuery = { ...drawn, ...(status === undefined ? {} : { status }) }
        const indexes = indexesOf(asked)
        // The likely one with each of them; those that are found by counting with all filters but one.
        const others = bits >= 2 ** names.length - names.length ? indexes.slice(1) : []
        for (const index of [indexes[0], ...others]) {
          const counting = index === undefined ? [] : [matchingStatement(asked, index, 5, 10)]
          for (const { sql, values } of [...listStatements(asked, 10, index), ...counting]) {
            const bad = plan(here.path, sql, values).filter(
              (step) => /TEMP B-TREE/.test(step) || (/^SCAN/.test(step) && !step.includes('subquery')),
            )
            expect(bad, sql).toEqual([])
          }
        }
      }
    }
  })

  it('walks the filter that fewest runs match, where the likely one does not fill a page', async () => {
    // Version 2 and failures are rare, and lie behind a thousand others of the program: more than a look at its first rows.
    const runs = 1_100
    await make({ ...ORDINARY, id: 'failed', status: 'failed' })
    await make({ ...ORDINARY, id: 'second', version: '2' })
    await Promise.all(Array.from({ length: runs }, (_, n) => make({ ...ORDINARY, id: `r${n}` })))
    await make({ ...ORDINARY, id: 'other', program: 'q', version: '2', status: 'failed', tags: { k: 'y' } })
    const ids = async (asked: RunQuery): Promise<string[]> => (await store.list(asked)).items.map(({ id }) => id)
    expect(await ids({ program: 'p', status: 'failed' })).toEqual(['failed'])
    expect(await ids({ program: 'p', version: '2' })).toEqual(['second'])
    expect(await ids({ program: 'p', version: '2', status: 'failed' })).toEqual([])
    expect(await ids({ tag: { key: 'k', value: 'x' }, status: 'failed' })).toEqual(['failed'])
    expect(await ids({ tag: { key: 'k', value: 'x' }, program: 'q' })).toEqual([])
    const database = new Database(here.path)
    try {
      const chosen = (asked: RunQuery, statuses: number[]): unknown =>
        shortest(database, indexesOf(asked), statuses, (index, rows) => matchingStatement(asked, index, rows, 51), 51)
      expect(chosen({ program: 'p', status: 'failed' }, [FAILED])).toBe('status')
      expect(chosen({ program: 'p', version: '2' }, [])).toEqual(['version', '2'])
      expect(chosen({ tag: { key: 'k', value: 'x' }, program: 'q' }, [])).toEqual(['program', 'q'])
      expect(chosen({ program: 'p', status: 'pending' }, [PENDING])).toEqual(['program', 'p'])
    } finally {
      database.close()
    }
  })
})

describe('what the engine asks all the time', () => {
  it('searches an index', () => {
    const searched = (sql: string, values: (string | number | null)[]): void => {
      const steps = plan(here.path, sql, values)
      expect(steps.filter((step) => /^SCAN (?!chain)|TEMP B-TREE/.test(step))).toEqual([])
    }
    searched(DUE, ['p', null, 1, 10])
    searched(DUE_SUSPECTS, ['p', null, 1, 1])
    searched(NEXT_DUE, ['p', '1'])
    searched(ANCHOR, [1, 64])
    searched(ANCHOR_BEFORE, [1, 64])
    searched(NEIGHBOURS, [1, 2, 1, 0, 10])
    expect(plan(here.path, WALK, [1, 0, 10]).filter((step) => /^SCAN (?!chain)/.test(step))).toEqual([])
    searched('select id from inbox where run = ? and entry is null order by arrival', [1])
    searched('select n from run where status = 1 and owner = ?', ['w'])
  })
})
