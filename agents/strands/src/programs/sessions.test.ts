/** Sessions: many messages, one run; each is answered once, and stored once. */
import type { Entry, Json, Program } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterInvocationEvent,
  type Agent,
  type AgentConfig,
  BeforeInvocationEvent,
  MaxTokensError,
  Message,
  MessageAddedEvent,
  SlidingWindowConversationManager,
  TextBlock,
  tool,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { keysOf, recordedSteps } from '../../test/scenario.ts'
import { conversationOf, MESSAGE } from '../conversation/fold.ts'
import type { Script } from '../testing/index.ts'
import type { AgentRunResult } from './agent-program.ts'
import { createSessionProgram, type Replied, ReplyReader } from './session-program.ts'

const runtime = nodeRuntime()

/** Looks once for each message, then says how many messages it has heard. */
const LOOKS: Script = (messages, { answer }) =>
  answer % 2 === 1
    ? { text: 'I look.', tools: [{ name: 'look', input: { n: answer } }] }
    : `Heard ${messages.filter((message) => message.content.some((block) => block.type === 'textBlock' && message.role === 'user')).length}.`

interface Chat {
  readonly engine: MemoryEngine
  readonly ledger: Ledger
  readonly agents: Agent[]
  readonly program: Program
}

function chat(script: Script = LOOKS, config: AgentConfig = {}, prepare?: (agent: Agent) => void): Chat {
  const ledger = new Ledger()
  const agents: Agent[] = []
  const factory = (): Agent => {
    const { agent } = makeAgent(ledger, script, { tools: [noting(ledger, 'look')], retryStrategy: null, ...config })
    prepare?.(agent)
    agents.push(agent)
    return agent
  }
  return {
    engine: new MemoryEngine(runtime),
    ledger,
    agents,
    program: createSessionProgram('chat', factory, { log: () => {} }),
  }
}

async function send({ engine }: Chat, id: string, input: Json, more: { refuse?: true } = {}): Promise<void> {
  await engine.start('s', { program: 'chat:session', input: null })
  await engine.signal('s', { id, name: MESSAGE, payload: { input, ...more } })
}

function replyTo({ engine }: Chat, id: string): Replied | undefined {
  const reader = new ReplyReader('s', id)
  for (const entry of engine.entries('s')) {
    const reply = reader.take(entry)
    if (reply !== undefined) return reply
  }
  return undefined
}

function textOf(chat: Chat, id: string): string {
  const reply = replyTo(chat, id)
  return reply !== undefined && 'result' in reply ? reply.result.text : JSON.stringify(reply)
}

function bytesOf(entries: readonly Entry[], text: string): number {
  return JSON.stringify(entries).split(text).length - 1
}

describe('a session', () => {
  it('answers messages one after the other, in whatever process, and keeps each once', async () => {
    const one = chat()
    await send(one, 'm1', 'first question')
    await one.engine.execute('s', one.program)
    await send(one, 'm2', 'second question')
    await send(one, 'm3', 'third question')
    await one.engine.execute('s', one.program)
    expect([textOf(one, 'm1'), textOf(one, 'm2'), textOf(one, 'm3')]).toEqual(['Heard 1.', 'Heard 2.', 'Heard 3.'])
    expect(one.agents).toHaveLength(2)
    expect(bytesOf(one.engine.entries('s'), 'second question')).toBe(1)
    expect(bytesOf(one.engine.entries('s'), 'Heard 2.')).toBe(1)
    const { agent: bare } = makeAgent(new Ledger(), LOOKS, { tools: [noting(new Ledger(), 'look')] })
    for (const text of ['first question', 'second question', 'third question']) await bare.invoke(text)
    expect(plain(one.agents.at(-1)?.messages ?? [])).toEqual(plain(bare.messages))
    expect(plain(conversationOf(one.engine.entries('s')).messages)).toEqual(plain(bare.messages))
  })

  it('goes on from every entry of its journal, and does nothing again that is recorded (I1)', async () => {
    const whole = chat()
    for (const id of ['m1', 'm2', 'm3']) await send(whole, id, `question ${id}`)
    await whole.engine.execute('s', whole.program)
    const entries = whole.engine.entries('s')
    for (let length = 1; length < entries.length; length++) {
      const prefix = entries.slice(0, length)
      const again = chat()
      await again.engine.start('s', { program: 'chat:session', input: null }, prefix)
      for (const id of ['m1', 'm2', 'm3']) await send(again, id, `question ${id}`)
      await again.engine.execute('s', again.program)
      const where = `behind entry ${length - 1}: ${JSON.stringify(prefix.at(-1)).slice(0, 150)}`
      expect(
        ['m1', 'm2', 'm3'].map((id) => replyTo(again, id)),
        where,
      ).toEqual(['m1', 'm2', 'm3'].map((id) => replyTo(whole, id)))
      expect(plain(again.agents[0]?.messages ?? []), where).toEqual(plain(whole.agents[0]?.messages ?? []))
      expect(again.ledger.modelCalls, where).toBe(6 - recordedSteps(prefix, 'model'))
      expect(again.ledger.tools, where).toHaveLength(3 - recordedSteps(prefix, 'tool'))
      const keys = keysOf(again.engine.entries('s'))
      expect(new Set(keys).size, where).toBe(keys.length)
    }
  })

  it('whose hook asks on after a turn answers with the last turn, from every entry of its journal', async () => {
    const asksOn = (): Chat => {
      let asked = 0
      return chat(
        (_, { answer }) => `answer ${answer}`,
        {},
        (agent) => {
          agent.addHook(AfterInvocationEvent, (event) => {
            if (asked++ % 2 === 0) event.resume = 'and more'
          })
        },
      )
    }
    const whole = asksOn()
    for (const id of ['m1', 'm2']) await send(whole, id, `question ${id}`)
    await whole.engine.execute('s', whole.program)
    expect(['m1', 'm2'].map((id) => textOf(whole, id))).toEqual(['answer 2', 'answer 4'])
    const entries = whole.engine.entries('s')
    for (let length = 1; length < entries.length; length++) {
      const prefix = entries.slice(0, length)
      const again = asksOn()
      await again.engine.start('s', { program: 'chat:session', input: null }, prefix)
      for (const id of ['m1', 'm2']) await send(again, id, `question ${id}`)
      await again.engine.execute('s', again.program)
      const where = `behind entry ${length - 1}: ${JSON.stringify(prefix.at(-1)).slice(0, 150)}`
      expect(
        ['m1', 'm2'].map((id) => textOf(again, id)),
        where,
      ).toEqual(['answer 2', 'answer 4'])
      expect(plain(again.agents[0]?.messages ?? []), where).toEqual(plain(whole.agents[0]?.messages ?? []))
      expect(again.ledger.modelCalls, where).toBe(4 - recordedSteps(prefix, 'model'))
    }
  })

  it('tells the usage of a message, and of none before it', async () => {
    const one = chat()
    await send(one, 'm1', 'question')
    await send(one, 'm2', 'question')
    await one.engine.execute('s', one.program)
    const [first, second] = ['m1', 'm2'].map((id) => (replyTo(one, id) as { result: AgentRunResult }).result.usage)
    expect(second?.totalTokens).toBeLessThan(2 * (first?.totalTokens ?? 0))
  })

  it('whose turn fails tells so, and goes on with a conversation that a provider takes', async () => {
    let isDown = true
    const script: Script = (_, { answer }) =>
      answer === 1
        ? { tools: [{ name: 'look', input: { n: 1 } }] }
        : isDown
          ? { error: new Error('no network') }
          : 'Better.'
    const one = chat(script)
    await send(one, 'm1', 'first')
    await one.engine.execute('s', one.program)
    expect(replyTo(one, 'm1')).toMatchObject({
      error: { code: 'RUN_FAILED', message: expect.stringContaining('no network') },
    })
    isDown = false
    await send(one, 'm2', 'second')
    await one.engine.execute('s', one.program)
    expect(textOf(one, 'm2')).toBe('Better.')
    const messages = one.agents.at(-1)?.messages ?? []
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant', 'user', 'assistant'])
    expect(JSON.stringify(messages[3])).toContain('This turn failed: no network')
    expect(one.ledger.tools).toEqual(['look:1'])
  })

  it('whose turn fails behind an answer is closed by that', async () => {
    const one = chat(
      (messages) => `answer ${messages.length}`,
      {},
      (agent) => {
        agent.addHook(MessageAddedEvent, ({ message }) => {
          if (JSON.stringify(message).includes('answer 1')) throw new Error('no room')
        })
      },
    )
    for (const id of ['m1', 'm2']) await send(one, id, `question ${id}`)
    await one.engine.execute('s', one.program)
    expect(replyTo(one, 'm1')).toMatchObject({ error: { message: expect.stringContaining('no room') } })
    expect(textOf(one, 'm2')).toBe('answer 3')
    expect(one.agents[0]?.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant'])
  })

  it('whose tool cancels the agent is answered with what the agent ends with', async () => {
    const config = (): AgentConfig => ({
      tools: [
        tool({
          name: 'stop',
          description: 'Stops.',
          inputSchema: { type: 'object' },
          callback: (_, context) => {
            const agent = context?.agent as Agent | undefined
            agent?.cancel()
            return 'stopped'
          },
        }),
      ],
    })
    const script: Script = [{ tools: [{ name: 'stop', input: {} }] }]
    const one = chat(script, config())
    await send(one, 'm1', 'question')
    await one.engine.execute('s', one.program)
    const bare = await makeAgent(new Ledger(), script, config()).agent.invoke('question')
    const { message } = (replyTo(one, 'm1') as { result: AgentRunResult }).result
    const { role, content } = bare.lastMessage.toJSON()
    expect(message).toEqual({ role, content })
  })

  it('gives a new process the messages that a manager has left, not those that it has trimmed', async () => {
    const config = (): AgentConfig => ({ conversationManager: new SlidingWindowConversationManager({ windowSize: 4 }) })
    const seen: number[] = []
    const script: Script = (messages) => {
      seen.push(messages.length)
      return 'yes'
    }
    const live = chat(script, config())
    for (let n = 1; n <= 6; n++) await send(live, `m${n}`, `question ${n}`)
    await live.engine.execute('s', live.program)
    const lengths = seen.splice(0)
    const cold = chat(script, config())
    for (let n = 1; n <= 6; n++) {
      await send(cold, `m${n}`, `question ${n}`)
      await cold.engine.execute('s', cold.program)
    }
    expect(cold.agents).toHaveLength(6)
    expect(seen).toEqual(lengths)
  })

  it('refuses a message that came while another was answered, if it was told to', async () => {
    const meanwhile = async (): Promise<void> => {
      one.engine.now = 500_000
      await send(one, 'm2', 'me too', { refuse: true })
    }
    const one = chat([{ text: 'first', before: meanwhile }, 'third'])
    await send(one, 'm1', 'first')
    await one.engine.execute('s', one.program)
    one.engine.now = 2_000_000
    await send(one, 'm3', 'last', { refuse: true })
    await one.engine.execute('s', one.program)
    expect([textOf(one, 'm1'), textOf(one, 'm3')]).toEqual(['first', 'third'])
    expect(replyTo(one, 'm2')).toMatchObject({ error: { code: 'SESSION_BUSY' } })
    expect(one.ledger.modelCalls).toBe(2)
  })

  it('that a hook denies is answered with what the hook says', async () => {
    const one = chat(LOOKS, {}, (agent) => {
      agent.addHook(BeforeInvocationEvent, (event) => {
        event.cancel = 'not today'
      })
    })
    await send(one, 'm1', 'first')
    await one.engine.execute('s', one.program)
    expect(textOf(one, 'm1')).toBe('not today')
    expect(one.ledger.modelCalls).toBe(0)
  })

  it('whose turn was cut short tells how far it came, however far', async () => {
    const partial = new Message({ role: 'assistant', content: [new TextBlock('half '.repeat(20_000))] })
    const talk = chat(() => ({ error: new MaxTokensError('too many', partial) }))
    await send(talk, 'm1', 'hi')
    await talk.engine.execute('s', talk.program)
    const { error } = replyTo(talk, 'm1') as { error: Error }
    expect(error.cause).toBeInstanceOf(MaxTokensError)
    expect(plain([(error.cause as MaxTokensError).partialMessage])).toEqual(plain([partial]))
  })

  it('whose factory fails has failed, and says why', async () => {
    const engine = new MemoryEngine(runtime)
    const program = createSessionProgram('chat', () => Promise.reject(new Error('no key')), { log: () => {} })
    await engine.start('s', { program: 'chat:session', input: null })
    expect(await engine.execute('s', program)).toMatchObject({ outcome: { error: { message: 'no key' } } })
  })
})
