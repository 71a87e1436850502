/** The SDK's own SessionManager beside the journal: refused where a run is a program, and warned of with `durable()`. */
import { nodeRuntime } from '@selvage/runtime-node'
import { type AgentConfig, SessionManager } from '@strands-agents/sdk'
import { Graph } from '@strands-agents/sdk/multiagent'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent } from '../test/agents.ts'
import { MemoryEngine } from '../test/memory-engine.ts'
import { play } from '../test/scenario.ts'
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

function managed(files: Map<string, Uint8Array> = new Map()): AgentConfig {
  return { sessionManager: new SessionManager({ sessionId: 's', storage: storageIn(files) as never }) }
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
