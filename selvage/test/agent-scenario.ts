/** An agent whose models and tools are counted outside, as a scenario that is killed in each of them. */
import type { Entry, Program, StepContext } from '@selvage/core'
import { conversationOf, createAgentProgram } from '@selvage/strands'
import { type ScriptedAnswer, scriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { currentStep } from 'selvage'

interface Outside {
  act(at: StepContext): void
}

/** `cycles`: for each answer of the model the numbers that it looks up at once; after the last one it says a text. */
export function agentScenario(cycles: readonly (readonly number[])[]) {
  const script: readonly ScriptedAnswer[] = [
    ...cycles.map((numbers) => ({
      text: `I look up ${numbers.join(', ')}.`,
      tools: numbers.map((n) => ({ name: 'look_up', input: { n } })),
    })),
    'That was all.',
  ]
  const toolKeys = cycles.map((numbers, cycle) =>
    numbers.map((_, index) => `tool:call_${cycle + 1}_${index + 1}@${cycle + 1}`),
  )
  return {
    programs: (outside: Outside): readonly Program[] => [
      createAgentProgram('agent', () => makeAgent(outside, script), { effects: { look_up: 'read' } }),
    ],
    start: { program: 'agent', input: 'Look everything up.' },
    needs: Object.fromEntries([
      ...toolKeys.flatMap((keys, cycle) => keys.map((key) => [key, [`model#${cycle + 1}`]] as const)),
      ...toolKeys.map((keys, cycle) => [`model#${cycle + 2}`, keys] as const),
    ]),
    /** The conversation, without the ids that messages are given anew in each process. */
    extract: (entries: readonly Entry[]): unknown =>
      conversationOf(entries).messages.map((message) => {
        const { role, content, metadata } = message.toJSON()
        return { role, content, usage: metadata?.usage }
      }),
  }
}

function makeAgent(outside: Outside, script: readonly ScriptedAnswer[]): Agent {
  const act = (): void => {
    const at = currentStep()
    if (at === undefined) throw new Error('models and tools run in steps')
    outside.act(at)
  }
  const model = scriptedModel((_, { answer }) => {
    act()
    return script[answer - 1] ?? 'The script is over.'
  })
  const lookUp = tool({
    name: 'look_up',
    description: 'Looks a number up.',
    inputSchema: { type: 'object', properties: { n: { type: 'number' } } },
    callback: async (input) => {
      const { n } = input as { n: number }
      // Those that run at once end one after the other, so that some are recorded when others have not begun to act.
      for (let turn = 0; turn < 4 * n; turn++) await new Promise((resolve) => void setImmediate(resolve))
      act()
      return `${n} is ${n * n} squared`
    },
  })
  return new Agent({ model, tools: [lookUp], printer: false })
}
