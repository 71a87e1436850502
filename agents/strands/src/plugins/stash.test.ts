import { nodeRuntime } from '@selvage/runtime-node'
import { AfterToolCallEvent, Offload, TextBlock, ToolResultBlock } from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { engineWith, Process } from '../../test/process.ts'
import { outcomeOf, play, playAllPrefixes, recordedSteps, type Scenario } from '../../test/scenario.ts'
import { createSessionProgram, ReplyReader } from '../programs/session-program.ts'
import type { Script } from '../testing/index.ts'

const runtime = nodeRuntime()

const HAY = `NEEDLE in line one\n${'hay hay hay\n'.repeat(2_000)}`

/** Looks, does something else, and asks for what was taken out of the first result. */
const retrieving: Script = (messages, { answer }) => {
  if (answer === 1) return { tools: [{ name: 'look', input: { n: 1 }, id: 'c1' }] }
  if (answer === 2) return { tools: [{ name: 'other', input: { n: 2 }, id: 'c2' }] }
  if (answer === 3) return retrieval('c1_0')
  return `Found: ${JSON.stringify(messages.at(-1)?.toJSON().content)}`
}

function retrieval(reference: string): ReturnType<Extract<Script, (...args: never) => unknown>> {
  return { tools: [{ name: 'retrieve_context', input: { reference, pattern: 'NEEDLE|SECRET', context_lines: 0 } }] }
}

const offloading = (more: Partial<Scenario> = {}, mode: 'auto' | 'agentic' = 'auto'): Scenario => ({
  script: retrieving,
  config: (ledger) => ({
    contextManager: mode,
    tools: [noting(ledger, 'look', () => HAY.repeat(mode === 'auto' ? 1 : 4)), noting(ledger, 'other')],
  }),
  ...more,
})

describe.skipIf(Offload === undefined)('what a context manager has put aside', () => {
  it.each(['auto', 'agentic'] as const)('is found in every process (%s)', async (mode) => {
    const whole = await playAllPrefixes(runtime, offloading({}, mode), (again, first, prefix) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(first))
      expect(again.ledger.modelCalls).toBe(first.ledger.modelCalls - recordedSteps(prefix, 'model'))
    })
    expect(JSON.stringify(whole.agent.messages[2])).toContain('[Stashed]')
    expect(whole.how).toMatchObject({ outcome: { ok: { text: expect.stringContaining('NEEDLE in') } } })
  })

  it('holds what was added, and not what a hook has taken out of it', async () => {
    const redacting = offloading({
      prepare: (agent) => {
        agent.addHook(AfterToolCallEvent, (event) => {
          if (event.toolUse.name !== 'look') return
          const content = [new TextBlock(HAY.replace('NEEDLE', 'SECRET'))]
          event.result = new ToolResultBlock({ toolUseId: 'c1', status: 'success', content })
        })
      },
    })
    const whole = await playAllPrefixes(runtime, redacting, (again, first) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(first))
    })
    expect(whole.how).toMatchObject({ outcome: { ok: { text: expect.stringContaining('SECRET') } } })
    expect(JSON.stringify(whole.how)).not.toContain('NEEDLE in')
  })

  it.each([false, true])(
    'is found by an agent that is a tool, inside of its call (preserveContext: %s)',
    async (preserveContext) => {
      const scenario: Scenario = {
        script: [{ tools: [{ name: 'inner', input: { input: 'go' }, id: 'i1' }] }, 'Done.'],
        config: (ledger) => {
          const { agent } = makeAgent(ledger, retrieving, { name: 'inner', ...offloading().config?.(ledger) })
          return { tools: [agent.asTool({ preserveContext })] }
        },
      }
      const whole = await playAllPrefixes(runtime, scenario, (again, first, prefix) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(first))
        expect(again.ledger.modelCalls).toBe(first.ledger.modelCalls - recordedSteps(prefix, 'model'))
      })
      expect(JSON.stringify(whole.agent.messages)).toContain('NEEDLE in')
    },
  )

  it('is under one name in a storage that outlives the process, and written once', async () => {
    const files = new Map<string, Uint8Array>()
    const writes: string[] = []
    const storage = {
      write: async (key: string, data: Uint8Array) => {
        writes.push(key)
        files.set(key, data)
      },
      read: async (key: string) => files.get(key) ?? null,
      delete: async (key: string) => void files.delete(key),
      list: async (prefix: string) => [...files.keys()].filter((key) => key.startsWith(prefix)),
    }
    const scenario = offloading()
    const stored: Scenario = { ...scenario, config: (ledger) => ({ ...scenario.config?.(ledger), storage }) }
    const whole = await play(runtime, stored)
    const names = [...files.keys()].toSorted()
    for (let length = 1; length < whole.entries.length; length++) {
      writes.length = 0
      const again = await play(runtime, stored, whole.entries.slice(0, length))
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
      expect([...files.keys()].toSorted()).toEqual(names)
    }
    expect(writes.length).toBeLessThan(names.length)
    // What is gone from it is in the journal.
    files.clear()
    const at = whole.entries.findIndex((entry) => entry.type === 'step' && entry.key === 'model#2')
    expect(outcomeOf(await play(runtime, stored, whole.entries.slice(0, at + 1)))).toEqual(outcomeOf(whole))
  })

  it('is looked for once in a process, however many turns it takes up again', async () => {
    const files = new Map<string, Uint8Array>()
    let lists = 0
    const storage = {
      write: async (key: string, data: Uint8Array) => void files.set(key, data),
      read: async (key: string) => files.get(key) ?? null,
      delete: async (key: string) => void files.delete(key),
      list: async (prefix: string) => {
        lists++
        return [...files.keys()].filter((key) => key.startsWith(prefix))
      },
    }
    const engine = await engineWith(runtime, [])
    const counted: number[] = []
    for (let process = 0; process < 2; process++) {
      const { agent, plugin } = new Process(engine, {
        script: () => 'Said.',
        config: () => ({ contextManager: 'auto', storage }),
      })
      lists = 0
      for (const input of ['one', 'two', 'three']) await agent.invoke(input)
      counted.push(lists)
      await plugin.detach()
    }
    expect(counted).toEqual([0, 1])
  })

  it('is found by the next message of a session, answered by another process', async () => {
    const engine = new MemoryEngine(runtime)
    await engine.start('s', { program: 'chat:session', input: null })
    const script: Script = (messages) => {
      const last = JSON.stringify(messages.at(-1)?.toJSON().content)
      if (last.includes('first')) return { tools: [{ name: 'look', input: {}, id: 'c1' }] }
      return last.includes('second') ? retrieval('c1_0') : `Found: ${last}`
    }
    const ledger = new Ledger()
    const made = () =>
      makeAgent(ledger, script, { contextManager: 'auto', tools: [noting(ledger, 'look', () => HAY)] }).agent
    for (const id of ['first', 'second']) {
      await engine.signal('s', { id, name: 'message', payload: { input: id } })
      await engine.execute('s', createSessionProgram('chat', made, { log: () => {} }))
    }
    const reader = new ReplyReader('s', 'second')
    const replied = engine.entries('s').flatMap((entry) => reader.take(entry) ?? [])
    expect(replied).toMatchObject([{ result: { text: expect.stringContaining('1 match') } }])
  })
})
