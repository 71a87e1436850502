/** Tools that are called past the stages, and tools that live in the process. */
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterModelCallEvent,
  AfterToolCallEvent,
  type Agent,
  type AgentConfig,
  ConcurrentInvocationError,
  type Tool,
  ToolNotFoundError,
  tool,
} from '@strands-agents/sdk'
import { BeforeNodeCallEvent, Graph } from '@strands-agents/sdk/multiagent'
import { bash } from '@strands-agents/sdk/vended-tools/bash'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting } from '../../test/agents.ts'
import { type How, MemoryEngine } from '../../test/memory-engine.ts'
import { engineWith, Process } from '../../test/process.ts'
import { keysOf, outcomeOf, play, playAllPrefixes, recordedSteps, type Scenario } from '../../test/scenario.ts'
import { createOrchestratorProgram } from '../programs/orchestrator-program.ts'
import { agentOfTool } from '../seams/tools.ts'
import type { Script } from '../testing/index.ts'

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

function innerAgent(ledger: Ledger, script: Script, config: AgentConfig): Agent {
  return makeAgent(ledger, script, { name: 'inner', id: 'inner', ...config }).agent
}

async function playGraph(make: () => Graph): Promise<How> {
  const engine = new MemoryEngine(runtime)
  await engine.start('r', { program: 'team', input: 'go' })
  return await engine.execute('r', createOrchestratorProgram('graph', 'team', make, { log: () => {} }))
}

const write = tool({
  name: 'write',
  description: 'Writes.',
  inputSchema: { type: 'object' },
  callback: (_, context) => {
    context?.agent.appState.set('user', 'ann')
    if (context !== undefined) (context.agent as Agent).systemPrompt = 'Help ann.'
    return 'written'
  },
})

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

  it('that writes to the agent has written in every process', async () => {
    await playAllPrefixes(
      runtime,
      {
        script: [...[1, 2, 3].map((n) => ({ tools: [{ name: 'look', input: { n } }] })), 'Done.'],
        config: (ledger) => ({ systemPrompt: 'Help.', tools: [noting(ledger, 'look'), write] }),
        prepare: (agent) =>
          agent.addHook(AfterToolCallEvent, async ({ toolUse }) => {
            if ((toolUse.input as { n: number }).n !== 1) return
            await agent.tool.write?.invoke({}, { recordDirectToolCall: false })
          }),
      },
      (again, all) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(all))
        expect([again.agent.appState.get('user'), again.agent.systemPrompt]).toEqual(['ann', 'Help ann.'])
      },
    )
  })

  it('behind an answer that a hook refuses has written in every process', async () => {
    const script: Script = (messages, { options }) => {
      if (options?.systemPrompt !== 'Help ann.') return 'Half.'
      return messages.length === 1 ? { tools: [{ name: 'look', input: { n: 1 } }] } : 'Done.'
    }
    const whole = await playAllPrefixes(
      runtime,
      {
        script,
        config: (ledger) => ({ systemPrompt: 'Help.', tools: [noting(ledger, 'look'), write] }),
        prepare: (agent) =>
          agent.addHook(AfterModelCallEvent, async (event) => {
            if (!JSON.stringify(event.stopData?.message.content).includes('Half.')) return
            await agent.tool.write?.invoke({}, { recordDirectToolCall: false })
            event.retry = true
          }),
      },
      (again, all, prefix) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(all))
        expect([again.agent.appState.get('user'), again.agent.systemPrompt]).toEqual(['ann', 'Help ann.'])
        expect(again.ledger.modelCalls).toBe(3 - recordedSteps(prefix, 'model'))
      },
    )
    expect(whole.ledger.modelCalls).toBe(3)
  })

  it('outside of an invocation is refused', async () => {
    const { agent } = new Process(await engineWith(runtime, []))
    await agent.initialize()
    await expect(async () => agent.tool.look?.invoke({ n: 1 })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('agent.tool.look was called outside of an invocation'),
    })
  })

  it('that the SDK itself refuses is refused in its words', async () => {
    const { agent, ledger } = new Process(await engineWith(runtime, []))
    await agent.initialize()
    await expect(async () => agent.tool.nothing?.invoke({ n: 1 })).rejects.toThrow(ToolNotFoundError)
    Object.defineProperty(agent, 'isInvoking', { get: () => true })
    await expect(async () => agent.tool.look?.invoke({ n: 1 })).rejects.toThrow(ConcurrentInvocationError)
    await expect(async () => agent.tool.look?.invoke({ n: 1 }, { recordDirectToolCall: false })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    })
    expect(ledger.tools).toEqual([])
  })
})

describe('a direct call of an agent inside of a run', () => {
  const outside = expect.stringContaining(
    'agent.tool.look was called outside of an invocation of durable agent "inner"',
  )
  const direct = { recordDirectToolCall: false }

  it('is refused in a hook of its graph, which is no invocation of it', async () => {
    const ledger = new Ledger()
    const make = (): Graph => {
      const inner = innerAgent(ledger, ['Done.'], { tools: [noting(ledger, 'look')] })
      const graph = new Graph({ nodes: [inner], edges: [], maxSteps: 5 })
      graph.addHook(BeforeNodeCallEvent, async () => void (await inner.tool.look?.invoke({ n: 1 }, direct)))
      return graph
    }
    expect(await playGraph(make)).toMatchObject({ outcome: { error: { message: outside } } })
    expect(ledger.tools).toEqual([])
  })

  it('is refused in a hook of the agent that has it', async () => {
    const refused: unknown[] = []
    const scenario: Scenario = {
      script: [{ tools: [{ name: 'look', input: { n: 1 } }] }, 'Done.'],
      config: (ledger) => ({
        tools: [noting(ledger, 'look'), innerAgent(ledger, ['never'], { tools: [noting(ledger, 'look')] })],
      }),
      prepare: (agent) => {
        const inner = agentOfTool(agent.toolRegistry.get('inner') as Tool)?.agent
        agent.addHook(AfterToolCallEvent, async () => {
          await inner?.tool.look?.invoke({ n: 2 }, direct).catch((error: unknown) => refused.push(error))
        })
      },
    }
    const { ledger } = await play(runtime, scenario)
    expect(refused).toEqual([expect.objectContaining({ code: 'UNSUPPORTED', message: outside })])
    expect(ledger.tools).toEqual(['look:1'])
  })

  it('is a part of the step in the body of a tool, and a plain call where no run is', async () => {
    const ledger = new Ledger()
    const inner = innerAgent(ledger, ['never'], { tools: [noting(ledger, 'look')] })
    const peek = tool({
      name: 'peek',
      description: 'Looks by the other one.',
      inputSchema: { type: 'object' },
      callback: async () => String((await inner.tool.look?.invoke({ n: 3 }, direct))?.status),
    })
    const { how } = await play(runtime, {
      script: [{ tools: [{ name: 'peek', input: {} }] }, 'Done.'],
      config: () => ({ tools: [peek, inner] }),
    })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    await inner.tool.look?.invoke({ n: 4 })
    expect(ledger.tools).toEqual(['look:3', 'look:4'])
  })
})

describe('the live bash tool', () => {
  const scenario: Scenario = { script: ['Done.'], config: () => ({ tools: [bash] }) }

  it('is refused before anything is done', async () => {
    const { how, ledger } = await play(runtime, scenario)
    expect(how).toMatchObject({ outcome: { error: { code: 'UNSUPPORTED' } } })
    expect(ledger.modelCalls).toBe(0)
  })

  const shells = (): AgentConfig => ({ plugins: [{ name: 'shells', initAgent() {}, getTools: () => [bash] }] })
  const refused = { outcome: { error: { code: 'UNSUPPORTED', message: expect.stringContaining('live bash tool') } } }

  it.each([
    ['that a plugin brings', ['Done.'], shells],
    [
      'that a plugin brings to an agent that is a tool',
      [{ tools: [{ name: 'inner', input: { input: 'x' } }] }, 'Done.'],
      (ledger: Ledger) => ({ tools: [innerAgent(ledger, ['never'], shells())] }),
    ],
  ] as [string, Script, (ledger: Ledger) => AgentConfig][])('is refused %s', async (_, script, config) => {
    const { how } = await play(runtime, { script, config })
    expect(how).toMatchObject(refused)
  })

  it('is refused that a plugin brings to a node', async () => {
    const ledger = new Ledger()
    const make = (): Graph => new Graph({ nodes: [innerAgent(ledger, ['never'], shells())], edges: [], maxSteps: 5 })
    expect(await playGraph(make)).toMatchObject(refused)
    expect(ledger.modelCalls).toBe(0)
  })

  it('is refused of a node that comes later, before any node has begun', async () => {
    const ledger = new Ledger()
    const make = (): Graph => {
      const first = makeAgent(ledger, ['Done.'], { id: 'first' }).agent
      const second = makeAgent(ledger, ['never'], { id: 'second', tools: [bash] }).agent
      return new Graph({ nodes: [first, second], edges: [['first', 'second']], maxSteps: 5 })
    }
    expect(await playGraph(make)).toMatchObject(refused)
    expect(ledger.modelCalls).toBe(0)
  })

  it('is refused when it is called that has come during the run', async () => {
    const arm = tool({
      name: 'arm',
      description: 'Brings the tool.',
      inputSchema: { type: 'object' },
      callback: (_, context) => {
        context?.agent.toolRegistry.add(bash)
        return 'armed'
      },
    })
    const { how } = await play(runtime, {
      script: [{ tools: [{ name: 'arm', input: {} }] }, { tools: [{ name: 'bash', input: {} }] }, 'Done.'],
      config: () => ({ tools: [arm] }),
    })
    expect(how).toMatchObject(refused)
  })

  it('is let by where its author has declared its effect', async () => {
    const { how } = await play(runtime, { ...scenario, options: { effects: { bash: 'idempotent' } } })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
  })
})
