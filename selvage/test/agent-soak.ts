/**
 * An agent with what is hard about agents, for `npm run soak`: tools at once, one of which asks a person in the midst of its
 * siblings, one with an effect `once`, and one that writes to the agent's state. What comes further (nested agents, a
 * summarising manager, a graph) belongs into the script below.
 */
import type { StepContext } from '@selvage/core'
import { conversationOf, createAgentProgram } from '@selvage/strands'
import { type ScriptedAnswer, scriptedModel } from '@selvage/strands/testing'
import type { Scenario } from '@selvage/testing/conformance'
import { Agent, type ToolContext, tool } from '@strands-agents/sdk'
import { currentStep } from 'selvage'

interface Outside {
  act(at: StepContext): void
}

const SCRIPT: readonly ScriptedAnswer[] = [
  { text: 'I look and ask.', tools: ['look_up', 'ask', 'look_up', 'note'].map((name, n) => ({ name, input: { n } })) },
  { text: 'I pay, and ask again.', tools: ['charge', 'ask', 'note'].map((name, n) => ({ name, input: { n: n + 4 } })) },
  { text: 'One more look.', tools: [{ name: 'look_up', input: { n: 7 } }] },
  'That was all.',
]

export const scenario: Scenario = {
  programs: (outside) => [
    createAgentProgram('agent', () => makeAgent(outside), {
      effects: { look_up: 'read', charge: { effect: 'once', reconcile: reconcile(outside) } },
      log: () => {},
    }),
  ],
  start: { program: 'agent', input: 'Do all of it.' },
  answer: (question) => ({ value: `yes to ${JSON.stringify(question.reason)}` }),
  needs: {
    'model#2': ['tool:call_1_1@1', 'tool:call_1_2@1~2', 'tool:call_1_3@1', 'tool:call_1_4@1'],
    'model#3': ['tool:call_2_1@2', 'tool:call_2_2@2~2', 'tool:call_2_3@2'],
    'model#4': ['tool:call_3_1@3'],
  },
  /** Conversation and state, without the ids that messages are given anew in each process. */
  extract: (entries) => {
    const { messages, state } = conversationOf(entries)
    const said = messages.map((message) => {
      const { role, content, metadata } = message.toJSON()
      return { role, content, usage: metadata?.usage }
    })
    return { said, state: Object.fromEntries([...state].sort()) }
  },
}

function reconcile(outside: Parameters<Scenario['programs']>[0]) {
  return ({ idempotencyKey }: { readonly idempotencyKey: string }) =>
    outside.find((each) => each.idempotencyKey === idempotencyKey) === undefined
      ? { done: false as const }
      : { done: true as const, result: 'charge 4' }
}

function makeAgent(outside: Outside): Agent {
  const act = (): void => {
    const at = currentStep()
    if (at === undefined) throw new Error('models and tools run in steps')
    outside.act(at)
  }
  const model = scriptedModel((_, { answer }) => {
    act()
    return SCRIPT[answer - 1] ?? 'The script is over.'
  })
  const body = (name: string, callback: (n: number, context: ToolContext) => string) =>
    tool({
      name,
      description: `Does ${name}.`,
      inputSchema: { type: 'object', properties: { n: { type: 'number' } } },
      callback: async (input, context) => {
        const { n } = input as { n: number }
        const value = callback(n, context as ToolContext)
        // Some are recorded when others have not begun to act.
        for (let turn = 0; turn < 4 * (n % 4); turn++) await new Promise((resolve) => void setImmediate(resolve))
        act()
        return value
      },
    })
  const tools = [
    body('look_up', (n) => `${n} is ${n * n} squared`),
    body('charge', (n) => `charge ${n}`),
    body('ask', (n, context) => `answered ${context.interrupt<string>({ name: 'ask', reason: n })}`),
    body('note', (n, context) => {
      context.agent.appState.set(`note ${n}`, n)
      return `noted ${n}`
    }),
  ]
  return new Agent({ model, tools, printer: false })
}
