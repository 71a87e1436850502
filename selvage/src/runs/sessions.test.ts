/** Sessions and orchestrators on the embedded engine, as users have them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ScriptedModel } from '@selvage/strands/testing'
import { Agent, type AgentConfig, tool } from '@strands-agents/sdk'
import { Graph } from '@strands-agents/sdk/multiagent'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { quiet } from '../../test/quiet.ts'
import { openSelvage as openCore } from '../core.ts'
import { openSelvage, type Selvage } from '../index.ts'

let folder: string
let url: string
const opened: Selvage[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-sessions-'))
  url = `sqlite:${join(folder, 'a.db')}`
})

afterEach(async () => {
  for (const selvage of opened.splice(0)) await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

async function open(options: { work?: boolean } = {}): Promise<Selvage> {
  const selvage = await openSelvage({ url, logger: quiet, ...options })
  opened.push(selvage)
  return selvage
}

const told = (model: ScriptedModel, config: AgentConfig = {}): Agent => new Agent({ model, printer: false, ...config })

/** Says how many messages it was shown. */
const counting = (): ScriptedModel => new ScriptedModel((messages) => `I see ${messages.length}.`)

describe('a session', () => {
  test('awaited, a message gives its reply; the next one knows the ones before, also after a restart', async () => {
    const first = await open()
    const chat = first.agent('chat', () => told(counting())).session('ann')
    expect(await chat.send('hello')).toMatchObject({ text: 'I see 1.', stopReason: 'endTurn' })
    expect((await chat.send('still there?')).text).toBe('I see 3.')
    await first.close()

    const second = await open()
    const again = second.agent('chat', () => told(counting())).session('ann')
    const message = again.send('and now?', { id: 'm3', by: 'ann' })
    await message.accepted
    expect((await message.result()).text).toBe('I see 5.')
    expect(await again.run.conversation()).toHaveLength(6)
    expect((await second.runs({ program: 'chat:session' })).items).toMatchObject([{ id: 'ann' }])
  })

  test('a message is answered once under its id, and others are answered in order', async () => {
    const selvage = await open()
    const chat = selvage.agent('chat', () => told(counting())).session('ann')
    const sent = ['m1', 'm2', 'm3'].map((id) => chat.send(`text ${id}`, { id }))
    expect((await Promise.all(sent)).map(({ text }) => text)).toEqual(['I see 1.', 'I see 3.', 'I see 5.'])
    expect((await chat.send('text m2', { id: 'm2' })).text).toBe('I see 3.')
    expect(await chat.run.conversation()).toHaveLength(6)
  })

  test('is sent messages by a process that has no agent, and answered by one that has', async () => {
    const web = await open({ work: false })
    const message = web.reference('chat').session('ann').send('hello')
    await message.accepted
    const worker = await open()
    worker.agent('chat', () => told(counting()))
    await worker.work()
    expect(await message).toMatchObject({ text: 'I see 1.' })
  })

  test('refuses a message at once while it answers another one, and queues one that may wait', async () => {
    const selvage = await open()
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begins } = Promise.withResolvers<void>()
    const slow = new ScriptedModel(async (messages) => {
      begins()
      await answered
      return `I see ${messages.length}.`
    })
    const chat = selvage.agent('chat', () => told(slow)).session('ann')
    const first = chat.send('slow')
    await begun
    await expect(chat.send('now', { whenBusy: 'refuse' })).rejects.toMatchObject({ code: 'SESSION_BUSY' })
    const queued = chat.send('then')
    await queued.accepted
    answer()
    expect([(await first).text, (await queued).text]).toEqual(['I see 1.', 'I see 3.'])
    expect((await chat.send('idle', { whenBusy: 'refuse' })).text).toBe('I see 5.')
  })

  test('waits for an approval, for days if need be, and goes on in the same turn', async () => {
    const selvage = await open()
    const charged: number[] = []
    const charge = tool({
      name: 'charge',
      description: 'Charges.',
      inputSchema: z.object({ amount: z.number() }),
      callback: ({ amount }) => `charged ${charged.push(amount)}`,
    })
    const script = [{ tools: [{ name: 'charge', input: { amount: 5 } }] }, 'Done.', 'Gladly.']
    const agent = selvage.agent('shop', () => told(new ScriptedModel(script), { tools: [charge] }), {
      approvals: { charge: true },
    })
    const chat = agent.session('ann')
    const message = chat.send('buy')
    await message.accepted
    for await (const event of chat.run.events()) if (event.type === 'questionOpened') break
    const [question] = (await selvage.approvals()).items
    await chat.run.approve(question?.id ?? '', { input: { amount: 4 } })
    expect((await message).text).toBe('Done.')
    expect(charged).toEqual([4])
    expect((await chat.send('thanks')).text).toBe('Gladly.')
  })

  describe('that has failed, for its agent could not be made,', () => {
    const failed = async () => {
      const selvage = await open()
      const keys: string[] = []
      const chat = selvage
        .agent('chat', () => {
          if (keys.length === 0) throw new Error('no key')
          return told(counting())
        })
        .session('ann')
      await expect(chat.send('hello', { id: 'm1' })).rejects.toMatchObject({
        code: 'RUN_FAILED',
        message: /no key/,
        hint: expect.stringContaining('kept'),
        details: { runId: 'ann', message: 'm1' },
        cause: { message: 'no key' },
      })
      return { chat, keys }
    }

    test('goes on with the next message, and answers those that it has kept before', async () => {
      const { chat, keys } = await failed()
      keys.push('here')
      expect((await chat.send('again', { id: 'm2' })).text).toBe('I see 3.')
      expect((await chat.send('hello', { id: 'm1' })).text).toBe('I see 1.')
      expect(await chat.run.conversation()).toHaveLength(4)
    })

    test('goes on with the same message, which is answered once', async () => {
      const { chat, keys } = await failed()
      await expect(chat.send('hello', { id: 'm1' })).rejects.toMatchObject({ code: 'RUN_FAILED', message: /no key/ })
      keys.push('here')
      expect((await chat.send('hello', { id: 'm1' })).text).toBe('I see 1.')
      expect(await chat.run.conversation()).toHaveLength(2)
    })

    test('goes on with several that come at once', async () => {
      const { chat, keys } = await failed()
      keys.push('here')
      const sent = ['m2', 'm1', 'm3'].map((id) => chat.send(`text ${id}`, { id }))
      expect((await Promise.all(sent)).map(({ text }) => text).toSorted()).toEqual(['I see 1.', 'I see 3.', 'I see 5.'])
    })
  })

  test('is of agents alone, and takes no options that it does not know', async () => {
    const selvage = await open()
    const echo = selvage.workflow('echo', (_ctx, input: string) => input)
    expect(() => echo.session('s')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
    const chat = selvage.agent('chat', () => told(counting())).session('ann')
    expect(() => chat.send('x', { whenbusy: 'queue' } as never)).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
    expect(() => chat.send('x', { whenBusy: 'drop' as never })).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
    await using core = await openCore({ url, work: false })
    expect(() => core.reference('chat').session('ann')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  })

  test('whose id is that of another run is refused', async () => {
    const selvage = await open()
    const chat = selvage.agent('chat', () => told(counting()))
    await (await chat.start('x', { runId: 'ann' })).result()
    await expect(chat.session('ann').send('hello')).rejects.toMatchObject({ code: 'RUN_CONFLICT' })
  })

  test('that was forked goes on as a session of its own, and its original is left as it is', async () => {
    const selvage = await open()
    const chat = selvage.agent('chat', () => told(counting()))
    await chat.session('ann').send('one')
    await chat.session('ann').send('two')
    await chat.session('ann').run.fork({ runId: 'ann-b' })
    expect((await chat.session('ann-b').send('another')).text).toBe('I see 5.')
    expect(await selvage.reference('chat').session('ann-b').send('more')).toMatchObject({ text: 'I see 7.' })
    expect((await chat.session('ann').send('three')).text).toBe('I see 5.')
    const other = selvage.agent('other', () => told(counting()))
    await expect(other.session('ann-b').send('hello')).rejects.toMatchObject({ code: 'RUN_CONFLICT' })
  })
})

describe('a graph', () => {
  test('that fails in one node goes on there when it is retried', async () => {
    const selvage = await open()
    let isUp = false
    const calls: string[] = []
    const member = (id: string): Agent => {
      const model = new ScriptedModel(() => {
        calls.push(id)
        return id === 'b' && !isUp ? { error: new Error('no network') } : `${id} is done.`
      })
      return told(model, { id, retryStrategy: null })
    }
    const team = selvage.graph('team', () => {
      const nodes = ['a', 'b', 'c'].map(member)
      return new Graph({
        nodes,
        edges: [
          ['a', 'b'],
          ['b', 'c'],
        ],
        maxSteps: 9,
      })
    })
    const run = await team.start('go')
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_FAILED', message: /Node "b" of graph .*no network/ })
    expect(await run.conversation()).toMatchObject([
      { of: 'node:a#1', role: 'assistant', content: [{ text: 'a is done.' }] },
    ])
    isUp = true
    await run.retry()
    expect(await run.result()).toMatchObject({ status: 'COMPLETED', text: 'c is done.' })
    expect(calls).toEqual(['a', 'b', 'b', 'c'])
  })
})
