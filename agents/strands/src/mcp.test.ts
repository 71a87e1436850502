/** Servers of tools: what they told is recorded, and one that is down blocks nobody who does not need it. */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { McpClient } from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent } from '../test/agents.ts'
import { type How, MemoryEngine } from '../test/memory-engine.ts'
import { keysOf } from '../test/scenario.ts'
import { createAgentProgram } from './agent-program.ts'
import { MESSAGE } from './fold.ts'
import { createSessionProgram, ReplyReader } from './session-program.ts'
import type { Script } from './testing/index.ts'

const runtime = nodeRuntime()

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly protocolVersion?: string; readonly name?: string; readonly arguments?: unknown }
}

/** A server with two pages of tools, behind the transport that a client is given. */
class Server {
  isUp = true
  connects = 0
  readonly asked: string[] = []

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
    const tool = (name: string, annotations: unknown): unknown => ({
      name,
      inputSchema: { type: 'object' },
      annotations,
    })
    if (method === 'tools/list') {
      const isFirst = !('cursor' in (params ?? {}))
      return isFirst
        ? { tools: [tool('look', { readOnlyHint: true })], nextCursor: 'more' }
        : { tools: [tool('buy', { destructiveHint: true })] }
    }
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
