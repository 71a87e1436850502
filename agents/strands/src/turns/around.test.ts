/** Hooks around an invocation: what they do through the run is done once, wherever the process dies, and never left out. */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterInvocationEvent,
  AfterModelCallEvent,
  type Agent,
  AgentResultEvent,
  BeforeInvocationEvent,
  BeforeToolCallEvent,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { engineWith, Process } from '../../test/process.ts'
import { keysOf, outcomeOf, play, playAllPrefixes } from '../../test/scenario.ts'
import { MESSAGE } from '../conversation/fold.ts'
import { createSessionProgram } from '../programs/session-program.ts'
import { runOf } from '../run-of.ts'
import { agentOfTool } from '../seams/tools.ts'
import type { Script } from '../testing/index.ts'

const runtime = nodeRuntime()

/** Makes a step before and behind each invocation, which notes that it was done. `who`: the agent. */
function audited(agent: Agent, ledger: Ledger, who = ''): void {
  const audit = async (event: BeforeInvocationEvent | AfterInvocationEvent | AgentResultEvent): Promise<void> => {
    const run = runOf(event)
    if (run === undefined) throw new Error(`no run in ${event.type}`)
    const made = await run.step('audit', () => {
      ledger.tools.push(`audit ${who}${event.type}`)
      return event.type
    })
    expect(made).toBe(event.type)
  }
  agent.addHook(BeforeInvocationEvent, audit)
  agent.addHook(AfterInvocationEvent, audit)
  agent.addHook(AgentResultEvent, audit)
}

function auditsOf(ledger: Ledger): string[] {
  return ledger.tools.filter((done) => done.startsWith('audit'))
}

/** Steps of hooks in a journal, those of agents inside included. */
function hooksIn(entries: readonly Entry[]): string[] {
  return keysOf(entries).filter((key) => /(?:^|\/)hook:/.test(key))
}

function auditsIn(entries: readonly Entry[]): number {
  return hooksIn(entries).filter((key) => key.includes(':audit@')).length
}

const count: Script = (messages) => `answer ${messages.length}`

describe('a step of a hook around the invocation', () => {
  it('with durable() is done once, in the first invocation of a process as in every other', async () => {
    const invoked = async (entries: readonly Entry[]): Promise<Process> => {
      const process = new Process(await engineWith(runtime, entries), { script: count })
      audited(process.agent, process.ledger)
      for (const [input, text] of [
        ['a', 'answer 1'],
        ['b', 'answer 3'],
      ] as const)
        expect(String(await process.invoke(input))).toBe(text)
      return process
    }
    const whole = await invoked([])
    const entries = [...whole.engine.entries('q4')]
    expect(hooksIn(entries)).toEqual([
      ...['hook:beforeInvocation:audit@0', 'hook:afterInvocation:audit@1', 'hook:agentResult:audit@1'],
      ...['hook:beforeInvocation:audit@1', 'hook:afterInvocation:audit@2', 'hook:agentResult:audit@2'],
    ])
    for (let length = 1; length <= entries.length; length++) {
      const prefix = entries.slice(0, length)
      const again = await invoked(prefix)
      expect(auditsOf(again.ledger)).toHaveLength(6 - hooksIn(prefix).length)
      expect(hooksIn(again.engine.entries('q4'))).toEqual(hooksIn(entries))
      await again.plugin.detach()
    }
  })

  it('of a managed agent is done once, of each of its turns', async () => {
    const whole = await playAllPrefixes(
      runtime,
      {
        script: count,
        prepare: (agent, ledger) => {
          audited(agent, ledger)
          let asked = 0
          agent.addHook(AfterInvocationEvent, (event) => {
            if (asked++ < 1) event.resume = 'and more'
          })
        },
      },
      (again, whole, prefix) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(whole))
        expect(auditsOf(again.ledger)).toHaveLength(5 - hooksIn(prefix).length)
      },
    )
    expect(hooksIn(whole.entries)).toEqual([
      ...['hook:beforeInvocation:audit@0', 'hook:afterInvocation:audit@1'],
      ...['hook:beforeInvocation:audit@1', 'hook:afterInvocation:audit@2', 'hook:agentResult:audit@2'],
    ])
  })

  it('of an invocation that is denied is done as well', async () => {
    const engine = await engineWith(runtime, [])
    for (const audits of [5, 0]) {
      const process = new Process(engine, { script: count })
      audited(process.agent, process.ledger)
      process.agent.addHook(BeforeInvocationEvent, (event) => {
        if (event.agent.messages.length === 0) event.cancel = 'denied'
      })
      expect(String(await process.invoke('a'))).toBe('denied')
      expect(String(await process.invoke('b'))).toBe('answer 2')
      expect(auditsOf(process.ledger)).toHaveLength(audits)
      await process.plugin.detach()
    }
    expect(hooksIn(engine.entries('q4'))).toHaveLength(5)
  })

  it('of a session is done once for each message, also of one that is denied', async () => {
    const answered = async (prefix: readonly Entry[]) => {
      const ledger = new Ledger()
      const engine = new MemoryEngine(runtime)
      let asked = keysOf(prefix).filter((key) => key.includes(':may@')).length
      const program = createSessionProgram(
        'chat',
        () => {
          const { agent } = makeAgent(ledger, count)
          audited(agent, ledger)
          agent.addHook(BeforeInvocationEvent, async (event) => {
            const may = await runOf(event)?.step('may', () => ++asked > 2)
            if (!may) event.cancel = 'denied'
          })
          return agent
        },
        { log: () => {} },
      )
      await engine.start('s', { program: 'chat:session', input: null }, prefix)
      for (const id of ['m1', 'm2', 'm3', 'm4'])
        await engine.signal('s', { id, name: MESSAGE, payload: { input: `question ${id}` } })
      await engine.execute('s', program)
      return { ledger, entries: engine.entries('s') }
    }
    const whole = await answered([])
    expect(auditsOf(whole.ledger)).toHaveLength(10)
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const again = await answered(prefix)
      const where = JSON.stringify(prefix.at(-1)).slice(0, 150)
      expect(hooksIn(again.entries), where).toEqual(hooksIn(whole.entries))
      expect(auditsOf(again.ledger), where).toHaveLength(10 - auditsIn(prefix))
    }
  })

  it.each([false, true])(
    'of an agent as a tool is done once for each call; with its context kept: %s',
    async (keeps) => {
      const asks: Script = [
        { tools: [{ name: 'researcher', input: { input: 'look around' } }] },
        { tools: [{ name: 'researcher', input: { input: 'look again' } }] },
        'Reported.',
      ]
      const whole = await playAllPrefixes(
        runtime,
        {
          script: asks,
          config: (ledger) => {
            const { agent } = makeAgent(ledger, (_, { answer }) => `seen ${answer}`, { name: 'researcher' })
            audited(agent, ledger, 'researcher ')
            return { tools: [agent.asTool({ preserveContext: keeps })] }
          },
        },
        (again, whole, prefix) => {
          expect(outcomeOf(again)).toEqual(outcomeOf(whole))
          expect(hooksIn(again.entries)).toEqual(hooksIn(whole.entries))
          // A call that is recorded as a whole is not made again.
          expect(auditsOf(again.ledger)).toHaveLength(6 - hooksIn(prefix).length)
        },
      )
      expect(auditsOf(whole.ledger)).toHaveLength(6)
    },
  )

  it('is not taken for one inside of it: those are done in each cycle', async () => {
    const ledger = new Ledger()
    const engine = new MemoryEngine(runtime)
    const asks: Script = (_, { answer }) =>
      answer % 2 === 1 ? { tools: [{ name: 'look', input: { n: 1 } }] } : 'Seen.'
    const program = createSessionProgram(
      'chat',
      () => {
        const { agent } = makeAgent(ledger, asks, { tools: [noting(ledger, 'look')] })
        audited(agent, ledger)
        agent.addHook(AfterModelCallEvent, async (event) => {
          await runOf(event)?.step('note', () => void ledger.tools.push('note'))
        })
        return agent
      },
      { log: () => {} },
    )
    await engine.start('s', { program: 'chat:session', input: null })
    for (const id of ['m1', 'm2']) await engine.signal('s', { id, name: MESSAGE, payload: { input: 'go' } })
    await engine.execute('s', program)
    expect(ledger.count('note')).toBe(4)
    expect(hooksIn(engine.entries('s')).filter((key) => key.includes(':note@'))).toEqual(
      [1, 2, 3, 4].map((n) => `hook:afterModelCall:note@${n}`),
    )
  })

  it('of a session is done for each turn of a message, where a hook asks for another one', async () => {
    const ledger = new Ledger()
    const engine = new MemoryEngine(runtime)
    const program = createSessionProgram(
      'chat',
      () => {
        const { agent } = makeAgent(ledger, count)
        audited(agent, ledger)
        let asked = 0
        agent.addHook(AfterInvocationEvent, (event) => {
          if (asked++ < 1) event.resume = 'and more'
        })
        return agent
      },
      { log: () => {} },
    )
    await engine.start('s', { program: 'chat:session', input: null })
    await engine.signal('s', { id: 'm1', name: MESSAGE, payload: { input: 'go' } })
    await engine.execute('s', program)
    expect(hooksIn(engine.entries('s'))).toEqual([
      ...['hook:beforeInvocation:audit@m1', 'hook:afterInvocation:audit@1'],
      ...['hook:beforeInvocation:audit@1', 'hook:afterInvocation:audit@2', 'hook:agentResult:audit@2'],
    ])
    expect(auditsOf(ledger)).toHaveLength(5)
  })

  it('is not there behind a turn that somebody is asked in: the invocation ends', async () => {
    const runs: unknown[] = []
    const process = new Process(await engineWith(runtime, []), {
      script: [{ tools: [{ name: 'look', input: { n: 1 } }] }, 'Done.'],
    })
    process.agent.addHook(BeforeToolCallEvent, (event) => void event.interrupt({ name: 'may' }))
    process.agent.addHook(AfterInvocationEvent, (event) => void runs.push(runOf(event)))
    expect(await process.invoke('go')).toMatchObject({ stopReason: 'interrupt' })
    expect(runs).toEqual([undefined])
  })

  it('is of its own agent: one inside has no run there', async () => {
    const runs: unknown[] = []
    await play(runtime, {
      script: [{ tools: [{ name: 'inner', input: { input: 'look' } }] }, 'Done.'],
      config: (ledger) => ({ tools: [makeAgent(ledger, ['Seen.'], { name: 'inner' }).agent] }),
      prepare: (agent) =>
        agent.addHook(AfterInvocationEvent, (event) => {
          const inner = agentOfTool(agent.toolRegistry.get('inner'))?.agent as Agent
          runs.push(runOf(event)?.runId, runOf(inner))
        }),
    })
    expect(runs).toEqual(['r', undefined])
  })

  it('does not wait for ever when the run is taken over', async () => {
    const engine = await engineWith(runtime, [])
    const process = new Process(engine)
    const begun = Promise.withResolvers<void>()
    process.agent.addHook(BeforeInvocationEvent, async (event) => {
      await runOf(event)?.step('long', () => {
        begun.resolve()
        return new Promise(() => {})
      })
    })
    const invoked = process.invoke('Q4')
    await begun.promise
    engine.kill('q4')
    await expect(invoked).rejects.toMatchObject({ code: 'RUN_HELD' })
  })
})

describe('before an invocation', () => {
  it('it is known whether its turn is recorded', async () => {
    const seen = async (entries: readonly Entry[]): Promise<unknown[]> => {
      const replaying: unknown[] = []
      const process = new Process(await engineWith(runtime, entries), { script: count })
      process.agent.addHook(BeforeInvocationEvent, (event) => void replaying.push(runOf(event)?.isReplaying))
      for (const input of ['a', 'b']) await process.invoke(input)
      await process.plugin.detach()
      return [...replaying, process.engine]
    }
    const [, , engine] = await seen([])
    const entries = (engine as MemoryEngine).entries('q4')
    const second = entries.findIndex((entry) => entry.type === 'step' && entry.key === 'model#2')
    expect((await seen([])).slice(0, 2)).toEqual([false, false])
    expect((await seen(entries.slice(0, second))).slice(0, 2)).toEqual([true, false])
    expect((await seen(entries.slice(0, second + 1))).slice(0, 2)).toEqual([true, true])
  })

  it('a hook may give the agent tools and a prompt: its code is looked at behind it', async () => {
    const engine = await engineWith(runtime, [])
    for (let run = 0; run < 2; run++) {
      const process = new Process(engine, { script: count, onCodeChange: 'stop' })
      process.agent.addHook(BeforeInvocationEvent, ({ agent }) => {
        agent.systemPrompt = 'Be kind.'
        if (agent.toolRegistry.get('more') === undefined) agent.toolRegistry.add(noting(process.ledger, 'more'))
      })
      expect(String(await process.invoke('a'))).toBe('answer 1')
      expect(process.lines.filter((line) => line.includes('changed'))).toEqual([])
      await process.plugin.detach()
    }
  })
})
