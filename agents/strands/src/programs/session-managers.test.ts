/** The SDK's own SessionManager beside the journal: refused where a run is a program, and warned of with `durable()`. */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { type Agent, type AgentConfig, SessionManager } from '@strands-agents/sdk'
import { Graph, Swarm } from '@strands-agents/sdk/multiagent'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { engineWith, Process } from '../../test/process.ts'
import { play } from '../../test/scenario.ts'
import type { Script } from '../testing/index.ts'
import { createOrchestratorProgram } from './orchestrator-program.ts'
import { createSessionProgram } from './session-program.ts'

const runtime = nodeRuntime()

const refused = {
  outcome: { error: { code: 'UNSUPPORTED', message: expect.stringContaining('has a SessionManager') } },
}

/** What a storage of the SDK keeps, in memory. */
function storageIn(files: Map<string, Uint8Array>): object {
  return {
    write: async (key: string, data: Uint8Array) => void files.set(key, data),
    read: async (key: string) => files.get(key) ?? null,
    delete: async (key: string) => void files.delete(key),
    list: async (prefix: string) => [...files.keys()].filter((key) => key.startsWith(prefix)),
  }
}

function managed(
  files: Map<string, Uint8Array> = new Map(),
  saveLatestOn: 'message' | 'invocation' = 'invocation',
): AgentConfig {
  const storage = storageIn(files) as never
  return { sessionManager: new SessionManager({ sessionId: 's', storage, saveLatestOn }) }
}

describe('a SessionManager is refused before anything is done', () => {
  it.each([
    ['as its option', (): AgentConfig => managed()],
    ['among its plugins', (): AgentConfig => ({ plugins: [managed().sessionManager as SessionManager] })],
  ])('of a managed agent, %s', async (_, config) => {
    const { how, ledger } = await play(runtime, { script: ['Done.'], config })
    expect(how).toMatchObject(refused)
    expect(ledger.modelCalls).toBe(0)
  })

  it('of a session', async () => {
    const ledger = new Ledger()
    const program = createSessionProgram('chat', () => makeAgent(ledger, ['Done.'], managed()).agent, { log: () => {} })
    const engine = new MemoryEngine(runtime)
    await engine.start('s', { program: 'chat:session', input: null })
    expect(await engine.execute('s', program)).toMatchObject(refused)
  })

  it('of an agent that is a tool', async () => {
    const { how, ledger } = await play(runtime, {
      script: [{ tools: [{ name: 'inner', input: { input: 'x' } }] }, 'Done.'],
      config: (ledger) => ({
        tools: [makeAgent(ledger, ['Seen.'], { name: 'inner', ...managed() }).agent.asTool({ preserveContext: true })],
      }),
    })
    expect(how).toMatchObject(refused)
    expect(ledger.modelCalls).toBe(0)
  })

  it('of an agent that is a node', async () => {
    const ledger = new Ledger()
    const make = (): Graph =>
      new Graph({ nodes: [makeAgent(ledger, ['Done.'], { id: 'a', ...managed() }).agent], edges: [], maxSteps: 5 })
    const engine = new MemoryEngine(runtime)
    await engine.start('r', { program: 'team', input: 'go' })
    const how = await engine.execute('r', createOrchestratorProgram('graph', 'team', make, { log: () => {} }))
    expect(how).toMatchObject(refused)
    expect(ledger.modelCalls).toBe(0)
  })
})

describe('a SessionManager of the graph or swarm itself', () => {
  const manager = () => managed().sessionManager as SessionManager
  const makes: readonly ['graph' | 'swarm', (node: Agent) => Graph | Swarm][] = [
    ['graph', (node) => new Graph({ nodes: [node], edges: [], maxSteps: 5, sessionManager: manager() })],
    ['swarm', (node) => new Swarm({ nodes: [node], start: 'a', maxSteps: 5, sessionManager: manager() })],
  ]

  it.each(makes)('is refused: %s', async (kind, make) => {
    const ledger = new Ledger()
    const factory = () => make(makeAgent(ledger, ['Done.'], { id: 'a' }).agent)
    const engine = new MemoryEngine(runtime)
    await engine.start('r', { program: 'team', input: 'go' })
    const how = await engine.execute('r', createOrchestratorProgram(kind, 'team', factory, { log: () => {} }))
    expect(how).toMatchObject(refused)
    expect(ledger.modelCalls).toBe(0)
  })
})

describe('a SessionManager beside durable()', () => {
  it.each([
    ['as its option', (): AgentConfig => managed()],
    ['among its plugins', (): AgentConfig => ({ plugins: [managed().sessionManager as SessionManager] })],
  ])('is told in one line, %s', async (_, config) => {
    const { agent, lines } = new Process(await engineWith(runtime, []), { script: ['Done.'], config })
    await agent.invoke('go')
    expect(lines.filter((line) => line.includes('has a SessionManager beside durable()'))).toHaveLength(1)
  })

  /** A session that has been spoken in before, by an agent that no run had. */
  async function spokenIn(): Promise<Map<string, Uint8Array>> {
    const files = new Map<string, Uint8Array>()
    const { agent } = makeAgent(new Ledger(), ['Hello.'], managed(files))
    agent.appState.set('user', 'ann')
    await agent.invoke('I am ann.')
    return files
  }

  it.each(['invocation', 'message'] as const)('has what it has loaded in every process, saving each %s', async (on) => {
    const before = await spokenIn()
    const play = async (entries: readonly Entry[], files: Map<string, Uint8Array>) => {
      const engine = await engineWith(runtime, entries)
      const asked: string[] = []
      const script: Script = (messages, { answer }) => {
        asked.push(JSON.stringify(plain(messages)))
        return answer % 2 === 0 ? { tools: [{ name: 'look', input: { n: 1 } }] } : 'Done.'
      }
      const process = new Process(engine, {
        script,
        config: (ledger) => ({ ...managed(files, on), tools: [noting(ledger, 'look')] }),
      })
      for (const input of ['go', 'on']) await process.invoke(input)
      await process.plugin.detach()
      const { messages, appState } = process.agent
      return { asked, entries: engine.entries('q4'), end: { messages: plain(messages), state: appState.getAll() } }
    }
    const after = new Map(before)
    const whole = await play([], after)
    expect(whole.asked).toHaveLength(4)
    expect(whole.end.state).toEqual({ user: 'ann' })
    // What it has saved is that of the end: further on than any of these journals.
    const from = whole.entries.findIndex((entry) => entry.type === 'state' && entry.key === 'turn#1')
    for (let length = from + 1; length <= whole.entries.length; length++) {
      const again = await play(whole.entries.slice(0, length), new Map(after))
      const where = `behind entry ${length - 1}`
      expect(again.end, where).toEqual(whole.end)
      expect(again.asked, where).toEqual(whole.asked.slice(whole.asked.length - again.asked.length))
    }
  })
})
