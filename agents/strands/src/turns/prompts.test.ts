/** What becomes of an agent whose system prompt, tools or model are changed while it runs. */
import { nodeRuntime } from '@selvage/runtime-node'
import { AfterToolCallEvent, type Agent, TextBlock, type Tool, type ToolContext, tool } from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { type Ledger, makeAgent, noting } from '../../test/agents.ts'
import { engineWith, Process } from '../../test/process.ts'
import { outcomeOf, play, playAllPrefixes, recordedSteps, type Scenario } from '../../test/scenario.ts'
import { type Script, scriptedModel } from '../testing/index.ts'

const runtime = nodeRuntime()

function doing(name: string, body: (agent: Agent) => void): Tool {
  return tool({
    name,
    description: `Does ${name}.`,
    inputSchema: { type: 'object' },
    callback: (_, context) => {
      body((context as ToolContext).agent as Agent)
      return 'done'
    },
  })
}

/** Calls one tool after the other. `asked`: the prompt that each answer was given. */
function calling(asked: Map<string, string>, names: readonly string[], who = ''): Script {
  return (_, { answer, options }) => {
    asked.set(`${who}${answer}`, JSON.stringify(options?.systemPrompt ?? null))
    const name = names[answer - 1]
    return name === undefined ? 'Done.' : { tools: [{ name, input: { input: 'x' } }] }
  }
}

/** From every prefix each model call that is made is made with the same prompt. */
async function sameFromAllPrefixes(
  scenarioOf: (asked: Map<string, string>) => Scenario,
): Promise<ReadonlyMap<string, string>> {
  const asked = new Map<string, string>()
  await play(runtime, scenarioOf(asked))
  const first = new Map(asked)
  await playAllPrefixes(runtime, scenarioOf(asked), (again, whole, prefix) => {
    expect(outcomeOf(again)).toEqual(outcomeOf(whole))
    expect(again.agent.systemPrompt).toEqual(whole.agent.systemPrompt)
    expect([...asked]).toEqual([...first].filter(([answer]) => asked.has(answer)))
    asked.clear()
    expect(again.ledger.modelCalls).toBe(whole.ledger.modelCalls - recordedSteps(prefix, 'model'))
  })
  return first
}

const PIRATE = '"You are a pirate."'

describe('a system prompt', () => {
  it('that a tool sets stays set in every process', async () => {
    const seen = await sameFromAllPrefixes((asked) => ({
      script: calling(asked, ['look', 'load', 'look', 'look']),
      config: (ledger) => ({
        systemPrompt: 'Be kind.',
        tools: [
          noting(ledger, 'look'),
          doing('load', (agent) => {
            agent.systemPrompt = 'You are a pirate.'
          }),
        ],
      }),
    }))
    expect([...seen.values()]).toEqual(['"Be kind."', '"Be kind."', PIRATE, PIRATE, PIRATE])
  })

  it('of blocks, edited in place, and one that is taken away', async () => {
    const seen = await sameFromAllPrefixes((asked) => ({
      script: calling(asked, ['block', 'edit', 'look', 'clear', 'look']),
      config: (ledger) => ({
        systemPrompt: 'Be kind.',
        tools: [
          noting(ledger, 'look'),
          doing('block', (agent) => {
            agent.systemPrompt = [new TextBlock('One.')]
          }),
          doing('edit', ({ systemPrompt }) => {
            if (Array.isArray(systemPrompt)) systemPrompt.push(new TextBlock('Two.'))
          }),
          doing('clear', (agent) => {
            delete agent.systemPrompt
          }),
        ],
      }),
    }))
    const [one, two] = ['{"text":"One."}', '{"text":"Two."}']
    const both = `[${one},${two}]`
    const texts = [...seen.values()].map((prompt) => prompt.replaceAll(',"type":"textBlock"', ''))
    expect(texts).toEqual(['"Be kind."', `[${one}]`, both, both, 'null', 'null'])
  })

  it('that hooks set stays set in every process', async () => {
    const seen = await sameFromAllPrefixes((asked) => ({
      script: calling(asked, ['look', 'look', 'look']),
      config: (ledger) => ({ systemPrompt: 'Be kind.', tools: [noting(ledger, 'look')] }),
      prepare: (agent) => {
        let calls = 0
        agent.addHook(AfterToolCallEvent, () => {
          if (++calls === 1 && agent.messages.length < 3) agent.systemPrompt = 'You are a pirate.'
        })
      },
    }))
    expect([...seen.values()]).toEqual(['"Be kind."', PIRATE, PIRATE, PIRATE])
  })

  it('of an inner agent that keeps its context is there in the call behind', async () => {
    const seen = await sameFromAllPrefixes((asked) => ({
      script: calling(asked, ['inner', 'inner']),
      config: (ledger: Ledger) => {
        const load = doing('load', (agent) => {
          agent.systemPrompt = 'You are a pirate.'
        })
        const script: Script = (messages, call) => {
          const { answer } = call
          asked.set(`inner ${answer}`, JSON.stringify(call.options?.systemPrompt))
          return answer === 1 ? { tools: [{ name: 'load', input: {} }] } : `Done ${messages.length}.`
        }
        const inner = makeAgent(ledger, script, { name: 'inner', systemPrompt: 'Be kind.', tools: [load] }).agent
        return { tools: [inner.asTool({ preserveContext: true })] }
      },
    }))
    expect([...seen].filter(([who]) => who.startsWith('inner '))).toEqual([
      ['inner 1', '"Be kind."'],
      ['inner 2', PIRATE],
      ['inner 3', PIRATE],
    ])
  })

  it('that a turn has set is there in the next one, and is no change of code', async () => {
    const engine = await engineWith(runtime, [])
    const asked = new Map<string, string>()
    const make = (): Process =>
      new Process(engine, {
        script: calling(asked, ['load']),
        onCodeChange: 'stop',
        config: () => ({
          systemPrompt: 'Be kind.',
          tools: [
            doing('load', (agent) => {
              agent.systemPrompt = 'You are a pirate.'
            }),
          ],
        }),
      })
    const first = make()
    await first.invoke('a')
    await first.plugin.detach()
    await first.invoke('b')
    await first.plugin.detach()
    const second = make()
    for (const input of ['a', 'b', 'c']) await second.invoke(input)
    expect([...asked.values()]).toEqual(['"Be kind."', PIRATE, PIRATE, PIRATE])
  })
})

describe('a system prompt is recorded once', () => {
  const load = doing('load', (agent) => {
    agent.systemPrompt = 'You are a pirate.'
  })
  const byTool: Partial<Scenario> = { script: calling(new Map(), ['load', 'look', 'look']) }
  const byHook = (act: (agent: Agent) => unknown): Partial<Scenario> => ({
    prepare: (agent) => {
      let calls = 0
      agent.addHook(AfterToolCallEvent, async () => {
        if (++calls === 1) await act(agent)
      })
    },
  })

  it.each([
    ['that a tool sets', byTool],
    ['that a hook sets', byHook((agent) => Object.assign(agent, { systemPrompt: 'You are a pirate.' }))],
    ['that a direct call sets', byHook((agent) => agent.tool.load?.invoke({}, { recordDirectToolCall: false }))],
  ])('%s', async (_, more) => {
    const { entries, agent } = await play(runtime, {
      script: calling(new Map(), ['look', 'look', 'look']),
      config: (ledger) => ({ systemPrompt: 'Be kind.', tools: [noting(ledger, 'look'), load] }),
      ...more,
    })
    expect(agent.systemPrompt).toBe('You are a pirate.')
    expect(JSON.stringify(entries).split('pirate')).toHaveLength(2)
  })
})

describe('tools and a model that the body of a tool gives its agent', () => {
  it('are told of, once, for they are code', async () => {
    const lines: string[] = []
    const { how } = await play(runtime, {
      script: [
        ...['load', 'look', 'swap'].map((name) => ({ tools: [{ name, input: {} }] })),
        { tools: ['look', 'extra'].map((name) => ({ name, input: {} })) },
        'Done.',
      ],
      config: (ledger) => ({
        tools: [
          noting(ledger, 'look'),
          doing('load', ({ toolRegistry }) => toolRegistry.add(noting(ledger, 'extra'))),
          doing('swap', (agent) => {
            const { model } = agent
            agent.model = scriptedModel(() => 'never')
            agent.model.stream = model.stream.bind(model)
          }),
        ],
      }),
      options: { log: (line) => void lines.push(line), defaultEffect: 'read' },
    })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(lines).toEqual([
      expect.stringMatching(/^While tool load of run r ran, agent "Strands Agent" got the tool extra, which is code/),
      expect.stringMatching(/^While tool swap of run r ran, agent "Strands Agent" got another model, which is code/),
    ])
  })
})
