import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterInvocationEvent,
  AfterModelCallEvent,
  AfterToolCallEvent,
  type Agent,
  type AgentConfig,
  ExtractionTrigger,
  type ExtractionTriggerContext,
  IntervalTrigger,
  InvocationTrigger,
  type MemoryStore,
  type MessageData,
  ModelExtractor,
  TextBlock,
  ToolResultBlock,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { engineWith, Process } from '../../test/process.ts'
import { keysOf, outcomeOf, type Played, play, type Scenario } from '../../test/scenario.ts'
import { createSessionProgram, isIdleSession } from '../programs/session-program.ts'
import { type Script, type ScriptedAnswer, scriptedModel } from '../testing/index.ts'

const runtime = nodeRuntime()

const LOOKS: readonly ScriptedAnswer[] = [
  ...[1, 2].map((n) => ({ text: `I look ${n}.`, tools: [{ name: 'look', input: { n }, id: `u${n}` }] })),
  'Done.',
]

/** By default calls and results of tools are left out. */
const ALL = { exclude: [] }

class EachAnswer extends ExtractionTrigger {
  readonly name = 'each'

  attach({ agent, fire }: ExtractionTriggerContext): void {
    agent.addHook(AfterModelCallEvent, () => fire())
  }
}

/** What a store was given, by the number of the message. */
class Store {
  readonly searches: string[] = []
  readonly saved = new Map<number, string>()
  readonly facts: string[] = []
  /** Messages that came twice. */
  readonly again: number[] = []

  of(extraction: MemoryStore['extraction'], more: Partial<MemoryStore> = {}): MemoryStore {
    return {
      name: 'facts',
      writable: true,
      search: async (query) => {
        this.searches.push(query)
        return [{ content: `fact ${this.searches.length}` }]
      },
      addMessages: async (messages, options) => this.#take(messages, options?.sequenceNumbers ?? []),
      ...(extraction !== undefined && { extraction }),
      ...more,
    }
  }

  #take(messages: readonly MessageData[], numbers: readonly number[]): void {
    for (const [index, { role, content }] of messages.entries()) {
      const number = numbers[index] ?? Number.NaN
      if (this.saved.has(number)) this.again.push(number)
      this.saved.set(number, JSON.stringify({ role, content }))
    }
  }
}

interface Remembered extends Played {
  readonly store: Store
}

async function remembering(
  trigger: () => ExtractionTrigger,
  prefix: readonly Entry[] = [],
  more: Partial<Scenario> & { readonly injection?: AgentConfig['memoryManager'] } = {},
): Promise<Remembered> {
  const store = new Store()
  const played = await play(
    runtime,
    {
      script: LOOKS,
      config: (ledger) => ({
        tools: [noting(ledger, 'look')],
        memoryManager: { stores: [store.of({ trigger: trigger(), filter: ALL })], injection: { trigger: 'everyTurn' } },
      }),
      ...more,
    },
    prefix,
  )
  await played.agent.memoryManager?.flush()
  return { ...played, store }
}

/** The last number that the journal says is saved. */
function markIn(entries: readonly Entry[]): number {
  const marks = entries.flatMap((entry) => (entry.type === 'state' ? [/^saved:facts@(\d+)$/.exec(entry.key)?.[1]] : []))
  return Number(marks.findLast((mark) => mark !== undefined) ?? -1)
}

function searchesIn(entries: readonly Entry[]): number {
  return keysOf(entries).filter((key) => key.startsWith('memory:')).length
}

describe('a store of memories', () => {
  it.each([
    ['behind the invocation', () => new IntervalTrigger({ turns: 1 })],
    ['behind each answer', () => new EachAnswer()],
  ])('gets each message under its number, wherever the process died (saving %s)', async (_, trigger) => {
    const whole = await remembering(trigger)
    expect([...whole.store.saved.keys()]).toEqual([0, 1, 2, 3, 4, 5])
    expect(whole.store.saved.get(0)).toContain('go')
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const again = await remembering(trigger, prefix)
      const rest = [...whole.store.saved].filter(([number]) => number > markIn(prefix))
      expect([...again.store.saved], `behind entry ${length - 1}`).toEqual(rest)
      expect(again.store.again).toEqual([])
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
    }
  })

  it('gets what was added, and not what a hook has taken out of it', async () => {
    const prepare: Scenario['prepare'] = (agent) => {
      agent.addHook(AfterToolCallEvent, (event) => {
        const { toolUseId } = event.toolUse
        event.result = new ToolResultBlock({ toolUseId, status: 'success', content: [new TextBlock('redacted')] })
      })
    }
    const trigger = () => new InvocationTrigger()
    const whole = await remembering(trigger, [], { prepare })
    expect(whole.store.saved.get(2)).toContain('redacted')
    for (let length = 1; length < whole.entries.length; length++) {
      const again = await remembering(trigger, whole.entries.slice(0, length), { prepare })
      expect([...again.store.saved]).toEqual([...whole.store.saved].filter(([number]) => again.store.saved.has(number)))
    }
  })

  it('is asked once for a model call', async () => {
    const trigger = () => new InvocationTrigger()
    const whole = await remembering(trigger)
    expect(whole.store.searches).toHaveLength(3)
    expect(searchesIn(whole.entries)).toBe(3)
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const again = await remembering(trigger, prefix)
      expect(again.store.searches, `behind entry ${length - 1}`).toHaveLength(3 - searchesIn(prefix))
      expect(again.ledger.modelCalls).toBe(3 - keysOf(prefix).filter((key) => key.startsWith('model#')).length)
    }
  })

  it('gets the facts of messages whose extractor had answered when the process died', async () => {
    const all = ['go', 'I look 1', 'I look 2', 'Done']
    const numbers = [0, 1, 3, 5]
    const wordsIn = (text: string): string[] => all.filter((word) => text.includes(word))
    const extracting = async (prefix: readonly Entry[] = []): Promise<Remembered & { asked: readonly string[] }> => {
      const store = new Store()
      const asked: string[] = []
      const facts: Script = (messages) => {
        const words = wordsIn(JSON.stringify(messages))
        asked.push(words.join())
        return JSON.stringify(words.map((content) => ({ content })))
      }
      const config = (ledger: Ledger): AgentConfig => {
        const extractor = new ModelExtractor({ model: scriptedModel(facts, { modelId: 'extractor' }) })
        const add = async (fact: string): Promise<void> => void store.facts.push(fact)
        const facty = store.of({ trigger: new EachAnswer(), extractor, filter: ALL }, { add })
        return { tools: [noting(ledger, 'look')], memoryManager: { stores: [facty], injection: false } }
      }
      const played = await play(runtime, { script: LOOKS, config }, prefix)
      await played.agent.memoryManager?.flush()
      return { ...played, store, asked }
    }
    const whole = await extracting()
    expect(whole.store.facts).toEqual(all)
    expect(whole.asked.join()).toBe(all.join())
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const { store, asked, ledger } = await extracting(prefix)
      const where = `behind entry ${length - 1}`
      expect(store.facts, where).toEqual(all.filter((_, index) => Number(numbers[index]) > markIn(prefix)))
      const answered = prefix.flatMap((entry) =>
        entry.type === 'step' && entry.key.startsWith('beyond:') ? [wordsIn(JSON.stringify(entry.outcome)).join()] : [],
      )
      expect(
        asked.filter((request) => answered.includes(request)),
        where,
      ).toEqual([])
      expect(new Set(asked).size, where).toBe(asked.length)
      expect(ledger.modelCalls, where).toBe(3 - keysOf(prefix).filter((key) => key.startsWith('model#')).length)
    }
  })

  it('that is not known is told to whoever searches it; such a search is no step', async () => {
    const told: unknown[] = []
    const { how, entries } = await play(runtime, {
      script: LOOKS,
      config: (ledger) => ({
        tools: [noting(ledger, 'look')],
        memoryManager: { stores: [new Store().of(undefined)], injection: false },
      }),
      prepare: (agent) =>
        agent.addHook(AfterToolCallEvent, async () => {
          await agent.memoryManager?.search('it', { stores: ['other'] }).catch((error: unknown) => told.push(error))
        }),
    })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    const unknown = expect.objectContaining({ message: "MemoryManager: store 'other' not found" })
    expect(told).toEqual([unknown, unknown])
    expect(searchesIn(entries)).toBe(0)
  })

  it.each([
    ['a model call', AfterModelCallEvent],
    ['the invocation', AfterInvocationEvent],
  ] as const)('answers what a hook behind %s did not wait for, though the run has ended', async (_, event) => {
    const found = Promise.withResolvers<[{ content: string }]>()
    let asked: Promise<unknown> | undefined
    const slow = new Store().of(undefined, { search: () => found.promise })
    const { how } = await play(runtime, {
      script: ['Done.'],
      config: () => ({ memoryManager: { stores: [slow], injection: false } }),
      prepare: (agent) =>
        agent.addHook(event as typeof AfterModelCallEvent, () => {
          asked = agent.memoryManager?.search('it')
        }),
    })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    found.resolve([{ content: 'late' }])
    expect(JSON.stringify(await asked)).toContain('late')
  })

  /** Three messages, each answered by another process. */
  const threeMessages = async (store: Store, more?: Partial<MemoryStore>, behind?: () => void): Promise<void> => {
    const engine = new MemoryEngine(runtime)
    await engine.start('s', { program: 'chat:session', input: null })
    for (const id of ['one', 'two', 'three']) {
      await engine.signal('s', { id, name: 'message', payload: { input: id } })
      const facts = store.of({ trigger: new InvocationTrigger(), filter: ALL }, more)
      const memoryManager = { stores: [facts], injection: false }
      const made = () => makeAgent(new Ledger(), () => 'Said.', { memoryManager }).agent
      await engine.execute('s', createSessionProgram('chat', made, { log: () => {} }))
      behind?.()
      expect(isIdleSession(engine.entries('s').at(-1) as Entry)).toBe(true)
    }
  }

  it('of a session gets each message of it once, whichever process answers', async () => {
    const store = new Store()
    await threeMessages(store)
    expect([...store.saved.keys()]).toEqual([0, 1, 2, 3, 4, 5])
    expect(store.again).toEqual([])
    expect([...store.saved.values()].filter((message) => message.includes('user'))).toHaveLength(3)
  })

  it('of a session that one process answers gets what no turn before had saved', async () => {
    const store = new Store()
    const facts = store.of({ trigger: new IntervalTrigger({ turns: 3 }), filter: ALL })
    const memoryManager = { stores: [facts], injection: false }
    const made = () => makeAgent(new Ledger(), () => 'Said.', { memoryManager }).agent
    const engine = new MemoryEngine(runtime)
    await engine.start('s', { program: 'chat:session', input: null })
    for (const id of ['one', 'two', 'three']) await engine.signal('s', { id, name: 'message', payload: { input: id } })
    await engine.execute('s', createSessionProgram('chat', made, { log: () => {} }))
    expect([...store.saved.keys()]).toEqual([0, 1, 2, 3, 4, 5])
    expect(store.again).toEqual([])
  })

  it('that has taken a message keeps no session from being idle', () => {
    const state = { seq: 9, at: 0, type: 'state', patch: {} } as const
    expect(isIdleSession({ ...state, key: 'saved:facts@3' })).toBe(true)
    expect(isIdleSession({ ...state, key: 'sync#3' })).toBe(false)
  })

  it('that is slower than the session gets messages twice, under the same numbers', async () => {
    const store = new Store()
    const batches: (readonly number[])[] = []
    let taken = Promise.withResolvers<void>()
    await threeMessages(
      store,
      {
        addMessages: async (_, options) => {
          batches.push(options?.sequenceNumbers ?? [])
          await taken.promise
        },
      },
      () => {
        taken.resolve()
        taken = Promise.withResolvers<void>()
      },
    )
    expect(batches.map((numbers) => numbers.at(-1))).toEqual([1, 3, 5])
    expect(new Set(batches.flat())).toEqual(new Set([0, 1, 2, 3, 4, 5]))
  })

  it('has the last messages when the run ends, where a hook waits for that', async () => {
    const store = new Store()
    const taken = Promise.withResolvers<void>()
    const config = (ledger: Ledger): AgentConfig => {
      const facts = store.of({ trigger: new InvocationTrigger(), filter: ALL }, { addMessages: () => taken.promise })
      return { tools: [noting(ledger, 'look')], memoryManager: { stores: [facts], injection: false } }
    }
    const prepare = (agent: Agent): void => {
      agent.addHook(AfterInvocationEvent, async () => {
        setImmediate(() => taken.resolve())
        await agent.memoryManager?.flush()
      })
    }
    const { how, entries } = await play(runtime, { script: LOOKS, config, prepare })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(markIn(entries)).toBe(5)
  })

  it('of an agent that is a tool gets what the call under way had added', async () => {
    const playing = async (prefix: readonly Entry[] = []): Promise<Remembered> => {
      const store = new Store()
      const config = (ledger: Ledger): AgentConfig => {
        const facts = store.of({ trigger: new InvocationTrigger(), filter: ALL })
        const { agent } = makeAgent(ledger, LOOKS, {
          name: 'inner',
          tools: [noting(ledger, 'look')],
          memoryManager: { stores: [facts], injection: false },
        })
        return { tools: [agent] }
      }
      const script = [{ tools: [{ name: 'inner', input: { input: 'go' }, id: 'i1' }] }, 'Done.']
      return { ...(await play(runtime, { script, config }, prefix)), store }
    }
    const whole = await playing()
    expect([...whole.store.saved.keys()]).toEqual([0, 1, 2, 3, 4, 5])
    for (let length = 1; length < whole.entries.length; length++) {
      const prefix = whole.entries.slice(0, length)
      const again = await playing(prefix)
      const isOver = prefix.some((entry) => 'key' in entry && /^call:i1@1\/saved:facts|^tool:i1@1/.test(entry.key))
      expect([...again.store.saved], `behind entry ${length - 1}`).toEqual(isOver ? [] : [...whole.store.saved])
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
    }
  })

  it('is not given the ended turns of a run that an earlier version began', async () => {
    const trigger = () => new InvocationTrigger()
    const whole = await remembering(trigger)
    const before = whole.entries.filter((entry) => entry.type !== 'state' || !entry.key.startsWith('saved:'))
    const open = await remembering(trigger, before.slice(0, -1))
    expect([...open.store.saved.keys()]).toEqual([0, 1, 2, 3, 4, 5])
    const store = new Store()
    const config = (ledger: Ledger): AgentConfig => ({
      tools: [noting(ledger, 'look')],
      memoryManager: { stores: [store.of({ trigger: trigger(), filter: ALL })], injection: false },
    })
    const first = new Process(await engineWith(runtime, []), { config })
    await first.invoke('one')
    await first.agent.memoryManager?.flush()
    await first.plugin.detach()
    store.saved.clear()
    const old = first.engine.entries('q4').filter((entry) => entry.type !== 'state' || !entry.key.startsWith('saved:'))
    const second = new Process(await engineWith(runtime, old), { config })
    await second.invoke('one')
    await second.invoke('two')
    await second.agent.memoryManager?.flush()
    expect([...store.saved.keys()]).toEqual([4, 5, 6, 7])
  })

  it('of an agent with the plugin, too: what the first process did not save, the second does', async () => {
    const store = new Store()
    const config = (ledger: Ledger): AgentConfig => ({
      tools: [noting(ledger, 'look')],
      memoryManager: {
        stores: [store.of({ trigger: new IntervalTrigger({ turns: 9 }), filter: ALL })],
        injection: false,
      },
    })
    const first = new Process(await engineWith(runtime, []), { config })
    await first.invoke('one')
    await first.plugin.detach()
    // In the same process, a session later: nothing counts twice.
    await first.invoke('two')
    await first.plugin.detach()
    const second = new Process(first.engine, { config })
    await second.invoke('one')
    await second.invoke('two')
    await second.invoke('three')
    await second.agent.memoryManager?.flush()
    const theirs = [...store.saved]
    expect(theirs.map(([number]) => number)).toEqual(Array.from({ length: 12 }, (_, number) => number))
    store.saved.clear()
    await first.agent.memoryManager?.flush()
    expect([...store.saved]).toEqual(theirs.slice(0, 8))
    expect(store.again).toEqual([])
  })

  it('gets nothing twice where the same process goes on with a turn that was left open', async () => {
    const store = new Store()
    let fails = true
    const { agent, ...process } = new Process(await engineWith(runtime, []), {
      script: (_, { answer }) => {
        if (answer === 2 && fails) throw new Error('busy')
        return LOOKS[answer - 1] ?? 'Done.'
      },
      config: (ledger) => ({
        tools: [noting(ledger, 'look')],
        memoryManager: {
          stores: [store.of({ trigger: new IntervalTrigger({ turns: 9 }), filter: ALL })],
          injection: false,
        },
        retryStrategy: null,
      }),
    })
    await expect(agent.invoke('go')).rejects.toThrow()
    fails = false
    await agent.invoke('go')
    await process.plugin.detach()
    await agent.memoryManager?.flush()
    expect([...store.saved.keys()]).toEqual([0, 1, 2, 3, 4, 5])
    expect(store.again).toEqual([])
  })
})
