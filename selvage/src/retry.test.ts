import { expect, test } from 'vitest'
import { openSelvage } from './core.ts'

test('a retry of a run whose child failed retries the child where it failed, and nothing that was done', async () => {
  await using selvage = await openSelvage({ url: 'sqlite::memory:' })
  const calls = { good: 0, before: 0, broken: 0 }
  let mended = false
  const good = selvage.workflow('good', (ctx) => ctx.step('work', () => ++calls.good))
  const bad = selvage.workflow('bad', async (ctx) => {
    await ctx.step('before', () => ++calls.before)
    return ctx.step('broken', () => {
      calls.broken++
      if (!mended) throw new Error('not mended yet')
      return 'mended'
    })
  })
  const parent = selvage.workflow('parent', (ctx) => Promise.all([ctx.child(good, null), ctx.child(bad, null)]))

  const run = await parent.start(null, { runId: 'family' })
  await expect(run.result()).rejects.toMatchObject({
    code: 'RUN_FAILED',
    message: expect.stringContaining('not mended yet'),
  })
  mended = true
  await run.retry()
  expect(await run.result()).toEqual([1, 'mended'])
  expect(calls).toEqual({ good: 1, before: 1, broken: 2 })

  const child = await selvage.run('family/bad#1').status()
  expect(child.status).toBe('completed')
})

test('a run that was cancelled goes on with its children, and theirs, by one retry', async () => {
  await using selvage = await openSelvage({ url: 'sqlite::memory:' })
  const calls = { before: 0 }
  const asking = selvage.workflow('asking', async (ctx) => {
    await ctx.step('before', () => ++calls.before)
    return (await ctx.approval('go on')).approved
  })
  const middle = selvage.workflow('middle', (ctx) => ctx.child(asking, null))
  const parent = selvage.workflow('parent', (ctx) => Promise.all([ctx.child(middle, null), ctx.child(asking, null)]))

  const run = await parent.start(null, { runId: 'family' })
  const open = async (): Promise<readonly { readonly id: string; readonly runId: string }[]> => {
    for (;;) {
      const { items } = await selvage.approvals()
      if (items.length === 2) return items
      await new Promise<void>((resolve) => void setImmediate(resolve))
    }
  }
  for (const _time of [1, 2]) {
    await open()
    await run.cancel('enough')
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
    await run.retry()
  }
  for (const { runId, id } of await open()) await selvage.run(runId).approve(id)
  expect(await run.result()).toEqual([true, true])
  expect(calls).toEqual({ before: 2 })
})
