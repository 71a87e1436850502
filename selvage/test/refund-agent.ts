/**
 * An agent that takes goods back, for the refund experiment: a model call for each of the three deeds. The same agent is run
 * by Selvage, as it is (refund-agent-plain.ts), and with the SDK's own sessions (refund-agent-session.ts).
 */
import { fileURLToPath } from 'node:url'
import { createAgentProgram } from '@selvage/strands'
import { type ScriptedAnswer, scriptedModel } from '@selvage/strands/testing'
import type { Scenario } from '@selvage/testing/conformance'
import { byStatement, lookedUp, type Outside, type RefundProgram, WAYS, type Way } from '@selvage/testing/refunds'
import { Agent, type AgentConfig, tool } from '@strands-agents/sdk'
import { currentStep } from 'selvage'

const DEEDS = ['refund', 'charge', 'mail'] as const

/** `order`: for whom. What the model says and calls follows from the conversation. */
export function refundAgent(outside: Outside, config: Partial<AgentConfig> = {}): Agent {
  const model = scriptedModel((messages, { answer }): ScriptedAnswer => {
    const order = (messages[0]?.content ?? []).map((block) => ('text' in block ? block.text : '')).join('')
    const name = DEEDS[answer - 1]
    return name === undefined ? `Done for ${order}.` : { text: `Now the ${name}.`, tools: [{ name, input: { order } }] }
  })
  const tools = DEEDS.map((deed) =>
    tool({
      name: deed,
      description: `Asks the bank for a ${deed}.`,
      inputSchema: { type: 'object', properties: { order: { type: 'string' } } },
      callback: async (input) => {
        const { order } = input as { order: string }
        const at = currentStep() ?? { abortSignal: new AbortController().signal }
        return { ...(await outside.ask(deed, { order }, at)) }
      },
    }),
  )
  return new Agent({ model, tools, printer: false, ...config })
}

function declared(outside: Outside, way: Way) {
  if (way === 'idempotent') return {}
  return Object.fromEntries(
    DEEDS.map((deed) => {
      const reconcile = lookedUp(outside, deed)
      return [deed, { effect: 'once' as const, ...(way === 'once' && { reconcile }) }]
    }),
  )
}

export const scenario: Scenario = {
  programs: (outside) =>
    WAYS.map((way) =>
      createAgentProgram(way, ({ input }) => refundAgent(outside, { name: `desk for ${String(input)}` }), {
        effects: declared(outside, way),
        log: () => {},
      }),
    ),
  start: { program: 'idempotent', input: 'run' },
  answer: byStatement,
}

export const experiment: RefundProgram = {
  given: ({ order, way }) => ({
    scenario: { ...scenario, start: { program: way, input: order } },
    module: import.meta.url,
  }),
  baselines: {
    plain: fileURLToPath(new URL('refund-agent-plain.ts', import.meta.url)),
    SessionManager: fileURLToPath(new URL('refund-agent-session.ts', import.meta.url)),
  },
}
