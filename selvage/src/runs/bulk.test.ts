import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fakeClock } from '@selvage/testing'
import { expect, test } from 'vitest'
import { openSelvage } from '../core.ts'

const file = (): string => join(mkdtempSync(join(tmpdir(), 'selvage-')), 'selvage.db')

test('failed runs are listed, retried a page at a time, and told of one by one', async () => {
  await using selvage = await openSelvage({ url: 'sqlite::memory:' })
  let isMended = false
  const flaky = selvage.workflow('flaky', (ctx, n: number) =>
    ctx.step('work', () => {
      if (!isMended) throw new Error('down')
      return n
    }),
  )
  const other = selvage.workflow('other', () => Promise.reject(new Error('broken')))
  for (let n = 0; n < 5; n++) await flaky.start(n, { runId: `f${n}` })
  await other.start(null, { runId: 'o' })
  for (const id of ['f0', 'f1', 'f2', 'f3', 'f4', 'o'])
    await selvage
      .run(id)
      .result()
      .catch(() => {})

  const dry = await selvage.retryAll({ program: 'flaky', dryRun: true })
  expect(dry.items.map(({ id, done }) => [id, done])).toEqual(
    ['f4', 'f3', 'f2', 'f1', 'f0'].map((id) => [id, undefined]),
  )
  expect((await selvage.run('f0').status()).status).toBe('failed')
  isMended = true
  const seen: string[] = []
  let after: string | undefined
  do {
    const page = await selvage.retryAll({ program: 'flaky', limit: 2, ...(after !== undefined && { after }) })
    seen.push(...page.items.filter(({ done }) => done).map(({ id }) => id))
    after = page.next
  } while (after !== undefined)
  expect(seen).toEqual(['f4', 'f3', 'f2', 'f1', 'f0'])
  for (let n = 0; n < 5; n++) expect(await selvage.run(`f${n}`).result()).toBe(n)
  expect((await selvage.run('o').status()).status).toBe('failed')
  await expect(selvage.retryAll({ status: 'completed' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
})

test('a discarded run is gone with what is below it, and nothing else is', async () => {
  const path = file()
  const clock = fakeClock()
  {
    await using selvage = await openSelvage({ url: `sqlite:${path}`, clock })
    const shared = 'x'.repeat(100_000)
    const child = selvage.workflow('child', (ctx) => ctx.step('own', () => `${ctx.runId} ${'y'.repeat(100_000)}`))
    const parent = selvage.workflow('parent', async (ctx) => {
      await ctx.step('shared', () => shared)
      await ctx.child(child, null)
      return 'done'
    })
    const asking = selvage.workflow('asking', (ctx) => ctx.approval('sure'))
    await (await parent.start(null, { runId: 'a' })).result()
    await (await parent.start(null, { runId: 'b' })).result()
    await asking.start(null, { runId: 'open' })

    await expect(selvage.run('a/child#1').discard()).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(selvage.run('open').discard()).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(selvage.run('none').discard()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await selvage.run('a').discard()).toEqual(['a', 'a/child#1'])
    await expect(selvage.run('a').status()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await selvage.run('b').result()).toBe('done')
    // The blob of the discarded child goes an hour later; the shared one stays with the run that has it.
    await clock.advance(2 * 3_600_000)
    await selvage.run('open').cancel()
    await selvage
      .run('open')
      .result()
      .catch(() => {})
    expect(await selvage.discardAll({ status: ['failed', 'cancelled'] })).toMatchObject({
      items: [{ id: 'open', done: true }],
    })
    const journal = await selvage.run('b').journal()
    expect(JSON.stringify(journal)).toContain('shared')
  }
  const database = new DatabaseSync(path)
  const count = (table: string): unknown => database.prepare(`select count(*) as n from ${table}`).get()?.n
  const runs = database.prepare('select id from run order by id').all()
  expect(runs.map(({ id }) => id)).toEqual(['b', 'b/child#1'])
  expect(count('entry where run not in (select n from run)')).toBe(0)
  for (const table of ['question', 'claim', 'label', 'inbox', 'live']) {
    expect([table, count(`${table} where run not in (select n from run)`)]).toEqual([table, 0])
  }
  expect(count('blob')).toBe(2)
  expect(count('doomed')).toBe(0)
  database.close()
  // A run id that is used anew begins anew.
  await using again = await openSelvage({ url: `sqlite:${path}`, clock })
  const fresh = again.workflow('parent', (ctx) => ctx.step('x', (at) => at.idempotencyKey))
  expect(typeof (await (await fresh.start(null, { runId: 'a' })).result())).toBe('string')
})
