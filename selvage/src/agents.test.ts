import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ScriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { quiet } from '../test/quiet.ts'
import { currentStep, durable, openSelvage, type Selvage } from './index.ts'

let folder: string
let url: string
let selvage: Selvage

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-agents-'))
  url = `sqlite:${join(folder, 'a.db')}`
  selvage = await openSelvage({ url, logger: quiet })
})

afterEach(async () => {
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

const SCRIPT = [{ text: 'I charge.', tools: [{ name: 'charge', input: { amount: 12 } }] }, 'Charged.']

/** A tool that counts what it does outside, and the keys it was given for it. */
function charging() {
  const charged: { readonly amount: number; readonly key: string | undefined }[] = []
  const charge = tool({
    name: 'charge',
    description: 'Charges the card.',
    inputSchema: z.object({ amount: z.number() }),
    callback: ({ amount }) => {
      charged.push({ amount, key: currentStep()?.idempotencyKey })
      return `charged ${amount}`
    },
  })
  return { charged, charge }
}

test('a managed agent: result, conversation, and the key that its tool was given', async () => {
  const { charged, charge } = charging()
  const seller = selvage.agent(
    'seller',
    () => new Agent({ model: new ScriptedModel(SCRIPT), tools: [charge], printer: false }),
    {
      version: '1',
      effects: { charge: 'once' },
    },
  )
  const run = await seller.start('Sell it', { runId: 's' })
  expect(await run.result()).toMatchObject({
    text: 'Charged.',
    message: { role: 'assistant', content: [{ text: 'Charged.' }] },
    stopReason: 'endTurn',
    usage: { totalTokens: expect.any(Number) },
  })
  const conversation = [
    { role: 'user', content: [{ text: 'Sell it' }] },
    { role: 'assistant', content: [{ text: 'I charge.' }, { toolUse: { name: 'charge' } }] },
    { role: 'user', content: [{ toolResult: { status: 'success' } }] },
    { role: 'assistant', content: [{ text: 'Charged.' }] },
  ]
  expect(await run.conversation()).toMatchObject(conversation)
  expect(await selvage.run('s').conversation()).toMatchObject(conversation)
  const [effect] = (await selvage.effects({ runId: 's' })).items
  expect(effect).toMatchObject({ name: 'charge', kind: 'tool', effect: 'once', state: 'done', input: { amount: 12 } })
  expect(charged).toEqual([{ amount: 12, key: effect?.id }])
})

test('an approval of a tool is answered with other arguments; until then the conversation ends before it', async () => {
  const { charged, charge } = charging()
  const seller = selvage.agent(
    'seller',
    () => new Agent({ model: new ScriptedModel(SCRIPT), tools: [charge], printer: false }),
    {
      effects: { charge: 'once' },
      approvals: { charge: { assignee: 'lead' } },
    },
  )
  const run = await seller.start('Sell it')
  for await (const event of run.events()) {
    if (event.type !== 'questionOpened') continue
    const [question] = (await selvage.approvals({ assignee: 'lead' })).items
    expect(question).toMatchObject({ id: event.question.id, runId: run.id, tool: 'charge', input: { amount: 12 } })
    expect(charged).toEqual([])
    await run.approve(event.question.id, { input: { amount: 10 } })
  }
  expect((await run.result()).text).toBe('Charged.')
  expect(charged).toMatchObject([{ amount: 10 }])
})

test('an agent is a child of a workflow', async () => {
  const writer = selvage.agent('writer', () => new Agent({ model: new ScriptedModel(['A poem.']), printer: false }))
  const report = selvage.workflow('report', async (ctx, topic: string) => (await ctx.child(writer, topic)).text)
  expect(await (await report.start('spring')).result()).toBe('A poem.')
})

test('a run that failed behind several cycles carries its conversation: a retry goes on there, and so does a new run', async () => {
  const { charged, charge } = charging()
  let isUp = false
  const shown: number[] = []
  const model = () =>
    new ScriptedModel((messages, { answer }) => {
      shown.push(messages.length)
      if (answer <= 3) return { text: `Part ${answer}.`, tools: [{ name: 'charge', input: { amount: answer } }] }
      return isUp ? `Charged ${charged.map(({ amount }) => amount)}.` : { error: new Error('no network') }
    })
  const seller = selvage.agent('seller', () => {
    return new Agent({ model: model(), tools: [charge], retryStrategy: null, printer: false })
  })
  const run = await seller.start('Sell it')
  await expect(run.result()).rejects.toMatchObject({ code: 'RUN_FAILED', message: /no network/ })
  const cycles = [1, 2, 3].flatMap((amount) => [
    { role: 'assistant', content: [{ text: `Part ${amount}.` }, { toolUse: { name: 'charge', input: { amount } } }] },
    { role: 'user', content: [{ toolResult: { status: 'success', content: [{ text: `charged ${amount}` }] } }] },
  ])
  const soFar = await run.conversation()
  expect(soFar).toHaveLength(7)
  expect(soFar).toMatchObject([{ role: 'user', content: [{ text: 'Sell it' }] }, ...cycles])

  isUp = true
  const anew = await seller.start(soFar)
  expect((await anew.result()).text).toBe('Charged 1,2,3.')
  expect(await anew.conversation()).toMatchObject([...(soFar as object[]), { role: 'assistant' }])
  await run.retry()
  expect((await run.result()).text).toBe('Charged 1,2,3.')
  expect(await run.conversation()).toMatchObject([...(soFar as object[]), { content: [{ text: 'Charged 1,2,3.' }] }])
  expect(charged).toHaveLength(3)
  // Those before the failure, that one, and what is asked behind it.
  expect(shown).toEqual([1, 3, 5, 7, 7, 7])
})

test('durable(): the same program again is given what was recorded, in a url as in an opened Selvage', async () => {
  const { charged, charge } = charging()
  const models: ScriptedModel[] = []
  const invoke = async (where: { readonly url: string } | { readonly selvage: Selvage }) => {
    const model = new ScriptedModel(SCRIPT)
    models.push(model)
    const plugin = durable({ runId: 'inline', effects: { charge: 'once' }, ...where })
    const agent = new Agent({ name: 'seller', model, tools: [charge], plugins: [plugin], printer: false })
    const result = await agent.invoke('Sell it')
    await plugin.detach()
    return result.toString()
  }
  const first = await invoke({ url })
  expect(await invoke({ url })).toBe(first)
  expect(await invoke({ selvage })).toBe(first)
  expect(models.map((model) => model.calls)).toEqual([2, 0, 0])
  expect(charged).toHaveLength(1)
  expect((await selvage.run('inline').status()).program).toBe('inline:seller')
  expect((await selvage.run('inline').conversation()).length).toBe(4)
})

test('reserved options of agents are refused', () => {
  const unsupported = expect.objectContaining({ code: 'UNSUPPORTED' })
  const factory = () => new Agent({ printer: false })
  expect(() => selvage.agent('a', factory, { compensate: {} } as object)).toThrow(unsupported)
  // Of managed runs only.
  expect(() => durable({ runId: 'r', timeout: '1h' } as { readonly runId: string })).toThrow(unsupported)
  expect(() => durable({ runId: 'r', url, selvage })).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
})
