import type { Entry } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterInvocationEvent,
  AfterModelCallEvent,
  AfterToolCallEvent,
  AfterToolsEvent,
  type Agent,
  type AgentConfig,
  AgentResult,
  BeforeInvocationEvent,
  ContextWindowOverflowError,
  ExecuteToolStage,
  ImageBlock,
  type LocalAgent,
  MaxTokensError,
  Message,
  SessionManager,
  SlidingWindowConversationManager,
  TextBlock,
  tool,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { engineWith, Process } from '../../test/process.ts'
import { keysOf, play, playAllPrefixes, recordedSteps, type Scenario } from '../../test/scenario.ts'
import { isReplayed } from '../conversation/events.ts'
import { conversationOf } from '../conversation/fold.ts'
import { wrapInvocation } from '../seams/invocation.ts'
import type { Script } from '../testing/index.ts'

const runtime = nodeRuntime()

function isResult({ content }: Message): boolean {
  return content.some(({ type }) => type === 'toolResultBlock')
}

/** Says which message of the conversation it answers. */
const count: Script = (messages) => `answer ${messages.length}`

describe('turns', () => {
  it('that a hook adds behind the first are turns of the same run', async () => {
    const scenario: Scenario = {
      script: count,
      prepare: (agent) => {
        let resumed = 0
        agent.addHook(AfterInvocationEvent, (event) => {
          if (resumed++ < 2) event.resume = `and ${resumed}`
        })
      },
    }
    const whole = await playAllPrefixes(runtime, scenario, (again, whole, prefix) => {
      expect(plain(again.agent.messages)).toEqual(plain(whole.agent.messages))
      expect(again.how).toEqual(whole.how)
      expect(again.ledger.modelCalls).toBe(3 - recordedSteps(prefix, 'model'))
      expect(plain(conversationOf(again.entries).messages)).toEqual(plain(whole.agent.messages))
    })
    expect(whole.how).toMatchObject({ outcome: { ok: { text: 'answer 5' } } })
  })

  it('have an invocationState each: nothing that a tool wrote in an earlier one', async () => {
    const script: Script = (_, { answer }) => (answer === 1 ? { tools: [{ name: 'write' }] } : 'Done.')
    const write = tool({
      name: 'write',
      description: 'Writes.',
      inputSchema: { type: 'object' },
      callback: (_, context) => {
        Object.assign(context?.invocationState ?? {}, { user: 'ann' })
        return 'written'
      },
    })
    const engine = await engineWith(runtime, [])
    for (let each = 0; each < 2; each++) {
      const process = new Process(engine, { script, config: () => ({ tools: [write] }) })
      const states: unknown[] = []
      for (const input of ['a', 'b']) states.push((await process.invoke(input)).invocationState)
      expect(states).toEqual([{ user: 'ann' }, {}])
      await process.plugin.detach()
    }
  })

  it('with hooks that put something before the input', async () => {
    const config = (): AgentConfig => ({ messages: [{ role: 'user', content: [{ text: 'given' }] }] })
    const withHook = (process: Process): Process => {
      process.agent.addHook(BeforeInvocationEvent, ({ agent }) => {
        agent.messages.push(new Message({ role: 'user', content: [new TextBlock(`note ${agent.messages.length}`)] }))
      })
      return process
    }
    const whole = withHook(new Process(await engineWith(runtime, []), { script: count, config }))
    for (const input of ['a', 'b', 'c']) await whole.invoke(input)
    const entries = [...whole.engine.entries('q4')]
    for (let length = 1; length <= entries.length; length++) {
      const again = withHook(
        new Process(await engineWith(runtime, entries.slice(0, length)), { script: count, config }),
      )
      for (const input of ['a', 'b', 'c']) await again.invoke(input)
      expect(plain(again.agent.messages)).toEqual(plain(whole.agent.messages))
    }
    expect(JSON.stringify(plain(whole.agent.messages)).match(/note/g)).toHaveLength(3)
  })

  it('of an agent whose messages were copied are stored once all the same', async () => {
    const process = new Process(await engineWith(runtime, []), { script: count })
    for (const input of ['first question', 'b', 'c']) {
      await process.invoke(input)
      process.agent.messages = process.agent.messages.map((message) => message.clone())
    }
    const text = JSON.stringify(process.engine.entries('q4'))
    expect(text.match(/first question/g)).toHaveLength(1)
    expect(text.match(/answer 3/g)).toHaveLength(1)
  })

  it('that a hook denies are none', async () => {
    const process = new Process(await engineWith(runtime, []), { script: count })
    process.agent.addHook(BeforeInvocationEvent, (event) => {
      if (event.agent.messages.length === 2) event.cancel = 'denied'
    })
    expect(String(await process.invoke('a'))).toBe('answer 1')
    expect(String(await process.invoke('b'))).toBe('denied')
    expect(String(await process.invoke('c'))).toBe('answer 4')
    const turns = process.engine
      .entries('q4')
      .flatMap((entry) => (entry.type === 'state' && /^turn#\d+$/.test(entry.key) ? [entry.patch] : []))
    expect(turns).toEqual([{ input: 'a' }, { input: 'c' }])
  })

  it('end by limits that count what was done before', async () => {
    const loop: Script = (_, { answer }) => ({ tools: [{ name: 'look', input: { n: answer } }] })
    const options = { limits: { turns: 3 } }
    const whole = new Process(await engineWith(runtime, []), { script: loop })
    expect((await whole.invoke('a', options)).stopReason).toBe('limitTurns')
    const entries = [...whole.engine.entries('q4')]
    for (let length = 1; length <= entries.length; length++) {
      const again = new Process(await engineWith(runtime, entries.slice(0, length)), { script: loop })
      const result = await again.invoke('a', options)
      expect(result.stopReason).toBe('limitTurns')
      expect(plain(again.agent.messages)).toEqual(plain(whole.agent.messages))
      expect(plain([result.lastMessage])).toEqual(plain([whole.agent.messages.at(-1) as Message]))
      expect(keysOf(again.engine.entries('q4'))).toHaveLength(6)
    }
  })

  const looksOnce: Script = (messages) => (messages.some(isResult) ? 'Done.' : { tools: [{ name: 'look' }] })
  const asOneCycle: Record<string, { script: Script; config?: AgentConfig; retries?: boolean }> = {
    'a context overflow that the conversation manager mends': {
      script: (messages, call) =>
        messages.length > 10 ? { error: new ContextWindowOverflowError('too much') } : looksOnce(messages, call),
      config: {
        messages: Array.from({ length: 8 }, (_, n) => ({
          role: n % 2 ? 'assistant' : 'user',
          content: [{ text: 'old' }],
        })),
        conversationManager: new SlidingWindowConversationManager({ windowSize: 6 }),
      },
    },
    'an answer that a hook has asked for again': { script: looksOnce, retries: true },
    'an answer that a hook has asked for again, with a structured output': {
      script: (messages, { options }) => {
        if (!messages.some(isResult)) return { tools: [{ name: 'look' }] }
        return options?.toolChoice === undefined
          ? 'Done.'
          : { tools: [{ name: 'strands_structured_output', input: { n: 1 } }] }
      },
      config: { structuredOutputSchema: z.object({ n: z.number() }) },
      retries: true,
    },
  }
  it.each(Object.entries(asOneCycle))(
    'as one cycle, in every process, count %s',
    async (_, { script, config, retries }) => {
      const asked = (agent: Agent): Agent => {
        if (retries)
          agent.addHook(AfterModelCallEvent, (event) => {
            if (event.attemptCount < 3) event.retry = true
          })
        return agent
      }
      const options = (ledger: Ledger): AgentConfig => ({ ...config, tools: [noting(ledger, 'look')] })
      const bare = asked(makeAgent(new Ledger(), script, options(new Ledger())).agent)
      const { metrics, stopReason } = await bare.invoke('a')
      const cycles = metrics?.cycleCount ?? 0
      const invoke = async (entries: readonly Entry[]) => {
        const process = new Process(await engineWith(runtime, entries), { script, config: options })
        asked(process.agent)
        const result = await process.invoke('a', { limits: { turns: cycles } })
        const second = await process.invoke('b', { limits: { turns: cycles } })
        const ends = [result.stopReason, second.stopReason]
        return { ends, cycles: process.agent.metrics.cycleCount, entries: [...process.engine.entries('q4')] }
      }
      const whole = await invoke([])
      expect(whole.ends[0]).toBe(stopReason)
      for (let length = 1; length < whole.entries.length; length++) {
        const again = await invoke(whole.entries.slice(0, length))
        expect([length, again.ends, again.cycles]).toEqual([length, whole.ends, whole.cycles])
      }
    },
  )

  it.each([1, 20_000])('that failed with a recorded error are over, and the next goes on (%i)', async (n) => {
    const partial = new Message({ role: 'assistant', content: [new TextBlock('half '.repeat(n))] })
    const script: Script = (messages) =>
      messages.length === 1 ? { error: new MaxTokensError('too many', partial) } : `answer ${messages.length}`
    const engine = await engineWith(runtime, [])
    const first = new Process(engine, { script })
    await expect(first.invoke('a')).rejects.toBeInstanceOf(MaxTokensError)
    expect(String(await first.invoke('b'))).toBe('answer 3')
    await first.plugin.detach()
    const second = new Process(engine, { script })
    const error = await second.invoke('a').catch((error: unknown) => error)
    expect(error).toBeInstanceOf(MaxTokensError)
    expect(plain([(error as MaxTokensError).partialMessage])).toEqual(plain([partial]))
    expect(String(await second.invoke('b'))).toBe('answer 3')
    expect(second.ledger.modelCalls).toBe(0)
    expect(plain(second.agent.messages)).toEqual(plain(first.agent.messages))
  })

  it('that failed with a long message have it whole, whichever process has written their end', async () => {
    const partial = new Message({ role: 'assistant', content: [new TextBlock('half '.repeat(20_000))] })
    const script: Script = () => ({ error: new MaxTokensError('too many', partial) })
    const first = new Process(await engineWith(runtime, []), { script })
    await expect(first.invoke('a')).rejects.toBeInstanceOf(MaxTokensError)
    const entries = first.engine.entries('q4')
    const end = entries.findIndex((entry) => entry.type === 'state' && entry.key === 'turn#1.end')
    const engine = await engineWith(runtime, entries.slice(0, end))
    for (let each = 0; each < 2; each++) {
      const next = new Process(engine, { script })
      const error = await next.invoke('a').catch((error: unknown) => error)
      expect(plain([(error as MaxTokensError).partialMessage])).toEqual(plain([partial]))
      expect(next.ledger.modelCalls).toBe(0)
      await next.plugin.detach()
    }
    expect(JSON.stringify(engine.entries('q4')).split('half half').length).toBe(
      JSON.stringify(entries).split('half half').length,
    )
  })

  it('that were cancelled stay so', async () => {
    const engine = await engineWith(runtime, [])
    const first = new Process(engine, { script: [{ tools: [{ name: 'look', input: { n: 1 } }] }, 'never'] })
    first.agent.addHook(AfterModelCallEvent, () => first.agent.cancel())
    expect((await first.invoke('a')).stopReason).toBe('cancelled')
    await first.plugin.detach()
    const second = new Process(engine, { script: ['never'] })
    const result = await second.invoke('a')
    expect([result.stopReason, isReplayed(result)]).toEqual(['cancelled', true])
    expect(plain(second.agent.messages)).toEqual(plain(first.agent.messages))
    expect(plain([result.lastMessage])[0]).toMatchObject({ role: 'assistant' })
  })

  it('bring structured output back', async () => {
    const { z } = await import('zod')
    const config = (): AgentConfig => ({ structuredOutputSchema: z.object({ name: z.string() }) })
    const script: Script = [{ tools: [{ name: 'strands_structured_output', input: { name: 'x' } }] }]
    const engine = await engineWith(runtime, [])
    const first = new Process(engine, { script, config })
    const result = await first.invoke('a')
    await first.plugin.detach()
    const again = await new Process(engine, { script, config }).invoke('a')
    expect(result.structuredOutput).toEqual({ name: 'x' })
    expect(again.structuredOutput).toEqual({ name: 'x' })
    expect(plain([again.lastMessage])).toEqual(plain([result.lastMessage]))
  })

  it('take and give bytes', async () => {
    const bytes = new Uint8Array([1, 2, 250])
    const config = (ledger: Ledger): AgentConfig => ({
      tools: [
        tool({
          name: 'paint',
          description: 'x',
          inputSchema: { type: 'object' },
          callback: () => {
            ledger.tools.push('paint')
            return new ImageBlock({ format: 'png', source: { bytes } }) as never
          },
        }),
      ],
    })
    const script: Script = [{ tools: [{ name: 'paint' }] }, 'Done.']
    const input = [new TextBlock('see'), new ImageBlock({ format: 'png', source: { bytes } })]
    const engine = await engineWith(runtime, [])
    const first = new Process(engine, { script, config })
    await first.invoke(input)
    const entries = [...engine.entries('q4')]
    const behindTool = entries.findIndex((entry) => entry.type === 'step' && entry.op.kind === 'tool') + 1
    const second = new Process(await engineWith(runtime, entries.slice(0, behindTool)), { script, config })
    await second.invoke([{ text: 'see' }, { image: { format: 'png', source: { bytes } } }])
    expect(plain(second.agent.messages)).toEqual(plain(first.agent.messages))
    expect(second.ledger.tools).toEqual([])
    const image = second.agent.messages[2]?.content[0]
    const source =
      image?.type === 'toolResultBlock' && image.content[0]?.type === 'imageBlock' ? image.content[0].source : undefined
    expect(source).toMatchObject({ bytes })
  })
})

describe('what stands beside', () => {
  it('middleware of plugins and of the author is inside the gate, wherever it stands', async () => {
    const engine = await engineWith(runtime, [])
    let ran = 0
    const script: Script = [{ tools: [{ name: 'look', input: { n: 1 } }] }, 'Done.']
    const make = (): Process => {
      const wrap = async function* (ctx: never, next: (ctx: never) => AsyncGenerator) {
        ran++
        return yield* next(ctx)
      } as never
      const process = new Process(engine, {
        script,
        config: (ledger) => ({
          tools: [noting(ledger, 'look')],
          plugins: [{ name: 'mine', initAgent: (agent) => void agent.addMiddleware(ExecuteToolStage, wrap) }],
        }),
      })
      process.agent.addMiddleware(ExecuteToolStage, wrap)
      return process
    }
    const first = make()
    await first.invoke('a')
    engine.kill('q4')
    expect(ran).toBe(2)
    const at = engine.entries('q4').findIndex((entry) => entry.type === 'step' && entry.op.kind === 'tool') + 1
    const cut = await engineWith(runtime, engine.entries('q4').slice(0, at))
    const second = make()
    Object.assign(engine, { runs: cut.runs })
    expect(String(await second.invoke('a'))).toBe('Done.')
    expect(ran).toBe(2)
  })

  it.each(['concurrent', 'sequential'] as const)(
    'middleware that throws does what it does without us, from the journal as well: %s',
    async (toolExecutor) => {
      const script: Script = [{ tools: [1, 2].map((n) => ({ name: 'look', input: { n } })) }, 'Done.']
      const played = async (agent: Agent, invoke: () => Promise<unknown>): Promise<unknown> => {
        const seen: unknown[] = []
        agent.addMiddleware(ExecuteToolStage, () => {
          throw new RangeError('not today')
        })
        agent.addHook(AfterToolCallEvent, () => void seen.push('after'))
        agent.addHook(AfterToolsEvent, ({ message }) => void seen.push(plain([message])))
        const said = await invoke().then(String, ({ name, message }: Error) => [name, message])
        return { said, seen }
      }
      const config = (ledger: Ledger): AgentConfig => ({ tools: [noting(ledger, 'look')], toolExecutor })
      const ledger = new Ledger()
      const { agent } = makeAgent(ledger, script, config(ledger))
      const whole = await played(agent, () => agent.invoke('a'))

      const engine = await engineWith(runtime, [])
      const durably = (): Promise<unknown> => {
        const process = new Process(engine, { script, config })
        return played(process.agent, () => process.invoke('a'))
      }
      expect(await durably()).toEqual(whole)
      engine.kill('q4')
      const at = engine.entries('q4').findIndex((entry) => entry.type === 'step' && entry.op.kind === 'tool') + 1
      const cut = await engineWith(runtime, engine.entries('q4').slice(0, at))
      Object.assign(engine, { runs: cut.runs })
      expect(await durably()).toEqual(whole)
    },
  )

  it('what answers in place of the loop, with any message', async () => {
    const engine = await engineWith(runtime, [])
    let answered = 0
    const door = {
      name: 'door',
      initAgent: (agent: LocalAgent) =>
        wrapInvocation(
          agent as Agent,
          () =>
            // biome-ignore lint/correctness/useYield: it says nothing before its answer.
            async function* (_args, _options, invocationState) {
              answered++
              const content = [new TextBlock('Closed today.')]
              const lastMessage = { type: 'message', role: 'assistant', content } as unknown as Message
              return new AgentResult({ stopReason: 'endTurn', lastMessage, invocationState })
            },
        ),
    }
    const make = (): Process => new Process(engine, { script: ['never'], config: () => ({ plugins: [door] }) })
    const first = make()
    expect((await first.invoke('a')).lastMessage.content).toEqual([new TextBlock('Closed today.')])
    await first.plugin.detach()
    const again = await make().invoke('a')
    expect(again.lastMessage.content).toEqual([new TextBlock('Closed today.')])
    expect([isReplayed(again), again.lastMessage instanceof Message, answered]).toEqual([true, true, 1])
  })

  it('a SessionManager is warned of', async () => {
    const process = new Process(await engineWith(runtime, []), {
      script: count,
      config: () => ({
        sessionManager: new SessionManager({ sessionId: 's', storage: { snapshot: memoryStorage() as never } }),
      }),
    })
    await process.invoke('a').catch(() => {})
    expect(process.lines.join()).toContain('SessionManager')
  })

  it('state of a model that keeps some is recorded', async () => {
    const engine = await engineWith(runtime, [])
    const make = (): Process => {
      const process = new Process(engine, { script: (messages) => `answer ${messages.length}` })
      const { model } = process.agent
      const { stream } = model
      model.stream = async function* (messages, options) {
        options?.modelState?.set('previous', ((options.modelState.get('previous') ?? 0) as number) + 1)
        yield* stream.call(model, messages, options)
      }
      return process
    }
    const first = make()
    await first.invoke('a')
    await first.plugin.detach()
    const second = make()
    await second.invoke('a')
    expect(second.agent.modelState.get('previous')).toBe(1)
    await second.invoke('b')
    expect(second.agent.modelState.get('previous')).toBe(2)
  })

  it('a step is not run by an agent of another copy of the SDK', async () => {
    const stranger = { name: 'x', messages: [] }
    const played = await play(runtime, { script: count }).then(({ engine }) => engine)
    expect(played.entries('r').length).toBeGreaterThan(0)
    const { bindAgent } = await import('./bind.ts')
    expect(() => bindAgent(stranger, {} as never)).toThrow(/two copies of the SDK/)
  })
})

function memoryStorage(): object {
  return {
    saveSnapshot: async () => {},
    loadSnapshot: async () => null,
    listSnapshotIds: async () => [],
    deleteSession: async () => {},
    loadManifest: async () => ({}),
    saveManifest: async () => {},
  }
}
