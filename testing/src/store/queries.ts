import type { RunQuery, RunStatus, Store } from '@selvage/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { end, enlisted, newRun, type StorePlace, step } from './place.ts'

export function queries(place: () => StorePlace): void {
  let here: StorePlace
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
    const outcome = {
      completed: { ok: 1 },
      failed: { error: { name: 'E', message: '' } },
      cancelled: { cancelled: '' },
    }[run.status]
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

  describe('glance', () => {
    it('says of many runs what their descriptions say, and nothing of one that is not there', async () => {
      const runs: Made[] = fc.sample(made, { numRuns: 60, seed: 3 }).map((run, n) => ({ ...run, id: `r${n}` }))
      for (const run of runs) await make({ ...run, id: run.id })
      await make({ ...(runs[0] as Made), id: '"a \ud800', status: 'running' })
      // Alone, as a step after the other is.
      for (let seq = 1; seq <= 5; seq++) await store.append('"a \ud800', 1, seq, [step(seq)])
      const ids = [...runs.map(({ id }) => id), '"a \ud800']
      const told = new Map((await store.glance([...ids, 'none'])).map((run) => [run.runId, run]))
      expect(told.size).toBe(ids.length)
      for (const runId of ids) {
        const { status, entries, owner } = await store.describe(runId)
        expect(told.get(runId)).toEqual({ runId, status, entries, ...(owner && { worker: owner.worker }) })
      }
      expect(await store.glance([])).toEqual([])
    })
  })

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
}
