/**
 * The invocationState belongs to whoever invokes the agent, and is one for all agents inside: what is written to it in an
 * agent that is a tool, or in a node, is heard outside in every process. Of a flat agent: deeds.test.ts.
 */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { AfterInvocationEvent, type Agent, TextBlock, type Tool, type ToolContext, tool } from '@strands-agents/sdk'
import {
  BeforeNodeCallEvent,
  Graph,
  type MultiAgentState,
  Node,
  type NodeInputOptions,
  type NodeResultUpdate,
} from '@strands-agents/sdk/multiagent'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { outcomeOf, type Played, play, playAllPrefixes, questionsOf, recordedSteps } from '../../test/scenario.ts'
import { createOrchestratorProgram } from '../programs/orchestrator-program.ts'
import type { ScriptedAnswer } from '../testing/index.ts'

const runtime = nodeRuntime()

type State = ToolContext['invocationState']

/** Notes in the ledger what its body gives. */
function doing(ledger: Ledger, name: string, body: (state: State) => unknown): Tool {
  return tool({
    name,
    description: 'For a test.',
    inputSchema: { type: 'object' },
    callback: (_, context) => {
      ledger.tools.push(`${name} ${JSON.stringify(body((context as ToolContext).invocationState))}`)
      return 'ok'
    },
  })
}

function calling(...names: readonly string[]): ScriptedAnswer[] {
  return [...names.map((name) => ({ tools: [{ name, input: { input: 'go' } }] })), 'Done.']
}

function writing(ledger: Ledger): Tool[] {
  return [
    doing(ledger, 'write', (state) => void Object.assign(state, { user: 'ann', seen: [1], draft: 'x' })),
    doing(ledger, 'push', (state) => (state.seen as number[]).push(2)),
    doing(ledger, 'drop', (state) => [delete state.draft, delete state.from]),
  ]
}

const read = (ledger: Ledger, name = 'read'): Tool => doing(ledger, name, (state) => ({ ...state }))

const AFTER_WRITING = { seen: [1, 2], user: 'ann' }

/** What the tools have read, in their order. */
function heard({ tools }: Ledger): unknown[] {
  return tools.filter((text) => /^(read|look)/.test(text)).map((text) => JSON.parse(text.slice(5)))
}

const INSIDE: readonly string[] = ['helper', 'lead']

/** Their calls are no steps of a tool that the ledger knows. */
function recordedTools(entries: readonly Entry[]): number {
  return entries.filter((entry) => entry.type === 'step' && entry.op.kind === 'tool' && !INSIDE.includes(entry.op.name))
    .length
}

function sameAndOnce(again: Played, whole: Played, prefix: readonly Entry[]): void {
  expect(outcomeOf(again)).toEqual(outcomeOf(whole))
  expect(again.ledger.modelCalls).toBe(whole.ledger.modelCalls - recordedSteps(prefix, 'model'))
  expect(again.ledger.tools).toEqual(whole.ledger.tools.slice(recordedTools(prefix)))
}

describe('an agent as a tool', () => {
  function helper(ledger: Ledger): Agent {
    const answers = [...calling('write', 'push', 'drop'), ...calling('push')]
    const { agent } = makeAgent(ledger, answers, { name: 'helper', tools: writing(ledger) })
    agent.addHook(AfterInvocationEvent, ({ invocationState }) => void Object.assign(invocationState, { over: true }))
    return agent
  }

  it.each([
    { preserveContext: false, calls: ['helper', 'read'] },
    { preserveContext: true, calls: ['helper', 'read', 'helper', 'read'] },
  ])('has written what it wrote, behind it, %o', async ({ preserveContext, calls }) => {
    const whole = await playAllPrefixes(
      runtime,
      {
        script: calling('set', ...calls),
        config: (ledger) => ({
          tools: [
            doing(ledger, 'set', (state) => void Object.assign(state, { from: 'outside' })),
            read(ledger),
            helper(ledger).asTool({ preserveContext }),
          ],
        }),
      },
      sameAndOnce,
    )
    const first = { ...AFTER_WRITING, over: true }
    expect(heard(whole.ledger)).toEqual(preserveContext ? [first, { ...first, seen: [1, 2, 2] }] : [first])
  })

  it('has written it for the agent around it, and for the one around both', async () => {
    const lead = (ledger: Ledger): Agent =>
      makeAgent(ledger, calling('helper', 'look'), { name: 'lead', tools: [helper(ledger), read(ledger, 'look')] })
        .agent
    const whole = await playAllPrefixes(
      runtime,
      { script: calling('lead', 'read'), config: (ledger) => ({ tools: [lead(ledger), read(ledger)] }) },
      sameAndOnce,
    )
    const all = { ...AFTER_WRITING, over: true }
    expect(heard(whole.ledger)).toEqual([all, all])
  })

  it('records nothing of what it has taken back', async () => {
    const { entries } = await play(runtime, {
      script: calling('helper'),
      config: (ledger) => ({
        tools: [
          makeAgent(ledger, calling('write', 'drop'), {
            name: 'helper',
            tools: [
              doing(ledger, 'write', (state) => void Object.assign(state, { draft: 'x' })),
              doing(ledger, 'drop', (state) => delete state.draft),
            ],
          }).agent,
        ],
      }),
    })
    const call = entries.find((entry) => entry.type === 'step' && entry.op.name === 'helper')
    expect(call).toMatchObject({ outcome: { ok: { content: [{ text: 'Done.' }] } } })
    expect(JSON.stringify(call)).not.toContain('invocation')
  })
})

describe('a node', () => {
  type Make = (ledger: Ledger) => Graph

  async function playGraph(make: Make, prefix: readonly Entry[] = [], lines: string[] = []) {
    const ledger = new Ledger()
    const log = (line: string): void => void lines.push(line)
    const program = createOrchestratorProgram('graph', 'team', () => make(ledger), { log })
    const engine = new MemoryEngine(runtime)
    await engine.start('r', { program: 'team', input: 'go' }, prefix)
    let how = await engine.execute('r', program)
    while ('waits' in how) {
      const { waits } = how
      for (const { id } of questionsOf(engine.entries('r')).filter(({ id }) => waits.includes(id)))
        await engine.signal('r', { id, name: id, payload: { value: 'yes' } })
      how = await engine.execute('r', program)
    }
    return { how, ledger, entries: engine.entries('r') }
  }

  async function inEveryProcess(make: Make, expected: readonly unknown[]): Promise<void> {
    const whole = await playGraph(make)
    expect(whole.how).toMatchObject({ outcome: { ok: { status: 'COMPLETED' } } })
    expect(heard(whole.ledger)).toEqual(expected)
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const again = await playGraph(make, prefix)
      const where = `behind entry ${length - 1}: ${JSON.stringify(prefix.at(-1)).slice(0, 150)}`
      expect(again.how, where).toEqual(whole.how)
      expect(again.ledger.tools, where).toEqual(whole.ledger.tools.slice(recordedTools(prefix)))
    }
  }

  const node = (ledger: Ledger, id: string, tools: Tool[], ...calls: readonly string[]): Agent =>
    makeAgent(ledger, calling(...calls), { id, name: id, tools }).agent
  const writer = (ledger: Ledger): Agent => node(ledger, 'a', writing(ledger), 'write', 'push', 'drop')
  const reader = (ledger: Ledger): Agent => node(ledger, 'b', [read(ledger)], 'read')

  it('that is an agent', async () => {
    await inEveryProcess(
      (ledger) => new Graph({ nodes: [writer(ledger), reader(ledger)], edges: [['a', 'b']], maxSteps: 9 }),
      [AFTER_WRITING],
    )
  })

  it('that is a graph', async () => {
    const inner: Make = (ledger) => {
      const graph = new Graph({ id: 'inner', nodes: [writer(ledger)], edges: [], maxSteps: 9 })
      graph.addHook(BeforeNodeCallEvent, ({ invocationState }) => void Object.assign(invocationState, { inner: 1 }))
      return graph
    }
    await inEveryProcess(
      (ledger) => new Graph({ nodes: [inner(ledger), reader(ledger)], edges: [['inner', 'b']], maxSteps: 9 }),
      [{ ...AFTER_WRITING, inner: 1 }],
    )
  })

  it('before which the graph asks somebody', async () => {
    await inEveryProcess(
      (ledger) => {
        const graph = new Graph({ nodes: [writer(ledger), reader(ledger)], edges: [['a', 'b']], maxSteps: 9 })
        graph.addHook(BeforeNodeCallEvent, (event) => {
          if (event.nodeId === 'b') event.interrupt({ name: 'before' })
        })
        return graph
      },
      [AFTER_WRITING],
    )
  })

  it('of its author’s own; what cannot be recorded is told', async () => {
    class Own extends Node {
      async *handle(
        _: unknown,
        __: MultiAgentState,
        options?: NodeInputOptions,
      ): AsyncGenerator<never, NodeResultUpdate, undefined> {
        Object.assign(options?.invocationState ?? {}, { user: 'ann', db: () => {} })
        return { content: [new TextBlock('done by hand')] }
      }
    }
    const make: Make = (ledger) =>
      new Graph({ nodes: [new Own('own', {}), reader(ledger)], edges: [['own', 'b']], maxSteps: 9 })
    await inEveryProcess(make, [{ user: 'ann' }])
    const lines: string[] = []
    await playGraph(make, [], lines)
    expect(lines.join('\n')).toMatch(/Node own of run r wrote invocationState\.db, which cannot be recorded/)
  })
})
