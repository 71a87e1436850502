import { randomUUID } from 'node:crypto'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterInvocationEvent,
  AfterModelCallEvent,
  AfterToolCallEvent,
  Agent,
  BeforeInvocationEvent,
  BeforeModelCallEvent,
  BeforeToolCallEvent,
  MessageAddedEvent,
  tool,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { noting } from '../test/agents.ts'
import { keysOf, outcomeOf, play, playAllPrefixes, type Scenario } from '../test/scenario.ts'
import { type AgentRun, runOf } from './run-of.ts'
import { scriptedModel } from './testing/index.ts'

const runtime = nodeRuntime()

const THREE_AT_ONCE: Scenario = {
  script: [
    { tools: [1, 2, 3].map((n) => ({ name: 'look', input: { n }, id: `u${n}` })) },
    { tools: [{ name: 'look', input: { n: 4 }, id: 'u4' }] },
    'Done.',
  ],
  config: (ledger) => ({
    tools: [
      noting(ledger, 'look', async ({ n = 0 }) => await new Promise((resolve) => setTimeout(resolve, 5 * (4 - n), n))),
    ],
  }),
}

/** Every hook makes a step of the same name, and notes what it was given. */
function audited(given: string[] = []): Scenario {
  return {
    ...THREE_AT_ONCE,
    prepare: (agent, ledger) => {
      const audit = async (event: { readonly agent: object; readonly type: string }, what: string): Promise<void> => {
        const value = await runOf(event)?.step('audit', () => {
          ledger.tools.push(`audit:${event.type}:${what}`)
          return `${event.type} ${what} ${randomUUID()}`
        })
        given.push(`${event.type} ${what}: ${value}`)
      }
      agent.addHook(BeforeModelCallEvent, (event) => audit(event, ''))
      agent.addHook(AfterModelCallEvent, (event) => audit(event, ''))
      agent.addHook(BeforeToolCallEvent, (event) => audit(event, event.toolUse.toolUseId))
      agent.addHook(AfterToolCallEvent, (event) => audit(event, event.toolUse.toolUseId))
      agent.addHook(MessageAddedEvent, (event) => audit(event, event.message.role))
    },
  }
}

describe('a step of a hook', () => {
  it('is done once, however often the process dies and the hook fires', async () => {
    const whole = await playAllPrefixes(runtime, audited(), (again, whole, prefix) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
      const done = keysOf(prefix).filter((key) => key.startsWith('hook:')).length
      const audits = (entries: readonly string[]): number =>
        entries.filter((entry) => entry.startsWith('audit:')).length
      // What fired in the finished cycles does not fire again; what fires again is not done again.
      expect(done + audits(again.ledger.tools)).toBeLessThanOrEqual(audits(whole.ledger.tools))
      const keys = keysOf(again.entries)
      expect(new Set(keys).size).toBe(keys.length)
      expect(keysOf(whole.entries)).toEqual(expect.arrayContaining(keys))
    })
    expect(
      keysOf(whole.entries)
        .filter((key) => key.startsWith('hook:'))
        .toSorted(),
    ).toEqual(
      [
        ...['hook:beforeModelCall:audit@0', 'hook:beforeModelCall:audit@1', 'hook:beforeModelCall:audit@2'],
        ...['hook:afterModelCall:audit@1', 'hook:afterModelCall:audit@2', 'hook:afterModelCall:audit@3'],
        ...['u1', 'u2', 'u3'].flatMap((id) => [
          `hook:beforeToolCall:audit@1:${id}`,
          `hook:afterToolCall:audit@1:${id}`,
        ]),
        ...['hook:beforeToolCall:audit@2:u4', 'hook:afterToolCall:audit@2:u4'],
        ...['hook:messageAdded:audit@0', 'hook:messageAdded:audit@1', 'hook:messageAdded:audit@1~2'],
        ...['hook:messageAdded:audit@2', 'hook:messageAdded:audit@2~2', 'hook:messageAdded:audit@3'],
      ].toSorted(),
    )
  })

  it('gives the recorded value to the hook that fires again, of tool calls in any order', async () => {
    const first: string[] = []
    const { entries } = await play(runtime, audited(first))
    for (let length = 1; length < entries.length; length++) {
      const again: string[] = []
      const prefix = entries.slice(0, length)
      await play(runtime, audited(again), prefix)
      const recorded = new Set(
        prefix.flatMap((entry) => (entry.type === 'step' && 'ok' in entry.outcome ? [String(entry.outcome.ok)] : [])),
      )
      for (const line of again) if (recorded.has(line.slice(line.indexOf(': ') + 2))) expect(first).toContain(line)
    }
  })

  it('has an effect, a time-out and another attempt, as any step', async () => {
    let attempts = 0
    const { entries, how } = await play(runtime, {
      script: ['Done.'],
      prepare: (agent) => {
        agent.addHook(BeforeModelCallEvent, async (event) => {
          const run = runOf(event)
          await run?.step('charge', () => 'paid', { effect: 'once' })
          await run?.step('flaky', () => (++attempts === 1 ? Promise.reject(new Error('no')) : 'yes'), {
            retry: { initial: 0 },
          })
          await expect(run?.step('slow', () => new Promise(() => {}), { timeout: 5 })).rejects.toMatchObject({
            code: 'STEP_FAILED',
          })
          await expect(run?.step('', () => 1)).rejects.toMatchObject({ code: 'BAD_INPUT' })
        })
      },
    })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(entries.filter(({ type }) => type === 'intent' || type === 'retry').map(({ type }) => type)).toEqual([
      'intent',
      'retry',
    ])
    expect(attempts).toBe(2)
  })

  it('with a key of its own is done once in a run', async () => {
    let done = 0
    const { entries } = await play(runtime, {
      ...THREE_AT_ONCE,
      prepare: (agent) =>
        agent.addHook(BeforeModelCallEvent, async (event) => {
          expect(await runOf(event)?.step('greet', () => ++done, { key: 'greeting' })).toBe(1)
        }),
    })
    expect(keysOf(entries).filter((key) => key.startsWith('hook:'))).toEqual(['hook:greeting'])
    expect(done).toBe(1)
  })
})

describe('inside a tool', () => {
  it('a step is a plain call, as the tool is one', async () => {
    const steps: unknown[] = []
    const { entries } = await play(runtime, {
      script: [{ tools: [{ name: 'book', input: {}, id: 'u1' }] }, 'Done.'],
      config: () => ({
        tools: [
          tool({
            name: 'book',
            description: 'Books.',
            inputSchema: { type: 'object', properties: {} },
            callback: async (_input, context) => {
              const run = context === undefined ? undefined : runOf(context)
              return await (run as AgentRun).step('inside', (at) => {
                steps.push(at.key)
                return `of ${run?.runId}`
              })
            },
          }),
        ],
      }),
    })
    expect(steps).toEqual(['tool:u1@1'])
    expect(keysOf(entries)).toEqual(['model#1', 'tool:u1@1', 'model#2'])
    expect(JSON.stringify(entries)).toContain('of r')
  })
})

describe('isReplaying', () => {
  const watched = (seen: string[]): Scenario => ({
    ...THREE_AT_ONCE,
    prepare: (agent) => {
      const note = (event: { readonly agent: object; readonly type: string }, what = ''): void => {
        if (runOf(event)?.isReplaying) seen.push(`${event.type}${what}`)
      }
      agent.addHook(BeforeModelCallEvent, (event) => note(event))
      agent.addHook(AfterModelCallEvent, (event) => note(event))
      agent.addHook(BeforeToolCallEvent, (event) => note(event, ` ${event.toolUse.toolUseId}`))
      agent.addHook(AfterToolCallEvent, (event) => note(event, ` ${event.toolUse.toolUseId}`))
    },
  })

  it('is never so in the first process', async () => {
    const seen: string[] = []
    await play(runtime, watched(seen))
    expect(seen).toEqual([])
  })

  it('is so for the calls that were made before', async () => {
    const { entries } = await play(runtime, watched([]))
    const behind = entries.findIndex((entry) => entry.type === 'step' && entry.key.startsWith('tool:')) + 1
    const made = entries.flatMap((entry) => (entry.type === 'step' && entry.op.kind === 'tool' ? [entry.key] : []))[0]
    const id = made?.slice('tool:'.length, made.indexOf('@'))
    const seen: string[] = []
    await play(runtime, watched(seen), entries.slice(0, behind))
    expect(seen.toSorted()).toEqual(
      [
        'beforeModelCallEvent',
        'afterModelCallEvent',
        `beforeToolCallEvent ${id}`,
        `afterToolCallEvent ${id}`,
      ].toSorted(),
    )
  })
})

describe('where there is no run', () => {
  it('there is nothing to give: an agent that is not durable, or is not being invoked', async () => {
    const plain = new Agent({ model: scriptedModel(['Done.']), printer: false })
    expect(runOf(plain)).toBeUndefined()
    const seen: unknown[] = []
    plain.addHook(BeforeModelCallEvent, (event) => void seen.push(runOf(event)))
    await plain.invoke('go')
    expect(seen).toEqual([undefined])
    const { agent } = await play(runtime, { script: ['Done.'] })
    expect(runOf(agent)).toBeUndefined()
  })

  it('is there before an invocation, and behind it', async () => {
    const seen: unknown[] = []
    await play(runtime, {
      script: ['Done.'],
      prepare: (agent) => {
        agent.addHook(BeforeInvocationEvent, (event) => void seen.push(runOf(event)?.runId))
        agent.addHook(AfterInvocationEvent, (event) => void seen.push(runOf(event)?.runId))
      },
    })
    expect(seen).toEqual(['r', 'r'])
  })
})
