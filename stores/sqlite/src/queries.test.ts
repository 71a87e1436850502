import type { RunQuery, RunStatus, Store } from '@selvage/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { end, enlisted, newRun, type Place, place, step } from '../test/place.ts'
import { plan } from '../test/plan.ts'
import { DUE, DUE_SUSPECTS, NEXT_DUE } from './claims.ts'
import { Database } from './database.ts'
import { ANCHOR, ANCHOR_BEFORE, NEIGHBOURS, WALK } from './journal.ts'
import { listStatements, matchingStatement } from './queries.ts'
import { FAILED, PENDING } from './status.ts'
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
  readonly version: string | undefined
  readonly parent: string | undefined
  readonly tenant: string | undefined
  readonly tags: Record<string, string>
  readonly status: RunStatus
  readonly at: number
}

const maybe = (...values: string[]): fc.Arbitrary<string | undefined> => fc.constantFrom(undefined, ...values)
const made: fc.Arbitrary<Omit<Made, 'id'>> = fc.record({
  program: fc.constantFrom('p', 'q'),
  version: maybe('1', '2'),
  parent: maybe('a', 'b'),
  tenant: maybe('t'),
  tags: fc.dictionary(fc.constantFrom('k', 'l'), fc.constantFrom('x', 'y')),
  status: fc.constantFrom<RunStatus>('pending', 'running', 'suspended', 'completed', 'failed', 'cancelled'),
  at: fc.integer({ min: 1_000, max: 1_010 }),
})
const query: fc.Arbitrary<RunQuery> = fc.record(
  {
    status: fc.oneof(
      made.map(({ status }) => status),
      fc.uniqueArray(
        made.map(({ status }) => status),
        { minLength: 1 },
      ),
    ),
    program: fc.constantFrom('p', 'q', 'none'),
    version: fc.constantFrom('1', '2'),
    parent: fc.constantFrom('a', 'b'),
    tenant: fc.constantFrom('t', 'u'),
    tag: fc.record({ key: fc.constantFrom('k', 'l'), value: fc.constantFrom('x', 'y') }),
    createdFrom: fc.integer({ min: 999, max: 1_011 }),
    createdBefore: fc.integer({ min: 999, max: 1_011 }),
    limit: fc.integer({ min: 1, max: 7 }),
  },
  { requiredKeys: [] },
)

async function make(run: Made): Promise<void> {
  const { id, program, version, parent, tenant, tags, at } = run
  const start = {
    program,
    tags,
    ...(version === undefined ? {} : { version }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(parent === undefined ? {} : { parent: { runId: parent, key: 'k' } }),
  }
  await store.create(newRun(id, start, { at }))
  if (run.status === 'pending') return
  await store.claimRun('w', id, at)
  if (run.status === 'running') return
  if (run.status === 'suspended') return void (await store.suspend(id, 1, { signals: [] }, undefined, at))
  const outcome = { completed: { ok: 1 }, failed: { error: { name: 'E', message: '' } }, cancelled: { cancelled: '' } }[
    run.status
  ]
  await store.append(id, 1, 1, [end(1, outcome)])
  await store.finish(id, 1, outcome, at)
}

function matches(run: Made, query: RunQuery): boolean {
  const is = (wanted: unknown, value: unknown): boolean => wanted === undefined || wanted === value
  return (
    (query.status === undefined || [query.status].flat().includes(run.status)) &&
    is(query.program, run.program) &&
    is(query.version, run.version) &&
    is(query.parent, run.parent) &&
    is(query.tenant, run.tenant) &&
    (query.tag === undefined || run.tags[query.tag.key] === query.tag.value) &&
    (query.createdFrom === undefined || run.at >= query.createdFrom) &&
    (query.createdBefore === undefined || run.at < query.createdBefore)
  )
}

async function allPages(query: RunQuery): Promise<string[]> {
  const ids: string[] = []
  let after: string | undefined
  do {
    const page = await store.list({ ...query, ...(after === undefined ? {} : { after }) })
    expect(page.items.length).toBeLessThanOrEqual(query.limit ?? 50)
    // What comes after a page is there.
    if (after !== undefined) expect(page.items.length).toBeGreaterThan(0)
    ids.push(...page.items.map(({ id }) => id))
    after = page.next
  } while (after !== undefined)
  return ids
}

const ORDINARY = {
  program: 'p',
  version: '1',
  parent: undefined,
  tenant: undefined,
  tags: { k: 'x' },
  status: 'pending',
  at: 1_000,
} as const

describe('list', () => {
  it('agrees with a plain filter, newest first, page by page', async () => {
    const runs: Made[] = fc.sample(made, { numRuns: 120, seed: 7 }).map((run, n) => ({ ...run, id: `r${n}` }))
    for (const run of runs) await make(run)
    const newest = runs
      .map((run, n) => ({ run, n }))
      .sort((a, b) => b.run.at - a.run.at || b.n - a.n)
      .map(({ run }) => run)
    const agrees = async (drawn: RunQuery): Promise<void> => {
      expect(await allPages(drawn)).toEqual(newest.filter((run) => matches(run, drawn)).map(({ id }) => id))
    }
    const alone: RunQuery[] = [
      {},
      { status: 'failed' },
      { status: ['pending', 'completed'] },
      { program: 'q' },
      { version: '2' },
      { parent: 'b' },
      { tenant: 't' },
      { tag: { key: 'k', value: 'y' } },
      { createdFrom: 1_003 },
      { createdBefore: 1_003 },
    ]
    for (const each of alone) await agrees({ ...each, limit: 7 })
    await fc.assert(fc.asyncProperty(query, agrees), { numRuns: 200 })
  })

  it('shows neither a run twice nor misses one when others come and change meanwhile', async () => {
    for (let i = 0; i < 10; i++) await store.create(newRun(`r${i}`))
    const first = await store.list({ limit: 4 })
    await store.create(newRun('new'))
    await store.claimRun('w', 'r3', 1)
    const rest = await store.list({ limit: 100, ...(first.next === undefined ? {} : { after: first.next }) })
    expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(
      [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((i) => `r${i}`),
    )
  })

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

  it('refuses what is no status, limit or cursor', async () => {
    for (const query of [
      { limit: 0 },
      { limit: 1_001 },
      { limit: Number.NaN },
      { after: 'nonsense' },
      { after: 'MQ' },
    ]) {
      await expect(store.list(query)).rejects.toMatchObject({ name: 'UsageError', code: 'BAD_INPUT' })
    }
    // @ts-expect-error: from JavaScript
    await expect(store.list({ status: 'done' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })
})

describe('describe', () => {
  it('is complete at every moment', async () => {
    await expect(store.describe('r')).rejects.toMatchObject({ name: 'RunError', code: 'NOT_FOUND' })
    const start = {
      program: 'p',
      version: '1',
      input: { a: 1 },
      parent: { runId: 'up', key: 'k' },
      tenant: 't',
      queue: 'q',
      tags: { k: 'v' },
      deadline: 99_000,
    }
    const summary = { id: 'r', program: 'p', version: '1', parent: 'up', tenant: 't', queue: 'q', tags: { k: 'v' } }
    await store.create({ runId: 'r', start, salt: 's', inputHash: 'h', at: 1_000 })
    expect(await store.describe('r')).toEqual({
      ...summary,
      status: 'pending',
      createdAt: 1_000,
      updatedAt: 1_000,
      entries: 1,
      steps: 0,
      crashes: 0,
      start,
    })
    await store.claimRun('w', 'r', 1_500)
    const interrupted = step(3, { outcome: { interrupts: [] } })
    await store.append('r', 1, 1, [step(1), { seq: 2, at: 2_100, type: 'state', key: 's', patch: {} }, interrupted])
    expect(await store.describe('r')).toEqual({
      ...summary,
      status: 'running',
      createdAt: 1_000,
      updatedAt: interrupted.at,
      entries: 4,
      steps: 1,
      crashes: 0,
      start,
      owner: { worker: 'w', pid: process.pid, host: 'here' },
    })
    await store.append('r', 1, 4, [end(4)])
    await store.finish('r', 1, { ok: null }, 5_000)
    expect(await store.describe('r')).toEqual({
      ...summary,
      status: 'completed',
      createdAt: 1_000,
      updatedAt: 5_000,
      endedAt: 5_000,
      entries: 5,
      steps: 1,
      crashes: 0,
      start,
      outcome: { ok: null },
    })
    const { start: _start, outcome: _outcome, ...listed } = await store.describe('r')
    expect((await store.list({})).items).toEqual([listed])
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
