/** The SDK's own tools by which a model governs its agent: what they did holds in every process, and is done once. */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import type { AgentConfig, MessageData } from '@strands-agents/sdk'
import { stop } from '@strands-agents/sdk/experimental/vended-tools/stop'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { engineWith, Process } from '../../test/process.ts'
import { outcomeOf, type Played, play, playAllPrefixes, recordedSteps, type Scenario } from '../../test/scenario.ts'
import { conversationOf } from '../conversation/fold.ts'
import type { Script, ScriptedAnswer } from '../testing/index.ts'

const runtime = nodeRuntime()

/** A conversation that there was before. */
const BEFORE: readonly MessageData[] = ['one', 'two', 'three'].flatMap((text): MessageData[] => [
  { role: 'user', content: [{ text }] },
  { role: 'assistant', content: [{ text: `So, ${text}.` }] },
])

/** The calls of one answer after the other, then "Done."; and a summary, where one is asked for. */
function calling(...cycles: readonly (readonly (readonly [string, object])[])[]): Script {
  const answers: ScriptedAnswer[] = cycles.map((calls, n) => ({
    text: `Cycle ${n + 1}.`,
    tools: calls.map(([name, input], index) => ({ name, input: input as never, id: `c${n + 1}.${index}` })),
  }))
  return (messages, { options }) => {
    if (JSON.stringify(options?.systemPrompt ?? '').includes('summar')) return 'In short.'
    const last = JSON.stringify(messages.at(-1))
    // By what it is shown last: earlier answers may have been taken out.
    const done = answers.findLastIndex((_, n) => last.includes(`"c${n + 1}.`))
    return answers[done + 1] ?? 'Done.'
  }
}

const looks = ({ ledger }: Pick<Played, 'ledger'>): number =>
  ledger.tools.filter((done) => done.startsWith('look:')).length

async function sameFromEverywhere(scenario: Scenario): Promise<Played> {
  return await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
    const recorded = (name: string): number =>
      prefix.filter((entry) => entry.type === 'step' && entry.op.name === name).length
    expect(outcomeOf(again)).toEqual(outcomeOf(whole))
    expect(plain(conversationOf(again.entries).messages)).toEqual(plain(conversationOf(whole.entries).messages))
    // A summary is a part of the step of its tool.
    const models = recordedSteps(prefix, 'model') + recorded('summarize_context')
    expect(again.ledger.modelCalls).toBe(whole.ledger.modelCalls - models)
    expect(looks(again)).toBe(looks(whole) - recorded('look'))
  })
}

async function saysTheSameWithoutSelvage({ script, config }: Scenario): Promise<void> {
  const { agent } = await play(runtime, { script, ...(config && { config }) })
  const ledger = new Ledger()
  const bare = makeAgent(ledger, script, config?.(ledger)).agent
  await bare.invoke('go')
  expect(plain(agent.messages)).toEqual(plain(bare.messages))
}

describe('a model that takes messages out of its context', () => {
  const agentic = (ledger: Ledger): AgentConfig => ({
    messages: [...BEFORE],
    contextManager: 'agentic',
    tools: [noting(ledger, 'look')],
  })

  it.each<[string, object, string]>([
    ['truncate_context', { keepRecent: 3 }, 'Dropped 5'],
    ['summarize_context', { keepRecent: 2, summaryRatio: 0.5 }, 'In short.'],
  ])('by %s has done so in every process', async (name, input, says) => {
    const scenario: Scenario = {
      script: calling(
        [['look', { n: 1 }]],
        [
          [name, input],
          ['look', { n: 2 }],
        ],
        [['look', { n: 3 }]],
      ),
      config: agentic,
    }
    const whole = await sameFromEverywhere(scenario)
    const messages = JSON.stringify(plain(whole.agent.messages))
    expect(messages).toContain(says)
    expect(messages).not.toContain('So, two.')
    await saysTheSameWithoutSelvage(scenario)
  })
})

describe('a model that stops', () => {
  const stopping = (ledger: Ledger): AgentConfig => ({ tools: [noting(ledger, 'look'), stop] })
  const script = calling(
    [['look', { n: 1 }]],
    [
      ['stop', { message: 'That was it.' }],
      ['look', { n: 2 }],
    ],
    [['look', { n: 9 }]],
  )

  it('has ended the turn in every process, and what it had asked for beside it is done', async () => {
    const scenario: Scenario = { script, config: stopping }
    const whole = await sameFromEverywhere(scenario)
    expect(whole.how).toMatchObject({ outcome: { ok: { text: 'That was it.', stopReason: 'endTurn' } } })
    expect(whole.ledger.modelCalls).toBe(2)
    expect(looks(whole)).toBe(2)
    await saysTheSameWithoutSelvage(scenario)
  })

  it('has ended that turn and no other, where all have one invocationState', async () => {
    const invoke = async (prefix: readonly Entry[]) => {
      const engine = await engineWith(runtime, prefix)
      const { agent, ledger, plugin } = new Process(engine, { script, config: stopping })
      const invocationState = {}
      const texts: string[] = []
      for (const input of ['Q4', 'Q3']) texts.push(String(await agent.invoke(input, { invocationState })))
      await plugin.detach()
      return { texts, entries: engine.entries('q4'), modelCalls: ledger.modelCalls, looks: looks({ ledger }) }
    }
    const { entries, ...whole } = await invoke([])
    expect(whole).toMatchObject({ texts: ['That was it.', 'That was it.'], modelCalls: 4, looks: 4 })
    for (let length = 1; length <= entries.length; length++) {
      const prefix = entries.slice(0, length)
      const again = await invoke(prefix)
      expect(again.texts).toEqual(whole.texts)
      expect(again.modelCalls).toBe(4 - recordedSteps(prefix, 'model'))
    }
  })
})
