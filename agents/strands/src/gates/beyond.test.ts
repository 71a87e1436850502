import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterInvocationEvent,
  AfterModelCallEvent,
  Agent,
  type AgentConfig,
  BeforeInvocationEvent,
  BeforeModelCallEvent,
  BeforeToolCallEvent,
  ClassifierStrategy,
  ConstantBackoff,
  ContextWindowOverflowError,
  DefaultModelRetryStrategy,
  ExtractionTrigger,
  type ExtractionTriggerContext,
  MaxTokensError,
  type MemoryStore,
  Message,
  Model,
  ModelExtractor,
  ModelRouter,
  Offload,
  RoutingCandidate,
  SummarizingConversationManager,
  TextBlock,
} from '@strands-agents/sdk'
import { LLMSteeringHandler } from '@strands-agents/sdk/vended-interventions/steering'
import { describe, expect, it } from 'vitest'
import { type Ledger, noting, plain } from '../../test/agents.ts'
import { engineWith, Process } from '../../test/process.ts'
import {
  keysOf,
  outcomeOf,
  type Played,
  play,
  playAllPrefixes,
  recordedSteps,
  type Scenario,
} from '../../test/scenario.ts'
import { isReplayed } from '../conversation/events.ts'
import { runOf } from '../run-of.ts'
import { type Script, type ScriptedAnswer, ScriptedModel, scriptedModel, throttled } from '../testing/index.ts'

const runtime = nodeRuntime()

const LOOKS: readonly ScriptedAnswer[] = [
  ...[1, 2, 3].map((n) => ({ text: 'I look.', tools: [{ name: 'look', input: { n }, id: `u${n}` }] })),
  'Done.',
]

/** A model beside the loop, whose calls are counted. */
function beside(ledger: Ledger, script: Script, modelId = 'beside'): Model {
  return scriptedModel(
    async (messages, call) => {
      ledger.tools.push('beside:')
      return typeof script === 'function' ? await script(messages, call) : (script[call.call - 1] ?? 'none')
    },
    { modelId },
  )
}

/** A plugin with a model of its own. */
class Judge {
  readonly name = 'judge'
  readonly model: Model

  constructor(model: Model) {
    this.model = model
  }

  initAgent(): void {}

  async ask(text: string, more: Parameters<Model['streamAggregated']>[1] = {}): Promise<string> {
    const message = new Message({ role: 'user', content: [new TextBlock(text)] })
    const events = this.model.streamAggregated([message], { systemPrompt: 'You judge.', ...more })
    let next = await events.next()
    while (!next.done) next = await events.next()
    return next.value.message.content.map((block) => (block.type === 'textBlock' ? block.text : '')).join('')
  }
}

/** An agent with a judge, as a scenario of one process after the other. */
function judged(
  script: Script,
  prepare: (agent: Agent, judge: Judge, ledger: Ledger) => void,
  more: Partial<Scenario> = {},
): Scenario {
  let judge: Judge
  return {
    script: LOOKS,
    config: (ledger) => {
      judge = new Judge(beside(ledger, script))
      return { tools: [noting(ledger, 'look')], plugins: [judge] }
    },
    prepare: (agent, ledger) => prepare(agent, judge, ledger),
    ...more,
  }
}

function beyondOf({ entries }: Pick<Played, 'entries'>): string[] {
  return keysOf(entries).filter((key) => key.startsWith('beyond:'))
}

/** So many entries, up to the first step of that kind. */
function behindBeyond(entries: readonly Entry[]): number {
  return entries.findIndex((entry) => entry.type === 'step' && entry.key.startsWith('beyond:')) + 1
}

/** Its steps; those that only keep a part of another one are left out. */
function callsOf({ entries }: Played): string[] {
  return keysOf(entries).filter((key) => !key.startsWith('partial:'))
}

function asked({ ledger }: Played): number {
  return ledger.modelCalls + ledger.count('beside:')
}

/** From each prefix: the same comes out, and nothing that is recorded is asked again. */
async function asksOnce(scenario: Scenario): Promise<Played> {
  return await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
    expect(outcomeOf(again)).toEqual(outcomeOf(whole))
    expect(callsOf(again).toSorted()).toEqual(callsOf(whole).toSorted())
    expect(asked(again)).toBe(asked(whole) - recordedSteps(prefix, 'model'))
  })
}

describe('a manager that summarises', () => {
  const isSummary = (messages: readonly Message[]): boolean => JSON.stringify(messages[0]).includes('in short')
  /** Too much behind three answers, until the first messages are one summary. */
  const tooMuch: Script = (messages, { answer }) => {
    if (isSummary(messages)) return 'Done.'
    return answer < 4 ? (LOOKS[answer - 1] ?? '') : { error: new ContextWindowOverflowError('too long') }
  }
  const summarising = (
    script: Script,
    config: ConstructorParameters<typeof SummarizingConversationManager>[0],
    summary?: Script,
  ): Scenario => ({
    script: (messages, call) => {
      const isAsked = JSON.stringify(call.options?.systemPrompt ?? '').includes('summar')
      if (isAsked) return 'all of it in short'
      return typeof script === 'function' ? script(messages, call) : ''
    },
    config: (ledger) => ({
      tools: [noting(ledger, 'look')],
      conversationManager: new SummarizingConversationManager({
        summaryRatio: 0.5,
        preserveRecentMessages: 2,
        ...(summary !== undefined && { model: beside(ledger, summary) as never }),
        ...config,
      }),
    }),
  })

  it.each([
    ['the model of the agent', undefined, 'beyond:scripted@4'],
    ['a model of its own', ['all of it in short'], 'beyond:beside@4'],
  ])('on overflow, by %s', async (_, summary, key) => {
    const whole = await asksOnce(summarising(tooMuch, {}, summary))
    expect(beyondOf(whole)).toEqual([key])
    expect(whole.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(isSummary(whole.agent.messages)).toBe(true)
  })

  it('before a call that would be too long', async () => {
    const script: Script = (messages, { answer }) => (isSummary(messages) ? 'Done.' : (LOOKS[answer - 1] ?? ''))
    const scenario = summarising(script, { proactiveCompression: { compressionThreshold: 0.6 } })
    const whole = await asksOnce({
      ...scenario,
      prepare: ({ model }) => void (model as Model).updateConfig({ contextWindowLimit: 50 }),
    })
    expect(beyondOf(whole)).toHaveLength(1)
    expect(isSummary(whole.agent.messages)).toBe(true)
  })

  it.each([1, 20_000])(
    'that gets no summary: the error of its model is an outcome, in every process (%i)',
    async (n) => {
      const partial = new Message({ role: 'assistant', content: [new TextBlock('all of '.repeat(n))] })
      const whole = await asksOnce(
        summarising(tooMuch, {}, () => ({ error: new MaxTokensError('too short', partial) })),
      )
      expect(whole.how).toMatchObject({ outcome: { error: { message: expect.stringContaining('too short') } } })
      expect(whole.how).toMatchObject({ outcome: { step: 'beyond:beside@4' } })
    },
  )
})

describe('a strategy for the context', () => {
  it.skipIf(Offload === undefined)('asks for a summary of a long result once', async () => {
    const whole = await asksOnce({
      script: LOOKS,
      config: (ledger) => ({
        tools: [noting(ledger, 'look', () => 'long '.repeat(200))],
        contextManager: {
          stash: false,
          strategies: [
            Offload.summarize('toolResults', { model: beside(ledger, () => 'short') as never }).when({
              threshold: 100,
            }),
          ],
        },
      }),
    })
    expect(beyondOf(whole)).toEqual([1, 2, 3].map((n) => `beyond:beside@${n}`))
    expect(JSON.stringify(whole.agent.messages)).not.toContain('long')
  })
})

describe('a classifier that routes', () => {
  const routed = (chosen: string[]): Scenario => ({
    script: LOOKS,
    config: (ledger) => {
      const named = (modelId: string): RoutingCandidate => {
        const script: Script = (_, { answer }) => {
          ledger.model.push(answer)
          chosen.push(modelId)
          return LOOKS[answer - 1] ?? ''
        }
        return new RoutingCandidate({ model: scriptedModel(script, { modelId }), name: modelId })
      }
      const classify: Script = () => ({
        tools: [{ name: 'strands_structured_output', input: { selectedCandidateIndex: 1 } }],
      })
      const strategy = new ClassifierStrategy(beside(ledger, classify))
      const model = new ModelRouter([named('small'), named('large')], { strategy })
      return { model, tools: [noting(ledger, 'look')] }
    },
  })

  it.skipIf(ClassifierStrategy === undefined)('chooses once for a turn, in whatever process it goes on', async () => {
    const chosen: string[] = []
    const whole = await asksOnce(routed(chosen))
    expect(beyondOf(whole)).toEqual(['beyond:beside@0'])
    expect(new Set(chosen)).toEqual(new Set(['large']))
  })
})

describe('a router that falls back', () => {
  /** The first model is down, in every process. */
  const falling = (asked: string[], down: () => Error): Scenario => ({
    script: LOOKS,
    config: (ledger) => {
      const named = (modelId: string, isDown: boolean): RoutingCandidate => {
        const script: Script = (_, { answer }) => {
          asked.push(`${modelId}@${answer}`)
          if (isDown) return { error: down() }
          ledger.model.push(answer)
          return LOOKS[answer - 1] ?? ''
        }
        return new RoutingCandidate({ model: scriptedModel(script, { modelId }), name: modelId })
      }
      return { model: new ModelRouter([named('small', true), named('large', false)]), tools: [noting(ledger, 'look')] }
    },
  })

  it.skipIf(ModelRouter === undefined).each([
    ['of a network that is down', () => Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
    ['that would be the same again', () => new Error('no such model')],
  ])('asks the next model after an error %s, in whatever process it goes on', async (_, down) => {
    const asked: string[] = []
    const live = await play(runtime, falling(asked, down))
    expect(live.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(asked).toEqual(['small@1', 'large@1', 'large@2', 'large@3', 'large@4'])
    expect(live.ledger.tools).toEqual(['look:1', 'look:2', 'look:3'])
    asked.length = 0
    const scenario = falling(asked, down)
    await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
      const done = (start: string): number => keysOf(prefix).filter((key) => key.startsWith(start)).length
      expect(again.ledger.model).toEqual([1, 2, 3, 4].slice(done('model#')))
      expect(again.ledger.tools).toEqual(['look:1', 'look:2', 'look:3'].slice(done('tool:')))
      // The router of another process begins with its first model again; what is recorded is asked of none.
      const next = done('model#') + 1
      const large = [1, 2, 3, 4].slice(next - 1).map((n) => `large@${n}`)
      expect(asked.splice(0).slice(prefix.length === 1 ? 5 : 0)).toEqual(next > 4 ? [] : [`small@${next}`, ...large])
    })
  })
})

describe('a handler that steers by a model', () => {
  it('asks it once for each call', async () => {
    const guide: Script = () => ({
      tools: [{ name: 'strands_structured_output', input: { type: 'proceed', reason: 'fine' } }],
    })
    const whole = await asksOnce({
      script: LOOKS,
      config: (ledger) => ({
        tools: [noting(ledger, 'look')],
        interventions: [new LLMSteeringHandler({ model: beside(ledger, guide), systemPrompt: 'Steer.' })],
      }),
    })
    expect(beyondOf(whole).length).toBeGreaterThan(2)
    expect(whole.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
  })

  it('shows it in each process what was called before, and what it has stopped', async () => {
    let shown: string[] = []
    const guide: Script = (messages) => {
      const asked = JSON.stringify(messages)
      shown.push([...asked.matchAll(/status\\": \\"(\w+)/g)].map(([, status]) => status).join())
      const type = /Arguments: .{0,9}\\"n\\": 2/.test(asked) ? 'guide' : 'proceed'
      return { tools: [{ name: 'strands_structured_output', input: { type, reason: 'so it is' } }] }
    }
    const scenario: Scenario = {
      script: LOOKS,
      config: (ledger) => ({
        tools: [noting(ledger, 'look')],
        interventions: [new LLMSteeringHandler({ model: beside(ledger, guide), systemPrompt: 'Steer.' })],
      }),
    }
    const whole = await play(runtime, scenario)
    const first = shown
    expect(first).toEqual(['pending', 'success,pending', 'success,error,pending'])
    for (let length = 1; length < whole.entries.length; length++) {
      shown = []
      const prefix = whole.entries.slice(0, length)
      const again = await play(runtime, scenario, prefix)
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
      expect(shown).toEqual(first.slice(beyondOf({ entries: prefix }).length))
    }
  })

  it('shows it what was called in turns that had ended', async () => {
    const shown: string[] = []
    const guide: Script = (messages) => {
      shown.push(
        JSON.stringify(messages)
          .match(/startTime/g)
          ?.length.toString() ?? 'none',
      )
      return { tools: [{ name: 'strands_structured_output', input: { type: 'proceed', reason: 'fine' } }] }
    }
    const engine = await engineWith(runtime, [])
    const make = (): Process =>
      new Process(engine, {
        config: (ledger) => ({
          tools: [noting(ledger, 'look')],
          interventions: [new LLMSteeringHandler({ model: beside(ledger, guide), systemPrompt: 'Steer.' })],
        }),
      })
    const one = make()
    for (const input of ['Q1', 'Q2']) await one.invoke(input)
    await one.plugin.detach()
    const two = make()
    for (const input of ['Q1', 'Q2', 'Q3']) await two.invoke(input)
    expect(shown).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9'])
  })
})

describe('an extractor of memories', () => {
  class EachMessage extends ExtractionTrigger {
    readonly name = 'each'

    attach({ agent, fire }: ExtractionTriggerContext): void {
      agent.addHook(AfterModelCallEvent, () => fire())
    }
  }

  /** Each message says something else, and so each request of the extractor. */
  const said = LOOKS.map((answer, n) => (typeof answer === 'string' ? answer : { ...answer, text: `I look ${n}.` }))

  const remembering = (facts: string[], script: Script): Scenario => ({
    script: said,
    config: (ledger) => {
      const store: MemoryStore = {
        name: 'facts',
        writable: true,
        search: async () => [],
        add: async (fact) => void facts.push(fact),
        extraction: { trigger: new EachMessage(), extractor: new ModelExtractor({ model: beside(ledger, script) }) },
      }
      return { tools: [noting(ledger, 'look')], memoryManager: { stores: [store], injection: false } }
    },
  })

  it('that runs inside of the invocation is recorded, and is not waited for', async () => {
    const facts: string[] = []
    const requests: string[] = []
    const asked: string[] = []
    /** Its answer says which request it is of. */
    const numbered: Script = (messages) => {
      const request = JSON.stringify(plain(messages))
      if (!requests.includes(request)) requests.push(request)
      asked.push(`fact ${requests.indexOf(request)}.`)
      return JSON.stringify([{ content: asked.at(-1) }])
    }
    const scenario = remembering(facts, numbered)
    const { entries, agent, ledger } = await play(runtime, scenario)
    await agent.memoryManager?.flush()
    expect(asked).toEqual(requests.map((_, n) => `fact ${n}.`))
    expect(facts).toEqual(asked)
    expect([ledger.modelCalls, ledger.count('beside:')]).toEqual([4, 5])
    const recorded = (prefix: readonly Entry[]): string[] =>
      prefix.flatMap((entry) =>
        entry.type === 'step' && entry.key.startsWith('beyond:')
          ? (/fact \d+\./.exec(JSON.stringify(entry.outcome)) ?? [])
          : [],
      )
    expect(recorded(entries).length).toBeGreaterThan(1)
    for (let length = 1; length < entries.length; length++) {
      const prefix = entries.slice(0, length)
      asked.length = 0
      const again = await play(runtime, scenario, prefix)
      expect(again.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
      await again.agent.memoryManager?.flush()
      const where = `behind entry ${length - 1}`
      expect(
        asked.filter((fact) => recorded(prefix).includes(fact)),
        where,
      ).toEqual([])
      expect(new Set(asked).size, where).toBe(asked.length)
      const done = (start: string): number => keysOf(prefix).filter((key) => key.startsWith(start)).length
      expect(again.ledger.modelCalls, where).toBe(4 - done('model#'))
      expect(
        again.ledger.tools.filter((name) => name.startsWith('look:')),
        where,
      ).toHaveLength(3 - done('tool:'))
    }
  })

  it('that outlives the run has its answer all the same', async () => {
    const facts: string[] = []
    const over = Promise.withResolvers<void>()
    const scenario = remembering(facts, async () => {
      await over.promise
      return '[{"content":"late"}]'
    })
    const { agent, how } = await play(runtime, scenario)
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    over.resolve()
    await agent.memoryManager?.flush()
    expect(facts).toContain('late')
  })

  it('that begins at the very end has its answer all the same', async () => {
    const asked: Promise<string>[] = []
    const later = async (ticks: number): Promise<void> => {
      for (let tick = 0; tick < ticks; tick++) await undefined
    }
    const { how } = await play(
      runtime,
      judged(
        () => 'late',
        (agent, judge) => {
          agent.addHook(AfterModelCallEvent, () => {
            for (let ticks = 0; ticks < 60; ticks++) asked.push(later(ticks).then(() => judge.ask(`Tick ${ticks}?`)))
          })
        },
        { script: ['Done.'] },
      ),
    )
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['late']))
  })
})

describe('calls of hooks', () => {
  it('side by side: each gets its own answer again, whatever the order', async () => {
    let answers = 0
    let turned = false
    let told: Record<string, string> = {}
    const scenario = judged(
      () => `verdict ${++answers}`,
      (agent, judge) => {
        agent.addHook(BeforeModelCallEvent, async () => {
          const questions = ['May I?', 'May he?', 'May they?', 'May they?']
          const verdicts = (turned ? questions.toReversed() : questions).map(async (question) => {
            told[question] = `${told[question] ?? ''}${await judge.ask(question)}.`
          })
          await Promise.all(verdicts)
        })
      },
      { script: ['Done.'] },
    )
    const whole = await play(runtime, scenario)
    const keys = ['', '~2', '~3', '~4'].map((count) => `beyond:beside@0${count}`)
    expect(beyondOf(whole).toSorted()).toEqual(keys)
    const first = told
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      turned = !turned
      told = {}
      const again = await play(runtime, scenario, prefix)
      expect(beyondOf(again).toSorted()).toEqual(keys)
      const known = JSON.stringify(prefix)
      for (const question of ['May I?', 'May he?']) {
        if (known.includes(`"${first[question]?.slice(0, -1)}"`)) expect(told[question]).toBe(first[question])
      }
    }
  })

  it('that came to the maximum of tokens at one place have a partial message each', async () => {
    let told: string[] = []
    const names = ['one', 'two', 'three']
    const scenario = judged(
      (messages) => {
        const asked = JSON.stringify(messages)
        const name = names.find((each) => asked.includes(`is ${each}`)) ?? 'none'
        const content = [new TextBlock(`${name} `.repeat(20_000))]
        return { error: new MaxTokensError('too many', new Message({ role: 'assistant', content })) }
      },
      (agent, judge) => {
        agent.addHook(BeforeModelCallEvent, async () => {
          for (const name of names) {
            const error = await judge.ask(`is ${name} right?`).catch((error: unknown) => error)
            const { partialMessage } = error as MaxTokensError
            told.push(JSON.stringify(partialMessage.toJSON().content).slice(10, 16))
          }
        })
      },
      { script: ['Done.'] },
    )
    const whole = await play(runtime, scenario)
    const first = told
    expect(new Set(first).size).toBe(3)
    for (let length = 1; length < whole.entries.length; length++) {
      told = []
      const again = await play(runtime, scenario, whole.entries.slice(0, length))
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
      expect(told).toEqual(told.length === 0 ? [] : first)
    }
  })

  it('what was recorded stands, whatever is rendered today; another kind of question is another call', async () => {
    let day = 1
    let kind = 'You judge.'
    const heard: string[] = []
    const scenario = judged(
      (messages) => JSON.stringify(messages[0]?.content),
      (agent, judge) => {
        agent.addHook(BeforeModelCallEvent, async () => {
          heard.push(await judge.ask(`Today is day ${day}.`, { systemPrompt: kind }))
        })
      },
      { script: ['Done.'] },
    )
    const { entries } = await play(runtime, scenario)
    const behind = behindBeyond(entries)
    day = 2
    const again = await play(runtime, scenario, entries.slice(0, behind))
    expect(heard[1]).toBe(heard[0])
    expect(asked(again)).toBe(1)
    kind = 'You sing.'
    const third = await play(runtime, scenario, entries.slice(0, behind))
    expect(heard[2]).toContain('day 2')
    expect(beyondOf(third)).toEqual(['beyond:beside@0', 'beyond:beside@0~2'])
  })

  it('an attempt that failed takes no key, and the same question in each cycle is asked in each', async () => {
    let calls = 0
    const whole = await asksOnce(
      judged(
        () => (++calls % 2 === 1 ? { error: throttled() } : 'good'),
        (agent, judge, ledger) =>
          agent.addHook(BeforeModelCallEvent, async () => {
            const first = judge.ask('Well?').catch(() => {
              // Counted as not asked: it leaves nothing behind.
              ledger.tools.splice(ledger.tools.indexOf('beside:'), 1)
              return judge.ask('Well?')
            })
            expect(await first).toBe('good')
          }),
      ),
    )
    expect(beyondOf(whole)).toEqual([0, 1, 2, 3].map((n) => `beyond:beside@${n}`))
  })

  it('that somebody gave up leave nothing', async () => {
    const { entries } = await play(
      runtime,
      judged(
        () => 'late',
        (agent, judge) => {
          agent.addHook(BeforeModelCallEvent, async () => {
            const gone = new AbortController()
            gone.abort(new Error('gave up'))
            await expect(judge.ask('Well?', { cancelSignal: gone.signal })).rejects.toThrow('gave up')
          })
        },
      ),
    )
    expect(beyondOf({ entries })).toEqual([])
  })

  it('that somebody left in the middle are recorded, and end at once where they were given up before', async () => {
    class Hanging extends ScriptedModel {
      override async *stream(...args: Parameters<ScriptedModel['stream']>): ReturnType<ScriptedModel['stream']> {
        for await (const event of super.stream(...args)) {
          yield event
          if (args[1]?.cancelSignal?.aborted) await new Promise(() => {})
        }
      }
    }
    const models: ScriptedModel[] = []
    const scenario = (isGivenUp: boolean): Scenario => ({
      script: ['Done.'],
      prepare: (agent) => {
        const model = new Hanging(['two words'])
        models.push(model)
        agent.addHook(BeforeModelCallEvent, async () => {
          const gone = new AbortController()
          for await (const _ of model.streamAggregated([], { cancelSignal: gone.signal })) {
            if (isGivenUp) gone.abort()
            break
          }
        })
      },
    })
    const left = await play(runtime, scenario(false))
    expect(beyondOf(left)).toHaveLength(1)
    await play(runtime, scenario(false), left.entries.slice(0, behindBeyond(left.entries)))
    expect(models.map(({ calls }) => calls)).toEqual([1, 0])
    const givenUp = await play(runtime, scenario(true))
    expect(givenUp.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(beyondOf(givenUp)).toEqual([])
  })

  it('show a recorded answer as a model does', async () => {
    const seen: string[][] = []
    const scenario = judged(
      ['two words'],
      (agent, judge) => {
        agent.addHook(BeforeModelCallEvent, async () => {
          const types: string[] = []
          for await (const event of judge.model.streamAggregated([])) {
            types.push(`${event.type}${isReplayed(event) ? ' again' : ''}`)
          }
          seen.push(types)
        })
      },
      { script: ['Done.'] },
    )
    const { entries } = await play(runtime, scenario)
    await play(runtime, scenario, entries.slice(0, behindBeyond(entries)))
    expect(seen[0]).toEqual([
      'modelMessageStartEvent',
      'modelContentBlockStartEvent',
      ...['modelContentBlockDeltaEvent', 'modelContentBlockDeltaEvent'],
      ...['modelContentBlockStopEvent', 'textBlock', 'modelMessageStopEvent', 'modelMetadataEvent'],
    ])
    expect(seen[1]).toEqual([
      'modelMessageStartEvent again',
      'modelContentBlockStartEvent again',
      'modelContentBlockDeltaEvent again',
      ...['modelContentBlockStopEvent again', 'textBlock'],
      ...['modelMessageStopEvent again', 'modelMetadataEvent again'],
    ])
  })
})

describe('a model that nobody finds', () => {
  type Ask = (text: string) => Promise<string>

  /** Holds its model where no field of its own leads. */
  class Hidden {
    readonly name = 'hidden'
    readonly #model: Model

    constructor(model: Model) {
      this.#model = model
    }

    initAgent(): void {}

    readonly ask: Ask = (text) => new Judge(this.#model).ask(text)
  }

  const held: readonly [string, (model: Model) => { readonly plugins: readonly Hidden[]; readonly ask: Ask }][] = [
    ['a closure', (model) => ({ plugins: [], ask: (text) => new Judge(model).ask(text) })],
    [
      'a #private field',
      (model) => {
        const hidden = new Hidden(model)
        return { plugins: [hidden], ask: hidden.ask }
      },
    ],
    [
      'an agent that a closure holds',
      (model) => ({
        plugins: [],
        ask: async (text) => String(await new Agent({ model, printer: false }).invoke(text)),
      }),
    ],
  ]

  it.each(held)('because %s holds it is asked once, in each cycle', async (_, hold) => {
    let ask: Ask
    const heard: string[] = []
    const whole = await asksOnce({
      script: LOOKS,
      config: (ledger) => {
        const { plugins, ask: asks } = hold(beside(ledger, () => 'good'))
        ask = asks
        return { tools: [noting(ledger, 'look')], plugins: [...plugins] }
      },
      prepare: (agent) => {
        agent.addHook(BeforeModelCallEvent, async () => void heard.push(await ask('Well?')))
      },
    })
    expect(beyondOf(whole)).toEqual([0, 1, 2, 3].map((n) => `beyond:beside@${n}`))
    expect(new Set(heard)).toEqual(new Set(['good']))
  })

  it('is a part of the step in the body of a tool, and an ordinary one without a durable agent', async () => {
    const asked: Ask[] = []
    const { entries, ledger } = await play(runtime, {
      script: LOOKS,
      config: (ledger) => {
        const model = beside(ledger, () => 'good')
        asked.push((text) => new Judge(model).ask(text))
        return { tools: [noting(ledger, 'look', () => new Judge(model).ask('Well?'))] }
      },
    })
    expect(ledger.count('beside:')).toBe(3)
    expect(await asked[0]?.('Well?')).toBe('good')
    expect(ledger.count('beside:')).toBe(4)
    expect(beyondOf({ entries })).toEqual([])
  })
})

describe('a verdict on a call of a tool', () => {
  it('stays with that call, whichever hook asks first and whatever is rendered', async () => {
    let day = 1
    let verdicts = 0
    let passes = (_: string): boolean => false
    const heard: string[] = []
    const scenario = judged(
      () => `verdict ${++verdicts}`,
      (agent, judge) => {
        agent.addHook(BeforeToolCallEvent, async ({ toolUse: { toolUseId } }) => {
          if (!passes(toolUseId)) heard.push(`${toolUseId}: ${await judge.ask(`Today is day ${day}. May I?`)}`)
        })
      },
      { script: [{ tools: ['u1', 'u2'].map((id) => ({ name: 'look', input: { n: 1 }, id })) }, 'Done.'] },
    )
    const { entries } = await play(runtime, scenario)
    expect(heard).toEqual(['u1: verdict 1', 'u2: verdict 2'])
    const both = entries.findLastIndex((entry) => entry.type === 'step' && entry.key.startsWith('beyond:')) + 1
    day = 2
    passes = (id) => id === 'u1'
    const again = await play(runtime, scenario, entries.slice(0, both))
    expect(heard.at(-1)).toBe('u2: verdict 2')
    expect(again.ledger.count('beside:')).toBe(0)
  })
})

describe('a hook behind the invocation', () => {
  it('asks a model once, whenever the process dies, and may do steps', async () => {
    let judge: Judge
    const done: string[] = []
    const whole = await asksOnce({
      script: LOOKS,
      config: (ledger) => {
        judge = new Judge(beside(ledger, () => 'good'))
        return { tools: [noting(ledger, 'look')], plugins: [judge] }
      },
      prepare: (agent) => {
        agent.addHook(AfterInvocationEvent, async (event) => {
          const answer = await judge.ask('Was it good?')
          await runOf(event)?.step('audit', () => void done.push(String(answer)))
        })
      },
    })
    expect(beyondOf(whole)).toEqual(['beyond:beside@4'])
    expect(keysOf(whole.entries).at(-1)).toBe('hook:afterInvocation:audit@4')
    // Once in the whole run, and once in each that began behind an entry before it.
    expect(done).toHaveLength(whole.entries.length - 1)
  })

  it('of an invocation that was given up is an ordinary hook', async () => {
    const engine = await engineWith(runtime, [])
    const seen: unknown[] = []
    const ask = (agent: Agent): void => {
      agent.addHook(BeforeToolCallEvent, (event) => void event.interrupt({ name: 'sure' }))
      agent.addHook(AfterInvocationEvent, async (event) => {
        seen.push(await runOf(event)?.step('audit', () => 'done'))
      })
    }
    const one = new Process(engine)
    ask(one.agent)
    expect((await one.invoke('Q4')).stopReason).toBe('interrupt')
    expect((await one.invoke('Q4')).stopReason).toBe('interrupt')
    expect(seen).toEqual([undefined, undefined])
  })
})

describe('what is no step of its own', () => {
  it('a call of a tool, and of hooks before the invocation', async () => {
    let judge: Judge
    const { entries, ledger } = await play(runtime, {
      script: LOOKS,
      config: (ledger) => {
        judge = new Judge(beside(ledger, () => 'good'))
        return { tools: [noting(ledger, 'look', () => judge.ask('Well?'))], plugins: [judge] }
      },
      prepare: (agent) => {
        agent.addHook(BeforeInvocationEvent, async () => void (await judge.ask('Well?')))
      },
    })
    expect(ledger.count('beside:')).toBe(4)
    expect(beyondOf({ entries })).toEqual([])
    expect(keysOf(entries).filter((key) => key.startsWith('model#'))).toHaveLength(4)
  })

  it('a call of the same model by an agent that is not durable', async () => {
    const calls: string[] = []
    const shared = new Judge(
      scriptedModel(() => {
        calls.push('asked')
        return 'good'
      }),
    )
    const { entries } = await play(runtime, {
      script: ['Done.'],
      config: () => ({ plugins: [shared] }),
    })
    expect(await shared.ask('Well?')).toBe('good')
    expect(calls).toHaveLength(1)
    expect(beyondOf({ entries })).toEqual([])
  })

  it('a call of a consumer of the stream', async () => {
    const process = new Process(await engineWith(runtime, []), { script: LOOKS })
    const judge = new Judge(process.agent.model)
    for await (const event of process.agent.stream('go')) {
      if (event.type === 'modelMessageEvent') await judge.ask('Well?')
    }
    expect(keysOf(process.engine.entries('q4')).some((key) => key.startsWith('beyond:'))).toBe(false)
  })
})

describe('the state of a stateful model', () => {
  /** The server knows the conversation; the client only the id of the last answer. */
  class Stateful extends Model {
    readonly ledger: Ledger
    readonly writes: (n: number) => boolean

    constructor(ledger: Ledger, writes: (n: number) => boolean) {
      super()
      this.ledger = ledger
      this.writes = writes
    }

    override get stateful(): boolean {
      return true
    }

    updateConfig(): void {}

    getConfig(): { modelId: string } {
      return { modelId: 'stateful' }
    }

    async *stream(messages: Message[], options?: Parameters<Model['stream']>[1]): ReturnType<Model['stream']> {
      const state = options?.modelState
      const n = 1 + messages.filter(({ role }) => role === 'assistant').length
      this.ledger.tools.push(`given ${state?.get('last')}`)
      if (this.writes(n)) state?.set('last', `${n}`)
      yield* scriptedModel(LOOKS).stream(messages)
    }
  }

  const stateful = (writes: (n: number) => boolean): Scenario => ({
    script: LOOKS,
    config: (ledger) => ({ model: new Stateful(ledger, writes), tools: [noting(ledger, 'look')] }),
  })

  it.each<[string, (n: number) => boolean, string]>([
    ['each', () => true, '4'],
    ['the first', (n) => n === 1, '1'],
    ['every other', (n) => n % 2 === 1, '3'],
  ])('is recorded with the answer, and nowhere else: written by %s call', async (_, writes, last) => {
    const whole = await playAllPrefixes(runtime, stateful(writes), (again, whole, prefix) => {
      expect(again.how).toEqual(whole.how)
      expect(again.agent.modelState.getAll()).toEqual({ last })
      expect(keysOf(again.entries)).toEqual(keysOf(whole.entries))
      // Asked with what the one before had left: a state that was lost would be missing.
      expect(again.ledger.tools.filter((done) => done.startsWith('given'))).toEqual(
        whole.ledger.tools.filter((done) => done.startsWith('given')).slice(recordedSteps(prefix, 'model')),
      )
    })
    const patches = whole.entries.flatMap((entry) => (entry.type === 'state' ? [JSON.stringify(entry.patch)] : []))
    expect(patches.join()).not.toContain('modelState')
    const answers = whole.entries.filter((entry) => entry.type === 'step' && entry.op.kind === 'model')
    expect(answers.map((entry) => JSON.stringify(entry).includes('modelState'))).toEqual([1, 2, 3, 4].map(writes))
  })

  it('adds nothing for a model without', async () => {
    const { entries } = await play(
      runtime,
      judged([], () => {}),
    )
    expect(JSON.stringify(entries)).not.toContain('modelState')
  })
})

describe('tokens counted over the network', () => {
  it('are not counted while the next answer is recorded', async () => {
    const counted: number[] = []
    const estimates: (number | undefined)[] = []
    const scenario: Scenario = {
      script: LOOKS,
      config: (ledger): AgentConfig => ({ tools: [noting(ledger, 'look')] }),
      prepare: (agent) => {
        agent.model.countTokens = async (messages) => counted.push(messages.length)
        agent.addHook(BeforeModelCallEvent, ({ projectedInputTokens }) => void estimates.push(projectedInputTokens))
      },
    }
    const { entries } = await play(runtime, scenario)
    const all = counted.length
    expect(all).toBe(4)
    for (let length = 1; length < entries.length; length++) {
      counted.length = 0
      estimates.length = 0
      const prefix = entries.slice(0, length)
      await play(runtime, scenario, prefix)
      expect(counted.length).toBe(all - recordedSteps(prefix, 'model'))
      expect(estimates).not.toContain(undefined)
    }
  })
})

describe('attempts of the loop', () => {
  it('are the loop’s own, retried or not', async () => {
    let calls = 0
    const { entries } = await play(runtime, {
      script: () => (++calls === 1 ? { error: throttled() } : 'Done.'),
      config: () => ({
        retryStrategy: new DefaultModelRetryStrategy({ maxAttempts: 3, backoff: new ConstantBackoff({ delayMs: 1 }) }),
      }),
    })
    expect(keysOf(entries)).toEqual(['model#1'])
  })
})
