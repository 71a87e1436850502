/** What a ContextOffloader has put aside is found in every process, as it was put aside. */
import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { AfterToolCallEvent, type Agent, type AgentConfig, TextBlock, ToolResultBlock } from '@strands-agents/sdk'
import { InMemoryStorage } from '@strands-agents/sdk/storage'
import {
  ContextOffloader,
  InMemoryStorage as CountingStorage,
} from '@strands-agents/sdk/vended-plugins/context-offloader'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { engineWith, Process } from '../../test/process.ts'
import { outcomeOf, play, playAllPrefixes, recordedSteps, type Scenario } from '../../test/scenario.ts'
import { createSessionProgram, ReplyReader } from '../programs/session-program.ts'
import type { Script, ScriptedAnswer } from '../testing/index.ts'

const runtime = nodeRuntime()

/** Far behind what a preview shows. */
const HAY = `${'hay hay hay\n'.repeat(2_000)}NEEDLE 1234\n${'hay hay hay\n'.repeat(1_000)}`

/** Looks at two large things and a small one, and asks for what was put aside of the first. */
const answerOf: Extract<Script, (...args: never) => unknown> = (messages, { answer }) => {
  if (answer === 1) return { tools: [{ name: 'look', input: { n: 1 }, id: 'c1' }] }
  if (answer === 2) return { tools: [{ name: 'look', input: { n: 2 }, id: 'c2' }] }
  if (answer === 3) return { tools: [{ name: 'other', input: { n: 3 }, id: 'c3' }] }
  if (answer === 4) return retrieval(referenceIn(messages[2]?.toJSON()))
  return `Found: ${JSON.stringify(messages.at(-1)?.toJSON().content)}`
}

const SCRIPT: Script = answerOf

function retrieval(reference: string): ScriptedAnswer {
  const input = { reference, pattern: 'NEEDLE|\\*\\*\\*\\*', context_lines: 0 }
  return { tools: [{ name: 'retrieve_offloaded_content', input }] }
}

function referenceIn(shown: unknown): string {
  return /\[Stored references:\]\\n {2}(\S+)/.exec(JSON.stringify(shown))?.[1] ?? 'none'
}

type Options = ConstructorParameters<typeof ContextOffloader>[0]

const offloading = (options: () => Options = () => ({}), more: Partial<Scenario> = {}): Scenario => ({
  script: SCRIPT,
  config: (ledger) => ({
    plugins: [new ContextOffloader(options())],
    tools: [noting(ledger, 'look', ({ n }) => `${n} ${HAY}`), noting(ledger, 'other')],
  }),
  ...more,
})

/** Rewrites the results of a tool before they are put aside. */
const rewriting =
  (rewrite: (text: string) => string) =>
  (agent: Agent): void => {
    const hook = (event: AfterToolCallEvent): void => {
      const [block] = event.result.content
      if (event.toolUse.name !== 'look' || !(block instanceof TextBlock)) return
      const { toolUseId, status } = event.result
      event.result = new ToolResultBlock({ toolUseId, status, content: [new TextBlock(rewrite(block.text))] })
    }
    agent.addHook(AfterToolCallEvent, hook, { order: -1 })
  }

describe('what a ContextOffloader has put aside', () => {
  it.each<[string, (() => Options) | undefined]>([
    ['by default', undefined],
    ['in a storage in memory', () => ({ storage: new InMemoryStorage() })],
    ['in the old one, which counts', () => ({ storage: new CountingStorage() })],
  ])('%s is found in every process', async (_, options) => {
    const whole = await playAllPrefixes(runtime, offloading(options), (again, first, prefix) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(first))
      expect(again.ledger.modelCalls).toBe(first.ledger.modelCalls - recordedSteps(prefix, 'model'))
      expect(again.ledger.tools).toHaveLength(first.ledger.tools.length - lookedIn(prefix))
    })
    expect(JSON.stringify(whole.agent.messages[2])).toContain('[Offloaded:')
    expect(whole.how).toMatchObject({ outcome: { ok: { text: expect.stringContaining('NEEDLE 1234') } } })
  })

  it('is stored once in the journal, unless a hook had rewritten it before', async () => {
    const { entries } = await play(runtime, offloading())
    expect(JSON.stringify(entries).split('\\nNEEDLE 1234\\nhay').length - 1).toBe(2)
    const notes = entries.filter((entry) => entry.type === 'state' && entry.key.startsWith('offloaded:'))
    expect(notes).toHaveLength(2)
    expect(JSON.stringify(notes).length).toBeLessThan(800)
  })

  it('is what a hook has made of it, to the letter', async () => {
    const masked = offloading(() => ({}), { prepare: rewriting((text) => text.replace(/\d{4}/, '****')) })
    const whole = await playAllPrefixes(runtime, masked, (again, first) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(first))
      expect(JSON.stringify(again.agent.messages)).not.toContain('1234')
    })
    expect(whole.how).toMatchObject({ outcome: { ok: { text: expect.stringContaining('NEEDLE ****') } } })
  })

  it('is evicted no later than it would have been', async () => {
    const whole = await playAllPrefixes(
      runtime,
      offloading(() => ({ evictAfterCycles: 1 })),
      (again, first) => expect(outcomeOf(again)).toEqual(outcomeOf(first)),
    )
    expect(whole.how).toMatchObject({ outcome: { ok: { text: expect.stringContaining('reference not found') } } })
  })

  it('is written once to a storage that outlives the process, and again where it is gone from it', async () => {
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
    const stored = offloading(() => ({ storage }))
    const whole = await play(runtime, stored)
    const at = whole.entries.findIndex((entry) => entry.type === 'step' && entry.key === 'model#4')
    writes.length = 0
    expect(outcomeOf(await play(runtime, stored, whole.entries.slice(0, at + 1)))).toEqual(outcomeOf(whole))
    expect(writes).toEqual([])
    files.clear()
    expect(outcomeOf(await play(runtime, stored, whole.entries.slice(0, at + 1)))).toEqual(outcomeOf(whole))
    expect(writes).toHaveLength(2)
  })

  it.each([false, true])(
    'is found by an agent that is a tool, inside of its call (preserveContext: %s)',
    async (preserveContext) => {
      const scenario: Scenario = {
        script: [{ tools: [{ name: 'inner', input: { input: 'go' }, id: 'i1' }] }, 'Done.'],
        config: (ledger) => {
          const { agent } = makeAgent(ledger, SCRIPT, { name: 'inner', ...offloading().config?.(ledger) })
          return { tools: [agent.asTool({ preserveContext })] }
        },
      }
      const whole = await playAllPrefixes(runtime, scenario, (again, first, prefix) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(first))
        expect(again.ledger.modelCalls).toBe(first.ledger.modelCalls - recordedSteps(prefix, 'model'))
      })
      expect(JSON.stringify(whole.agent.messages)).toContain('NEEDLE 1234')
    },
  )

  it('is found by durable() in another process, in the turn and in the next one', async () => {
    const config = (ledger: Ledger): AgentConfig => offloading().config?.(ledger) ?? {}
    const script: Script = async (messages, call) =>
      JSON.stringify(messages.at(-1)).includes('and again')
        ? retrieval(referenceIn(messages[2]?.toJSON()))
        : answerOf(messages, call)
    const first = new Process(await engineWith(runtime, []), { script, config })
    await first.invoke('go')
    const said = await first.invoke('and again')
    expect(JSON.stringify(said.lastMessage)).toContain('NEEDLE 1234')
    const entries = first.engine.entries('q4')
    for (let length = 1; length < entries.length; length++) {
      const again = new Process(await engineWith(runtime, entries.slice(0, length)), { script, config })
      await again.invoke('go')
      const { lastMessage } = await again.invoke('and again')
      expect(lastMessage.toJSON(), `behind entry ${length - 1}`).toEqual(said.lastMessage.toJSON())
    }
  })

  it('is found by the next message of a session, answered by another process', async () => {
    const engine = new MemoryEngine(runtime)
    await engine.start('s', { program: 'chat:session', input: null })
    const script: Script = (messages) => {
      const last = JSON.stringify(messages.at(-1)?.toJSON().content)
      if (last.includes('first')) return { tools: [{ name: 'look', input: { n: 1 }, id: 'c1' }] }
      return last.includes('second') ? retrieval(referenceIn(messages[2]?.toJSON())) : `Found: ${last}`
    }
    const made = () => makeAgent(new Ledger(), script, offloading().config?.(new Ledger())).agent
    for (const id of ['first', 'second']) {
      await engine.signal('s', { id, name: 'message', payload: { input: id } })
      await engine.execute('s', createSessionProgram('chat', made, { log: () => {} }))
    }
    const reader = new ReplyReader('s', 'second')
    const replied = engine.entries('s').flatMap((entry) => reader.take(entry) ?? [])
    expect(replied).toMatchObject([{ result: { text: expect.stringContaining('NEEDLE 1234') } }])
  })
})

/** Recorded results of the tools that are in the ledger. */
function lookedIn(prefix: readonly Entry[]): number {
  return prefix.filter((entry) => entry.type === 'step' && ['look', 'other'].includes(entry.op.name)).length
}
