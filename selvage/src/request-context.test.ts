/** What an author keeps in an AsyncLocalStorage is seen where he put it, and in nobody else's run. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { ScriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { durable, openSelvage } from './index.ts'

test('a run sees nothing of the requests that are served beside it, and a step what is around its call', async () => {
  const request = new AsyncLocalStorage<string>()
  const seen = (): string => request.getStore() ?? 'nobody'
  await using selvage = await openSelvage({ url: 'sqlite::memory:' })
  const sent: string[] = []
  selvage.outbox('mail', () => void sent.push(seen()))
  const order = selvage.workflow('order', async (ctx, user: string) => {
    const own = (name: string): Promise<string> => request.run(user, () => ctx.step(name, seen))
    const at = [seen(), await ctx.step('a', seen), await own('b')]
    await ctx.sleep(20)
    at.push(await ctx.step('c', seen), ...(await Promise.all([own('d'), ctx.step('e', seen), own('f')])))
    at.push(await request.run(user, () => ctx.step('once', seen, { effect: 'once' })))
    at.push(await request.run(user, () => ctx.transaction('t', seen)))
    await ctx.send('mail')
    await ctx.signal('go')
    return [...at, seen(), await ctx.step('g', seen)]
  })
  const users = ['ann', 'bob', 'cy']
  const runs = await Promise.all(users.map((user) => request.run(user, () => order.start(user, { runId: user }))))
  for (const user of users) await request.run('admin', () => selvage.run(user).signal('go'))
  for (const [n, run] of runs.entries()) {
    const [user, none] = [users[n], 'nobody']
    expect(await run.result()).toEqual([none, none, user, none, user, none, user, user, user, none, none])
  }
  await expect.poll(() => sent).toEqual(users.map(() => 'nobody'))
})

test('the tools of an agent that its author invokes see the request that invoked it', async () => {
  const request = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  await using selvage = await openSelvage({ url: 'sqlite::memory:' })
  const look = tool({
    name: 'look',
    description: 'looks',
    inputSchema: z.object({}),
    callback: () => void seen.push(request.getStore()),
  })
  const serve = (user: string): Promise<unknown> =>
    request.run(user, async () => {
      const model = new ScriptedModel([{ tools: [{ name: 'look', input: {} }] }, 'Done.'])
      const agent = new Agent({ model, tools: [look], printer: false, plugins: [durable({ runId: user, selvage })] })
      return await agent.invoke('Go')
    })
  for (const user of ['ann', 'bob', 'cy']) await serve(user)
  expect(seen).toEqual(['ann', 'bob', 'cy'])
})
