/** Agents as tools: what the inner agent does is recorded, and a run goes on inside of it. */
import type { Entry, Question } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  Agent,
  type AgentConfig,
  BeforeToolCallEvent,
  ConstantBackoff,
  DefaultModelRetryStrategy,
  type JSONValue,
  type ToolContext,
  tool,
  type Usage,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { engineWith, Process } from '../../test/process.ts'
import {
  keysOf,
  outcomeOf,
  type Played,
  play,
  playAllPrefixes,
  questionsOf,
  type Scenario,
} from '../../test/scenario.ts'
import type { AgentOptions } from '../programs/program-options.ts'
import { type Script, type ScriptedAnswer, scriptedModel, throttled } from '../testing/index.ts'

const runtime = nodeRuntime()

const ASKED: ScriptedAnswer = { text: 'I ask.', tools: [{ name: 'researcher', input: { input: 'look around' } }] }
const ASKS: Script = [
  ASKED,
  { text: 'Again.', tools: [{ name: 'researcher', input: { input: 'look again' } }] },
  'Reported.',
]
const looks = (answer: number): ScriptedAnswer =>
  [
    { text: 'I look.', tools: [1, 2].map((n) => ({ name: 'look', input: { n } })) },
    { text: 'Once more.', tools: [{ name: 'look', input: { n: 3 } }] },
    'Seen three.',
    { text: 'I remember.', tools: [{ name: 'look', input: { n: 4 } }] },
    'Seen four.',
  ][answer - 1] as ScriptedAnswer
const LOOKS: Script = (_, { answer }) => looks(answer)

function researcher(ledger: Ledger, script: Script, config: AgentConfig = {}): Agent {
  return makeAgent(ledger, script, { name: 'researcher', id: 'researcher', ...config }).agent
}

function delegating(options: { preserveContext?: boolean } = {}): Scenario {
  return {
    script: ASKS,
    config: (ledger) => ({
      tools: [researcher(ledger, LOOKS, { tools: [noting(ledger, 'look')] }).asTool(options)],
    }),
  }
}

/** Steps of a kind in a journal, those of agents inside included and the calls of agents left out. */
function recorded(entries: readonly Entry[], kind: 'model' | 'tool'): number {
  const isAgent = (name: string): boolean => ['researcher', 'assistant', 'lead'].includes(name)
  return entries.filter((entry) => entry.type === 'step' && entry.op.kind === kind && !isAgent(entry.op.name)).length
}

function sameAndOnce(again: Played, whole: Played, prefix: readonly Entry[]): void {
  expect(outcomeOf(again)).toEqual(outcomeOf(whole))
  expect(again.ledger.modelCalls).toBe(whole.ledger.modelCalls - recorded(prefix, 'model'))
  expect(again.ledger.tools).toHaveLength(whole.ledger.tools.length - recorded(prefix, 'tool'))
  const keys = keysOf(again.entries)
  expect(new Set(keys).size).toBe(keys.length)
}

function resultTexts({ agent }: Played): string[] {
  return agent.messages.flatMap(({ content }) =>
    content.flatMap((block) => (block.type === 'toolResultBlock' ? [JSON.stringify(block.toJSON())] : [])),
  )
}

describe('an agent as a tool', () => {
  it('goes on inside, and does nothing again that is recorded (I1)', async () => {
    const whole = await playAllPrefixes(runtime, delegating(), sameAndOnce)
    expect(keysOf(whole.entries)).toEqual([
      'model#1',
      'call:call_1_1@1/model#1',
      'call:call_1_1@1/tool:call_1_1@1',
      'call:call_1_1@1/tool:call_1_2@1',
      'call:call_1_1@1/model#2',
      'call:call_1_1@1/tool:call_2_1@2',
      'call:call_1_1@1/model#3',
      'tool:call_1_1@1',
      'model#2',
      'call:call_2_1@2/model#1',
      'call:call_2_1@2/tool:call_1_1@1',
      'call:call_2_1@2/tool:call_1_2@1',
      'call:call_2_1@2/model#2',
      'call:call_2_1@2/tool:call_2_1@2',
      'call:call_2_1@2/model#3',
      'tool:call_2_1@2',
      'model#3',
    ])
    expect(resultTexts(whole).join()).toContain('Seen three.')
  })

  it('counts what it uses into the usage of the run, over all processes', async () => {
    const whole = await playAllPrefixes(runtime, delegating(), sameAndOnce)
    const { how, agent, entries } = whole
    const { usage } = (how as unknown as { outcome: { ok: { usage: Usage } } }).outcome.ok
    const sum = entries.reduce((tokens, entry) => {
      if (entry.type !== 'step' || entry.op.kind !== 'model' || !('ok' in entry.outcome)) return tokens
      const { metadata } = entry.outcome.ok as unknown as { metadata: { usage: Usage } }
      return tokens + metadata.usage.inputTokens + metadata.usage.outputTokens
    }, 0)
    expect(usage.totalTokens).toBe(sum)
    expect(agent.metrics.accumulatedUsage.totalTokens).toBeLessThan(sum)
  })

  it('says what it says without Selvage', async () => {
    const { agent } = await play(runtime, delegating())
    const ledger = new Ledger()
    const bare = makeAgent(ledger, ASKS, delegating().config?.(ledger)).agent
    await bare.invoke('go')
    expect(plain(agent.messages)).toEqual(plain(bare.messages))
  })

  it('keeps its context from call to call where it is told to', async () => {
    const whole = await playAllPrefixes(runtime, delegating({ preserveContext: true }), sameAndOnce)
    expect(keysOf(whole.entries)).toEqual([
      'model#1',
      'agent:researcher/model#1',
      'agent:researcher/tool:call_1_1@1',
      'agent:researcher/tool:call_1_2@1',
      'agent:researcher/model#2',
      'agent:researcher/tool:call_2_1@2',
      'agent:researcher/model#3',
      'tool:call_1_1@1',
      'model#2',
      'agent:researcher/model#4',
      'agent:researcher/tool:call_4_1@4',
      'agent:researcher/model#5',
      'tool:call_2_1@2',
      'model#3',
    ])
    expect(resultTexts(whole).join()).toContain('Seen four.')
  })

  it.each(['concurrent', 'sequential'] as const)('side by side with others, %s', async (toolExecutor) => {
    const scenario: Scenario = {
      script: [
        {
          tools: [
            { name: 'researcher', input: { input: 'one' } },
            { name: 'look', input: { n: 9 } },
            { name: 'assistant', input: { input: 'two' } },
          ],
        },
        'Both.',
      ],
      config: (ledger) => ({
        toolExecutor,
        tools: [
          researcher(ledger, LOOKS, { tools: [noting(ledger, 'look')] }).asTool(),
          noting(ledger, 'look'),
          researcher(ledger, LOOKS, { name: 'assistant', tools: [noting(ledger, 'look')] }).asTool(),
        ],
      }),
    }
    const whole = await playAllPrefixes(runtime, scenario, sameAndOnce)
    expect(whole.ledger.tools).toHaveLength(7)
  })

  it('inside of an agent that is a tool', async () => {
    const scenario: Scenario = {
      script: [{ tools: [{ name: 'lead', input: { input: 'find out' } }] }, 'Told.'],
      config: (ledger) => {
        const worker = researcher(ledger, LOOKS, { tools: [noting(ledger, 'look')] })
        return { tools: [researcher(ledger, ASKS, { name: 'lead', tools: [worker.asTool()] }).asTool()] }
      },
    }
    const whole = await playAllPrefixes(runtime, scenario, sameAndOnce)
    expect(keysOf(whole.entries)).toContain('call:call_1_1@1/call:call_2_1@2/tool:call_2_1@2')
  })

  it('is asked what its hooks ask, whoever goes on between two answers', async () => {
    const inside: Script = [
      { tools: [1, 2, 3].map((n) => ({ name: n === 3 ? 'look' : 'charge', input: { n } })) },
      'Seen.',
    ]
    const scenario: Scenario = {
      script: [ASKED, 'Reported.'],
      config: (ledger) => {
        const agent = researcher(ledger, inside, { tools: [noting(ledger, 'charge'), noting(ledger, 'look')] })
        agent.addHook(BeforeToolCallEvent, (event) => {
          if (event.toolUse.name === 'look') return
          if (event.interrupt({ name: 'sure', reason: event.toolUse.input }) !== 'yes') event.cancel = 'no'
        })
        return { tools: [agent.asTool()] }
      },
      answer: ({ reason }) => ({ value: (reason as { n: number }).n === 1 ? 'yes' : 'no' }),
    }
    const whole = await playAllPrefixes(runtime, scenario, sameAndOnce)
    expect(whole.ledger.tools.toSorted()).toEqual(['charge:1', 'look:3'])
  })

  it('is asked what its tools ask, in the journal of the run', async () => {
    const scenario: Scenario = {
      script: [{ tools: [{ name: 'researcher', input: { input: 'buy' } }] }, 'Bought.'],
      config: (ledger) => ({ tools: [researcher(ledger, BUYS, { tools: [buying(ledger)] }).asTool()] }),
      answer: (question: Question) =>
        question.kind === 'interrupt' ? { value: 'yes' } : { approved: true, input: { n: 2 } },
      options: { approvals: { look: true }, effects: { look: 'read' } },
    }
    const whole = await playAllPrefixes(runtime, scenario, (again, all, prefix) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(all))
      expect(again.ledger.modelCalls).toBe(all.ledger.modelCalls - recorded(prefix, 'model'))
      // The body that asked has done nothing yet: only one with a result has.
      const done = prefix.filter((entry) => entry.type === 'step' && 'ok' in entry.outcome)
      expect(again.ledger.tools).toEqual(all.ledger.tools.slice(recorded(done, 'tool')))
      expect(questionsOf(again.entries)).toEqual(questionsOf(all.entries))
    })
    expect(whole.ledger.modelCalls).toBe(5)
    expect(questionsOf(whole.entries).map(({ kind, name }) => [kind, name])).toEqual([
      ['interrupt', 'sure'],
      ['approval', 'look'],
    ])
    expect(whole.ledger.tools).toEqual(['bought yes', 'look:2'])
  })

  it('fails to its caller in the words of the SDK', async () => {
    let refusals = 0
    const scenario: Scenario = {
      script: [{ tools: [{ name: 'researcher', input: { input: 'go' } }] }, 'It failed.'],
      config: (ledger) => ({
        tools: [
          researcher(ledger, () => ({ error: new Error(`no network ${++refusals}`) }), {
            retryStrategy: null,
          }).asTool(),
        ],
      }),
    }
    const whole = await play(runtime, scenario)
    expect(resultTexts(whole).join()).toContain('no network 1')
    const again = await play(runtime, scenario, whole.entries.slice(0, -1))
    expect(outcomeOf(again)).toEqual(outcomeOf(whole))
    expect(refusals).toBe(1)
  })

  it('asked again, as its model was throttled, is asked under the same key', async () => {
    let calls = 0
    const scenario: Scenario = {
      ...delegating(),
      config: (ledger) => ({
        tools: [
          researcher(ledger, (_, { answer }) => (++calls === 2 ? { error: throttled() } : looks(answer)), {
            tools: [noting(ledger, 'look')],
            retryStrategy: new DefaultModelRetryStrategy({ backoff: new ConstantBackoff({ delayMs: 0 }) }),
          }).asTool(),
        ],
      }),
    }
    const { entries } = await play(runtime, scenario)
    expect(keysOf(entries)).toEqual(keysOf((await play(runtime, delegating())).entries))
  })

  it('keeps what its tools write to its own state', async () => {
    const scenario: Scenario = {
      script: ASKS,
      config: (ledger) => ({
        tools: [researcher(ledger, WRITES, { tools: [writing(ledger)] }).asTool({ preserveContext: true })],
      }),
    }
    const whole = await playAllPrefixes(runtime, scenario, sameAndOnce)
    expect(whole.ledger.tools).toEqual(['wrote 1', 'wrote 2'])
  })

  it.each([['modelStreamUpdateEvent'], ['beforeToolsEvent'], ['beforeToolCallEvent']])(
    'goes on where a consumer has left it at a %s, in the same process',
    async (type) => {
      const engine = await engineWith(runtime, [])
      const process = new Process(engine, {
        script: ASKS,
        config: (ledger) => ({ tools: [researcher(ledger, LOOKS, { tools: [noting(ledger, 'look')] }).asTool()] }),
      })
      for await (const event of process.agent.stream('Q4')) {
        const inside = event.type === 'toolStreamUpdateEvent' ? (event.event.data as { type?: string }) : undefined
        if (inside?.type === type) break
      }
      expect(recorded(engine.entries('q4'), 'model')).toBe(2)
      expect(String(await process.invoke('Q4'))).toBe('Reported.')
      const { agent: bare } = makeAgent(new Ledger(), ASKS, {
        tools: [researcher(new Ledger(), LOOKS, { tools: [noting(new Ledger(), 'look')] }).asTool()],
      })
      await bare.invoke('Q4')
      expect(plain(process.agent.messages)).toEqual(plain(bare.messages))
      expect(process.ledger.modelCalls).toBe(recorded(engine.entries('q4'), 'model'))
    },
  )

  it('whose code has changed stops the run, where that is wanted, and is no answer to its caller', async () => {
    const whole = await play(runtime, delegating())
    const inside = whole.entries.findIndex((entry) => entry.type === 'step' && entry.key.endsWith('/model#1'))
    const changed: Scenario = {
      ...delegating(),
      options: { onCodeChange: 'stop' },
      config: (ledger) => ({
        tools: [researcher(ledger, LOOKS, { tools: [noting(ledger, 'look')], systemPrompt: 'Another.' }).asTool()],
      }),
    }
    const { how, ledger } = await play(runtime, changed, whole.entries.slice(0, inside + 1))
    expect(how).toMatchObject({ outcome: { error: { code: 'CODE_CHANGED' } } })
    expect(ledger.modelCalls).toBe(0)
  })

  it('that cannot be durable is refused before anything is done', async () => {
    const scenario: Scenario = {
      script: ASKS,
      config: () => ({
        tools: [
          new Agent({ model: scriptedModel(['x']), printer: false, name: 'researcher', checkpointing: true }).asTool(),
        ],
      }),
    }
    const { how, ledger } = await play(runtime, scenario)
    expect(how).toMatchObject({ outcome: { error: { code: 'UNSUPPORTED' } } })
    expect(ledger.modelCalls).toBe(0)
  })

  it.each<[string, AgentOptions]>([
    ['compensate', { effects: { researcher: { effect: 'idempotent', compensate: () => {} } } }],
    ["the effect 'once'", { effects: { researcher: 'once' } }],
    ['retry', { retry: { tools: { researcher: { maxAttempts: 3 } } } }],
    ['timeouts', { timeouts: { researcher: '1m' } }],
  ])('is no step, and refuses what only a step can follow: %s', async (what, options) => {
    const { how, ledger } = await play(runtime, { ...delegating(), options })
    expect(how).toMatchObject({ outcome: { error: { code: 'UNSUPPORTED', message: expect.stringContaining(what) } } })
    expect(ledger.modelCalls).toBe(0)
  })

  it('invoked in the body of another tool, is recorded with that tool', async () => {
    const scenario: Scenario = {
      script: [{ tools: [{ name: 'wrapper', input: {} }] }, 'Done.'],
      config: (ledger) => {
        const worker = researcher(ledger, ['Inside.'])
        const wrapper = tool({
          name: 'wrapper',
          description: 'Asks.',
          inputSchema: { type: 'object' },
          callback: async () => String(await worker.invoke('go')),
        })
        return { tools: [wrapper, worker.asTool()] }
      },
    }
    const { entries, ledger } = await play(runtime, scenario)
    expect(keysOf(entries)).toEqual(['model#1', 'tool:call_1_1@1', 'model#2'])
    expect(ledger.modelCalls).toBe(3)
  })
})

describe('an agent as a tool of an agent with durable()', () => {
  const config = (ledger: Ledger): AgentConfig => ({
    tools: [researcher(ledger, BUYS, { tools: [buying(ledger)] }).asTool()],
  })
  const script: Script = [{ tools: [{ name: 'researcher', input: { input: 'buy' } }] }, 'Bought.']

  it('ends the invocation with its interrupt, and goes on with the answer in another process', async () => {
    const engine = await engineWith(runtime, [])
    const ledger = new Ledger()
    const first = new Process(engine, { ledger, script, config })
    const stopped = await first.invoke('Q4')
    expect(stopped.stopReason).toBe('interrupt')
    const [interrupt] = stopped.interrupts ?? []
    expect(interrupt).toMatchObject({ name: 'sure', reason: 'costs money' })
    expect(ledger.modelCalls).toBe(2)

    const second = new Process(engine, { ledger, script, config })
    const response = { interruptResponse: { interruptId: interrupt?.id as string, response: 'yes' } }
    const result = await second.invoke([response])
    expect(String(result)).toBe('Bought.')
    expect(ledger.modelCalls).toBe(5)
    expect(ledger.tools).toEqual(['bought yes', 'look:1'])
  })

  it('goes on in the same process as well', async () => {
    const engine = await engineWith(runtime, [])
    const one = new Process(engine, { script, config })
    const [interrupt] = (await one.invoke('Q4')).interrupts ?? []
    const response = { interruptResponse: { interruptId: interrupt?.id as string, response: 'no' } }
    expect(String(await one.invoke([response]))).toBe('Bought.')
    expect(one.ledger.tools).toEqual(['bought no', 'look:1'])
  })
})

const BUYS: Script = [
  { tools: [{ name: 'buy', input: {} }] },
  { tools: [{ name: 'look', input: { n: 1 } }] },
  'Bought and looked.',
]

function buying(ledger: Ledger): NonNullable<AgentConfig['tools']> {
  return [
    tool({
      name: 'buy',
      description: 'Buys.',
      inputSchema: { type: 'object' },
      callback: (_, context) => {
        const answer = (context as ToolContext).interrupt<string>({ name: 'sure', reason: 'costs money' })
        ledger.tools.push(`bought ${answer}`)
        return `bought ${answer}`
      },
    }),
    noting(ledger, 'look'),
  ]
}

const WRITES: Script = (_, { answer }) => (answer % 2 === 1 ? { tools: [{ name: 'write', input: {} }] } : 'Written.')

function writing(ledger: Ledger): NonNullable<AgentConfig['tools']> {
  return [
    tool({
      name: 'write',
      description: 'Counts.',
      inputSchema: { type: 'object' },
      callback: (_, context) => {
        const { appState } = (context as ToolContext).agent as Agent
        const count = ((appState.get('count') as number | undefined) ?? 0) + 1
        appState.set('count', count)
        ledger.tools.push(`wrote ${count}`)
        return count as JSONValue
      },
    }),
  ]
}
