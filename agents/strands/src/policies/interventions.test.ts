/** Interventions that ask people: what was asked and answered counts, whatever a handler would say the second time. */
import type { Entry, Question } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterToolCallEvent,
  type AgentConfig,
  InterventionActions,
  InterventionHandler,
  type Model,
  type OnError,
} from '@strands-agents/sdk'
import { HumanInTheLoop, type HumanInTheLoopConfig } from '@strands-agents/sdk/vended-interventions/hitl'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { engineWith, Process } from '../../test/process.ts'
import {
  keysOf,
  outcomeOf,
  type Played,
  play,
  playAllPrefixes,
  questionsOf,
  recordedSteps,
  type Scenario,
} from '../../test/scenario.ts'
import { type Script, type ScriptedAnswer, scriptedModel } from '../testing/index.ts'

const runtime = nodeRuntime()

const BOTH: Script = [
  {
    tools: [
      { name: 'charge', input: { n: 1 } },
      { name: 'charge', input: { n: 2 } },
      { name: 'look', input: { n: 3 } },
    ],
  },
  'Done.',
]
const ONE: Script = [{ tools: [{ name: 'charge', input: { n: 1 } }] }, 'Done.']

/** The part of the journal's keys that a verdict or an inline answer has. */
const DECIDED = 'hook:beforeToolCall:strands:human-in-the-loop'

/** A model that classifies: only what looks is harmless. `isRisky`: what it says of the others. */
function classifying(ledger: Ledger, isRisky: () => boolean = () => true): Model {
  return scriptedModel(
    (messages) => {
      ledger.tools.push('classified:')
      const requiresApproval = isRisky() && !JSON.stringify(messages).includes('Tool: look')
      return { tools: [{ name: 'strands_structured_output', input: { requiresApproval, reason: 'it costs' } }] }
    },
    { modelId: 'classifier' },
  )
}

type Make = (ledger: Ledger, isRisky?: () => boolean) => HumanInTheLoopConfig

const byFunction: Make = (ledger, isRisky = () => true) => ({
  classifier: async ({ toolUse }) => {
    ledger.tools.push('classified:')
    return { requiresHumanInTheLoop: isRisky() && toolUse.name !== 'look', reason: 'it costs' }
  },
})
const byModel: Make = (ledger, isRisky) => ({ classifier: { model: classifying(ledger, isRisky) as never } })

const MODES: readonly [string, Make][] = [
  ['that always asks', () => ({ allowedTools: ['look'] })],
  ['whose classifier is a function', byFunction],
  ['whose classifier is a model', byModel],
]

function config(make: Make, isRisky?: () => boolean): (ledger: Ledger) => AgentConfig {
  return (ledger) => ({
    tools: [noting(ledger, 'charge'), noting(ledger, 'look')],
    interventions: [new HumanInTheLoop(make(ledger, isRisky))],
  })
}

function yesToTheFirst({ reason }: Question): { value: string } {
  return { value: String(reason).includes('"n":1') ? 'yes' : 'no' }
}

function decidedIn(entries: readonly Entry[]): number {
  return keysOf(entries).filter((key) => key.startsWith(DECIDED)).length
}

function toolsOf({ ledger }: Pick<Played, 'ledger'>): string[] {
  return ledger.tools.filter((done) => !done.endsWith(':'))
}

function askedModels({ ledger }: Played, make: Make): number {
  return ledger.modelCalls + (make === byModel ? ledger.count('classified:') : 0)
}

describe.each(MODES)('a human in the loop %s', (_, make) => {
  it('is asked once, and what is said counts in every process', async () => {
    const scenario: Scenario = { script: BOTH, config: config(make), answer: yesToTheFirst }
    const whole = await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
      expect(questionsOf(again.entries)).toEqual(questionsOf(whole.entries))
      expect(askedModels(again, make)).toBe(askedModels(whole, make) - recordedSteps(prefix, 'model'))
      if (make === byFunction)
        expect(again.ledger.count('classified:')).toBe(whole.ledger.count('classified:') - decidedIn(prefix))
      expect(toolsOf(again)).toHaveLength(2 - recordedSteps(prefix, 'tool'))
      expect(again.ledger.tools).not.toContain('charge:2')
    })
    expect(toolsOf(whole).toSorted()).toEqual(['charge:1', 'look:3'])
    expect(questionsOf(whole.entries)).toHaveLength(2)
    expect(whole.ledger.count('classified:')).toBe(make === MODES[0]?.[1] ? 0 : 3)
    expect(JSON.stringify(plain(whole.agent.messages))).toContain('CONFIRMATION_FAILED')
    // One process asks, another one goes on.
    expect(whole.agents).toHaveLength(2)
  })

  it('says the same as without Selvage', async () => {
    const { agent } = await play(runtime, { script: BOTH, config: config(make), answer: yesToTheFirst })
    const ledger = new Ledger()
    const bare = makeAgent(ledger, BOTH, config(make)(ledger)).agent
    const { interrupts = [] } = await bare.invoke('go')
    await bare.invoke(
      interrupts.map(({ id, reason }) => ({
        interruptResponse: { interruptId: id, response: yesToTheFirst({ reason } as Question).value },
      })),
    )
    // Without Selvage the reason is not there any more when the answer comes.
    const said = JSON.stringify(plain(agent.messages)).replace(' — it costs?', '?')
    expect(JSON.parse(said)).toEqual(plain(bare.messages))
  })

  it.each(['the same process', 'another process'])('answered one by one, in %s', async (where) => {
    const engine = await engineWith(runtime, [])
    const ledger = new Ledger()
    const processes: Process[] = []
    const process = (): Process => {
      const before = processes.at(-1)
      if (where === 'the same process' && before !== undefined) return before
      const next = new Process(engine, { script: BOTH, config: config(make), ledger })
      processes.push(next)
      return next
    }
    const { interrupts = [] } = await process().invoke('Q4')
    const answers = interrupts.map(({ id }) => ({ interruptResponse: { interruptId: id, response: 'no' } }))
    expect(answers).toHaveLength(2)
    const still = await process().invoke(answers.slice(0, 1))
    expect(still.interrupts).toMatchObject([{ id: interrupts[1]?.id, reason: interrupts[1]?.reason }])
    expect(String(await process().invoke(answers.slice(1)))).toBe('Done.')
    expect(toolsOf({ ledger })).toEqual(['look:3'])
    expect(ledger.modelCalls).toBe(2)
    expect(ledger.count('classified:')).toBe(make === MODES[0]?.[1] ? 0 : 3)
    expect(questionsOf(engine.entries('q4'))).toHaveLength(2)
  })

  it('is asked by an agent inside of another one', async () => {
    const inside = [(BOTH as readonly ScriptedAnswer[])[0] as ScriptedAnswer, 'Seen.']
    const whole = await playAllPrefixes(
      runtime,
      {
        script: [{ tools: [{ name: 'clerk', input: { input: 'go' } }] }, 'Done.'],
        config: (ledger) => ({
          tools: [makeAgent(ledger, inside, { name: 'clerk', id: 'clerk', ...config(make)(ledger) }).agent.asTool()],
        }),
        answer: yesToTheFirst,
      },
      (again, whole, prefix) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(whole))
        expect(askedModels(again, make)).toBe(askedModels(whole, make) - recordedSteps(prefix, 'model'))
        expect(again.ledger.tools).not.toContain('charge:2')
      },
    )
    expect(toolsOf(whole).toSorted()).toEqual(['charge:1', 'look:3'])
  })
})

describe.each(MODES.slice(1))('a person’s no to a human in the loop %s', (_, make) => {
  it('stands, whatever the classifier says in another process', async () => {
    let isRisky = true
    const scenario: Scenario = {
      script: ONE,
      config: config(make, () => isRisky),
      answer: () => ({ value: 'no' }),
    }
    const whole = await play(runtime, scenario)
    expect(toolsOf(whole)).toEqual([])
    isRisky = false
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const again = await play(runtime, scenario, prefix)
      // Nothing is recorded before the classifier has spoken.
      const hasSpoken = keysOf(prefix).some((key) => key.startsWith('beyond:') || key.startsWith(DECIDED))
      expect(toolsOf(again)).toEqual(hasSpoken ? [] : ['charge:1'])
      expect(again.ledger.count('classified:')).toBe(hasSpoken ? 0 : 1)
      if (hasSpoken) expect(outcomeOf(again)).toEqual(outcomeOf(whole))
    }
  })
})

describe('a human in the loop', () => {
  it('whose classifier fails asks, and the question stands where it would pass today', async () => {
    let isDown = true
    const scenario: Scenario = {
      script: ONE,
      config: config((ledger) => ({
        classifier: () => {
          ledger.tools.push('classified:')
          if (isDown) throw new Error('no network')
          return { requiresHumanInTheLoop: false }
        },
      })),
      answer: () => ({ value: 'no' }),
    }
    const { entries } = await play(runtime, scenario)
    expect(decidedIn(entries)).toBe(0)
    const asked = entries.findIndex(({ type }) => type === 'open') + 1
    isDown = false
    const again = await play(runtime, scenario, entries.slice(0, asked))
    expect(again.ledger.tools).toEqual([])
  })

  it.each([
    ['no', 0],
    ['fine', 1],
  ])('is told %s to a call beside one whose tool is trusted from now on', async (value, runs) => {
    const trusting: Make = () => ({ allowedTools: ['look'], enableTrust: true, evaluate: (said) => said === 'fine' })
    const [both] = BOTH as readonly ScriptedAnswer[]
    const whole = await playAllPrefixes(
      runtime,
      {
        script: [both as ScriptedAnswer, ...(ONE as readonly ScriptedAnswer[])],
        config: config(trusting),
        answer: ({ reason }) => ({ value: String(reason).includes('"n":1') ? 'trust' : value }),
      },
      (again, whole, prefix) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(whole))
        expect(toolsOf(again)).toHaveLength(3 + runs - recordedSteps(prefix, 'tool'))
      },
    )
    expect(whole.ledger.count('charge:2')).toBe(runs)
    // The call of the next cycle is trusted.
    expect(questionsOf(whole.entries)).toHaveLength(2)
    expect(whole.ledger.count('charge:1')).toBe(2)
  })

  it('counts what it is told while its process lives', async () => {
    const engine = await engineWith(runtime, [])
    const process = new Process(engine, {
      script: BOTH,
      wait: true,
      config: config(() => ({ allowedTools: ['look'], enableTrust: true })),
    })
    const invoked = process.invoke('Q4')
    await engine.until('q4', (entries) => questionsOf(entries).length === 2)
    for (const { id, reason } of questionsOf(engine.entries('q4'))) {
      const value = String(reason).includes('"n":1') ? 'trust' : 'no'
      await engine.signal('q4', { id, name: id, payload: { value } })
    }
    expect(String(await invoked)).toBe('Done.')
    expect(toolsOf(process).toSorted()).toEqual(['charge:1', 'look:3'])
    await process.plugin.detach()
  })

  it('that asks inline is asked once for each call', async () => {
    const inline = config((ledger) => ({
      allowedTools: ['look'],
      ask: async (prompt) => {
        ledger.tools.push('asked:')
        return prompt.includes('"n":1')
      },
    }))
    const whole = await playAllPrefixes(runtime, { script: BOTH, config: inline }, (again, whole, prefix) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
      expect(again.ledger.count('asked:')).toBe(2 - decidedIn(prefix))
      expect(toolsOf(again)).toHaveLength(2 - recordedSteps(prefix, 'tool'))
    })
    expect(toolsOf(whole).toSorted()).toEqual(['charge:1', 'look:3'])
  })

  it('is not asked again about a call that a hook has made again', async () => {
    const whole = await playAllPrefixes(
      runtime,
      {
        script: ONE,
        config: config(byFunction, () => false),
        prepare: (agent) => {
          let calls = 0
          agent.addHook(AfterToolCallEvent, (event) => {
            if (++calls === 1) event.retry = true
          })
        },
      },
      (again, whole, prefix) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(whole))
        expect(again.ledger.count('classified:')).toBe(1 - decidedIn(prefix))
      },
    )
    expect(whole.ledger.count('charge:1')).toBe(2)
    expect(questionsOf(whole.entries)).toEqual([])
  })

  it('of an agent that is not durable remembers what it has classified', async () => {
    const ledger = new Ledger()
    const human = new HumanInTheLoop(byFunction(ledger))
    const durable = new Process(await engineWith(runtime, []), {
      script: ONE,
      config: () => ({ tools: [noting(ledger, 'charge')], interventions: [human] }),
    })
    expect((await durable.invoke('Q4')).stopReason).toBe('interrupt')
    const { agent } = makeAgent(ledger, ONE, { tools: [noting(ledger, 'charge')], interventions: [human] })
    const { interrupts = [] } = await agent.invoke('go')
    await agent.invoke([{ interruptResponse: { interruptId: interrupts[0]?.id ?? '', response: 'no' } }])
    // Once for each agent.
    expect(ledger.count('classified:')).toBe(2)
    expect(toolsOf({ ledger })).toEqual([])
  })
})

describe('a handler of its author’s own', () => {
  type Says = 'proceed' | 'transform' | 'throw'

  class Fickle extends InterventionHandler {
    readonly name = 'fickle'
    override readonly onError: OnError = 'proceed'
    readonly #says: () => Says | 'confirm'

    constructor(says: () => Says | 'confirm') {
      super()
      this.#says = says
    }

    override beforeToolCall(): ReturnType<InterventionHandler['beforeToolCall']> {
      const says = this.#says()
      if (says === 'throw') throw new Error('no network')
      if (says === 'confirm') return InterventionActions.confirm('Sure?')
      return says === 'proceed' ? InterventionActions.proceed() : InterventionActions.transform(() => {})
    }
  }

  it.each<[string, Says, string]>([
    ['no', 'proceed', 'no'],
    ['no', 'transform', 'no'],
    ['no', 'throw', 'no'],
    ['yes', 'proceed', 'yes'],
  ])('that has asked, was told %s, and says %s today', async (_, today, value) => {
    let says: Says | 'confirm' = 'confirm'
    const scenario: Scenario = {
      script: ONE,
      config: (ledger) => ({ tools: [noting(ledger, 'charge')], interventions: [new Fickle(() => says)] }),
      answer: () => ({ value }),
    }
    const { entries } = await play(runtime, scenario)
    const asked = entries.findIndex(({ type }) => type === 'open') + 1
    says = today
    for (let length = asked; length < entries.length; length++) {
      const prefix = entries.slice(0, length)
      const again = await play(runtime, scenario, prefix)
      expect(again.ledger.tools).toHaveLength(value === 'yes' ? 1 - recordedSteps(prefix, 'tool') : 0)
      expect(questionsOf(again.entries)).toHaveLength(1)
    }
  })

  it('that has asked leaves the question open until somebody answers', async () => {
    let says: Says | 'confirm' = 'confirm'
    const scenario: Scenario = {
      script: ONE,
      config: (ledger) => ({ tools: [noting(ledger, 'charge')], interventions: [new Fickle(() => says)] }),
    }
    const { entries, how } = await play(runtime, scenario)
    says = 'proceed'
    const again = await play(runtime, scenario, entries)
    expect(again.how).toEqual(how)
    expect(again.ledger.tools).toEqual([])
  })
})
