/** The contract of each seam with the SDK: run against every version that is to be supported (docs/durable.md says how). */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  AfterInvocationEvent,
  Agent,
  type AgentConfig,
  BedrockModel,
  BeforeInvocationEvent,
  BeforeModelCallEvent,
  BeforeToolCallEvent,
  BeforeToolsEvent,
  ClassifierStrategy,
  ConstantBackoff,
  ContentBlockEvent,
  DefaultModelRetryStrategy,
  type ExecuteToolContext,
  ExecuteToolStage,
  InterventionActions,
  InterventionHandler,
  InvocationTrigger,
  InvokeModelStage,
  McpClient,
  Message,
  MessageAddedEvent,
  type MessageData,
  Model,
  ModelExtractor,
  ModelRouter,
  Offload,
  type Plugin,
  SessionManager,
  SummarizingConversationManager,
  TextBlock,
  type ToolContext,
  tool,
} from '@strands-agents/sdk'
import { HumanInTheLoop } from '@strands-agents/sdk/vended-interventions/hitl'
import { LLMSteeringHandler } from '@strands-agents/sdk/vended-interventions/steering'
import { GoalLoop } from '@strands-agents/sdk/vended-plugins/goal'
import { describe, expect, it, vi } from 'vitest'
import { plain } from '../../test/agents.ts'
import { type Script, scriptedModel, throttled } from '../testing/index.ts'
import { unwatched } from '../turns/unwatched.ts'
import { checkNamesFrom, copyMessagesBy, traceOnlyRecording } from './every-cycle.ts'
import {
  answerHooks,
  forgetInterrupt,
  interruptJson,
  isHookInterrupt,
  isInterruptError,
  raiseInterrupts,
  resetInterrupts,
  respond,
  resumeInterrupts,
} from './interrupts.ts'
import { confirmId, humanInside, interventionsOf, ledgersOf } from './interventions.ts'
import {
  aroundHooks,
  hasBackgroundTasks,
  hasCheckpointing,
  hasOtherStages,
  isOnlyHandler,
  makeOutermost,
  throwIfCancelled,
  wrapInvocation,
} from './invocation.ts'
import { extractionOf, setSessionId, stashOf } from './memories.ts'
import { restoreMetrics, usedSoFar } from './metrics.ts'
import { aroundInherited, modelsAround } from './models.ts'
import { hasDefaultRetry, hasSessionManager, missingGoalStart, muteRetries } from './plugins.ts'
import { agentOfTool, listMcpToolsBy, mcpClientsOf } from './tools.ts'

const USE: Script = [{ tools: [{ name: 'ask' }, { name: 'look' }] }, 'Done.']

function agentWith(config: AgentConfig = {}, script: Script = USE): Agent {
  const look = tool({ name: 'look', description: 'x', inputSchema: { type: 'object' }, callback: () => 'seen' })
  return new Agent({ model: scriptedModel(script), printer: false, tools: [look, asking()], ...config })
}

function asking() {
  return tool({
    name: 'ask',
    description: 'x',
    inputSchema: { type: 'object' },
    callback: (_, context) => `re ${(context as ToolContext).interrupt<string>({ name: 'q', reason: 'why' })}`,
  })
}

describe('wrapInvocation', () => {
  it('stands between Before- and AfterInvocation, once per pass, and its events reach no hook', async () => {
    const agent = agentWith({}, ['Done.'])
    const order: unknown[] = []
    agent.addHook(BeforeInvocationEvent, () => void order.push('before'))
    agent.addHook(AfterInvocationEvent, () => void order.push('after'))
    agent.addHook(ContentBlockEvent, () => void order.push('hooked'))
    wrapInvocation(
      agent,
      (original) =>
        async function* (args, options, state, continuation) {
          order.push(args)
          yield new ContentBlockEvent({ agent, contentBlock: new TextBlock('shown'), invocationState: state })
          order.push('shown')
          return yield* original(args, options, state, continuation)
        },
    )
    const seen: string[] = []
    for await (const event of agent.stream('go'))
      if (event.type === 'contentBlockEvent') seen.push(JSON.stringify(event))
    expect(order).toEqual(['before', 'go', 'shown', 'hooked', 'after'])
    expect(seen[0]).toContain('shown')
    expect(seen).toHaveLength(2)
  })

  it('an empty input goes on with the messages that are there', async () => {
    const agent = agentWith({ messages: [{ role: 'user', content: [{ text: 'before' }] }] }, ['Done.'])
    await agent.invoke([])
    expect(plain(agent.messages)).toEqual([
      { role: 'user', content: [{ text: 'before' }] },
      { role: 'assistant', content: [{ text: 'Done.' }] },
    ])
  })
})

describe('cancel', () => {
  it('throws what the loop takes for a cancel', async () => {
    const agent = agentWith()
    agent.addMiddleware(InvokeModelStage, async function* () {
      yield* []
      agent.cancel()
      throwIfCancelled(agent)
      throw new Error('not cancelled')
    })
    expect((await agent.invoke('go')).stopReason).toBe('cancelled')
  })
})

describe('interrupts', () => {
  /** Runs the tools of a cycle, with this around each of them. */
  async function around(wrap: (ctx: ExecuteToolContext, agent: Agent, run: () => Promise<unknown>) => Promise<void>) {
    const agent = agentWith()
    agent.addMiddleware(ExecuteToolStage, async function* (ctx, next) {
      const events = next(ctx)
      let result: Awaited<ReturnType<typeof events.next>> | undefined
      await wrap(ctx, agent, async () => {
        result = await events.next()
      })
      result ??= await next(ctx).next()
      if (!result.done) throw new Error('no result')
      yield* []
      return result.value
    })
    return { agent, result: await agent.invoke('go') }
  }

  it('are known by name, and say what they are', async () => {
    const seen: unknown[] = []
    await around(async ({ toolUse }, _, run) => {
      try {
        await run()
      } catch (error) {
        expect(isInterruptError(error)).toBe(true)
        if (isInterruptError(error)) seen.push(toolUse.name, ...error.interrupts.map(interruptJson))
        throw error
      }
    })
    expect(seen).toEqual(['ask', { id: 'tool:call_1_1:q', name: 'q', reason: 'why', source: 'tool' }])
    expect(isInterruptError(new Error('x'))).toBe(false)
  })

  it('find the response that was laid out, until it is forgotten', async () => {
    const { agent, result } = await around(async ({ toolUse }, agent, run) => {
      if (toolUse.name === 'ask')
        respond(agent, { id: `tool:${toolUse.toolUseId}:q`, name: 'q', source: 'tool' }, 'laid out')
      await run()
      forgetInterrupt(agent, `tool:${toolUse.toolUseId}:q`)
    })
    expect(result.stopReason).toBe('endTurn')
    expect(JSON.stringify(plain(agent.messages))).toContain('re laid out')
    expect(agent.takeSnapshot({ include: ['interrupts'] }).data.interrupts).toMatchObject({ interrupts: {} })
  })

  it('are raised again, all of them, and resumed as usual', async () => {
    let raised = 0
    const { agent, result } = await around(async (ctx, agent, run) => {
      if (raised++ < 2)
        raiseInterrupts(ctx, agent, [{ id: `tool:${ctx.toolUse.toolUseId}:q`, name: 'q', source: 'tool' }])
      await run()
    })
    expect(result.stopReason).toBe('interrupt')
    expect(result.interrupts?.map(({ id }) => id)).toEqual(['tool:call_1_1:q', 'tool:call_1_2:q'])
    expect(result.interrupts?.[0]?.toJSON()).toMatchObject({ name: 'q', source: 'tool' })
    const answers = (result.interrupts ?? []).map(({ id }) => ({
      interruptResponse: { interruptId: id, response: 'late' },
    }))
    expect((await agent.invoke(answers)).stopReason).toBe('endTurn')
    expect(JSON.stringify(plain(agent.messages))).toContain('re late')
  })

  it('are reset to those of a new agent', async () => {
    const agent = agentWith()
    expect((await agent.invoke('go')).stopReason).toBe('interrupt')
    resetInterrupts(agent)
    // The loop begins at the model call.
    const again = await agent.invoke([])
    expect(again.stopReason).toBe('interrupt')
    expect((agent.model as ReturnType<typeof scriptedModel>).calls).toBe(2)
  })

  it('are answered below stream()', async () => {
    const agent = agentWith()
    wrapInvocation(
      agent,
      (original) =>
        async function* (args, options, state, continuation) {
          const result = yield* original(args, options, state, continuation)
          const responses = (result.interrupts ?? []).map(({ id }) => ({
            interruptResponse: { interruptId: id, response: 'below' },
          }))
          resumeInterrupts(agent, responses)
          return yield* original(responses, options, state, undefined)
        },
    )
    expect((await agent.invoke('go')).stopReason).toBe('endTurn')
    expect(JSON.stringify(plain(agent.messages))).toContain('re below')
  })

  it('hooks are answered before they raise, until the next tools are done', async () => {
    const look = { tools: [{ name: 'look' }] }
    const agent = agentWith({}, [look, look, 'Done.'])
    const answers: unknown[] = []
    agent.addHook(BeforeToolsEvent, (event) => void answers.push(event.interrupt({ name: 'q' })))
    const interrupt = { id: 'hook:beforeTools:q', name: 'q', source: 'hook' } as const
    wrapInvocation(
      agent,
      (original) =>
        async function* (_args, options, state) {
          answerHooks(agent, [{ interrupt, response: 'laid out' }])
          const responses = [{ interruptResponse: { interruptId: interrupt.id, response: 'laid out' } }]
          return yield* original(responses, options, state, undefined)
        },
    )
    const { interrupts = [] } = await agent.invoke('go')
    expect(answers).toEqual(['laid out'])
    expect(interrupts.map(({ id }) => [id, isHookInterrupt(id)])).toEqual([[interrupt.id, true]])
  })
})

describe('what stands around us', () => {
  it('background tasks, checkpoints and session managers are seen', () => {
    expect(hasBackgroundTasks(agentWith())).toBe(false)
    expect(hasBackgroundTasks(agentWith({ backgroundTasks: true }))).toBe(true)
    expect(hasCheckpointing(agentWith())).toBe(false)
    expect(hasCheckpointing(agentWith({ checkpointing: true }))).toBe(true)
    const sessionManager = new SessionManager({ sessionId: 's' })
    expect(hasSessionManager(agentWith())).toBe(false)
    expect(hasSessionManager(agentWith({ sessionManager }))).toBe(true)
    expect(hasSessionManager(agentWith({ plugins: [sessionManager] }))).toBe(true)
  })

  it('a handler becomes the outermost', async () => {
    const agent = agentWith({}, ['Done.'])
    const order: string[] = []
    const handler = (name: string) =>
      async function* (ctx: never, next: (ctx: never) => AsyncGenerator) {
        order.push(name)
        return yield* next(ctx)
      } as never
    const [early, late] = [handler('early'), handler('late')]
    agent.addMiddleware(InvokeModelStage, early)
    agent.addMiddleware(InvokeModelStage, late)
    expect(makeOutermost(agent, InvokeModelStage, late)).toBe(true)
    expect(makeOutermost(agent, InvokeModelStage, () => {})).toBe(false)
    await agent.invoke('go')
    expect(order).toEqual(['late', 'early'])
  })
})

describe('what is done to all messages in each cycle', () => {
  it('copies are made of the whole list, before anything else runs, once per model call', async () => {
    const agent = agentWith()
    const asked: number[] = []
    const missed: string[] = []
    const given: (readonly Message[])[] = []
    copyMessagesBy(
      agent,
      () => agent.messages,
      (messages, one) => {
        expect(messages).toBe(agent.messages)
        asked.push(messages.length)
        return messages.map((message) => Object.assign(one(message), { by: 'us' }))
      },
      () => missed.push('missed'),
    )
    agent.addMiddleware(InvokeModelStage.Input, (ctx) => {
      given.push(ctx.messages)
      expect(Object.hasOwn(agent.messages, 'map')).toBe(false)
      return ctx
    })
    const result = await agent.invoke('go')
    await agent.invoke(
      (result.interrupts ?? []).map(({ id: interruptId }) => ({ interruptResponse: { interruptId, response: 'x' } })),
    )
    expect(asked).toEqual([1, 3])
    expect(given.map((list) => list.map((message) => 'by' in message))).toEqual([[true], [true, true, true]])
    expect(given[1]?.map((message) => message.toJSON())).toEqual(agent.messages.slice(0, 3).map((one) => one.toJSON()))
    expect(missed).toEqual([])
  })

  it('something stands around the hooks of each event that has any', async () => {
    const agent = agentWith()
    const order: string[] = []
    const isKnown = aroundHooks(agent, async (hooks) => {
      order.push('before')
      await hooks()
      order.push('behind')
      return undefined
    })
    expect(isKnown).toBe(true)
    agent.addHook(BeforeModelCallEvent, async () => {
      await null
      order.push('hook')
    })
    await agent.invoke('go')
    expect(order.join(' ')).toContain('before hook behind')
  })

  it('something stands around the hooks of a tool call, and knows which call that is', async () => {
    const seen: unknown[] = []
    const agent = agentWith({}, [{ tools: [{ name: 'look', id: 'u1' }] }, 'Done.'])
    const types = new Set(['beforeToolCallEvent', 'afterToolCallEvent'])
    aroundHooks(
      agent,
      async (hooks, type, toolUseId) => {
        seen.push([type, toolUseId])
        return await hooks()
      },
      types,
    )
    agent.addHook(BeforeToolCallEvent, () => void seen.push('hook'))
    await agent.invoke('go')
    expect(seen).toEqual([['beforeToolCallEvent', 'u1'], 'hook', ['afterToolCallEvent', 'u1']])
  })

  it('something stands around the hooks of an invocation that has begun: before, behind each pass, and at the end', async () => {
    const order: unknown[] = []
    const types = new Set(['beforeInvocationEvent', 'afterInvocationEvent', 'agentResultEvent'])
    let resumed = 0
    const agent = agentWith(
      {
        plugins: [
          {
            name: 'late',
            initAgent: (local) => {
              const around = async (hooks: () => Promise<unknown>, type: string | undefined): Promise<unknown> => {
                order.push(type)
                return await hooks()
              }
              expect(aroundHooks(local as Agent, around, types)).toBe(true)
            },
          },
        ],
      },
      ['one', 'two'],
    )
    agent.addHook(AfterInvocationEvent, (event) => {
      if (resumed++ < 1) event.resume = 'and more'
    })
    await agent.invoke('go')
    const pass = ['beforeInvocationEvent', 'afterInvocationEvent']
    expect(order).toEqual([...pass, ...pass, 'agentResultEvent'])
  })

  it('a goal loop that hides earlier attempts takes for their start what it has been told before the model call', async () => {
    const goal = { goal: () => false, maxAttempts: 2 }
    const given: string[] = []
    const known: boolean[] = []
    const agentFor = (preserveContext: boolean): Agent => {
      const script: Script = (messages) => {
        given.push(JSON.stringify(messages.map((message) => message.content)))
        return 'one'
      }
      const agent = agentWith({ plugins: [new GoalLoop({ ...goal, preserveContext })] }, script)
      agent.addHook(MessageAddedEvent, ({ message }) => {
        const tell = missingGoalStart(agent)
        known.push(tell !== undefined)
        if (message.role === 'user') tell?.([new Message({ role: 'user', content: [new TextBlock('started so')] })])
      })
      return agent
    }
    await agentFor(false).invoke('go')
    // Of each attempt: its input, the answer.
    expect(known).toEqual([true, false, false, false])
    expect(given[1]).toMatch(/^\[\[{"text":"started so"}\],\[{"text":"Your previous attempt/)
    known.length = 0
    await agentFor(true).invoke('go')
    expect(known).toEqual([false, false, false, false])
    expect(missingGoalStart(agentWith())).toBeUndefined()
  })

  it('only stages that have handlers count', () => {
    const agent = agentWith()
    expect(hasOtherStages(agent, [])).toBe(false)
    agent.addMiddleware(InvokeModelStage.Input, (ctx) => ctx)
    expect(hasOtherStages(agent, [InvokeModelStage])).toBe(false)
    expect(hasOtherStages(agent, [])).toBe(true)
  })

  it('a handler is known to be the only one, as long as it is', () => {
    const agent = agentWith()
    const handler = async function* (ctx: never, next: (ctx: never) => AsyncGenerator) {
      return yield* next(ctx)
    } as never
    expect(isOnlyHandler(agent, InvokeModelStage, handler)).toBe(false)
    agent.addMiddleware(InvokeModelStage, handler)
    expect(isOnlyHandler(agent, InvokeModelStage, handler)).toBe(true)
    const remove = agent.addMiddleware(InvokeModelStage.Output, (result) => result)
    expect(isOnlyHandler(agent, InvokeModelStage, handler)).toBe(false)
    remove()
    expect(isOnlyHandler(agent, InvokeModelStage, handler)).toBe(true)
  })

  it('tool names are looked through right before the model, in a list that nothing else has used', async () => {
    const called = (name: string): MessageData[] => [
      { role: 'user', content: [{ text: 'of old' }] },
      { role: 'assistant', content: [{ toolUse: { name, toolUseId: 'u1', input: {} } }] },
      { role: 'user', content: [{ toolResult: { toolUseId: 'u1', status: 'success', content: [{ text: 'x' }] } }] },
      { role: 'assistant', content: [{ text: 'so' }] },
    ]
    for (const [name, isGood] of [
      ['fine_name', true],
      ['no name!', false],
    ] as const) {
      const given: string[] = []
      const agent = agentWith({ messages: called(name) }, (messages) => {
        given.push(JSON.stringify(messages))
        return 'Done.'
      })
      const found: boolean[] = []
      agent.addMiddleware(InvokeModelStage, async function* (ctx, next) {
        checkNamesFrom(ctx.messages as Message[], 0, (areGood) => void found.push(areGood))
        return yield* next(ctx)
      })
      await agent.invoke('go')
      await agent.invoke('on')
      expect(found).toEqual([isGood, isGood])
      for (const messages of given) expect(messages.includes('INVALID_TOOL_NAME')).toBe(!isGood)
    }
  })

  it('all messages are written out for tracing at one place', async () => {
    const agent = agentWith({ messages: [{ role: 'user', content: [{ text: 'of old' }] }] })
    expect(traceOnlyRecording(agent)).toBe(true)
    const written = vi.spyOn(TextBlock.prototype, 'toJSON')
    const clone = vi.spyOn(Message.prototype, 'clone').mockImplementation(function (this: Message) {
      return this
    })
    await agent.invoke('go')
    expect(written.mock.contexts.filter((block) => (block as TextBlock).text === 'of old')).toEqual([])
    expect(clone).toHaveBeenCalled()
    vi.restoreAllMocks()
  })

  it('invoke() passes its options on as they are, and the events of stream() are seen', async () => {
    const agent = agentWith({}, () => 'Done.')
    const isUnwatched = unwatched(agent)
    const seen: boolean[] = []
    wrapInvocation(agent, (original) => (args, options, state, continuation) => {
      seen.push(isUnwatched(options))
      return original(args, options, state, continuation)
    })
    const invocationState = { mine: true }
    await agent.invoke('go')
    expect((await agent.invoke('go', { invocationState })).invocationState).toBe(invocationState)
    for await (const _ of agent.stream('go', { invocationState })) {
      // To the end.
    }
    expect(seen).toEqual([true, true, false])
  })
})

describe('metrics', () => {
  it('go on where they were', async () => {
    const agent = agentWith({}, () => 'Done.')
    const usage = { inputTokens: 100, outputTokens: 10, totalTokens: 110 }
    restoreMetrics(agent, usage, 3, [usage])
    const { metrics } = await agent.invoke('go', { limits: { turns: 3 } })
    const spent = metrics?.latestAgentInvocation?.cycles[1]?.usage
    expect(metrics?.accumulatedUsage.totalTokens).toBe(110 + (spent?.totalTokens ?? 0))
    expect(metrics?.cycleCount).toBe(5)
    expect(metrics?.latestAgentInvocation).toMatchObject({ cycles: [{ cycleId: 'cycle-4' }, { cycleId: 'cycle-5' }] })
    // Limits of the invocation count what was done before.
    restoreMetrics(agent, usage, 3, [usage, usage, usage])
    expect((await agent.invoke('more', { limits: { turns: 3 } })).stopReason).toBe('limitTurns')
    // Only once.
    expect((await agent.invoke('more', { limits: { turns: 3 } })).stopReason).toBe('endTurn')
  })
})

describe('what is public and yet relied on to the letter', () => {
  it('the loop appends the very answer it got, and results in the order of the calls, of the very blocks it got', async () => {
    const agent = agentWith({}, [{ tools: [{ name: 'look' }, { name: 'nowhere' }] }, 'Done.'])
    const answers: unknown[] = []
    const blocks: unknown[] = []
    agent.addMiddleware(InvokeModelStage, async function* (ctx, next) {
      const answer = yield* next(ctx)
      answers.push(answer.result.message)
      return answer
    })
    agent.addMiddleware(ExecuteToolStage, async function* (ctx, next) {
      const done = yield* next(ctx)
      blocks.push(done.result)
      return done
    })
    await agent.invoke('go')
    expect(agent.messages[1]).toBe(answers[0])
    expect(agent.messages[3]).toBe(answers[1])
    expect(agent.messages[2]?.content.every((block) => blocks.includes(block))).toBe(true)
  })

  it('a message can be named as it is added', async () => {
    const agent = agentWith({}, ['Done.'])
    agent.addHook(MessageAddedEvent, ({ message }) => {
      Object.assign(message, { trackingId: `${message.role}-id` })
    })
    await agent.invoke('go')
    expect(agent.messages.map(({ trackingId }) => trackingId)).toEqual(['user-id', 'assistant-id'])
  })

  it('appState is written through methods that an instance can have for itself', () => {
    const { appState } = agentWith()
    const { set } = appState
    const seen: string[] = []
    Object.assign(appState, {
      set: (key: string, value: never) => {
        seen.push(key)
        set.call(appState, key, value)
      },
    })
    appState.set('a', 1)
    expect([seen, appState.getAll()]).toEqual([['a'], { a: 1 }])
  })
})

describe('modelsAround', () => {
  const modelIds = (agent: Agent): (string | undefined)[] => modelsAround(agent).models.map(({ modelId }) => modelId)
  const named = (modelId: string): Model => scriptedModel([], { modelId })

  it('finds the models that managers, routers, plugins and interventions hold', async () => {
    const inner = new Agent({ model: named('inner'), printer: false })
    const agent = agentWith({
      conversationManager: new SummarizingConversationManager({ model: named('summary') as never }),
      memoryManager: {
        stores: [
          {
            name: 'facts',
            writable: true,
            search: async () => [],
            add: async () => {},
            extraction: { extractor: new ModelExtractor({ model: named('extractor') }) },
          },
        ],
      },
      plugins: [{ name: 'mine', initAgent: () => {}, models: new Map([['judge', [named('judge')]]]), inner } as Plugin],
      interventions: [new LLMSteeringHandler({ model: named('steering'), systemPrompt: 'Steer.' })],
    })
    const before = modelIds(agent)
    await agent.initialize()
    const all = ['scripted', 'summary', 'extractor', 'judge', 'inner', 'steering'].toSorted()
    expect(before.toSorted()).toEqual(all)
    expect(modelIds(agent).toSorted()).toEqual(all)
  })

  // Not in 1.16.0.
  it.skipIf(ClassifierStrategy === undefined)('finds the candidates of routers, and what chooses among them', () => {
    const strategies = ['outer', 'nested'].map((modelId) => new ClassifierStrategy(named(modelId)))
    const nested = new ModelRouter([named('b'), named('c')], { strategy: strategies[1] as ClassifierStrategy })
    const model = new ModelRouter([named('a'), nested], { strategy: strategies[0] as ClassifierStrategy })
    const agent = agentWith({ model })
    expect(modelIds(agent).toSorted()).toEqual(['a', 'b', 'c', 'nested', 'outer'])
    expect(new Set(modelsAround(agent).strategies)).toEqual(new Set(strategies))
  })

  it.skipIf(Offload === undefined)('finds the model of a context strategy', () => {
    const agent = agentWith({
      contextManager: { strategies: [Offload.summarize('*', { model: named('context') as never })] },
    })
    expect(modelIds(agent)).toContain('context')
  })

  it('goes neither into messages nor through large data', () => {
    const data = Array.from({ length: 100_000 }, (_, index) => ({ index }))
    const agent = agentWith({ plugins: [{ name: 'mine', initAgent: () => {}, data, model: named('mine') } as Plugin] })
    expect(modelIds(agent).toSorted()).toEqual(['mine', 'scripted'])
  })
})

describe('interventions', () => {
  class Asks extends InterventionHandler {
    readonly name = 'asks'

    override beforeToolCall(): ReturnType<InterventionHandler['beforeToolCall']> {
      return InterventionActions.confirm('Sure?')
    }
  }

  class Watches extends InterventionHandler {
    readonly name = 'watches'
  }

  it('that stand before calls of tools are known, and by which interrupts they ask', async () => {
    const asks = new Asks()
    const agent = agentWith({ interventions: [new Watches(), asks] }, [{ tools: [{ name: 'look', id: 'u1' }] }])
    expect(interventionsOf(agent)).toEqual([asks])
    expect(interventionsOf(agentWith())).toEqual([])
    const { interrupts } = await agent.invoke('go')
    expect(interrupts).toMatchObject([{ id: confirmId('asks', 'u1'), name: 'asks', reason: 'Sure?', source: 'hook' }])
  })

  it('are asked by methods that a handler can have for itself', async () => {
    const asks = new Asks()
    const agent = agentWith({ interventions: [asks] }, [{ tools: [{ name: 'look' }] }, 'Done.'])
    asks.beforeToolCall = () => InterventionActions.proceed()
    expect((await agent.invoke('go')).stopReason).toBe('endTurn')
  })

  it('a human in the loop asks its classifier unless it remembers the call, and then whoever answers', async () => {
    const order: unknown[] = []
    const given = new HumanInTheLoop({
      classifier: () => ({ requiresHumanInTheLoop: false }),
      ask: async () => 'no',
    })
    expect(humanInside(new Asks())).toBeUndefined()
    const human = humanInside(given)
    if (human === undefined) throw new Error('not known')
    const { _requiresApproval: requires } = human
    human._requiresApproval = async (event) => {
      order.push('requires')
      return await requires.call(human, event)
    }
    human._classifier = ({ toolUse }) => {
      order.push(toolUse.toolUseId)
      return { requiresHumanInTheLoop: true, reason: 'it costs' }
    }
    human._ask = async (prompt) => {
      order.push(prompt.includes('it costs'))
      return 'yes'
    }
    const call = (id: string) => ({ tools: [{ name: 'look', id }] })
    const agent = agentWith({ interventions: [given] }, [call('u1'), call('u1'), 'Done.'])
    await agent.invoke('go')
    expect(order).toEqual(['requires', 'u1', true, 'requires', false])
    expect(human._classifiedToolUseIds.delete('u1')).toBe(true)
  })
})

describe('the ledger of a steering handler', () => {
  it('is a list of calls, as it shows them to its model', async () => {
    const shown: string[] = []
    const model = scriptedModel((messages) => {
      shown.push(JSON.stringify(messages))
      return { tools: [{ name: 'strands_structured_output', input: { type: 'proceed', reason: 'fine' } }] }
    })
    const handler = new LLMSteeringHandler({ model, systemPrompt: 'Steer.' })
    const agent = agentWith({ interventions: [handler] }, [{ tools: [{ name: 'look', id: 'u2' }] }, 'Done.'])
    const [ledger] = ledgersOf(agent)
    if (ledger === undefined) throw new Error('not known')
    const before = { startTime: 'then', id: 'u1', name: 'look', args: {}, status: 'success', error: null }
    ledger._toolCalls.push(before)
    await agent.invoke('go')
    expect(shown[0]).toContain('u1')
    expect(ledger._maxEntries).toBe(100)
    expect(ledger._toolCalls.map((call) => Object.keys(call))[1]).toEqual([
      ...['startTime', 'id', 'name', 'args', 'status'],
      ...['endTime', 'result', 'error'],
    ])
    expect(ledger._toolCalls[1]).toMatchObject({ id: 'u2', status: 'success', result: [{ text: 'seen' }], error: null })
    expect(ledgersOf(agentWith())).toEqual([])
  })
})

describe('the stash of a context manager', () => {
  it.skipIf(Offload === undefined)('lies under the session id, and keeps a message under references', async () => {
    const keys: string[] = []
    const storage = {
      write: async (key: string) => void keys.push(key),
      read: async () => null,
      delete: async () => {},
      list: async () => [],
    }
    const agent = agentWith({ contextManager: 'auto', storage })
    setSessionId(agent, 'mine')
    expect(stashOf(agent)).toBeUndefined()
    await agent.initialize()
    const message = new Message({ role: 'user', content: [new TextBlock('one')], trackingId: 'm' })
    await stashOf(agent)?.storeMessage(message, new Set())
    expect(keys).toEqual(['context/mine/scopes/agent/agent/m_0'])
    expect(stashOf(agent)?.refsFor(new TextBlock('one'), message, 0)).toEqual(['m_0'])
    expect(await stashOf(agent)?.list()).toEqual([])
  })

  it('is not there without one', () => {
    expect(stashOf(agentWith())).toBeUndefined()
  })
})

describe('what a memory manager saves', () => {
  const saving = (written: unknown[]): Agent =>
    agentWith(
      {
        memoryManager: {
          stores: [
            {
              name: 'facts',
              writable: true,
              search: async () => [],
              addMessages: async (messages, options) => void written.push([messages.length, options?.sequenceNumbers]),
              extraction: { trigger: new InvocationTrigger() },
            },
          ],
          injection: false,
        },
      },
      ['Done.'],
    )

  it('is numbered as it is added, from where the numbers are set, behind the marks of the stores', async () => {
    const written: unknown[] = []
    const agent = saving(written)
    expect(extractionOf(agent)).toBeUndefined()
    await agent.initialize()
    const extraction = extractionOf(agent)
    if (extraction === undefined) throw new Error('not known')
    const calls: unknown[] = []
    const write = extraction._write.bind(extraction)
    extraction._write = async (store, buffered) => {
      calls.push([store.name, buffered.map(({ seq }) => seq)])
      return await write(store, buffered)
    }
    extraction.record({ role: 'user', content: [{ text: 'before' }] })
    expect([extraction._nextSeq, extraction._pending.map(({ seq }) => seq)]).toEqual([1, [0]])
    extraction._nextSeq = 4
    for (const store of extraction._marks.keys()) extraction._marks.set(store, 2)
    await agent.invoke('go')
    await agent.memoryManager?.flush()
    expect(calls).toEqual([['facts', [4, 5]]])
    expect(written).toEqual([[2, [4, 5]]])
  })

  it('is nothing without extraction', () => {
    expect(extractionOf(agentWith())).toBeUndefined()
  })
})

describe('agents inside of others', () => {
  it('are known by their tools, with whether they keep their context', () => {
    const inner = agentWith({ name: 'inner' })
    expect(agentOfTool(inner.asTool())).toEqual({ agent: inner, keepsContext: false })
    expect(agentOfTool(inner.asTool({ preserveContext: true }))).toEqual({ agent: inner, keepsContext: true })
    expect(agentOfTool(undefined)).toBeUndefined()
    expect(agentWith({ tools: [inner] }).tools.map((tool) => agentOfTool(tool)?.agent)).toEqual([inner])
  })

  it('run in the asynchronous context of whoever takes their events', async () => {
    const context = new AsyncLocalStorage<string>()
    const seen: (string | undefined)[] = []
    const inner = new Agent({
      model: scriptedModel(() => {
        seen.push(context.getStore())
        return 'Done.'
      }),
      printer: false,
    })
    const events = inner.stream('go')
    while (!(await context.run('inside', () => events.next())).done) {
      // Its own loop has nothing of ours.
    }
    expect(seen).toEqual(['inside'])
  })

  it('tell what they have used', async () => {
    const agent = agentWith({}, ['Done.'])
    await agent.invoke('go')
    expect(usedSoFar(agent)).toEqual({ usage: agent.metrics.accumulatedUsage, cycles: 1 })
  })

  it('and the MCP servers that an agent was given', () => {
    const client = new McpClient({ transport: {} as never })
    expect(mcpClientsOf(agentWith({ tools: [client] }))).toEqual([client])
  })

  it('which they ask for their tools in a way of their own, while others that have the client do not', async () => {
    const client = new McpClient({ transport: {} as never })
    client.connect = async () => {}
    client.client.listTools = async () => ({ tools: [{ name: 'far', inputSchema: { type: 'object' } }] })
    const [one, other] = [agentWith({ tools: [client] }), agentWith({ tools: [client] })]
    let asked = 0
    listMcpToolsBy(one, (given, index, list) => {
      expect([given, index]).toEqual([client, 0])
      return async (options) => {
        asked++
        return await list(options)
      }
    })
    for (const agent of [one, other]) {
      await agent.initialize()
      expect(agent.tools.map(({ name }) => name)).toEqual(['far'])
    }
    expect(asked).toBe(1)
    // The SDK tells an agent of changes by this.
    const told: unknown[] = []
    const [view] = mcpClientsOf(one)
    if (view !== undefined) view.onToolsChanged = (before) => void told.push(before)
    await (client as unknown as { _handleToolsChanged(): Promise<void> })._handleToolsChanged()
    expect(told).toEqual([['far']])
  })

  it('a client whose tools are listed asks to connect at once, and before anything else', async () => {
    const client = new McpClient({ transport: {} as never })
    const order: string[] = []
    client.connect = async () => void order.push('connect')
    client.client.listTools = async () => {
      order.push('list')
      return { tools: [] }
    }
    const listing = client.listTools()
    expect(order).toEqual(['connect'])
    await listing
    expect(order).toEqual(['connect', 'list'])
  })
})

describe('a model', () => {
  it('is asked by the loop through streamAggregated, with a store of the call for its state', async () => {
    const agent = agentWith({}, ['Done.'])
    const { model } = agent
    const original = model.streamAggregated
    const stores: unknown[] = []
    model.streamAggregated = function (messages, options) {
      options?.modelState?.set('seen', 1)
      stores.push(options?.modelState)
      expect(agent.modelState.get('seen')).toBeUndefined()
      return original.call(this, messages, options)
    }
    await agent.invoke('go')
    expect(stores).toHaveLength(1)
    expect(stores[0]).not.toBe(agent.modelState)
    expect(agent.modelState.get('seen')).toBe(1)
  })

  it('inherits streamAggregated, whatever its provider', () => {
    for (const Provider of [BedrockModel, scriptedModel([]).constructor]) {
      expect(Object.hasOwn(Provider.prototype, 'streamAggregated')).toBe(false)
    }
  })

  it('inherits it from one place, around which something can stand', async () => {
    const { prototype } = Model
    const { streamAggregated } = prototype
    const seen: unknown[] = []
    try {
      aroundInherited((inherited, model, ...asked) => {
        seen.push([model, asked.length])
        return inherited.apply(model, asked)
      })
      const agent = agentWith({}, ['Done.'])
      expect(String(await agent.invoke('go'))).toBe('Done.')
      expect(seen).toEqual([[agent.model, 2]])
    } finally {
      prototype.streamAggregated = streamAggregated
    }
  })
})

describe('the SDK’s own retries', () => {
  const own = (): DefaultModelRetryStrategy => new DefaultModelRetryStrategy({ maxAttempts: 2 })

  it('those of an author are told from those that nobody has asked for', () => {
    expect(hasDefaultRetry(agentWith())).toBe(true)
    expect(hasDefaultRetry(agentWith({ retryStrategy: null }))).toBe(false)
    expect(hasDefaultRetry(agentWith({ retryStrategy: own() }))).toBe(false)
  })

  it('are silent as long as they are muted', async () => {
    let calls = 0
    const throttle: Script = () => {
      calls++
      return { error: throttled() }
    }
    const backoff = new ConstantBackoff({ delayMs: 1 })
    const agent = agentWith({ retryStrategy: new DefaultModelRetryStrategy({ maxAttempts: 3, backoff }) }, throttle)
    let isMuted = true
    muteRetries(agent, () => isMuted)
    await expect(agent.invoke('go')).rejects.toThrow('Too many requests')
    expect(calls).toBe(1)
    isMuted = false
    await expect(agent.invoke('go')).rejects.toThrow('Too many requests')
    expect(calls).toBe(4)
  })
})
