/** Servers of tools: what they told is recorded, and one that is down blocks nobody who does not need it. */
import type { Entry, Program } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { type Agent, type AgentConfig, BeforeModelCallEvent, McpClient, type Tool } from '@strands-agents/sdk'
import { Graph } from '@strands-agents/sdk/multiagent'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent } from '../../test/agents.ts'
import { type How, MemoryEngine } from '../../test/memory-engine.ts'
import { keysOf } from '../../test/scenario.ts'
import { MESSAGE } from '../conversation/fold.ts'
import { createAgentProgram } from '../programs/agent-program.ts'
import { createOrchestratorProgram } from '../programs/orchestrator-program.ts'
import { createSessionProgram, ReplyReader } from '../programs/session-program.ts'
import type { Script } from '../testing/index.ts'

const runtime = nodeRuntime()

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly protocolVersion?: string; readonly name?: string; readonly cursor?: string }
}

type Page = readonly { readonly name: string; readonly annotations?: unknown }[]

/** A server with pages of tools, behind the transport that a client is given. */
class Server {
  isUp = true
  connects = 0
  readonly asked: string[] = []
  readonly #called: string[]
  readonly #pages: readonly Page[]

  /** `called`: what is called of it, and of others. */
  constructor(
    pages: readonly Page[] = [
      [{ name: 'look', annotations: { readOnlyHint: true } }],
      [{ name: 'buy', annotations: { destructiveHint: true } }],
    ],
    called: string[] = [],
  ) {
    this.#pages = pages
    this.#called = called
  }

  client(): McpClient {
    const transport = {
      onmessage: undefined as ((message: unknown) => void) | undefined,
      start: async () => {
        if (!this.isUp) throw new Error('connection refused')
        this.connects++
      },
      close: async () => {},
      send: async (message: unknown) => {
        const result = this.#answer(message as Message)
        const { id } = message as Message
        if (result !== undefined) transport.onmessage?.({ jsonrpc: '2.0', id, result })
      },
    }
    return new McpClient({ transport: transport as never })
  }

  #answer({ method = '', params }: Message): unknown {
    this.asked.push(method)
    if (method === 'initialize') {
      const { protocolVersion } = params ?? {}
      return { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'shop', version: '1' } }
    }
    if (method === 'tools/list') {
      const at = Number(params?.cursor ?? 0)
      const tools = (this.#pages[at] ?? []).map((tool) => ({ ...tool, inputSchema: { type: 'object' } }))
      return at + 1 < this.#pages.length ? { tools, nextCursor: String(at + 1) } : { tools }
    }
    if (method === 'tools/call') this.#called.push(params?.name ?? '')
    return method === 'tools/call' ? { content: [{ type: 'text', text: `did ${params?.name}` }] } : undefined
  }
}

const SCRIPT: Script = [{ tools: [{ name: 'look', input: {} }] }, { tools: [{ name: 'buy', input: {} }] }, 'Bought.']

async function play(server: Server, prefix: readonly Entry[] = []): Promise<{ how: How; entries: readonly Entry[] }> {
  const program = createAgentProgram(
    'agent',
    () => makeAgent(new Ledger(), SCRIPT, { tools: [server.client()] }).agent,
    { log: () => {} },
  )
  const engine = new MemoryEngine(runtime)
  await engine.start('r', { program: 'agent', input: 'go' }, prefix)
  return { how: await engine.execute('r', program), entries: engine.entries('r') }
}

describe('an agent with an MCP server', () => {
  it('goes on without it, once it is no longer needed, from wherever it was', async () => {
    const whole = await play(new Server())
    expect(whole.how).toMatchObject({ outcome: { ok: { text: 'Bought.' } } })
    const behindLastCall = whole.entries.findLastIndex((entry) => entry.type === 'step' && entry.op.kind === 'tool')
    for (let length = behindLastCall + 1; length < whole.entries.length; length++) {
      const server = new Server()
      server.isUp = false
      const again = await play(server, whole.entries.slice(0, length))
      expect(again.how).toEqual(whole.how)
      expect(server.asked).toEqual([])
    }
  })

  it('connects when a tool is called, and asks it for no tools again', async () => {
    const whole = await play(new Server())
    const firstAnswer = whole.entries.findIndex((entry) => entry.type === 'step')
    const server = new Server()
    const again = await play(server, whole.entries.slice(0, firstAnswer + 1))
    expect(again.how).toEqual(whole.how)
    expect(server.connects).toBe(1)
    expect(server.asked.filter((method) => method === 'tools/list')).toEqual([])
    expect(server.asked.filter((method) => method === 'tools/call')).toHaveLength(2)
    expect(keysOf(again.entries)).toEqual(keysOf(whole.entries))
  })

  it('takes what the server says of a tool as its effect', async () => {
    const { entries } = await play(new Server())
    const effects = entries.flatMap((entry) =>
      entry.type === 'step' && entry.op.kind === 'tool' ? [[entry.op.name, entry.op.effect]] : [],
    )
    expect(effects).toEqual([
      ['look', 'read'],
      ['buy', 'once'],
    ])
  })

  it('cannot begin while it is down', async () => {
    const server = new Server()
    server.isUp = false
    expect((await play(server)).how).toMatchObject({ outcome: { error: { message: 'connection refused' } } })
  })
})

/** What two servers were asked to do. */
interface Shops {
  readonly search: Server
  readonly charge: Server
  readonly called: readonly string[]
}

function shops(): Shops {
  const called: string[] = []
  return {
    search: new Server([[{ name: 'search' }]], called),
    charge: new Server([[{ name: 'charge' }]], called),
    called,
  }
}

/** Sees the tools that it is given, and calls the one that it wants. */
function buyer(ledger: Ledger, wanted: string, server: Server, config: AgentConfig = {}): Agent {
  const script: Script = (_, { answer, options }) => {
    ledger.tools.push((options?.toolSpecs ?? []).map(({ name }) => name).join())
    return answer % 2 === 1 ? { tools: [{ name: wanted, input: {} }] } : `${wanted} done.`
  }
  return makeAgent(ledger, script, { tools: [server.client()], ...config }).agent
}

/** Of which a run of before says too little: one whose call is recorded is not there to be counted. */
const LATE = 'tools that an agent gets during the run'

const TEAMS: Readonly<Record<string, (ledger: Ledger, shops: Shops) => Program>> = {
  'nodes of a graph': (ledger, { search, charge }) =>
    createOrchestratorProgram(
      'graph',
      'team',
      () =>
        new Graph({
          nodes: [buyer(ledger, 'search', search, { id: 'a' }), buyer(ledger, 'charge', charge, { id: 'b' })],
          edges: [['a', 'b']],
        }),
      { log: () => {} },
    ),
  'nodes of a graph within a graph': (ledger, { search, charge }) =>
    createOrchestratorProgram(
      'graph',
      'team',
      () => {
        const team = (id: string, node: Agent): Graph => new Graph({ id, nodes: [node], edges: [] })
        return new Graph({
          nodes: [
            team('one', buyer(ledger, 'search', search, { id: 'a' })),
            team('two', buyer(ledger, 'charge', charge, { id: 'a' })),
          ],
          edges: [['one', 'two']],
        })
      },
      { log: () => {} },
    ),
  'an agent and its tool': (ledger, { search, charge }) =>
    createAgentProgram(
      'team',
      () => {
        const helper = buyer(ledger, 'charge', charge).asTool({ name: 'helper' })
        return makeAgent(ledger, CALLS_HELPER, { tools: [search.client(), helper] }).agent
      },
      { log: () => {} },
    ),
  'tools of one agent': (ledger, { search, charge }) =>
    createAgentProgram(
      'team',
      () => {
        return makeAgent(ledger, CALLS_BOTH, { tools: finderAndPayer(ledger, search, charge) }).agent
      },
      { log: () => {} },
    ),
  [LATE]: (ledger, { search, charge }) =>
    createAgentProgram(
      'team',
      () => {
        const { agent } = makeAgent(ledger, CALLS_BOTH)
        const tools = finderAndPayer(ledger, search, charge)
        agent.addHook(BeforeModelCallEvent, () => agent.toolRegistry.add(tools.splice(0)))
        return agent
      },
      { log: () => {} },
    ),
}

const CALLS_HELPER: Script = [
  { tools: [{ name: 'search', input: {} }] },
  { tools: [{ name: 'helper', input: { input: 'go' } }] },
  { tools: [{ name: 'search', input: {} }] },
  'Done.',
]

const CALLS_BOTH: Script = [
  { tools: [{ name: 'finder', input: { input: 'go' } }] },
  { tools: [{ name: 'payer', input: { input: 'go' } }] },
  'Done.',
]

function finderAndPayer(ledger: Ledger, search: Server, charge: Server): Tool[] {
  return [
    buyer(ledger, 'search', search).asTool({ name: 'finder' }),
    buyer(ledger, 'charge', charge).asTool({ name: 'payer' }),
  ]
}

async function playTeam(team: string, prefix: readonly Entry[] = []) {
  const [ledger, servers] = [new Ledger(), shops()]
  const engine = new MemoryEngine(runtime)
  await engine.start('r', { program: 'team', input: 'go' }, prefix)
  const make = TEAMS[team] as (typeof TEAMS)[string]
  const how = await engine.execute('r', make(ledger, servers))
  return { how, entries: engine.entries('r'), seen: ledger.tools, called: servers.called }
}

/** As runs of before wrote them: by the name of the agent alone. */
function withOldKeys(entries: readonly Entry[]): Entry[] {
  return entries.map((entry) =>
    entry.type === 'state' && entry.key.startsWith('mcp:') ? { ...entry, key: entry.key.replace(/@.*$/, '') } : entry,
  )
}

describe('two agents of one name, each with an MCP server', () => {
  it.each(Object.keys(TEAMS))('have their own tools in every process: %s', async (team) => {
    const whole = await playTeam(team)
    expect(whole.how).toMatchObject({ outcome: { ok: {} } })
    expect(whole.called).toEqual(
      team === 'an agent and its tool' ? ['search', 'charge', 'search'] : ['search', 'charge'],
    )
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      for (const journal of team === LATE ? [prefix] : [prefix, withOldKeys(prefix)]) {
        const again = await playTeam(team, journal)
        const where = `behind entry ${length - 1}: ${JSON.stringify(journal.at(-1)).slice(0, 150)}`
        expect(again.how, where).toEqual(whole.how)
        expect(again.seen, where).toEqual(whole.seen.slice(whole.seen.length - again.seen.length))
        expect(again.called, where).toEqual(whole.called.slice(whole.called.length - again.called.length))
      }
    }
  })

  it('take what a run of before has recorded where only one can have written it', async () => {
    const node = (server: Server) => (ledger: Ledger) =>
      createOrchestratorProgram(
        'graph',
        'team',
        () => new Graph({ nodes: [buyer(ledger, 'search', server, { id: 'a' })], edges: [] }),
        { log: () => {} },
      )
    const play = async (server: Server, prefix: readonly Entry[] = []) => {
      const engine = new MemoryEngine(runtime)
      await engine.start('r', { program: 'team', input: 'go' }, prefix)
      const how = await engine.execute('r', node(server)(new Ledger()))
      return { how, entries: engine.entries('r') }
    }
    const whole = await play(shops().search)
    const behindCall = whole.entries.findIndex((entry) => entry.type === 'step' && entry.op.kind === 'tool') + 1
    const { search } = shops()
    search.isUp = false
    const again = await play(search, withOldKeys(whole.entries.slice(0, behindCall)))
    expect(again.how).toEqual(whole.how)
    expect(search.asked).toEqual([])
  })
})

/** Whose tools may be called again. */
const plainShop = (): Server => new Server([[{ name: 'look' }, { name: 'buy' }]])

/** Two agents that have one client, at work side by side. */
const SHARING: Readonly<Record<string, (ledger: Ledger, server: Server) => Program>> = {
  'nodes of a graph': (ledger, server) =>
    createOrchestratorProgram(
      'graph',
      'team',
      () => {
        const tools = [server.client()]
        const nodes = ['look', 'buy'].map((wanted) => buyer(ledger, wanted, server, { id: wanted, tools }))
        return new Graph({ nodes, edges: [] })
      },
      { log: () => {} },
    ),
  'tools of one agent': (ledger, server) =>
    createAgentProgram(
      'team',
      () => {
        const client = server.client()
        const tools = ['look', 'buy'].map((wanted) =>
          buyer(ledger, wanted, server, { tools: [client] }).asTool({ name: `may_${wanted}` }),
        )
        const calls = tools.map(({ name }) => ({ name, input: { input: 'go' } }))
        return makeAgent(new Ledger(), [{ tools: calls }, 'Done.'], { tools }).agent
      },
      { log: () => {} },
    ),
}

/** Which of two ends first is not in the journal before one has. */
function inOrder(how: How): unknown {
  const isLater = (one: { nodeId: string }, other: { nodeId: string }): number => (one.nodeId < other.nodeId ? -1 : 1)
  return JSON.parse(JSON.stringify(how, (key, value) => (key === 'results' ? value.toSorted(isLater) : value)))
}

describe('two agents with one client of an MCP server', () => {
  const share = async (sharing: string, server: Server, prefix: readonly Entry[] = []) => {
    const [ledger, engine] = [new Ledger(), new MemoryEngine(runtime)]
    await engine.start('r', { program: 'team', input: 'go' }, prefix)
    const make = SHARING[sharing] as (typeof SHARING)[string]
    const how = await engine.execute('r', make(ledger, server))
    return { how, entries: engine.entries('r'), seen: ledger.tools }
  }

  it.each(Object.keys(SHARING))(
    'have its tools in every process, and need it no longer than for their calls: %s',
    async (sharing) => {
      const whole = await share(sharing, plainShop())
      expect(whole.how).toMatchObject({ outcome: { ok: {} } })
      const calls = whole.entries.flatMap((entry, index) =>
        entry.type === 'step' && ['look', 'buy'].includes(entry.op.name) && entry.op.kind === 'tool' ? [index] : [],
      )
      expect(calls).toHaveLength(2)
      for (let length = 1; length < whole.entries.length; length++) {
        const server = plainShop()
        server.isUp = length <= (calls[1] ?? 0)
        const again = await share(sharing, server, whole.entries.slice(0, length))
        const where = `behind entry ${length - 1}: ${JSON.stringify(whole.entries[length - 1]).slice(0, 150)}`
        expect(inOrder(again.how), where).toEqual(inOrder(whole.how))
        expect(again.seen, where).toEqual(again.seen.map(() => 'look,buy'))
        if (!server.isUp) expect(server.asked, where).toEqual([])
      }
    },
  )

  it('are told each what it has recorded, where they are those of two runs', async () => {
    const server = new Server()
    const tools = [server.client()]
    const program = createAgentProgram('agent', () => makeAgent(new Ledger(), SCRIPT, { tools }).agent, {
      log: () => {},
    })
    const engine = new MemoryEngine(runtime)
    await engine.start('first', { program: 'agent', input: 'go' })
    await engine.execute('first', program)
    const entries = engine.entries('first')
    const listed = entries.findIndex((entry) => entry.type === 'state' && entry.key.startsWith('mcp:'))
    const asked = server.asked.filter((method) => method === 'tools/list').length
    for (const id of ['second', 'third'])
      await engine.start(id, { program: 'agent', input: 'go' }, entries.slice(0, listed + 1))
    const hows = await Promise.all(['second', 'third'].map((id) => engine.execute(id, program)))
    expect(hows).toMatchObject([{ outcome: { ok: {} } }, { outcome: { ok: {} } }])
    expect(server.asked.filter((method) => method === 'tools/list')).toHaveLength(asked)
  })
})

describe('a session with an MCP server', () => {
  it('asks for its tools in each process, and goes on with those it knows while it is down', async () => {
    const server = new Server()
    const make = () =>
      createSessionProgram('chat', () => makeAgent(new Ledger(), () => 'Hello.', { tools: [server.client()] }).agent, {
        log: () => {},
      })
    const engine = new MemoryEngine(runtime)
    await engine.start('s', { program: 'chat:session', input: null })
    for (const [id, isUp] of [
      ['m1', true],
      ['m2', true],
      ['m3', false],
    ] as const) {
      server.isUp = isUp
      await engine.signal('s', { id, name: MESSAGE, payload: { input: 'hi' } })
      await engine.execute('s', make())
    }
    const reader = new ReplyReader('s', 'm3')
    expect(
      engine
        .entries('s')
        .map((entry) => reader.take(entry))
        .at(-1),
    ).toMatchObject({ result: { text: 'Hello.' } })
    expect(server.asked.filter((method) => method === 'tools/list')).toHaveLength(4)
    expect(engine.entries('s').filter((entry) => entry.type === 'state' && entry.key.startsWith('mcp:'))).toHaveLength(
      1,
    )
  })
})
