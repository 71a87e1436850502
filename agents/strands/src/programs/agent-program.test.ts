import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterModelCallEvent,
  AfterToolCallEvent,
  type Agent,
  BeforeModelCallEvent,
  BeforeToolCallEvent,
  ContextWindowOverflowError,
  Message,
  SlidingWindowConversationManager,
  TextBlock,
  ToolResultBlock,
  tool,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { noting, plain } from '../../test/agents.ts'
import {
  keysOf,
  outcomeOf,
  type Played,
  play,
  playAllPrefixes,
  recordedSteps,
  type Scenario,
} from '../../test/scenario.ts'
import { conversationOf } from '../conversation/fold.ts'
import type { Script } from '../testing/index.ts'

const runtime = nodeRuntime()

const FIVE: Script = [
  { text: 'I look.', tools: [1, 2, 3, 4, 5].map((n) => ({ name: 'look', input: { n } })) },
  { text: 'One more.', reasoning: 'Not enough.', tools: [{ name: 'look', input: { n: 6 } }] },
  'Seen all.',
]
const fiveTools: Scenario = { script: FIVE, config: (ledger) => ({ tools: [noting(ledger, 'look')] }) }

/** Same outcome, every recorded step done once only, every other done as often as in the run without a crash. */
function sameAndOnce(again: Played, whole: Played, prefix: readonly Entry[]): void {
  expect(outcomeOf(again)).toEqual(outcomeOf(whole))
  expect(again.ledger.modelCalls).toBe(whole.ledger.modelCalls - recordedSteps(prefix, 'model'))
  expect(again.ledger.tools).toHaveLength(whole.ledger.tools.length - recordedSteps(prefix, 'tool'))
  const keys = keysOf(again.entries)
  expect(new Set(keys).size).toBe(keys.length)
}

function userMessage(text: string): Message {
  return new Message({ role: 'user', content: [new TextBlock(text)] })
}

function okOf({ how }: Played): unknown {
  return 'outcome' in how && 'ok' in how.outcome ? how.outcome.ok : how
}

describe('an agent as a program', () => {
  it('ends with text, message, stop reason and usage', async () => {
    expect(okOf(await play(runtime, fiveTools))).toEqual({
      text: 'Seen all.',
      message: { role: 'assistant', content: [{ text: 'Seen all.' }] },
      stopReason: 'endTurn',
      usage: { inputTokens: expect.any(Number), outputTokens: expect.any(Number), totalTokens: expect.any(Number) },
    })
  })

  it.each(['concurrent', 'sequential'] as const)(
    'goes on from every entry of its journal, and does nothing again that is recorded: %s tools (I1, I5)',
    async (toolExecutor) => {
      const scenario: Scenario = {
        ...fiveTools,
        config: (ledger) => ({ tools: [noting(ledger, 'look')], toolExecutor }),
      }
      const whole = await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
        sameAndOnce(again, whole, prefix)
        expect(plain(conversationOf(again.entries).messages)).toEqual(plain(whole.agent.messages))
        expect(again.agent.messages.map(({ trackingId }) => trackingId)).toHaveLength(whole.agent.messages.length)
      })
      expect(whole.ledger.modelCalls).toBe(3)
      expect(whole.ledger.tools).toEqual(['look:1', 'look:2', 'look:3', 'look:4', 'look:5', 'look:6'])
    },
  )

  it('takes every kind of input', async () => {
    const echo: Script = (messages) => JSON.stringify(plain(messages))
    const inputs = [
      'text',
      [{ text: 'a block' }],
      [
        { role: 'user', content: [{ text: 'q' }] },
        { role: 'assistant', content: [{ text: 'a' }] },
        { role: 'user', content: [{ text: 'q2' }] },
      ],
      { topic: 'any object' },
      null,
    ]
    const seen = await Promise.all(inputs.map(async (input) => okOf(await play(runtime, { script: echo, input }))))
    expect(seen.map((result) => JSON.parse((result as { text: string }).text))).toEqual([
      [{ role: 'user', content: [{ text: 'text' }] }],
      [{ role: 'user', content: [{ text: 'a block' }] }],
      inputs[2],
      [{ role: 'user', content: [{ text: '{"topic":"any object"}' }] }],
      [],
    ])
  })

  it('keeps the ids of messages over all processes', async () => {
    const ids = ({ agent }: Played): string[] => agent.messages.map(({ trackingId }) => trackingId)
    const whole = await play(runtime, fiveTools)
    expect(new Set(ids(whole)).size).toBe(whole.agent.messages.length)
    for (const length of [2, 5, 9]) {
      expect(ids(await play(runtime, fiveTools, whole.entries.slice(0, length)))).toEqual(ids(whole))
    }
  })

  it('counts usage and cycles over all processes', async () => {
    await playAllPrefixes(runtime, fiveTools, (again, whole) => {
      expect(again.agent.metrics.accumulatedUsage).toEqual(whole.agent.metrics.accumulatedUsage)
      expect(again.agent.metrics.cycleCount).toBe(whole.agent.metrics.cycleCount)
      expect(again.agent.metrics.latestAgentInvocation?.usage).toEqual(whole.agent.metrics.latestAgentInvocation?.usage)
    })
  })

  it('records less than the messages (I6)', async () => {
    const { entries, agent } = await play(runtime, fiveTools)
    const steps = entries.flatMap((entry) => (entry.type === 'step' && 'ok' in entry.outcome ? [entry.outcome.ok] : []))
    const recorded = steps.reduce<number>((sum, ok) => sum + JSON.stringify(ok).length, 0)
    const messages = agent.messages.slice(1).reduce((sum, message) => sum + JSON.stringify(message).length, 0)
    expect(recorded).toBeLessThan(messages)
    expect(entries.filter(({ type }) => type === 'state')).toHaveLength(1)
  })

  it('tells the model the real error of a tool, from the journal as well', async () => {
    const scenario: Scenario = {
      script: [{ tools: [{ name: 'fails' }, { name: 'look', input: { n: 1 } }, { name: 'nowhere' }] }, 'Oh.'],
      config: (ledger) => ({
        tools: [
          noting(ledger, 'look'),
          noting(ledger, 'fails', () => {
            throw Object.assign(new RangeError('disk on fire'), { code: 'EFIRE' })
          }),
        ],
      }),
      prepare: (agent) =>
        agent.addHook(AfterToolCallEvent, ({ error, toolUse }) => {
          if (toolUse.name === 'fails')
            agent.appState.set('error', [error?.name, error?.message, (error as { code?: string }).code ?? ''])
        }),
    }
    // The tool that is not there has no body, but a step.
    const whole = await playAllPrefixes(runtime, scenario, (again, whole) =>
      expect(outcomeOf(again)).toEqual(outcomeOf(whole)),
    )
    const results = plain(whole.agent.messages)[2] as { content: unknown[] }
    expect(results.content).toEqual([
      { toolResult: { toolUseId: 'call_1_1', status: 'error', content: [{ text: 'Error: disk on fire' }] } },
      { toolResult: { toolUseId: 'call_1_2', status: 'success', content: [{ text: 'look 1' }] } },
      {
        toolResult: {
          toolUseId: 'call_1_3',
          status: 'error',
          content: [{ text: "Tool 'nowhere' not found in registry" }],
        },
      },
    ])
    expect(whole.agent.appState.get('error')).toEqual(['RangeError', 'disk on fire', 'EFIRE'])
  })
})

describe('what the steps do not imply', () => {
  it('hooks that rewrite results and add messages, and fire again for what was not finished', async () => {
    const scenario: Scenario = {
      script: (messages, { answer }) =>
        answer < 3
          ? { tools: [1, 2].map((n) => ({ name: 'look', input: { n: 10 * answer + n } })) }
          : `saw ${messages.length}`,
      config: (ledger) => ({ tools: [noting(ledger, 'look')] }),
      prepare: (agent) => {
        agent.addHook(AfterToolCallEvent, (event) => {
          if (JSON.stringify(event.toolUse.input) !== '{"n":11}') return
          const { toolUseId } = event.toolUse
          event.result = new ToolResultBlock({ toolUseId, status: 'success', content: [new TextBlock('redacted')] })
        })
        agent.addHook(BeforeToolCallEvent, (event) => {
          if (JSON.stringify(event.toolUse.input) === '{"n":22}') event.cancel = 'not this one'
        })
        agent.addHook(BeforeModelCallEvent, () => {
          if ([1, 4].includes(agent.messages.length))
            agent.messages.push(userMessage(`reminder ${agent.messages.length}`))
        })
      },
    }
    const whole = await playAllPrefixes(runtime, scenario, sameAndOnce)
    const text = JSON.stringify(plain(conversationOf(whole.entries).messages))
    expect(text).toBe(JSON.stringify(plain(whole.agent.messages)))
    expect(text).not.toContain('look 11')
    for (const part of ['redacted', 'reminder 1', 'reminder 4', 'not this one', 'saw 7']) expect(text).toContain(part)
  })

  it('an answer that a hook refuses: the next one is another step, and neither is asked for again', async () => {
    const scenario = (refused: number): Scenario => {
      let asked = refused
      return {
        script: (_, { answer }) =>
          answer === 1 ? { tools: [{ name: 'look', input: { n: 1 } }] } : (['bad', 'worse', 'good'][asked++] ?? 'none'),
        config: (ledger) => ({ tools: [noting(ledger, 'look')] }),
        prepare: (agent) =>
          agent.addHook(AfterModelCallEvent, (event) => {
            if (/bad|worse/.test(JSON.stringify(event.stopData?.message.content))) event.retry = true
          }),
      }
    }
    const whole = await play(runtime, scenario(0))
    expect(keysOf(whole.entries)).toEqual(['model#1', 'tool:call_1_1@1', 'model#2', 'model#3', 'model#4'])
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const refused = prefix.filter(
        (entry) => entry.type === 'step' && /"(bad|worse)"/.test(JSON.stringify(entry.outcome)),
      )
      const again = await play(runtime, scenario(refused.length), prefix)
      sameAndOnce(again, whole, prefix)
      expect(plain(conversationOf(again.entries).messages)).toEqual(plain(whole.agent.messages))
    }
  })

  it('structured output that had to be forced', async () => {
    const { z } = await import('zod')
    const scenario: Scenario = {
      script: (_, { options }) =>
        options?.toolChoice === undefined
          ? 'I would rather talk.'
          : { tools: [{ name: 'strands_structured_output', input: { name: 'x' }, id: 's1' }] },
      config: () => ({ structuredOutputSchema: z.object({ name: z.string() }) }),
    }
    const whole = await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
      expect(again.ledger.modelCalls).toBe(2 - recordedSteps(prefix, 'model'))
    })
    expect(okOf(whole)).toMatchObject({ structuredOutput: { name: 'x' }, stopReason: 'toolUse' })
  })

  it('a context overflow is an outcome: the manager trims, the next call is another step', async () => {
    const scenario: Scenario = {
      script: (messages) => {
        if (messages.length > 5) return { error: new ContextWindowOverflowError('too long') }
        const seen = Number(/look (\d)/.exec(JSON.stringify(messages.at(-1)))?.[1] ?? 0)
        return seen === 2 ? 'done' : { tools: [{ name: 'look', input: { n: seen + 1 }, id: `look_${seen}` }] }
      },
      input: Array.from({ length: 5 }, (_, n) => ({
        role: n % 2 === 0 ? 'user' : 'assistant',
        content: [{ text: `m${n}` }],
      })),
      config: (ledger) => ({
        tools: [noting(ledger, 'look')],
        conversationManager: new SlidingWindowConversationManager({ windowSize: 4, shouldTruncateResults: false }),
      }),
    }
    const whole = await playAllPrefixes(runtime, scenario, sameAndOnce)
    const outcomes = whole.entries.flatMap((entry) =>
      entry.type === 'step' && entry.op.kind === 'model' ? [Object.keys(entry.outcome)[0]] : [],
    )
    expect(outcomes).toEqual(['ok', 'error', 'ok', 'ok'])
    const patches = whole.entries.flatMap((entry) =>
      entry.type === 'state' && entry.key.startsWith('sync') ? [entry.patch] : [],
    )
    expect(patches).toEqual([{ messages: { at: 0, remove: 4, add: [] } }])
  })

  it('what tools and hooks write to appState', async () => {
    const scenario: Scenario = {
      ...fiveTools,
      config: (ledger) => ({
        appState: { given: 1, removed: 2 },
        tools: [
          tool({
            name: 'look',
            description: 'For a test.',
            inputSchema: { type: 'object' },
            callback: (input, context) => {
              const { n } = input as { n: number }
              ledger.tools.push(`look:${n}`)
              const seen = (context?.agent.appState.get('seen') ?? 0) as number
              context?.agent.appState.set('seen', seen + n)
              if (n === 3) context?.agent.appState.delete('removed')
              return n
            },
          }),
        ],
      }),
      prepare: (agent) =>
        agent.addHook(BeforeModelCallEvent, () => {
          agent.appState.set('calls', ((agent.appState.get('calls') ?? 0) as number) + 1)
        }),
    }
    const whole = await playAllPrefixes(runtime, scenario, sameAndOnce)
    expect(whole.agent.appState.getAll()).toEqual({ given: 1, seen: 21, calls: 3 })
  })

  it('a tool that cancels the agent', async () => {
    const scenario: Scenario = {
      script: [{ tools: [{ name: 'stop' }] }, 'never'],
      config: (ledger) => ({
        tools: [
          tool({
            name: 'stop',
            description: 'For a test.',
            inputSchema: { type: 'object' },
            callback: (_, context) => {
              ledger.tools.push('stop')
              ;(context?.agent as Agent | undefined)?.cancel()
              return 'stopped'
            },
          }),
        ],
      }),
    }
    const whole = await playAllPrefixes(runtime, scenario, sameAndOnce)
    expect(okOf(whole)).toMatchObject({ stopReason: 'cancelled' })
  })
})
