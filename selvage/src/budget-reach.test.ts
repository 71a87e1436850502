/** What a budget reaches beyond the loop of one agent. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ScriptedModel } from '@selvage/strands/testing'
import { Agent, type AgentConfig, BeforeModelCallEvent, Message, TextBlock, tool } from '@strands-agents/sdk'
import { Graph } from '@strands-agents/sdk/multiagent'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { failureOf } from '../test/failure.ts'
import { quiet } from '../test/quiet.ts'
import { durable, openSelvage, type Selvage } from './index.ts'

let folder: string
let url: string
let selvage: Selvage
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-reach-'))
  url = `sqlite:${join(folder, 'a.db')}`
  selvage = await openSelvage({ url, logger: quiet })
})
afterEach(async () => {
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

const look = tool({
  name: 'look',
  description: 'Looks.',
  inputSchema: z.object({ at: z.number() }),
  callback: ({ at }) => `seen ${at}`,
})
const looking = (times: number, modelId = 'eye'): ScriptedModel =>
  new ScriptedModel(
    (_messages, { answer }) => (answer > times ? 'Done.' : { tools: [{ name: 'look', input: { at: answer } }] }),
    { modelId },
  )
const agentOf = (model: ScriptedModel, config: AgentConfig = {}): Agent =>
  new Agent({ model, tools: [look], printer: false, ...config })

async function callsOf(runId: string): Promise<number | undefined> {
  return (await selvage.run(runId).status()).budget?.[0]?.limits.modelCalls?.spent
}

test('a model that a hook asks is on the budget, and is refused like any other', async () => {
  const judge = new ScriptedModel(['fine', 'fine', 'fine', 'fine'], { modelId: 'judge' })
  const plugin = {
    name: 'judge',
    judge,
    initAgent(agent: { addHook: Agent['addHook'] }) {
      agent.addHook(BeforeModelCallEvent, async () => {
        const message = new Message({ role: 'user', content: [new TextBlock('Is it fine?')] })
        const events = judge.streamAggregated([message], { systemPrompt: 'You judge.' })
        for (let next = await events.next(); !next.done; ) next = await events.next()
      })
    },
  }
  const model = looking(3)
  const judged = selvage.agent('judged', () => agentOf(model, { plugins: [plugin as never] }), {
    budget: { modelCalls: 4, onExceeded: 'stop' },
  })
  const run = await judged.start('Look', { runId: 'j' })
  expect(await failureOf(run)).toMatchObject({ code: 'BUDGET_EXCEEDED', details: { step: 'beyond:judge@2' } })
  expect([judge.calls, model.calls]).toEqual([2, 2])
  expect(await callsOf('j')).toBe(4)
  await run.raiseBudget({ modelCalls: 10 })
  await run.retry()
  expect(await run.result()).toMatchObject({ text: 'Done.' })
  expect([judge.calls, model.calls]).toEqual([4, 4])
  expect((await run.usage()).calls).toBe(8)
})

test('an agent that is a tool draws on the pot of the one that asks it', async () => {
  const inner = looking(5, 'inner')
  const outer = new ScriptedModel([{ tools: [{ name: 'helper', input: { input: 'Look' } }] }, 'Done.'])
  const boss = selvage.agent(
    'boss',
    () => {
      const helper = agentOf(inner, { name: 'helper', description: 'Helps.' })
      return new Agent({ model: outer, tools: [helper], printer: false })
    },
    { budget: { modelCalls: 3, onExceeded: 'stop' } },
  )
  const run = await boss.start('Help', { runId: 'b' })
  expect(await failureOf(run)).toMatchObject({ code: 'BUDGET_EXCEEDED' })
  expect([outer.calls, inner.calls]).toEqual([1, 2])
  await run.raiseBudget({ modelCalls: 5 })
  await run.retry()
  expect(await run.result()).toMatchObject({ text: 'Done.' })
  expect([outer.calls, inner.calls]).toEqual([2, 6])
  expect(await callsOf('b')).toBe(8)
})

test('the nodes of a graph have one pot', async () => {
  const models = [looking(1, 'one'), looking(1, 'two')]
  const team = selvage.graph(
    'team',
    () => {
      const [one, two] = models.map((model, at) => agentOf(model, { id: `n${at}` } as AgentConfig)) as [Agent, Agent]
      return new Graph({ nodes: [one, two], edges: [['n0', 'n1']] })
    },
    { budget: { modelCalls: 3, onExceeded: 'stop' } },
  )
  const run = await team.start('Look', { runId: 'g' })
  expect(await failureOf(run)).toMatchObject({ code: 'BUDGET_EXCEEDED' })
  await run.raiseBudget({ modelCalls: 1 })
  await run.retry()
  expect(await run.result()).toMatchObject({ status: 'COMPLETED' })
  expect(models.map((model) => model.calls)).toEqual([2, 2])
})

test('a session has one pot for all its messages, over restarts; a refused message fails, and the session goes on', async () => {
  const chatOf = (one: Selvage) =>
    one.agent('chat', () => agentOf(new ScriptedModel(() => 'Yes.')), { budget: { modelCalls: 2, onExceeded: 'stop' } })
  const first = chatOf(selvage).session('ann')
  await first.send('one')
  await selvage.close()
  selvage = await openSelvage({ url, logger: quiet })
  const chat = chatOf(selvage).session('ann')
  expect((await chat.send('two')).text).toBe('Yes.')
  const refused = await chat.send('three', { id: 'm3' }).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(refused).toMatchObject({ code: 'RUN_FAILED', cause: { code: 'BUDGET_EXCEEDED' } })
  await chat.run.raiseBudget({ modelCalls: 1 })
  expect((await chat.send('four')).text).toBe('Yes.')
})

test('durable(): the invocation rejects with the question, and goes on once it is answered', async () => {
  const model = looking(2)
  const invoke = async () => {
    const plugin = durable({ runId: 'inline', selvage, budget: { modelCalls: 2 }, log: () => {} })
    const result = await agentOf(model, { plugins: [plugin] }).invoke('Look')
    await plugin.detach()
    return result.toString()
  }
  const refused = await invoke().then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(refused).toMatchObject({ code: 'BUDGET_EXCEEDED', details: { question: expect.stringMatching(/^ap_/) } })
  const [question] = (await selvage.approvals({ kind: 'budget' })).items
  expect(refused).toMatchObject({ details: { question: question?.id } })
  await selvage.run('inline').approve(question?.id ?? '')
  expect((await invoke()).trim()).toBe('Done.')
  expect(model.calls).toBe(3)
})

test('a model that stands in is reserved and counted by its own price, beside the failed attempt', async () => {
  selvage.prices({ dear: { input: 1_000, output: 1_000 }, cheap: { input: 1, output: 1 } })
  const cheap = new ScriptedModel(['Done.'], { modelId: 'cheap' })
  const overloaded = Object.assign(new Error('overloaded'), { status: 529 })
  const dear = new ScriptedModel([{ error: overloaded }], { modelId: 'dear' })
  const agent = selvage.agent('a', () => agentOf(dear), {
    budget: { usd: 100, modelCalls: 2, onExceeded: 'stop' },
    fallback: [{ model: cheap }],
  })
  const run = await agent.start('Look', { runId: 'a' })
  expect(await run.result()).toMatchObject({ text: 'Done.' })
  expect(await callsOf('a')).toBe(2)
  const usage = await run.usage()
  expect(usage.models).toMatchObject([{ model: 'cheap', calls: 1 }])
  expect((await run.status()).budget?.[0]?.limits.usd).toMatchObject({ spent: usage.usd, reserved: 0 })
})
