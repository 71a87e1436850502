/** Graphs and swarms: nodes are recorded, and a run goes on inside of the node that was open. */
import type { Entry, Json, Program, Question } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  type Agent,
  type AgentConfig,
  BeforeToolCallEvent,
  MaxTokensError,
  Message,
  TextBlock,
  type ToolContext,
  tool,
} from '@strands-agents/sdk'
import {
  BeforeNodeCallEvent,
  Graph,
  type MultiAgentState,
  Node,
  type NodeResultUpdate,
  Swarm,
} from '@strands-agents/sdk/multiagent'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting } from '../../test/agents.ts'
import { type How, MemoryEngine } from '../../test/memory-engine.ts'
import { keysOf, questionsOf } from '../../test/scenario.ts'
import type { Script, ScriptedAnswer } from '../testing/index.ts'
import { createOrchestratorProgram, type OrchestratorRunResult } from './orchestrator-program.ts'
import type { AgentOptions } from './program-options.ts'

const runtime = nodeRuntime()

type Make = (ledger: Ledger) => Graph | Swarm

interface Played {
  readonly how: How
  readonly entries: readonly Entry[]
  readonly ledger: Ledger
  readonly engine: MemoryEngine
  readonly program: Program
}

async function play(
  make: Make,
  prefix: readonly Entry[] = [],
  { answer, options }: { answer?: (question: Question) => Json | undefined; options?: AgentOptions } = {},
): Promise<Played> {
  const ledger = new Ledger()
  const kind = make(new Ledger()) instanceof Graph ? 'graph' : 'swarm'
  const program = createOrchestratorProgram(kind, 'team', () => make(ledger), { log: () => {}, ...options })
  const engine = new MemoryEngine(runtime)
  await engine.start('r', { program: 'team', input: 'go' }, prefix)
  let how = await engine.execute('r', program)
  while ('waits' in how && answer !== undefined) {
    const { waits } = how
    const open = questionsOf(engine.entries('r')).filter(({ id }) => waits.includes(id))
    for (const question of open) {
      const payload = answer(question)
      if (payload !== undefined) await engine.signal('r', { id: question.id, name: question.id, payload })
    }
    how = await engine.execute('r', program)
  }
  return { how, entries: engine.entries('r'), ledger, engine, program }
}

/** From every prefix the same comes out, and nothing that is recorded is done again. */
async function playAllPrefixes(
  make: Make,
  options: Parameters<typeof play>[2] & { isRacing?: boolean } = {},
): Promise<Played> {
  const whole = await play(make, [], options)
  for (let length = 1; length < whole.entries.length; length++) {
    const prefix = whole.entries.slice(0, length)
    const again = await play(make, prefix, options)
    const where = `behind entry ${length - 1}: ${JSON.stringify(prefix.at(-1)).slice(0, 150)}`
    expect(bare(again.how, options.isRacing), where).toEqual(bare(whole.how, options.isRacing))
    expect(again.ledger.modelCalls, where).toBe(whole.ledger.modelCalls - count(prefix, 'model'))
    expect(again.ledger.tools, where).toHaveLength(whole.ledger.tools.length - count(prefix, 'tool'))
    const keys = keysOf(again.entries)
    expect(new Set(keys).size, where).toBe(keys.length)
  }
  return whole
}

/** `isRacing`: which of two nodes ends first is not in the journal before one has. */
function bare(how: How, isRacing = false): unknown {
  const inOrder = (results: { nodeId: string }[]): unknown =>
    results.toSorted((one, other) => (one.nodeId < other.nodeId ? -1 : 1))
  return JSON.parse(
    JSON.stringify(how, (key, value) =>
      key === 'stack' ? undefined : key === 'results' && isRacing ? inOrder(value) : value,
    ),
  )
}

/** Recorded steps that the ledger knows of. */
function count(entries: readonly Entry[], kind: 'model' | 'tool'): number {
  const isDone = (entry: Entry): boolean => {
    if (entry.type !== 'step' || !('ok' in entry.outcome)) return false
    return kind === 'model' ? entry.op.kind === 'model' : ['look', 'ask', 'body'].includes(entry.op.name)
  }
  return entries.filter(isDone).length
}

function resultOf({ how }: Played): OrchestratorRunResult {
  if (!('outcome' in how) || !('ok' in how.outcome)) throw new Error(JSON.stringify(how))
  return how.outcome.ok as unknown as OrchestratorRunResult
}

/** Looks once, then says what it has seen. */
function member(ledger: Ledger, id: string, config: AgentConfig = {}, script?: Script): Agent {
  const looks: Script = (_, { answer }) =>
    answer % 2 === 1 ? { tools: [{ name: 'look', input: { text: id } }] } : `${id} saw it.`
  return makeAgent(ledger, script ?? looks, { id, name: id, tools: [noting(ledger, 'look')], ...config }).agent
}

const CHAIN: [string, string][] = [
  ['a', 'b'],
  ['b', 'c'],
  ['c', 'd'],
  ['d', 'e'],
]

const chain: Make = (ledger) =>
  new Graph({
    nodes: ['a', 'b', 'c', 'd', 'e'].map((id) => member(ledger, id)),
    edges: CHAIN,
    maxSteps: 20,
  })

describe('a graph', () => {
  it('goes on inside of the node that was open, and leaves finished nodes alone (I1)', async () => {
    const whole = await playAllPrefixes(chain)
    expect(keysOf(whole.entries).slice(0, 5)).toEqual([
      'node:a#1/model#1',
      'node:a#1/tool:call_1_1@1',
      'node:a#1/model#2',
      'node:a#1',
      'node:b#1/model#1',
    ])
    expect(resultOf(whole)).toMatchObject({
      status: 'COMPLETED',
      text: 'e saw it.',
      results: ['a', 'b', 'c', 'd', 'e'].map((nodeId) => ({ nodeId, status: 'COMPLETED', text: `${nodeId} saw it.` })),
      usage: { totalTokens: expect.any(Number) },
    })
  })

  it('says what it says without Selvage', async () => {
    const bareResult = await chain(new Ledger()).invoke('go')
    const { results, text } = resultOf(await play(chain))
    expect(text).toBe(bareResult.content.map((block) => (block.type === 'textBlock' ? block.text : '')).join('\n'))
    expect(results.map(({ nodeId, status }) => [nodeId, status])).toEqual(
      bareResult.results.map(({ nodeId, status }) => [nodeId, status]),
    )
  })

  it('keeps what parallel branches had', async () => {
    const diamond: Make = (ledger) =>
      new Graph({
        nodes: ['start', 'left', 'right', 'join'].map((id) => member(ledger, id)),
        edges: [
          ['start', 'left'],
          ['start', 'right'],
          ['left', 'join'],
          ['right', 'join'],
        ],
        maxSteps: 20,
      })
    const whole = await playAllPrefixes(diamond, { isRacing: true })
    expect(resultOf(whole).text).toBe('join saw it.')
  })

  it('takes conditions and loops as they were', async () => {
    const loop: Make = (ledger) =>
      new Graph({
        nodes: ['draft', 'review', 'publish'].map((id) => member(ledger, id)),
        edges: [
          ['draft', 'review'],
          { source: 'review', target: 'draft', handler: (state) => visits(state, 'review') < 3 },
          { source: 'review', target: 'publish', handler: (state) => visits(state, 'review') >= 3 },
        ],
        sources: ['draft'],
        maxSteps: 20,
      })
    const whole = await playAllPrefixes(loop)
    expect(resultOf(whole).results.map(({ nodeId }) => nodeId)).toEqual([
      'draft',
      'review',
      'draft',
      'review',
      'draft',
      'review',
      'publish',
    ])
  })

  it('gives results in the order in which they came, where an edge asks for it (I13)', async () => {
    // `fast` ends first: only then has `slow` something to go on to.
    const racing: Make = (ledger) => {
      const wait = async (): Promise<void> => {
        for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve))
      }
      const slow: Script = [{ text: 'slow', before: wait }]
      return new Graph({
        nodes: [
          member(ledger, 'slow', {}, slow),
          member(ledger, 'fast', {}, ['fast']),
          member(ledger, 'last', {}, ['last']),
        ],
        edges: [{ source: 'slow', target: 'last', handler: (state) => state.node('fast')?.status === 'COMPLETED' }],
        sources: ['slow', 'fast'],
        maxSteps: 20,
      })
    }
    const whole = await playAllPrefixes(racing)
    expect(resultOf(whole).results.map(({ nodeId }) => nodeId)).toEqual(['fast', 'slow', 'last'])
  })

  it('inside of a graph, with a swarm beside it', async () => {
    const nested: Make = (ledger) =>
      new Graph({
        nodes: [
          member(ledger, 'first'),
          new Graph({
            id: 'inner',
            nodes: [member(ledger, 'x'), member(ledger, 'y')],
            edges: [['x', 'y']],
            maxSteps: 9,
          }),
          new Swarm({ id: 'pair', nodes: [handing(ledger, 'p', 'q'), handing(ledger, 'q')], maxSteps: 9 }),
          member(ledger, 'last'),
        ],
        edges: [
          ['first', 'inner'],
          ['first', 'pair'],
          ['inner', 'last'],
          ['pair', 'last'],
        ],
        maxSteps: 20,
      })
    const whole = await playAllPrefixes(nested, { isRacing: true })
    expect(keysOf(whole.entries)).toEqual(
      expect.arrayContaining(['node:inner#1/node:y#1/model#2', 'node:pair#1/node:q#1']),
    )
    expect(resultOf(whole).text).toBe('last saw it.')
  })

  it('whose node keeps its context from visit to visit', async () => {
    const keeping: Make = (ledger) => {
      const counts: Script = (messages) => `I have heard ${messages.length} messages.`
      return new Graph({
        nodes: [
          { agent: member(ledger, 'talk', {}, counts), preserveContext: true },
          member(ledger, 'other', {}, ['ok']),
        ],
        edges: [['talk', 'other'], { source: 'other', target: 'talk', handler: (state) => visits(state, 'talk') < 3 }],
        sources: ['talk'],
        maxSteps: 20,
      })
    }
    const whole = await playAllPrefixes(keeping)
    expect(resultOf(whole).results.map(({ text }) => text)).toEqual([
      'I have heard 1 messages.',
      'ok',
      'I have heard 3 messages.',
      'ok',
      'I have heard 5 messages.',
      'ok',
    ])
  })

  it('with a node of its author’s own, which is a step and writes to the state', async () => {
    class Body extends Node {
      readonly #ledger: Ledger
      constructor(ledger: Ledger) {
        super('body', {})
        this.#ledger = ledger
      }
      // biome-ignore lint/correctness/useYield: it has nothing to tell before its end.
      async *handle(_: unknown, state: MultiAgentState): AsyncGenerator<never, NodeResultUpdate, undefined> {
        this.#ledger.tools.push('body')
        state.app.set('seen', 7)
        return { content: [new TextBlock('done by hand')] }
      }
    }
    const own: Make = (ledger) =>
      new Graph({
        nodes: [new Body(ledger), member(ledger, 'after')],
        edges: [{ source: 'body', target: 'after', handler: (state) => state.app.get('seen') === 7 }],
        maxSteps: 20,
      })
    expect(resultOf(await playAllPrefixes(own)).text).toBe('after saw it.')
  })

  it('that is asked before a node, and inside of one, several at once', async () => {
    const asking: Make = (ledger) => {
      const graph = new Graph({
        nodes: [asker(ledger, 'one', 'inside'), asker(ledger, 'two', 'inside'), member(ledger, 'end')],
        edges: [
          ['one', 'end'],
          ['two', 'end'],
        ],
        maxSteps: 20,
      })
      graph.addHook(BeforeNodeCallEvent, (event) => {
        if (event.nodeId === 'end' && event.interrupt({ name: 'before' }) !== 'yes') throw new Error('no answer')
      })
      return graph
    }
    const whole = await playAllPrefixes(asking, { answer: () => ({ value: 'yes' }), isRacing: true })
    expect(questionsOf(whole.entries).map(({ name }) => name)).toEqual(['inside', 'inside', 'before'])
    expect(resultOf(whole).status).toBe('COMPLETED')
  })
})

describe('questions', () => {
  const said = (question: Question): { value: string } => ({ value: `yes, ${question.name}` })
  const namesOf = ({ entries }: Played): (string | undefined)[] => questionsOf(entries).map(({ name }) => name)

  it('of graphs inside of graphs, of their hooks and of those of their agents, are answered by any process', async () => {
    const nested: Make = (ledger) => {
      const deep = new Graph({
        id: 'deep',
        nodes: [asker(ledger, 'y', 'in y'), asker(ledger, 'z', 'in z')],
        edges: [],
        maxSteps: 9,
      })
      const last = asker(ledger, 'last', 'in last')
      last.addHook(BeforeToolCallEvent, (event) => {
        if (event.interrupt({ name: 'hook' }) !== 'yes, hook') event.cancel = 'no answer'
      })
      const inner = new Graph({
        id: 'inner',
        nodes: [asker(ledger, 'x', 'in x'), deep],
        edges: [['x', 'deep']],
        maxSteps: 9,
      })
      inner.addHook(BeforeNodeCallEvent, (event) => {
        if (event.nodeId === 'deep' && event.interrupt({ name: 'before' }) !== 'yes, before')
          throw new Error('no answer')
      })
      return new Graph({
        nodes: [member(ledger, 'first'), inner, last],
        edges: [
          ['first', 'inner'],
          ['inner', 'last'],
        ],
        maxSteps: 20,
      })
    }
    const whole = await playAllPrefixes(nested, { answer: said, isRacing: true })
    expect(namesOf(whole).toSorted()).toEqual(['before', 'hook', 'in last', 'in x', 'in y', 'in z'])
    expect(whole.ledger.tools).toEqual(
      expect.arrayContaining(['asked yes, in x', 'asked yes, in y', 'asked yes, in z']),
    )
    expect(resultOf(whole)).toMatchObject({ status: 'COMPLETED', text: 'last asked.' })
    expect(keysOf(whole.entries)).toContain('node:inner#1/node:deep#1/node:z#1/tool:call_1_1@1~2')
  })

  it('of a swarm, and of one inside of a graph, are answered by any process', async () => {
    const swarm = (ledger: Ledger): Swarm =>
      new Swarm({
        id: 'pair',
        nodes: [asker(ledger, 'p', 'in p', handOver('p', 'q')), asker(ledger, 'q', 'in q', handOver('q'))],
        maxSteps: 9,
      })
    const alone = await playAllPrefixes(swarm, { answer: said })
    expect(namesOf(alone)).toEqual(['in p', 'in q'])
    expect(resultOf(alone)).toMatchObject({ status: 'COMPLETED', text: expect.stringContaining('q is done') })
    const inside = await playAllPrefixes(
      (ledger) =>
        new Graph({
          nodes: [swarm(ledger), member(ledger, 'last')],
          edges: [['pair', 'last']],
          maxSteps: 20,
        }),
      { answer: said },
    )
    expect(namesOf(inside)).toEqual(['in p', 'in q'])
    expect(resultOf(inside)).toMatchObject({ status: 'COMPLETED', text: 'last saw it.' })
  })

  it('of a swarm’s hook before an agent are answered by any process', async () => {
    const whole = await playAllPrefixes(
      (ledger) => {
        const swarm = new Swarm({ nodes: [handing(ledger, 'p', 'q'), handing(ledger, 'q')], maxSteps: 9 })
        swarm.addHook(BeforeNodeCallEvent, (event) => {
          if (event.interrupt({ name: `before ${event.nodeId}` }) !== `yes, before ${event.nodeId}`)
            throw new Error('no answer')
        })
        return swarm
      },
      { answer: said },
    )
    expect(namesOf(whole)).toEqual(['before p', 'before q'])
    expect(resultOf(whole).text).toContain('q is done')
  })

  it('that nobody answers leave a run waiting, whatever is around them', async () => {
    const deep: Make = (ledger) =>
      new Graph({
        nodes: [
          new Graph({ id: 'inner', nodes: [asker(ledger, 'x', 'in x')], edges: [], maxSteps: 9 }),
          member(ledger, 'last'),
        ],
        edges: [['inner', 'last']],
        maxSteps: 20,
      })
    const played = await play(deep)
    expect(played.how).toEqual({ waits: [questionsOf(played.entries)[0]?.id] })
    const again = await play(deep, played.entries)
    expect(again.how).toEqual(played.how)
    expect(again.ledger.tools).toEqual([])
  })
})

describe('a swarm', () => {
  const three: Make = (ledger) =>
    new Swarm({ nodes: [handing(ledger, 'p', 'q'), handing(ledger, 'q', 'r'), handing(ledger, 'r')], maxSteps: 9 })

  it('goes on inside of the agent that had the task', async () => {
    const whole = await playAllPrefixes(three)
    expect(resultOf(whole).results.map(({ nodeId }) => nodeId)).toEqual(['p', 'q', 'r'])
    expect(resultOf(whole).text).toContain('r is done')
  })
})

const tooMany = (): Error =>
  new MaxTokensError('too many', new Message({ role: 'assistant', content: [new TextBlock('I lo')] }))

describe('a node that fails', () => {
  it('fails the run, and a retry goes on inside of it, whatever was done before', async () => {
    let network = false
    const failing: Make = (ledger) => {
      const script: Script = (_, { answer }) => {
        if (answer === 1) return { tools: [{ name: 'look', input: { text: 'c' } }] }
        return network ? 'c saw it.' : { error: new Error('no network') }
      }
      return new Graph({
        nodes: ['a', 'b', 'c', 'd', 'e'].map((id) =>
          id === 'c' ? member(ledger, 'c', { retryStrategy: null }, script) : member(ledger, id),
        ),
        edges: CHAIN,
        maxSteps: 20,
      })
    }
    const failed = await play(failing)
    expect(failed.how).toMatchObject({
      outcome: {
        error: { message: expect.stringContaining('Node "c" of graph "graph" failed: no network') },
        step: 'node:c#1',
      },
    })
    expect(failed.ledger.tools).toEqual(['look:a', 'look:b', 'look:c'])
    expect(failed.ledger.modelCalls).toBe(6)
    network = true
    const { engine, program } = failed
    await engine.retry('r')
    const behind = failed.entries.length
    const again = { ...failed, how: await engine.execute('r', program) }
    expect(resultOf(again)).toMatchObject({ status: 'COMPLETED', text: 'e saw it.' })
    expect(failed.ledger.tools.slice(3)).toEqual(['look:d', 'look:e'])
    expect(failed.ledger.modelCalls).toBe(6 + 5)
    const { entries } = failed
    expect(entries[behind - 1]).toMatchObject({ type: 'reopen', voided: ['node:c#1'] })
    for (let length = behind; length < entries.length; length++) {
      const prefix = entries.slice(0, length)
      const torn = await play(failing, prefix)
      const where = `behind entry ${length - 1}`
      expect(bare(torn.how), where).toEqual(bare(again.how))
      expect(torn.ledger.modelCalls, where).toBe(10 - count(prefix, 'model'))
      expect(torn.ledger.tools, where).toHaveLength(5 - count(prefix, 'tool'))
    }
  })

  it.each<[string, () => Error, (() => Error)?]>([
    ['errors that may pass', () => new Error('no network')],
    ['errors that are recorded', tooMany],
    ['one of each', () => new Error('no network'), tooMany],
    ['one of each, the other way round', tooMany, () => new Error('no network')],
  ])('beside others that fail as well: one retry goes on in all of them (%s)', async (_, error, other = error) => {
    let isUp = false
    const failing =
      (cause: () => Error, answers: number): Script =>
      (__, { answer }) => {
        if (answer <= answers) return { tools: [{ name: 'look', input: { n: answer } }] }
        return isUp ? 'Done.' : { error: cause() }
      }
    const make: Make = (ledger) =>
      new Graph({
        nodes: [
          member(ledger, 'a', { retryStrategy: null }, failing(error, 0)),
          member(ledger, 'b', { retryStrategy: null }, failing(other, 2)),
          member(ledger, 'c', { retryStrategy: null }, failing(error, 4)),
          member(ledger, 'd'),
        ],
        edges: ['a', 'b', 'c'].map((id): [string, string] => [id, 'd']),
        maxSteps: 9,
      })
    const whole = await play(make)
    expect(whole.how).toMatchObject({
      outcome: { error: { message: /^Nodes "a", "b", "c" of graph "graph" failed: / } },
    })
    isUp = true
    const calls = whole.ledger.tools.length
    await whole.engine.retry('r')
    expect(await whole.engine.execute('r', whole.program)).toMatchObject({ outcome: { ok: { status: 'COMPLETED' } } })
    expect(whole.ledger.tools.slice(calls)).toEqual(['look:d'])
    // Also where the process has died between the failures.
    for (let length = 1; length < whole.entries.length; length++) {
      isUp = false
      const { engine, program, ledger } = await play(make, whole.entries.slice(0, length))
      const recorded = whole.entries
        .slice(0, length)
        .filter((entry) => entry.type === 'step' && entry.op.kind === 'tool')
      isUp = true
      await engine.retry('r')
      const how = await engine.execute('r', program)
      expect(ledger.tools.length + recorded.length, `calls of tools, behind entry ${length - 1}`).toBe(calls + 1)
      expect(how, `behind entry ${length - 1}`).toMatchObject({ outcome: { ok: { status: 'COMPLETED' } } })
    }
  })

  it('and the process dies before the run has failed: the node is not made again', async () => {
    let asked = 0
    const failing: Make = (ledger) =>
      new Graph({
        nodes: [member(ledger, 'only', { retryStrategy: null }, () => ({ error: new Error(`refused ${++asked}`) }))],
        edges: [],
        maxSteps: 5,
      })
    const whole = await play(failing)
    const again = await play(failing, whole.entries.slice(0, -1))
    expect(bare(again.how)).toEqual(bare(whole.how))
    expect(asked).toBe(1)
  })
})

function visits(state: MultiAgentState, id: string): number {
  return state.results.filter(({ nodeId }) => nodeId === id).length
}

/** Hands over by the structured output that a swarm asks for. */
function handing(ledger: Ledger, id: string, to?: string): Agent {
  const script: Script = (_, { answer }): ScriptedAnswer =>
    answer === 1 ? { tools: [{ name: 'look', input: { text: id } }] } : handOver(id, to)
  return member(ledger, id, {}, script)
}

function handOver(id: string, to?: string): ScriptedAnswer {
  return {
    tools: [
      {
        name: 'strands_structured_output',
        input: {
          message: to === undefined ? `${id} is done` : `over to ${to}`,
          ...(to !== undefined && { agentId: to }),
        },
      },
    ],
  }
}

/** Has a tool that asks a person, calls it, and says that it has. */
function asker(ledger: Ledger, id: string, name: string, end: ScriptedAnswer = `${id} asked.`): Agent {
  const asks = tool({
    name: 'ask',
    description: 'Asks.',
    inputSchema: { type: 'object' },
    callback: (_, context) => {
      const answer = (context as ToolContext).interrupt<string>({ name })
      ledger.tools.push(`asked ${answer}`)
      return answer
    },
  })
  return member(ledger, id, { tools: [asks] }, (_, { answer }) => (answer === 1 ? { tools: [{ name: 'ask' }] } : end))
}
