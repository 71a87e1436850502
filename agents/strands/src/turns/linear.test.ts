import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterToolCallEvent,
  Agent,
  type AgentConfig,
  BeforeModelCallEvent,
  InvokeModelStage,
  Message,
  MessageAddedEvent,
  Model,
  NullConversationManager,
  TextBlock,
  ToolResultBlock,
} from '@strands-agents/sdk'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { engineWith, Process } from '../../test/process.ts'
import { keysOf, outcomeOf, type Played, play, playAllPrefixes, type Scenario } from '../../test/scenario.ts'
import { type Script, scriptedModel } from '../testing/index.ts'

const runtime = nodeRuntime()

/** So many cycles of one tool call, then an end. */
const cycles =
  (count: number): Script =>
  (_, { answer }) =>
    answer > count ? 'Done.' : { tools: [{ name: 'look', input: { n: answer } }] }

const scenario = (script: Script, more: Partial<Scenario> = {}): Scenario => ({
  script,
  config: (ledger) => ({ tools: [noting(ledger, 'look')] }),
  ...more,
})

/** How often a message or a block of it is written out, by a copy or a tracer. */
function written(): () => number {
  const spies = [
    vi.spyOn(Message.prototype, 'toJSON'),
    vi.spyOn(TextBlock.prototype, 'toJSON'),
    vi.spyOn(ToolResultBlock.prototype, 'toJSON'),
  ]
  return () => spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0)
}

/** What happens `count` times, for runs of 10, 20 and 40 cycles: the cost of one cycle more, early and late. */
async function costs(run: (count: number) => Promise<unknown>): Promise<{ early: number; late: number }> {
  const counts: number[] = []
  for (const count of [10, 20, 40]) {
    const calls = written()
    await run(count)
    counts.push(calls())
    vi.restoreAllMocks()
  }
  const [ten = 0, twenty = 0, forty = 0] = counts
  return { early: (twenty - ten) / 10, late: (forty - twenty) / 20 }
}

const play40 = (more?: Partial<Scenario>) => (count: number) => play(runtime, scenario(cycles(count), more))

afterEach(() => void vi.restoreAllMocks())

describe('the cost of a cycle', () => {
  it('grows with the conversation in the SDK, and in a durable agent that is left as it is', async () => {
    const plainly = await costs((count) => {
      const { agent } = makeAgent(new Ledger(), cycles(count), { tools: [noting(new Ledger(), 'look')] })
      return agent.invoke('go')
    })
    const durably = await costs(play40({ options: { linear: false } }))
    for (const { early, late } of [plainly, durably]) expect(late).toBeGreaterThan(early * 1.8)
  })

  it('is the same in a long conversation as in a short one', async () => {
    const { early, late } = await costs(play40())
    expect(late).toBe(early)
    expect(late).toBeLessThan(20)
  })

  it('is the same with the plugin', async () => {
    const { early, late } = await costs(async (count) =>
      new Process(await engineWith(runtime, []), { script: cycles(count) }).invoke('go'),
    )
    expect(late).toBe(early)
  })

  it('is the same where other code has a handler at the stage', async () => {
    const prepare = (agent: Agent): void => void agent.addMiddleware(InvokeModelStage.Input, (ctx) => ctx)
    const { early, late } = await costs(play40({ prepare }))
    expect(late).toBe(early)
  })

  it('of a resume is that of its messages, once, and nothing of them is shown to nobody', async () => {
    const config = (ledger: Ledger): AgentConfig => ({
      tools: [noting(ledger, 'look')],
      conversationManager: new NullConversationManager(),
    })
    const { early, late } = await costs(async (count) => {
      const long = scenario(cycles(count), { config })
      const { entries } = await play(runtime, long)
      vi.clearAllMocks()
      const again = await play(runtime, long, entries.slice(0, -2))
      expect(again.ledger.modelCalls).toBe(1)
    })
    expect(late).toBe(early)
    expect(late).toBeLessThan(8)
  })
})

describe('what the model is given', () => {
  it('has no tool name that a provider would reject, however long ago it was made up', async () => {
    const given: string[] = []
    const script: Script = (messages, { answer }) => {
      given.push(JSON.stringify(messages))
      if (answer > 5) return 'Done.'
      return { tools: [{ name: answer === 2 ? 'look, please!' : 'look', input: { n: answer } }] }
    }
    await play(runtime, scenario(script))
    expect(given.map((text) => [text.includes('"name":"look, please!"'), text.includes('INVALID_TOOL_NAME')])).toEqual(
      given.map((_, call) => [false, call >= 2]),
    )
    expect(given.length).toBe(6)
  })

  /** Of each call: the messages as they were then, and the objects. */
  function watching(script: Script): { script: Script; texts: string[]; objects: (readonly Message[])[] } {
    const texts: string[] = []
    const objects: (readonly Message[])[] = []
    return {
      texts,
      objects,
      script: (messages, call) => {
        texts.push(JSON.stringify(plain(messages)))
        objects.push([...messages])
        return typeof script === 'function' ? script(messages, call) : (script[call.answer - 1] ?? 'Done.')
      },
    }
  }

  it('is lent: the same frozen objects each time, in lists of its own', async () => {
    const { script, objects } = watching(cycles(4))
    const { agent } = await play(runtime, scenario(script))
    const last = objects.at(-1) ?? []
    for (const list of objects) {
      expect(list.every((message, index) => message === last[index] && Object.isFrozen(message))).toBe(true)
    }
    expect(plain(last)).toEqual(plain(agent.messages.slice(0, last.length)))
    expect(last.some((message) => agent.messages.includes(message))).toBe(false)
    expect(agent.messages.some((message) => Object.isFrozen(message))).toBe(false)
  })

  /** Hooks and handlers as an author may have them. The model must see what it would see without us. */
  const authors: { readonly [what: string]: (agent: Agent) => void } = {
    'a hook that cuts old results, block by block': (agent) => {
      agent.addHook(BeforeModelCallEvent, () => {
        for (const { content } of agent.messages.slice(0, -2))
          for (const [at, block] of content.entries())
            if (block.type === 'toolResultBlock')
              content[at] = new ToolResultBlock({ ...block, content: [new TextBlock('[cut]')] })
      })
    },
    'a hook that edits inputs and texts where they are': (agent) => {
      agent.addHook(BeforeModelCallEvent, () => {
        for (const { content } of agent.messages.slice(0, -2))
          for (const block of content) {
            if (block.type === 'toolUseBlock') Object.assign(block.input as object, { n: -1 })
            if (block.type === 'toolResultBlock') Object.assign(block.content[0] as object, { text: '[cut]' })
          }
      })
    },
    'a hook that pins': (agent) => {
      agent.addHook(
        MessageAddedEvent,
        ({ message }) => void Object.assign(message, { metadata: { custom: { pinned: true } } }),
      )
    },
    'a hook that takes messages out and puts others in': (agent) => {
      agent.addHook(BeforeModelCallEvent, () => {
        if (agent.messages.length > 4)
          agent.messages.splice(1, 2, new Message({ role: 'user', content: [new TextBlock('Summary.')] }))
      })
    },
    'a hook that clones messages, and writes to the clones': (agent) => {
      agent.addHook(AfterToolCallEvent, () => {
        for (const message of agent.messages.map((one) => one.clone())) message.content.push(new TextBlock('mine'))
      })
    },
    'an input handler that writes to what it is given': (agent) => {
      let calls = 0
      agent.addMiddleware(InvokeModelStage.Input, (ctx) => {
        calls++
        for (const { content } of ctx.messages) content.unshift(new TextBlock(`call ${calls}`))
        return ctx
      })
    },
    'a handler around the model that writes, and adds': (agent) => {
      agent.addMiddleware(InvokeModelStage, async function* (ctx, next) {
        for (const { content } of ctx.messages) Object.assign(content[0] as object, { text: 'rewritten' })
        return yield* next({
          ...ctx,
          messages: [...ctx.messages, new Message({ role: 'user', content: [new TextBlock('!')] })],
        })
      })
    },
    'a handler that comes in the middle of a run, and goes': (agent) => {
      let remove: (() => void) | undefined
      agent.addHook(AfterToolCallEvent, () => {
        if (remove === undefined)
          remove = agent.addMiddleware(InvokeModelStage.Input, (ctx) => {
            ctx.messages[0]?.content.push(new TextBlock('for this call'))
            return ctx
          })
        else remove()
      })
    },
  }

  it.each(Object.entries(authors))('is what it would be given without us: %s', async (_, prepare) => {
    const bare = watching(cycles(5))
    const { agent } = makeAgent(new Ledger(), bare.script, { tools: [noting(new Ledger(), 'look')] })
    prepare(agent)
    await agent.invoke('go')
    for (const linear of [true, false]) {
      const durable = watching(cycles(5))
      const played = await play(runtime, scenario(durable.script, { prepare, options: { linear } }))
      expect(durable.texts).toEqual(bare.texts)
      expect(plain(played.agent.messages)).toEqual(plain(agent.messages))
    }
  })

  describe('and writes to', () => {
    /** A model that does so, in one way or another; strict code throws where it is frozen. */
    const writes: { readonly [how: string]: (messages: readonly Message[]) => void } = {
      'adds a block': (messages) => void messages[0]?.content.push(new TextBlock('!')),
      'replaces a block': (messages) => void messages[0]?.content.splice(0, 1, new TextBlock('!')),
      'sets a field': (messages) => void Object.assign(messages[0] ?? {}, { metadata: { custom: {} } }),
      'takes a field away': (messages) => void delete (messages[0] as { metadata?: unknown }).metadata,
      'sorts the list itself': (messages) => void (messages as Message[]).reverse(),
    }

    it.each(Object.entries(writes))('is its own, in this call only: it %s', async (how, write) => {
      const { script, texts } = watching((messages, { answer }) => {
        write(messages)
        return answer > 3 ? 'Done.' : { tools: [{ name: 'look', input: { n: answer } }] }
      })
      const bare = new Agent({ model: scriptedModel(script), tools: [noting(new Ledger(), 'look')], printer: false })
      await bare.invoke('go')
      const plainly = texts.splice(0)
      const played = await play(runtime, scenario(script))
      expect(plain(played.agent.messages)).toEqual(plain(bare.messages))
      // Asked again once, and given copies of its own from then on.
      expect(texts).toEqual(how === 'sorts the list itself' ? plainly : [plainly[0], ...plainly])
    })

    it('is an error if it has answered in part; the next call is given copies of its own', async () => {
      const lines: string[] = []
      const process = new Process(await engineWith(runtime, []), {
        config: () => ({ model: new Late(), tools: [] }),
        log: (line) => lines.push(line),
      })
      await expect(process.invoke('go')).rejects.toThrow(/not extensible/)
      expect(String(await process.invoke('go'))).toBe('Late.')
    })
  })
})

/** Writes to its messages behind the first event. */
class Late extends Model {
  getConfig(): { modelId: string } {
    return { modelId: 'late' }
  }

  updateConfig(): void {}

  async *stream(messages: Message[]): ReturnType<Model['stream']> {
    yield { type: 'modelMessageStartEvent', role: 'assistant' }
    messages[0]?.content.push(new TextBlock('!'))
    yield { type: 'modelContentBlockStartEvent' }
    yield { type: 'modelContentBlockDeltaEvent', delta: { type: 'textDelta', text: 'Late.' } }
    yield { type: 'modelContentBlockStopEvent' }
    yield { type: 'modelMessageStopEvent', stopReason: 'endTurn' }
  }
}

describe('tracing', () => {
  interface Tracing {
    readonly _tracer: { _tracer: { startSpan(name: string): unknown } }
  }

  function tracedTo(events: string[], isRecording: boolean): (agent: Agent) => void {
    return (agent) => {
      ;(agent as unknown as Tracing)._tracer._tracer = {
        startSpan: (name) => ({
          isRecording: () => isRecording,
          addEvent: (event: string, attributes: object) =>
            events.push(`${name}: ${event} ${JSON.stringify(attributes)}`),
          ...Object.fromEntries(
            ['setAttribute', 'setAttributes', 'setStatus', 'recordException', 'end'].map((name) => [name, () => {}]),
          ),
          spanContext: () => ({ traceId: '', spanId: '', traceFlags: 0 }),
        }),
      }
    }
  }

  it('a span that records is told all that it is told without us', async () => {
    const [plainly, durably]: [string[], string[]] = [[], []]
    const { agent } = makeAgent(new Ledger(), cycles(3), { tools: [noting(new Ledger(), 'look')] })
    tracedTo(plainly, true)(agent)
    await agent.invoke('go')
    await play(runtime, scenario(cycles(3), { prepare: tracedTo(durably, true) }))
    expect(durably).toEqual(plainly)
    expect(durably.filter((event) => event.includes('gen_ai.tool.message')).length).toBeGreaterThan(10)
  })

  it('messages are not written out for one that does not', async () => {
    const events: string[] = []
    await play(runtime, scenario(cycles(3), { prepare: tracedTo(events, false) }))
    expect(events.filter((event) => event.includes('gen_ai.user.message'))).toEqual([])
  })
})

describe('the switch', () => {
  interface Internals {
    _invokeModelWithMiddleware?: unknown
    _tracer: { _addEventMessages?: unknown }
  }
  const internals = (agent: Agent): Internals => agent as unknown as Internals
  const changed = ({ agent }: Played): boolean[] => [
    Object.hasOwn(agent, '_invokeModelWithMiddleware'),
    Object.hasOwn(internals(agent)._tracer, '_addEventMessages'),
  ]

  it('linear: false leaves the loop as it is; otherwise only this agent is changed', async () => {
    expect(changed(await play(runtime, scenario(cycles(1), { options: { linear: false } })))).toEqual([false, false])
    const before = Object.getOwnPropertyDescriptors(Agent.prototype)
    expect(changed(await play(runtime, scenario(cycles(1))))).toEqual([true, true])
    expect(Object.getOwnPropertyDescriptors(Agent.prototype)).toEqual(before)
    const off = new Process(await engineWith(runtime, []), { linear: false })
    expect(Object.hasOwn(off.agent, '_invokeModelWithMiddleware')).toBe(false)
    await off.invoke('Q4')
    expect(changed({ agent: off.agent } as Played)).toEqual([false, false])
  })

  type Made = (...args: unknown[]) => AsyncGenerator

  /** How another version of the SDK might do it. */
  const versions: { readonly [how: string]: (agent: Agent) => void } = {
    'has no such method': (agent) => {
      // Under another name, as it were: what calls it finds it, what looks for a function does not.
      const { _invokeModelWithMiddleware: made } = internals(agent) as { _invokeModelWithMiddleware: Made }
      let reads = 0
      Object.defineProperty(agent, '_invokeModelWithMiddleware', { get: () => (reads++ === 0 ? undefined : made) })
    },
    'copies before the first step': (agent) => {
      const { _invokeModelWithMiddleware: made } = internals(agent) as { _invokeModelWithMiddleware: Made }
      internals(agent)._invokeModelWithMiddleware = async function* (...args: unknown[]) {
        await undefined
        return yield* made.apply(agent, args)
      }
    },
    'copies in another way': (agent) => {
      const { _invokeModelWithMiddleware: made } = internals(agent) as { _invokeModelWithMiddleware: Made }
      internals(agent)._invokeModelWithMiddleware = (...args: unknown[]) => {
        const original = agent.messages
        const list = Object.assign([...original], { map: (each: never) => Array.from(original, each) })
        const other = Object.create(agent, { messages: { value: list } })
        return made.apply(other, args)
      }
    },
    'gives no generator': (agent) => {
      const { _invokeModelWithMiddleware: made } = internals(agent) as { _invokeModelWithMiddleware: Made }
      internals(agent)._invokeModelWithMiddleware = (...args: unknown[]) => {
        const events = made.apply(agent, args)
        return { [Symbol.asyncIterator]: () => events }
      }
    },
  }

  it.each(Object.entries(versions))('is off, in one line, with a version of the SDK that %s', async (_, prepare) => {
    const lines: string[] = []
    const changedSdk = scenario(cycles(4), { prepare, options: { log: (line) => lines.push(line) } })
    const played = await play(runtime, changedSdk)
    expect(outcomeOf(played)).toEqual(outcomeOf(await play(runtime, scenario(cycles(4)))))
    expect(lines.filter((line) => line.includes('square'))).toEqual([
      'Agent "Strands Agent": this version of the Strands SDK copies messages in a way that Selvage does not know; the cost of long runs grows with the square of their cycles.',
    ])
  })

  it('leaves alone what else is mapped in that step', async () => {
    const roles: unknown[] = []
    const lines: string[] = []
    const prepare = (agent: Agent): void => {
      const { _invokeModelWithMiddleware: made } = internals(agent) as { _invokeModelWithMiddleware: Made }
      internals(agent)._invokeModelWithMiddleware = (...args: unknown[]) => {
        const events = made.apply(agent, args)
        const { next } = events
        events.next = () => {
          roles.push(agent.messages.map(({ role }, index) => [index, role]))
          return next.apply(events)
        }
        return events
      }
    }
    await play(runtime, scenario(cycles(1), { prepare, options: { log: (line) => lines.push(line) } }))
    expect(roles[0]).toEqual([[0, 'user']])
    expect(roles.at(-1)).toContainEqual([2, 'user'])
    expect(lines.filter((line) => line.includes('square'))).toEqual([])
  })

  it('is off, in one line, where messages are traced in another way', async () => {
    const lines: string[] = []
    const prepare = (agent: Agent): void => {
      const { _addEventMessages: made } = internals(agent)._tracer
      let reads = 0
      Object.defineProperty(internals(agent)._tracer, '_addEventMessages', {
        get: () => (reads++ === 0 ? undefined : made),
      })
    }
    const played = await play(runtime, scenario(cycles(2), { prepare, options: { log: (line) => lines.push(line) } }))
    expect(outcomeOf(played)).toEqual(outcomeOf(await play(runtime, scenario(cycles(2)))))
    expect(lines.filter((line) => line.includes('traces messages'))).toHaveLength(1)
  })
})

describe('a durable agent with linear cost', () => {
  it('goes on from every entry of its journal as one without', async () => {
    const plainly = await play(runtime, scenario(cycles(5), { options: { linear: false } }))
    const whole = await playAllPrefixes(runtime, scenario(cycles(5)), (again, whole) => {
      expect(outcomeOf(again)).toEqual(outcomeOf(whole))
    })
    expect(outcomeOf(whole)).toEqual(outcomeOf(plainly))
    expect(keysOf(whole.entries)).toEqual(keysOf(plainly.entries))
  })
})
