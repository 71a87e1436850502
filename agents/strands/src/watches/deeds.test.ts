/** What the body of a tool does to its agent, beside its result: done again where the body is not. */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { type AgentConfig, type JSONValue, Message, TextBlock, type ToolContext, tool } from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { type Ledger, plain } from '../../test/agents.ts'
import { outcomeOf, type Played, play, playAllPrefixes, recordedSteps, type Scenario } from '../../test/scenario.ts'
import { conversationOf } from '../conversation/fold.ts'
import type { Script } from '../testing/index.ts'

const runtime = nodeRuntime()

type Body = (context: ToolContext) => unknown

function doing(ledger: Ledger, bodies: Readonly<Record<string, Body>>): NonNullable<AgentConfig['tools']> {
  return Object.entries(bodies).map(([name, body]) =>
    tool({
      name,
      description: 'For a test.',
      inputSchema: { type: 'object' },
      callback: (_, context) => {
        const value = body(context as ToolContext)
        ledger.tools.push(`${name} ${JSON.stringify(value)}`)
        return value as JSONValue
      },
    }),
  )
}

function calling(...cycles: readonly string[][]): Script {
  return [...cycles.map((names) => ({ tools: names.map((name) => ({ name })) })), 'Done.']
}

function once(again: Played, whole: Played, prefix: readonly Entry[]): void {
  expect(outcomeOf(again)).toEqual(outcomeOf(whole))
  expect(again.ledger.modelCalls).toBe(whole.ledger.modelCalls - recordedSteps(prefix, 'model'))
  expect(whole.ledger.tools.slice(whole.ledger.tools.length - again.ledger.tools.length)).toEqual(again.ledger.tools)
  expect(again.ledger.tools).toHaveLength(whole.ledger.tools.length - recordedSteps(prefix, 'tool'))
  expect(plain(conversationOf(again.entries).messages)).toEqual(plain(whole.agent.messages))
}

describe('a tool that writes to the invocationState', () => {
  const scenario: Scenario = {
    script: calling(['write'], ['push'], ['drop', 'read'], ['read']),
    config: (ledger) => ({
      toolExecutor: 'sequential',
      tools: doing(ledger, {
        write: ({ invocationState }) => {
          Object.assign(invocationState, { user: 'ann', seen: [1], at: new Date(5) })
          return 'written'
        },
        push: ({ invocationState }) => (invocationState.seen as number[]).push(2),
        drop: ({ invocationState }) => delete invocationState.user,
        read: ({ invocationState }) => ({ ...invocationState, isDate: invocationState.at instanceof Date }),
      }),
    }),
  }

  it('is heard by the tools behind it, in whatever process they run', async () => {
    const whole = await playAllPrefixes(runtime, scenario, once)
    expect(whole.ledger.tools.at(-1)).toBe('read {"seen":[1,2],"at":"1970-01-01T00:00:00.005Z","isDate":true}')
  })

  it('of what cannot be recorded is told so', async () => {
    const lines: string[] = []
    const writing = {
      write: ({ invocationState }: ToolContext) => Object.assign(invocationState, { db: () => {} }) && 1,
    }
    await play(runtime, {
      script: calling(['write']),
      config: (ledger) => ({ tools: doing(ledger, writing) }),
      options: { log: (line) => void lines.push(line), effects: { write: 'read' } },
    })
    expect(lines).toEqual([
      expect.stringMatching(/Tool write of run r wrote invocationState\.db, which cannot be recorded/),
    ])
  })
})

describe('a tool that changes the messages', () => {
  const note = (text: string): Message => new Message({ role: 'user', content: [new TextBlock(text)] })

  it('has changed them in every process', async () => {
    const scenario: Scenario = {
      script: calling(['look'], ['forget', 'remind'], ['look'], ['remind']),
      config: (ledger) => ({
        toolExecutor: 'sequential',
        tools: doing(ledger, {
          look: () => 'seen',
          forget: ({ agent }) => agent.messages.splice(0, 1, note('in short')).length,
          remind: ({ agent }) => agent.messages.push(note(`reminder ${agent.messages.length}`)) && 'reminded',
        }),
      }),
    }
    const whole = await playAllPrefixes(runtime, scenario, once)
    const texts = JSON.stringify(plain(whole.agent.messages))
    expect(texts).toContain('in short')
    expect(texts).toContain('reminder 3')
    expect(texts).not.toContain('"go"')
  })
})
