/** Tools that are called past the stages, and tools that live in the process. */
import { nodeRuntime } from '@selvage/runtime-node'
import { AfterToolCallEvent, type Agent } from '@strands-agents/sdk'
import { bash } from '@strands-agents/sdk/vended-tools/bash'
import { describe, expect, it } from 'vitest'
import { noting } from '../test/agents.ts'
import { engineWith, Process } from '../test/process.ts'
import { keysOf, outcomeOf, play, playAllPrefixes, recordedSteps, type Scenario } from '../test/scenario.ts'
import type { Script } from './testing/index.ts'

const runtime = nodeRuntime()

const LOOKS: Script = [
  { tools: [1, 2].map((n) => ({ name: 'look', input: { n } })) },
  { tools: [{ name: 'look', input: { n: 3 } }] },
  'Done.',
]

/** Looks once more behind each look, by itself. */
function lookingAgain(seen: string[]): (agent: Agent) => void {
  return (agent) => {
    agent.addHook(AfterToolCallEvent, async ({ toolUse }) => {
      const { n } = toolUse.input as { n: number }
      const result = await agent.tool.look?.invoke({ n: n + 10 }, { recordDirectToolCall: false })
      seen.push(JSON.stringify(result?.toJSON().toolResult.content))
    })
  }
}

describe('a direct call', () => {
  it('in a hook is a step: made once, with its result for every process', async () => {
    const scenario: Scenario = {
      script: LOOKS,
      config: (ledger) => ({ tools: [noting(ledger, 'look')] }),
      prepare: lookingAgain([]),
    }
    const whole = await playAllPrefixes(runtime, scenario, (again, all, prefix) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(all))
      expect(again.ledger.tools).toHaveLength(all.ledger.tools.length - recordedSteps(prefix, 'tool'))
    })
    expect(keysOf(whole.entries).filter((key) => key.startsWith('direct:look:'))).toHaveLength(3)
    expect(whole.ledger.tools.toSorted()).toEqual(['look:1', 'look:11', 'look:12', 'look:13', 'look:2', 'look:3'])
    const seen: string[] = []
    const lastAnswer = whole.entries.findIndex((entry) => entry.type === 'step' && entry.key === 'model#3')
    await play(runtime, { ...scenario, prepare: lookingAgain(seen) }, whole.entries.slice(0, lastAnswer))
    expect(seen).toEqual(['[{"text":"look 13"}]'])
  })

  it('outside of an invocation is refused', async () => {
    const { agent } = new Process(await engineWith(runtime, []))
    await agent.initialize()
    await expect(async () => agent.tool.look?.invoke({ n: 1 })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('agent.tool.look was called outside of an invocation'),
    })
  })
})

describe('the live bash tool', () => {
  const scenario: Scenario = { script: ['Done.'], config: () => ({ tools: [bash] }) }

  it('is refused before anything is done', async () => {
    const { how, ledger } = await play(runtime, scenario)
    expect(how).toMatchObject({ outcome: { error: { code: 'UNSUPPORTED' } } })
    expect(ledger.modelCalls).toBe(0)
  })

  it('is let by where its author has declared its effect', async () => {
    const { how } = await play(runtime, { ...scenario, options: { effects: { bash: 'idempotent' } } })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
  })
})
