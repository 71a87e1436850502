import type { Entry, Json, Program } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import type { Agent, AgentConfig } from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../test/agents.ts'
import { type How, MemoryEngine } from '../test/memory-engine.ts'
import { type AgentOptions, createAgentProgram } from './agent-program.ts'
import { conversationOf } from './fold.ts'
import type { Script } from './testing/index.ts'

/** A program whose agents are made anew for each process, and what they have done together. */
function world(
  script: Script,
  tools: (ledger: Ledger) => AgentConfig['tools'],
  options: AgentOptions & { config?: () => AgentConfig } = {},
) {
  const ledger = new Ledger()
  const agents: Agent[] = []
  const { config, ...rest } = options
  const program = createAgentProgram(
    'agent',
    () => {
      const made = makeAgent(ledger, script, { tools: tools(ledger) ?? [], ...config?.() })
      agents.push(made.agent)
      return made.agent
    },
    { log: () => {}, ...rest },
  )
  return { ledger, agents, program }
}

const START = { program: 'agent', input: 'go' }

async function finish(
  program: Program,
  entries: readonly Entry[] = [],
  engine = new MemoryEngine(nodeRuntime()),
): Promise<{ how: How; entries: readonly Entry[] }> {
  await engine.start('r', START, entries)
  const how = await engine.execute('r', program)
  return { how, entries: engine.entries('r') }
}

function ok(how: How): Json {
  if ('outcome' in how && 'ok' in how.outcome) return how.outcome.ok
  throw new Error(JSON.stringify(how))
}

const FIVE: Script = [
  { text: 'I look.', tools: [1, 2, 3, 4, 5].map((n) => ({ name: 'look', input: { n } })) },
  { text: 'One more.', tools: [{ name: 'look', input: { n: 6 } }] },
  'Seen all.',
]

describe('an agent as a program', () => {
  it('ends with text, message, stop reason and usage', async () => {
    const { program } = world(FIVE, (ledger) => [noting(ledger, 'look')])
    const { how } = await finish(program)
    expect(ok(how)).toEqual({
      text: 'Seen all.',
      message: { role: 'assistant', content: [{ text: 'Seen all.' }] },
      stopReason: 'endTurn',
      usage: { inputTokens: expect.any(Number), outputTokens: expect.any(Number), totalTokens: expect.any(Number) },
    })
  })

  it('goes on from every entry of its journal, and does nothing again that is recorded (I1, I5)', async () => {
    const first = world(FIVE, (ledger) => [noting(ledger, 'look')])
    const whole = await finish(first.program)
    const messages = plain(first.agents[0]?.messages ?? [])
    expect(first.ledger).toMatchObject({
      modelCalls: 3,
      tools: ['look:1', 'look:2', 'look:3', 'look:4', 'look:5', 'look:6'],
    })
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const again = world(FIVE, (ledger) => [noting(ledger, 'look')])
      const { how, entries } = await finish(again.program, prefix)
      expect(ok(how)).toEqual(ok(whole.how))
      expect(plain(again.agents[0]?.messages ?? [])).toEqual(messages)
      const recorded = prefix.filter((entry) => entry.type === 'step')
      expect(again.ledger.modelCalls).toBe(3 - recorded.filter((entry) => entry.op.kind === 'model').length)
      expect(again.ledger.tools).toHaveLength(6 - recorded.filter((entry) => entry.op.kind === 'tool').length)
      const keys = entries.flatMap((entry) => (entry.type === 'step' ? [entry.key] : []))
      expect(new Set(keys).size).toBe(keys.length)
      expect(plain(conversationOf(entries).messages)).toEqual(messages)
    }
  })
})
