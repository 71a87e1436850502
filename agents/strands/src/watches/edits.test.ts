/** Messages that are edited in place, by whoever has them: what they say is what they say in every process. */
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterToolCallEvent,
  type Agent,
  type AgentConfig,
  BeforeModelCallEvent,
  MessageAddedEvent,
  type MessageData,
  NullConversationManager,
  TextBlock,
  type Tool,
  type ToolContext,
  tool,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { type Ledger, noting } from '../../test/agents.ts'
import { type Played, play, playAllPrefixes, recordedSteps, type Scenario } from '../../test/scenario.ts'
import { isReplayed } from '../conversation/events.ts'
import { conversationOf } from '../conversation/fold.ts'
import type { Script } from '../testing/index.ts'

const runtime = nodeRuntime()

function told({ agent }: Pick<Played, 'agent'>): unknown {
  return agent.messages.map(({ role, content, metadata }) => ({
    role,
    content: content.map((block) => block.toJSON()),
    custom: metadata?.custom,
  }))
}

async function sameFromEverywhere(scenario: Scenario): Promise<Played> {
  return playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
    expect(told(again)).toEqual(told(whole))
    expect(again.ledger.modelCalls).toBe(whole.ledger.modelCalls - recordedSteps(prefix, 'model'))
    const looks = prefix.filter((entry) => entry.type === 'step' && entry.op.name === 'look').length
    expect(again.ledger.tools).toHaveLength(whole.ledger.tools.length - looks)
    expect(told({ agent: conversationOf(again.entries) as unknown as Agent })).toEqual(told(whole))
  })
}

const cycles = (count: number): Script => [
  ...Array.from({ length: count }, (_, index) => ({
    text: `I look ${index}.`,
    tools: [{ name: 'look', input: { n: index } }],
  })),
  'Done.',
]

describe.each([
  ['with linear cost', true],
  ['without', false],
])('%s, an edit in place', (_, linear) => {
  it('of a tool that pins messages holds in every process', async () => {
    const whole = await sameFromEverywhere({
      script: [
        ...(cycles(2) as unknown as readonly string[]).slice(0, 2),
        { tools: [{ name: 'pin_context', input: { select: 2 } }] },
        { tools: [{ name: 'look', input: { n: 3 } }] },
        { tools: [{ name: 'pin_context', input: { select: [1], action: 'unpin' } }] },
        'Done.',
      ] as Script,
      config: (ledger) => ({ contextManager: 'agentic', tools: [noting(ledger, 'look')] }),
      options: { linear, effects: { look: 'read' } },
    })
    expect(JSON.stringify(told(whole))).toContain('"pinned":true')
  })

  it('of a hook that rewrites a new answer holds in every process', async () => {
    const whole = await sameFromEverywhere({
      script: cycles(3),
      config: (ledger) => ({ tools: [noting(ledger, 'look')] }),
      prepare: (agent) => {
        agent.addHook(MessageAddedEvent, ({ message }) => {
          const [block] = message.content
          if (message.role === 'assistant' && block?.type === 'textBlock') {
            message.content[0] = new TextBlock(block.text.replace('look', 'LOOK'))
          }
        })
      },
      options: { linear },
    })
    expect(JSON.stringify(told(whole))).toContain('I LOOK 2.')
  })

  it('of a hook that shortens an old result holds in every process', async () => {
    const whole = await sameFromEverywhere({
      script: cycles(3),
      config: (ledger) => ({ tools: [noting(ledger, 'look')] }),
      prepare: (agent) => {
        let calls = 0
        agent.addHook(BeforeModelCallEvent, ({ agent: { messages } }) => {
          const result = messages[2]?.content[0]
          if (++calls !== 3 || result?.type !== 'toolResultBlock') return
          result.content[0] = new TextBlock('shortened')
        })
      },
      options: { linear },
    })
    expect(JSON.stringify(told(whole))).toContain('shortened')
  })

  it('of a hook that marks the result of a tool holds in every process', async () => {
    const whole = await sameFromEverywhere({
      script: cycles(2),
      config: (ledger) => ({ tools: [noting(ledger, 'look')] }),
      prepare: (agent) => {
        agent.addHook(AfterToolCallEvent, ({ result }) => {
          result.content.push(new TextBlock('checked'))
        })
      },
      options: { linear },
    })
    expect(JSON.stringify(told(whole))).toContain('checked')
  })

  describe('far from both ends of a long conversation', () => {
    const FAR = 600
    const long = (): MessageData[] =>
      Array.from({ length: 1_200 }, (_, n) => ({ role: n % 2 ? 'assistant' : 'user', content: [{ text: `${n}` }] }))
    const mark = (agent: Pick<Agent, 'messages'>, word: string): void => {
      const message = agent.messages[FAR]
      if (message !== undefined) message.content[0] = new TextBlock(word)
    }
    const config = (tool: Tool): AgentConfig => ({
      messages: long(),
      conversationManager: new NullConversationManager(),
      tools: [tool],
    })
    const script: Script = (_, { answer }) => (answer > FAR + 1 ? 'Done.' : { tools: [{ name: 'look', input: {} }] })
    const marking = (ledger: Ledger, body: (context: ToolContext) => void): Tool =>
      tool({
        name: 'look',
        description: 'Marks a message.',
        inputSchema: { type: 'object' },
        callback: (_, context) => {
          ledger.tools.push('look:')
          body(context as ToolContext)
          return 'marked'
        },
      })

    it('of a tool that takes its agent is recorded with its result', async () => {
      const whole = await sameFromEverywhere({
        script,
        config: (ledger) => config(marking(ledger, ({ agent }) => mark(agent, 'MARKED'))),
        options: { linear },
      })
      const record = whole.entries.find((entry) => entry.type === 'step' && entry.op.name === 'look')
      expect(JSON.stringify(record)).toContain('MARKED')
    })

    it('of a tool that has its agent from elsewhere is recorded with the next model call', async () => {
      const agents: Agent[] = []
      const whole = await play(runtime, {
        script,
        config: (ledger) => config(marking(ledger, () => mark(agents.at(-1) as Agent, 'MARKED'))),
        prepare: (agent) => agents.push(agent),
        options: { linear },
      })
      const marked = whole.entries.filter((entry) => JSON.stringify(entry).includes('MARKED'))
      expect(marked).toMatchObject([{ type: 'state', key: 'sync#2' }])
    })

    it('of a hook is recorded before the model call that it comes before', async () => {
      const whole = await sameFromEverywhere({
        script,
        config: (ledger) => config(noting(ledger, 'look')),
        prepare: (agent) => {
          let calls = 0
          agent.addHook(BeforeModelCallEvent, () => {
            if (++calls === 2) mark(agent, 'MARKED')
          })
        },
        options: { linear },
      })
      const marked = whole.entries.filter((entry) => JSON.stringify(entry).includes('MARKED'))
      expect(marked).toMatchObject([{ type: 'state', key: 'sync#2' }])
    })

    it('of a hook is recorded where an agent has gone on that nobody had asked for its messages', async () => {
      const script: Script = (_, { answer }) => (answer > 150 ? 'Done.' : { tools: [{ name: 'look', input: {} }] })
      const scenario: Scenario = {
        script,
        config: (ledger) => ({ conversationManager: new NullConversationManager(), tools: [noting(ledger, 'look')] }),
        options: { effects: { look: 'read' }, linear },
      }
      const before = await play(runtime, scenario)
      const prefix = before.entries.slice(0, -2)
      expect(prefix.at(-1)).toMatchObject({ type: 'step', op: { name: 'look' } })
      const prepare = (agent: Agent): void =>
        void agent.addHook(BeforeModelCallEvent, () => {
          const message = agent.messages[100]
          if (message !== undefined) message.content[0] = new TextBlock('MARKED')
        })
      const again = await play(runtime, { ...scenario, prepare }, prefix)
      expect(JSON.stringify(again.entries.slice(prefix.length))).toContain('MARKED')
      expect(again.agent.messages.map(isReplayed).lastIndexOf(true)).toBe(299)
      expect(again.agent.messages.slice(0, 300).filter(isReplayed)).toHaveLength(300)
      expect(told({ agent: conversationOf(again.entries) as unknown as Agent })).toEqual(told(again))
    })
  })
})
