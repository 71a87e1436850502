import { ScriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Approval, openSelvage, type Selvage } from '../core.ts'
import { openSelvage as openWithAgents } from '../index.ts'

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

/** The one question that is open. */
async function asked(selvage: Selvage): Promise<Approval> {
  for (;;) {
    const [question] = (await selvage.approvals()).items
    if (question !== undefined) return question
    await new Promise<void>((resolve) => void setImmediate(resolve))
  }
}

test('a retry of a run that nobody answered in time asks again, with its time anew', async () => {
  await using selvage = await openSelvage({ url: 'sqlite::memory:' })
  const limited = { timeout: 300 }
  const flow = selvage.workflow('flow', async (ctx) => (await ctx.approval('publish', limited)).approved)
  const run = await flow.start(null, { runId: 'late' })
  const first = await asked(selvage)
  await expect(run.result()).rejects.toMatchObject({ cause: { code: 'APPROVAL_TIMEOUT' } })
  expect((await selvage.approvals()).items).toEqual([])

  await run.retry()
  const second = await asked(selvage)
  expect(second.id).toBe(first.id)
  expect(Number(second.expiresAt)).toBeGreaterThan(Number(first.expiresAt) + 250)
  await expect(run.result()).rejects.toMatchObject({ cause: { code: 'APPROVAL_TIMEOUT' } })

  limited.timeout = 60_000
  await run.retry()
  await run.approve((await asked(selvage)).id)
  expect(await run.result()).toBe(true)
})

test('so does an agent whose tool nobody has approved in time', async () => {
  await using selvage = await openWithAgents({ url: 'sqlite::memory:' })
  const charged: number[] = []
  let answers = 0
  const model = new ScriptedModel((_, { answer }) => {
    answers++
    return answer === 1 ? { text: 'I charge.', tools: [{ name: 'charge', input: { amount: 12 } }] } : 'Charged.'
  })
  const charge = tool({
    name: 'charge',
    description: 'Charges.',
    inputSchema: z.object({ amount: z.number() }),
    callback: ({ amount }) => `charged ${charged.push(amount)}`,
  })
  const seller = selvage.agent('seller', () => new Agent({ model, tools: [charge], printer: false }), {
    effects: { charge: 'idempotent' },
    approvals: { charge: { timeout: 1_000 } },
  })
  const run = await seller.start('Sell it')
  const first = await asked(selvage)
  await expect(run.result()).rejects.toMatchObject({ cause: { code: 'APPROVAL_TIMEOUT' } })
  await run.retry()
  const second = await asked(selvage)
  expect(Number(second.expiresAt)).toBeGreaterThan(Number(first.expiresAt) + 800)
  await run.approve(second.id)
  expect((await run.result()).text).toBe('Charged.')
  expect(charged).toEqual([12])
  expect(answers).toBe(2)
})
