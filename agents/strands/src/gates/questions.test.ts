import type { Entry, Json, Question } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  BeforeToolCallEvent,
  BeforeToolsEvent,
  ExecuteToolStage,
  type JSONValue,
  type ToolContext,
  tool,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { type Ledger, noting, plain } from '../../test/agents.ts'
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
import type { Script } from '../testing/index.ts'

const runtime = nodeRuntime()

const twoCalls: Script = [
  {
    tools: [
      { name: 'charge', input: { n: 1 } },
      { name: 'look', input: { n: 2 } },
    ],
  },
  (() => 'Done.')(),
]

/** A tool that asks before it acts. */
function asking(ledger: Ledger, name = 'charge', interrupts: readonly string[] = ['confirm']) {
  return tool({
    name,
    description: 'For a test.',
    inputSchema: { type: 'object' },
    callback: (input, context) => {
      ledger.tools.push(`${name}-begun`)
      const answers = interrupts.map((interrupt) =>
        (context as ToolContext).interrupt<JSONValue>({
          name: interrupt,
          reason: { amount: (input as { n: number }).n },
        }),
      )
      ledger.tools.push(`${name}:${JSON.stringify(answers)}`)
      return `charged ${JSON.stringify(answers)}`
    },
  })
}

function textsOf({ agent }: Played): string {
  return JSON.stringify(plain(agent.messages))
}

function once(again: Played, whole: Played, prefix: readonly Entry[]): void {
  expect(outcomeOf(again)).toEqual(outcomeOf(whole))
  expect(again.ledger.modelCalls).toBe(whole.ledger.modelCalls - recordedSteps(prefix, 'model'))
  const byId = ({ entries }: Played): Question[] =>
    questionsOf(entries).sort((one, other) => (one.id < other.id ? -1 : 1))
  expect(byId(again)).toEqual(byId(whole))
  const keys = keysOf(again.entries)
  expect(new Set(keys).size).toBe(keys.length)
}

describe('interrupts', () => {
  it('of a tool: asked, answered by any process, the body runs again and siblings do not', async () => {
    const scenario: Scenario = {
      script: twoCalls,
      config: (ledger) => ({ tools: [asking(ledger), noting(ledger, 'look')] }),
      answer: () => ({ value: 'yes' }),
    }
    const whole = await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
      once(again, whole, prefix)
      const acted = prefix.some((entry) => entry.type === 'step' && entry.key === 'tool:call_1_1@1~2') ? 0 : 1
      expect(again.ledger.count('charge:["yes"]')).toBe(acted)
    })
    expect(questionsOf(whole.entries)).toMatchObject([
      {
        id: expect.stringMatching(/^ap_/),
        kind: 'interrupt',
        name: 'confirm',
        tool: 'charge',
        input: { n: 1 },
        reason: { amount: 1 },
      },
    ])
    expect(keysOf(whole.entries).sort()).toEqual([
      'model#1',
      'model#2',
      'tool:call_1_1@1',
      'tool:call_1_1@1~2',
      'tool:call_1_2@1',
    ])
    expect(whole.ledger.tools.sort()).toEqual(['charge-begun', 'charge-begun', 'charge:["yes"]', 'look:2'])
    // While it waited there was no process.
    expect(whole.agents).toHaveLength(2)
  })

  it('several at once and one behind the other, in one cycle', async () => {
    const scenario: Scenario = {
      script: [
        {
          tools: [
            { name: 'one', input: { n: 1 } },
            { name: 'two', input: { n: 2 } },
          ],
        },
        'Done.',
      ],
      config: (ledger) => ({ tools: [asking(ledger, 'one', ['a', 'b']), asking(ledger, 'two', ['c'])] }),
      answer: ({ name }) => ({ value: `re ${name}` }),
    }
    const whole = await playAllPrefixes(runtime, scenario, once)
    expect(textsOf(whole)).toContain('charged [\\"re a\\",\\"re b\\"]')
    expect(textsOf(whole)).toContain('charged [\\"re c\\"]')
    expect(
      questionsOf(whole.entries)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['a', 'b', 'c'])
  })

  it('of the same tool call id in two cycles are two questions', async () => {
    const scenario: Scenario = {
      script: (_, { answer }) =>
        answer > 2 ? 'Done.' : { tools: [{ name: 'charge', input: { n: answer }, id: 'call_0' }] },
      config: (ledger) => ({ tools: [asking(ledger)] }),
      answer: ({ reason }) => ({ value: (reason as { amount: number }).amount }),
    }
    const whole = await playAllPrefixes(runtime, scenario, once)
    expect(questionsOf(whole.entries)).toHaveLength(2)
    expect(textsOf(whole)).toContain('charged [1]')
    expect(textsOf(whole)).toContain('charged [2]')
  })

  it('of hooks and middleware, together with those of tools', async () => {
    const scenario: Scenario = {
      script: [
        {
          tools: [
            { name: 'charge', input: { n: 1 } },
            { name: 'look', input: { n: 2 } },
            { name: 'look', input: { n: 3 } },
          ],
        },
        'Done.',
      ],
      config: (ledger) => ({ tools: [asking(ledger), noting(ledger, 'look')] }),
      prepare: (agent) => {
        agent.addHook(BeforeToolsEvent, (event) => {
          agent.appState.set('tools', event.interrupt({ name: 'tools' }))
        })
        agent.addHook(BeforeToolCallEvent, (event) => {
          if ((event.toolUse.input as { n: number }).n !== 2) return
          agent.appState.set('look', event.interrupt({ name: 'hook', reason: 'hm' }))
        })
        agent.addMiddleware(ExecuteToolStage, async function* (ctx, next) {
          if ((ctx.toolUse.input as { n: number }).n === 3)
            agent.appState.set('inner', ctx.interrupt({ name: 'inner' }).response)
          return yield* next(ctx)
        })
      },
      answer: ({ name }) => ({ value: `re ${name}` }),
    }
    const whole = await playAllPrefixes(runtime, scenario, once)
    expect(whole.agent.appState.getAll()).toEqual({ tools: 're tools', look: 're hook', inner: 're inner' })
    expect(
      questionsOf(whole.entries)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['confirm', 'hook', 'inner', 'tools'])
    expect(whole.ledger.tools.filter((done) => done.startsWith('look')).sort()).toEqual(['look:2', 'look:3'])
  })

  it.each(['the same process', 'another process'])('of hooks are raised once, gone on with in %s', async (where) => {
    const engine = await engineWith(runtime, [])
    const asked: string[] = []
    const make = (): Process => {
      const process = new Process(engine, {
        script: twoCalls,
        config: (ledger) => ({ tools: [noting(ledger, 'charge'), noting(ledger, 'look')] }),
      })
      for (const name of ['first', 'second'])
        process.agent.addHook(BeforeToolsEvent, (event) => {
          asked.push(name)
          asked.push(`${name}: ${event.interrupt<JSONValue>({ name, reason: 'big' })}`)
        })
      return process
    }
    const first = make()
    const { interrupts = [] } = await first.invoke('Q4')
    const second = where === 'the same process' ? first : make()
    const answers = interrupts.map(({ id, name }) => ({
      interruptResponse: { interruptId: id, response: `yes, ${name}` },
    }))
    // One answer alone: the other question is asked again, and is the same.
    const still = await second.invoke(answers.slice(0, 1))
    expect(still.interrupts).toMatchObject([{ name: 'second' }])
    expect(String(await second.invoke(answers.slice(1)))).toBe('Done.')
    expect(asked).toEqual([
      'first',
      'second',
      'first',
      'first: yes, first',
      'second',
      'first',
      'first: yes, first',
      'second',
      'second: yes, second',
    ])
    expect(questionsOf(engine.entries('q4'))).toHaveLength(2)
  })

  it('of an agent that is cancelled behind the answer do not stand in the way of its next turn', async () => {
    const engine = await engineWith(runtime, [])
    const process = new Process(engine, {
      script: [...(twoCalls as unknown[]), 'Next.'] as Script,
      wait: true,
      config: (ledger) => ({ tools: [noting(ledger, 'charge'), noting(ledger, 'look')] }),
    })
    process.agent.addHook(BeforeToolsEvent, (event) => {
      event.interrupt({ name: 'approve' })
      process.agent.cancel()
    })
    const invoked = process.invoke('Q4')
    await engine.until('q4', (entries) => questionsOf(entries).length > 0)
    const id = questionsOf(engine.entries('q4'))[0]?.id ?? ''
    await engine.signal('q4', { id, name: id, payload: { value: 'yes' } })
    expect((await invoked).stopReason).toBe('cancelled')
    expect(String(await process.invoke('Q3'))).toBe('Done.')
    await process.plugin.detach()
    const again = new Process(engine)
    expect((await again.invoke('Q4')).stopReason).toBe('cancelled')
    await again.invoke('Q3')
    expect(plain(again.agent.messages)).toEqual(plain(process.agent.messages))
  })

  it('answered one by one, days apart', async () => {
    const played = await play(runtime, {
      script: [
        {
          tools: [
            { name: 'one', input: { n: 1 } },
            { name: 'two', input: { n: 2 } },
          ],
        },
        'Done.',
      ],
      config: (ledger) => ({ tools: [asking(ledger, 'one', ['a']), asking(ledger, 'two', ['c'])] }),
    })
    const { engine, entries, program, ledger } = played
    const day = 24 * 60 * 60 * 1000
    const asked = engine.now
    for (const name of ['c', 'a']) {
      engine.now += 3 * day
      const { id } = questionsOf(entries).find((question) => question.name === name) as Question
      await engine.signal('r', { id, name: id, payload: { value: name } })
      ledger.tools.push(`answered ${name}`)
      const how = await engine.execute('r', program)
      expect(how).toMatchObject(name === 'c' ? { waits: [expect.anything()] } : { outcome: { ok: { text: 'Done.' } } })
    }
    const acted = ledger.tools.filter((done) => !done.endsWith('-begun'))
    expect(acted).toEqual(['answered c', 'two:["c"]', 'answered a', 'one:["a"]'])
    expect([ledger.count('one-begun'), ledger.count('two-begun'), ledger.modelCalls]).toEqual([2, 2, 2])
    const answers = entries.flatMap((entry) => (entry.type === 'signal' ? [entry] : []))
    expect(answers.map(({ at }) => Math.floor((at - asked) / day))).toEqual([3, 6])
  })
})

describe('approvals', () => {
  const scenario = (answer: (question: Question) => Json | undefined, approval: object = {}): Scenario => ({
    script: twoCalls,
    config: (ledger) => ({ tools: [noting(ledger, 'charge'), noting(ledger, 'look')] }),
    options: { approvals: { charge: approval } },
    answer,
  })

  it('hold the body back, not the siblings', async () => {
    const whole = await playAllPrefixes(
      runtime,
      scenario(() => ({ approved: true })),
      (again, whole, prefix) => {
        once(again, whole, prefix)
        expect(again.ledger.tools).toHaveLength(2 - recordedSteps(prefix, 'tool'))
      },
    )
    const open = whole.entries.findIndex(({ type }) => type === 'open')
    const charged = whole.entries.findIndex((entry) => entry.type === 'step' && entry.op.name === 'charge')
    const looked = whole.entries.findIndex((entry) => entry.type === 'step' && entry.op.name === 'look')
    expect(open).toBeGreaterThan(0)
    expect(looked).toBeLessThan(charged)
    expect(questionsOf(whole.entries)).toMatchObject([
      { kind: 'approval', name: 'charge', tool: 'charge', input: { n: 1 } },
    ])
    expect(whole.ledger.tools).toEqual(['look:2', 'charge:1'])
  })

  it('may replace the arguments', async () => {
    const whole = await playAllPrefixes(
      runtime,
      scenario(() => ({ approved: true, input: { n: 7 } })),
      once,
    )
    expect(whole.ledger.tools).toContain('charge:7')
    expect(textsOf(whole)).toContain('charge 7')
  })

  it('reject with a reason that the model is told, and the body never runs', async () => {
    const whole = await playAllPrefixes(
      runtime,
      scenario(() => ({ approved: false, reason: 'too dear' })),
      once,
    )
    expect(whole.ledger.tools).toEqual(['look:2'])
    expect(textsOf(whole)).toContain('The call of charge was rejected: too dear')
  })

  it('that nobody answers in time fail the run: the model must not take it for a no', async () => {
    const played = await play(
      runtime,
      scenario(() => undefined, { timeout: '1h' }),
    )
    expect(played.how).toEqual({ waits: [expect.stringMatching(/^ap_/)] })
    played.engine.now += 4_000_000
    expect(await played.engine.execute('r', played.program)).toMatchObject({
      outcome: { error: { code: 'APPROVAL_TIMEOUT' } },
    })
    expect(played.ledger.modelCalls).toBe(1)
  })

  it('escalate', async () => {
    const played = await play(
      runtime,
      scenario(() => undefined, { timeout: '1h', onTimeout: 'escalate', assignee: 'ann', escalateTo: ['bob'] }),
    )
    played.engine.now += 4_000_000
    const how = await played.engine.execute('r', played.program)
    const [first, second] = questionsOf(played.entries)
    expect([first?.assignee, second?.assignee]).toEqual(['ann', 'bob'])
    expect(how).toEqual({ waits: [second?.id] })
    await played.engine.signal('r', { id: second?.id ?? '', name: second?.id ?? '', payload: { approved: true } })
    expect(await played.engine.execute('r', played.program)).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
  })
})
