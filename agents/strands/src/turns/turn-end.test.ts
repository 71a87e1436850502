/** Whatever a turn ends with, the next one finds a conversation that a provider takes. */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterInvocationEvent,
  AfterModelCallEvent,
  AfterToolsEvent,
  type Agent,
  type AgentConfig,
  BeforeInvocationEvent,
  BeforeModelCallEvent,
  BeforeToolsEvent,
  ContextWindowOverflowError,
  type InvokeOptions,
  type LocalAgent,
  MaxTokensError,
  Message,
  MessageAddedEvent,
  TextBlock,
  tool,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { faultsOf, Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { engineWith, Process } from '../../test/process.ts'
import { conversationOf, MESSAGE } from '../conversation/fold.ts'
import { createDurablePlugin } from '../plugin.ts'
import { createSessionProgram, ReplyReader } from '../programs/session-program.ts'
import type { Script, ScriptedAnswer } from '../testing/index.ts'

const runtime = nodeRuntime()

type Limits = NonNullable<InvokeOptions['limits']>

/** How the first of three turns ends. */
interface End {
  /** What the model says in it, given what it is shown. Default: calls two tools, and is done. */
  readonly first?: ScriptedAnswer | ((messages: readonly Message[]) => ScriptedAnswer)
  readonly config?: AgentConfig
  /** `isOver`: the first message has been answered, by whatever process. */
  readonly prepare?: (agent: Agent, isOver: () => boolean) => void
}

const CALLS: ScriptedAnswer = { text: 'I look.', tools: [1, 2].map((n) => ({ name: 'look', input: { n } })) }
const OUTPUT: ScriptedAnswer = { tools: [{ name: 'strands_structured_output', input: { n: 1 } }] }

/** Of the first turn. */
function isFirst(messages: readonly Message[]): boolean {
  return !/question [bc]/.test(JSON.stringify(messages))
}

function inFirst<Event extends { readonly agent: LocalAgent }>(hook: (event: Event) => void): (event: Event) => void {
  return (event) => {
    if (isFirst(event.agent.messages)) hook(event)
  }
}

/** A hook that throws when the first turn adds a message that says this. */
function refusing(part: string): (agent: Agent) => void {
  return (agent) => {
    const hook = inFirst<MessageAddedEvent>(({ message }) => {
      if (JSON.stringify(message).includes(part)) throw new Error('no room')
    })
    agent.addHook(MessageAddedEvent, hook)
  }
}

const cancelling = inFirst<{ readonly agent: LocalAgent }>(({ agent }) => (agent as Agent).cancel())

const throwing = inFirst<{ readonly agent: LocalAgent }>(() => {
  throw new Error('no luck')
})

const ENDS: Readonly<Record<string, End>> = {
  'an answer': { first: 'Done.' },
  'an answer without content': { first: {} },
  'an answer without content behind its tools': { first: (messages) => (messages.length === 1 ? CALLS : {}) },
  'an answer of blank text': { first: ' \n' },
  'an answer of nothing but thoughts': { first: { reasoning: 'Nothing to say.' } },
  'a cancel before its tools': { prepare: (agent) => void agent.addHook(AfterModelCallEvent, cancelling) },
  'a cancel as its tools begin': { prepare: (agent) => void agent.addHook(BeforeToolsEvent, cancelling) },
  'a cancel behind its tools': { prepare: (agent) => void agent.addHook(AfterToolsEvent, cancelling) },
  'a cancel before the model': { prepare: (agent) => void agent.addHook(BeforeModelCallEvent, cancelling) },
  'a cancel by a tool': {
    first: { tools: [{ name: 'stop', input: {} }] },
    config: {
      tools: [
        tool({
          name: 'stop',
          description: 'Stops.',
          inputSchema: z.object({}),
          callback: (_, context) => {
            ;(context?.agent as Agent | undefined)?.cancel()
            return 'stopped'
          },
        }),
      ],
    },
  },
  'an error of the model': { first: { error: new Error('no network') } },
  'an error of the model behind its tools': {
    first: (messages) => (messages.length === 1 ? CALLS : { error: new Error('no network') }),
  },
  'too many tokens': {
    first: {
      error: new MaxTokensError('too many', new Message({ role: 'assistant', content: [new TextBlock('I lo')] })),
    },
  },
  'too long a context': { first: { error: new ContextWindowOverflowError('too long') } },
  'calls of tools in an answer that stops for another reason': {
    first: { ...CALLS, stopReason: 'guardrailIntervened' },
  },
  'structured output': { first: OUTPUT, config: { structuredOutputSchema: z.object({ n: z.number() }) } },
  'structured output that never came': {
    first: 'No.',
    config: { structuredOutputSchema: z.object({ n: z.number() }) },
  },
  'a hook that throws as its question is added': { prepare: refusing('question a') },
  'a hook that throws as its calls are added': { prepare: refusing('"toolUse"') },
  'a hook that throws as its results are added': { prepare: refusing('"toolResult"') },
  'a hook that throws as its answer is added': { first: 'Done.', prepare: refusing('Done.') },
  'a hook that throws before its tools': { prepare: (agent) => void agent.addHook(BeforeToolsEvent, throwing) },
  'a hook that throws behind its tools': { prepare: (agent) => void agent.addHook(AfterToolsEvent, throwing) },
  'words of a hook behind its tools': {
    prepare: (agent) => {
      const hook = inFirst<AfterToolsEvent>((event) => {
        event.endTurn = 'Enough.'
      })
      agent.addHook(AfterToolsEvent, hook)
    },
  },
  'words of a hook in place of the model': {
    prepare: (agent) => {
      const hook = inFirst<BeforeModelCallEvent>((event) => {
        event.cancel = 'Not now.'
      })
      agent.addHook(BeforeModelCallEvent, hook)
    },
  },
  'a denial': {
    prepare: (agent, isOver) => {
      agent.addHook(BeforeInvocationEvent, (event) => {
        if (!isOver()) event.cancel = 'not today'
      })
    },
  },
  'a second turn that was denied': {
    first: 'Done.',
    prepare: (agent, isOver) => {
      agent.addHook(BeforeInvocationEvent, (event) => {
        if (!isOver() && agent.messages.length > 0) event.cancel = 'enough'
      })
      agent.addHook(AfterInvocationEvent, (event) => {
        if (!isOver()) event.resume = 'and more'
      })
    },
  },
}

/** `faults`: what a provider would say against what later turns show the model. */
function agentOf(end: End, faults: string[], isOver: () => boolean): Agent {
  const { first = (messages) => (messages.length === 1 ? CALLS : 'Done.'), config, prepare } = end
  const script: Script = (messages) => {
    if (isFirst(messages)) return typeof first === 'function' ? first(messages) : first
    faults.push(...faultsOf(messages))
    return config?.structuredOutputSchema === undefined ? `I see ${messages.length}.` : OUTPUT
  }
  const ledger = new Ledger()
  const { agent } = makeAgent(ledger, script, { tools: [noting(ledger, 'look')], retryStrategy: null, ...config })
  prepare?.(agent, isOver)
  return agent
}

/** Three messages of a session, from a prefix of its journal if one is given; `cold`: each answered by another process. */
async function play(end: End, { cold = false, prefix = [] as readonly Entry[] } = {}) {
  const engine = new MemoryEngine(runtime)
  const agents: Agent[] = []
  const faults: string[] = []
  const isOver = (): boolean => engine.entries('s').some((entry) => entry.type === 'state' && entry.key === 'done#1')
  const factory = (): Agent => {
    const agent = agentOf(end, faults, isOver)
    agents.push(agent)
    return agent
  }
  const program = createSessionProgram('chat', factory, { log: () => {} })
  await engine.start('s', { program: 'chat:session', input: null }, prefix)
  const ids = ['a', 'b', 'c']
  for (const id of ids) {
    await engine.signal('s', { id, name: MESSAGE, payload: { input: `question ${id}` } })
    if (cold) await engine.execute('s', program)
  }
  if (!cold) await engine.execute('s', program)
  const entries = engine.entries('s')
  const replies = ids.map((id) => {
    const reader = new ReplyReader('s', id)
    const [reply] = entries.flatMap((entry) => reader.take(entry) ?? [])
    return reply !== undefined && 'result' in reply ? reply.result.message : String(reply?.error)
  })
  return { entries, replies, faults, messages: agents.at(-1)?.messages ?? [] }
}

describe('a session goes on with a conversation that a provider takes, in whatever process, behind a turn that ended with', () => {
  it.each(Object.entries(ENDS))('%s', async (_, end) => {
    const whole = await play(end)
    expect(whole.faults).toEqual([])
    expect(whole.replies.slice(1)).toEqual([expect.any(Object), expect.any(Object)])
    expect(plain(conversationOf(whole.entries).messages)).toEqual(plain(whole.messages))
    const cold = await play(end, { cold: true })
    expect(cold.faults).toEqual([])
    expect(cold.replies).toEqual(whole.replies)
    expect(plain(cold.messages)).toEqual(plain(whole.messages))
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const again = await play(end, { prefix })
      const where = `behind entry ${length - 1}: ${JSON.stringify(prefix.at(-1)).slice(0, 150)}`
      expect(again.faults, where).toEqual([])
      expect(again.replies, where).toEqual(whole.replies)
      expect(plain(again.messages), where).toEqual(plain(whole.messages))
    }
  })
})

/** Two turns of `durable()`: the first may be cut short by a limit, and ends for ever. */
async function invokeTwice(end: End, limits: Limits | undefined, prefix: readonly Entry[] = []) {
  const engine = await engineWith(runtime, prefix)
  const faults: string[] = []
  const plugin = createDurablePlugin({ runId: 'q4', log: () => {} }, async () => ({
    engine: engine.engine,
    createHost: (programs) => engine.host(programs),
  }))
  const agent = agentOf({ ...end, config: { ...end.config, plugins: [plugin] } }, faults, () => false)
  await agent.invoke('question a', { ...(limits !== undefined && { limits }) }).catch(() => {})
  const { lastMessage } = await agent.invoke('question b')
  await plugin.detach()
  return { entries: engine.entries('q4'), faults, said: plain([lastMessage]), messages: plain(agent.messages) }
}

describe('a turn of durable() finds a conversation that a provider takes, in whatever process, behind one that ended with', () => {
  const ends: Readonly<Record<string, readonly [End, Limits?]>> = {
    'a limit': [{}, { turns: 1 }],
    ...Object.fromEntries(
      [
        'a cancel before its tools',
        'a cancel behind its tools',
        'too many tokens',
        'too long a context',
        'calls of tools in an answer that stops for another reason',
        'structured output',
        'an answer without content',
        'an answer of blank text',
      ].map((name) => [name, [ENDS[name] as End]]),
    ),
  }
  it.each(Object.entries(ends))('%s', async (_, [end, limits]) => {
    const { entries, ...whole } = await invokeTwice(end, limits)
    expect(whole.faults).toEqual([])
    for (let length = 1; length < entries.length; length++) {
      const { entries: __, ...again } = await invokeTwice(end, limits, entries.slice(0, length))
      expect(again, `behind entry ${length - 1}`).toEqual(whole)
    }
  })

  it('a limit, unless it asks for nothing but to go on', async () => {
    const engine = await engineWith(runtime, [])
    const process = new Process(engine, { script: [CALLS, 'Done.'] })
    await process.invoke('question a', { limits: { turns: 1 } })
    await process.invoke([])
    expect(process.agent.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant'])
  })
})
