import { setImmediate } from 'node:timers/promises'
import { nodeRuntime } from '@selvage/runtime-node'
import type { AgentConfig, AgentStreamEvent, JSONValue, Tool, ToolContext } from '@strands-agents/sdk'
import { tool } from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../test/agents.ts'
import { engineWith, Process, script } from '../test/process.ts'
import { keysOf, questionsOf, recordedSteps } from '../test/scenario.ts'
import { isReplayed } from './conversation/events.ts'
import { createDurablePlugin } from './plugin.ts'
import { type Script, ScriptedModel, scriptedModel } from './testing/index.ts'

const runtime = nodeRuntime()

/** A tool that says something in the middle of what it does. */
function streaming(ledger: Ledger, name: string, between: () => unknown = () => setImmediate()): Tool {
  return tool({
    name,
    description: 'For a test.',
    inputSchema: { type: 'object', properties: { n: { type: 'number' } } },
    callback: async function* (input) {
      const { n } = input as { n: number }
      ledger.tools.push(`begins ${n}`)
      yield 'half of it'
      await between()
      ledger.tools.push(`ends ${n}`)
      yield 'the other half'
      return `${name} ${n}`
    },
  })
}

/** Pauses behind the first word of what it says. */
class Pausing extends ScriptedModel {
  readonly #pause: Promise<void>

  constructor(script: Script, pause: Promise<void>) {
    super(script)
    this.#pause = pause
  }

  override async *stream(...args: Parameters<ScriptedModel['stream']>): ReturnType<ScriptedModel['stream']> {
    for await (const event of super.stream(...args)) {
      yield event
      if (event.type === 'modelContentBlockDeltaEvent') await this.#pause
    }
  }
}

function isText(event: AgentStreamEvent): boolean {
  return event.type === 'modelStreamUpdateEvent' && event.event.type === 'modelContentBlockDeltaEvent'
}

/** Leaves behind the event that `isLast` knows; resolves when what is in flight is over. */
async function leaving(
  process: Process,
  isLast: (event: AgentStreamEvent) => boolean,
): Promise<{ readonly left: Promise<unknown> }> {
  const events = process.agent.stream('Q4')
  for (let next = await events.next(); !next.done; next = await events.next()) {
    // Not `break`, which waits.
    if (isLast(next.value)) return { left: events.return(undefined as never) }
  }
  throw new Error('The stream is over.')
}

describe('durable() on an unmodified agent', () => {
  it('runs as without, and goes on from every entry of its journal', async () => {
    const whole = new Process(await engineWith(runtime, []))
    const results = [await whole.invoke('Q4'), await whole.invoke('more')]
    const { agent: bare } = makeAgent(new Ledger(), script, { tools: [noting(new Ledger(), 'look')] })
    await bare.invoke('Q4')
    await bare.invoke('more')
    expect(plain(whole.agent.messages)).toEqual(plain(bare.messages))

    const entries = [...whole.engine.entries('q4')]
    expect(keysOf(entries)).toHaveLength(10)
    for (let length = 1; length <= entries.length; length++) {
      const prefix = entries.slice(0, length)
      const again = new Process(await engineWith(runtime, prefix))
      const repeated = [await again.invoke('Q4'), await again.invoke('more')]
      expect(repeated.map(String)).toEqual(results.map(String))
      expect(plain(again.agent.messages)).toEqual(plain(bare.messages))
      expect(again.ledger.modelCalls).toBe(4 - recordedSteps(prefix, 'model'))
      expect(again.ledger.tools).toHaveLength(6 - recordedSteps(prefix, 'tool'))
      expect(again.agent.metrics.accumulatedUsage).toEqual(whole.agent.metrics.accumulatedUsage)
    }
  })

  it('dies at any entry, as often as it likes', async () => {
    const engine = await engineWith(runtime, [])
    const ledger = new Ledger()
    for (let behind = 1; behind < 14; behind++) {
      engine.diesBehind = behind
      await new Process(engine, { ledger }).invoke('Q4').catch(() => {})
      engine.kill('q4')
    }
    engine.diesBehind = undefined
    const last = new Process(engine, { ledger })
    expect(String(await last.invoke('Q4'))).toBe('Seen all of Q4.')
    const keys = keysOf(engine.entries('q4'))
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys).toHaveLength(5)
  })

  it('shows the recorded part of a stream again, marked', async () => {
    const live = await new Process(await engineWith(runtime, [])).stream('Q4')
    expect(live.some(isReplayed)).toBe(false)
    const texts = (events: readonly AgentStreamEvent[], only?: (event: AgentStreamEvent) => boolean): string =>
      events
        .filter((event) => only?.(event) ?? true)
        .map((event) =>
          event.type === 'modelStreamUpdateEvent' &&
          event.event.type === 'modelContentBlockDeltaEvent' &&
          event.event.delta.type === 'textDelta'
            ? event.event.delta.text
            : '',
        )
        .join('')
    const kinds = (events: readonly AgentStreamEvent[]): string[] =>
      events.filter(({ type }) => /^(modelMessage|toolResult|messageAdded)Event$/.test(type)).map(({ type }) => type)

    const engine = await engineWith(runtime, [])
    await new Process(engine).invoke('Q4')
    const entries = [...engine.entries('q4')]
    for (let length = 1; length <= entries.length; length++) {
      const events = await new Process(await engineWith(runtime, entries.slice(0, length))).stream('Q4')
      expect(texts(events)).toBe(texts(live))
      expect(kinds(events)).toEqual(kinds(live))
      const recorded = entries.slice(0, length).filter((entry) => entry.type === 'step')
      const answers = recorded.filter((entry) => entry.op.kind === 'model').length
      expect(texts(events, isReplayed)).toBe(['', 'I look.', 'I look.Seen all of Q4.'][answers])
      const results = events.filter((event) => event.type === 'toolResultEvent' && isReplayed(event))
      expect(results).toHaveLength(recorded.length - answers)
      for (const event of results) expect((event as { replayed?: boolean }).replayed).toBe(true)
    }
  })

  it('gives a finished turn back without a model, whatever was between', async () => {
    const engine = await engineWith(runtime, [])
    const first = new Process(engine)
    await first.invoke('Q4')
    await first.plugin.detach()
    const second = new Process(engine, { script: ['never asked'] })
    const result = await second.invoke('Q4')
    expect(isReplayed(result)).toBe(true)
    expect(String(result)).toBe('Seen all of Q4.')
    expect(result.stopReason).toBe('endTurn')
    expect(second.ledger.modelCalls).toBe(0)
    expect(plain(second.agent.messages)).toEqual(plain(first.agent.messages))
  })

  it('another input for a turn is a conflict that shows both, and changes nothing', async () => {
    const engine = await engineWith(runtime, [])
    await new Process(engine).invoke('Q4').then(() => engine.kill('q4'))
    const before = engine.entries('q4').length
    const again = new Process(engine)
    await expect(again.invoke('Q3')).rejects.toMatchObject({
      name: 'ConflictError',
      code: 'RUN_CONFLICT',
      message: expect.stringMatching(/Turn 1 of run q4 .*Q4.*Q3/),
    })
    expect(again.ledger.modelCalls).toBe(0)
    expect(String(await again.invoke('Q4'))).toBe('Seen all of Q4.')
    expect(engine.entries('q4')).toHaveLength(before)
  })

  it('a second live process is told that the run is held', async () => {
    const engine = await engineWith(runtime, [])
    const first = new Process(engine)
    await first.invoke('Q4')
    const second = new Process(engine)
    await expect(second.invoke('Q4')).rejects.toMatchObject({ code: 'RUN_HELD' })
    await first.plugin.detach()
    expect(String(await second.invoke('Q4'))).toBe('Seen all of Q4.')
    await expect(first.invoke('more')).rejects.toMatchObject({ code: 'RUN_HELD' })
  })

  it('an agent whose run is taken over says so, and nothing of it goes on', async () => {
    const engine = await engineWith(runtime, [])
    const begun = Promise.withResolvers<void>()
    const first = new Process(engine, {
      config: (ledger) => ({
        tools: [
          noting(ledger, 'look', () => {
            begun.resolve()
            return new Promise(() => {})
          }),
        ],
      }),
    })
    const invoked = first.invoke('Q4')
    await begun.promise
    engine.kill('q4')
    await expect(invoked).rejects.toMatchObject({ code: 'RUN_HELD' })
  })

  it('an invocation that failed is gone on with by the next, in the same process too', async () => {
    let broken = true
    const process = new Process(await engineWith(runtime, []), {
      script: (messages, { answer }) =>
        answer === 2 && broken
          ? { error: new Error('no route') }
          : answer === 1
            ? { tools: [{ name: 'look', input: { n: 1 } }] }
            : `Done after ${messages.length}.`,
    })
    await expect(process.invoke('Q4')).rejects.toThrow('no route')
    broken = false
    expect(String(await process.invoke('Q4'))).toBe('Done after 3.')
    expect(process.ledger.tools).toEqual(['look:1'])
    expect(String(await process.invoke('Q4'))).toBe('Done after 5.')
  })

  it('an invocation that failed before its first answer does not leave its input twice', async () => {
    let broken = true
    const process = new Process(await engineWith(runtime, []), {
      script: (messages) => (broken ? { error: new Error('no route') } : `${messages.length}`),
    })
    await expect(process.invoke('Q4')).rejects.toThrow('no route')
    broken = false
    expect(String(await process.invoke('Q4'))).toBe('1')
  })

  it('a consumer that leaves the stream leaves the turn open', async () => {
    const engine = await engineWith(runtime, [])
    const process = new Process(engine)
    for await (const event of process.agent.stream('Q4')) if (event.type === 'toolResultEvent') break
    const again = new Process(engine)
    expect(String(await again.invoke('Q4'))).toBe('Seen all of Q4.')
    expect(again.ledger.modelCalls).toBe(1)
    const keys = keysOf(engine.entries('q4'))
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('a consumer that leaves in the middle of an answer has it recorded', async () => {
    const engine = await engineWith(runtime, [])
    const process = new Process(engine)
    for await (const event of process.agent.stream('Q4')) if (isText(event)) break
    expect(recordedSteps(engine.entries('q4'), 'model')).toBe(1)
    expect(String(await process.invoke('Q4'))).toBe('Seen all of Q4.')
    expect([process.ledger.modelCalls, process.ledger.tools]).toEqual([2, ['look:1', 'look:2', 'look:3']])
    expect(process.agent.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant'])
  })

  it.each([['once'], ['idempotent']] as const)(
    'a consumer that leaves in the middle of a tool (%s) that streams has it done once',
    async (effect) => {
      const engine = await engineWith(runtime, [])
      const process = new Process(engine, {
        effects: { look: effect },
        config: (ledger) => ({ tools: [streaming(ledger, 'look')] }),
      })
      for await (const event of process.agent.stream('Q4')) if (event.type === 'toolStreamUpdateEvent') break
      const { tools } = process.ledger
      const begun = tools.filter((done) => done.startsWith('begins'))
      expect(tools).toEqual(expect.arrayContaining(begun.map((done) => done.replace('begins', 'ends'))))
      expect(recordedSteps(engine.entries('q4'), 'tool')).toBe(begun.length)
      expect(String(await process.invoke('Q4'))).toBe('Seen all of Q4.')
      expect(tools.toSorted()).toEqual(['begins', 'ends'].flatMap((what) => [1, 2, 3].map((n) => `${what} ${n}`)))
      expect(process.ledger.modelCalls).toBe(2)
    },
  )

  it('an invocation beside a consumer that is leaving does not make a second time what is in flight', async () => {
    const goesOn = Promise.withResolvers<void>()
    const engine = await engineWith(runtime, [])
    const config = (ledger: Ledger): AgentConfig => ({ tools: [streaming(ledger, 'look', () => goesOn.promise)] })
    const first = new Process(engine, { config })
    const { left } = await leaving(first, ({ type }) => type === 'toolStreamUpdateEvent')
    await expect(first.invoke('Q4')).rejects.toThrow('already processing')
    await expect(new Process(engine, { config }).invoke('Q4')).rejects.toMatchObject({ code: 'RUN_HELD' })
    goesOn.resolve()
    await left
    expect(String(await first.invoke('Q4'))).toBe('Seen all of Q4.')
    expect(first.ledger.tools.filter((done) => done.startsWith('begins'))).toHaveLength(3)
  })

  it('a cancel ends an answer that its consumer has left', async () => {
    const engine = await engineWith(runtime, [])
    const pause = Promise.withResolvers<void>()
    const model = new Pausing(script, pause.promise)
    const process = new Process(engine, { config: (ledger) => ({ model, tools: [noting(ledger, 'look')] }) })
    const { left } = await leaving(process, isText)
    await setImmediate()
    process.agent.cancel()
    pause.resolve()
    await left
    expect(recordedSteps(engine.entries('q4'), 'model')).toBe(0)
    expect(String(await process.invoke('Q4'))).toBe('Seen all of Q4.')
    expect(model.calls).toBe(3)
  })

  it('a consumer that has left a run that is taken over waits for nothing', async () => {
    const engine = await engineWith(runtime, [])
    const process = new Process(engine, {
      config: (ledger) => ({ tools: [streaming(ledger, 'look', () => new Promise(() => {}))] }),
    })
    const { left } = await leaving(process, ({ type }) => type === 'toolStreamUpdateEvent')
    await setImmediate()
    engine.kill('q4')
    await left
    expect(recordedSteps(engine.entries('q4'), 'tool')).toBe(0)
  })

  it('a consumer that leaves before another model stands in leaves that to the next invocation', async () => {
    const engine = await engineWith(runtime, [])
    const second = scriptedModel(['Done.'])
    const process = new Process(engine, {
      fallback: [{ model: second, on: ['refusal'] }],
      script: [{ text: 'I had rather not.', stopReason: 'contentFiltered' }],
    })
    for await (const event of process.agent.stream('Q4')) if (isText(event)) break
    expect([process.ledger.modelCalls, second.calls, recordedSteps(engine.entries('q4'), 'model')]).toEqual([1, 0, 0])
    expect(String(await process.invoke('Q4'))).toBe('Done.')
    expect([process.ledger.modelCalls, second.calls]).toEqual([1, 1])
  })

  it.each(['modelStreamUpdateEvent', 'beforeToolsEvent', 'toolResultEvent'])(
    'a consumer that cancels at a %s and leaves has ended the turn',
    async (type) => {
      const engine = await engineWith(runtime, [])
      const first = new Process(engine)
      for await (const event of first.agent.stream('Q4')) {
        if (event.type !== type) continue
        first.agent.cancel()
        break
      }
      const told = plain(first.agent.messages)
      const { modelCalls } = first.ledger
      expect(String(await first.invoke('Q3'))).toMatch(/^(Seen all of Q4|I look)/)
      await first.plugin.detach()
      const second = new Process(engine)
      const result = await second.invoke('Q4')
      expect([result.stopReason, isReplayed(result)]).toEqual(['cancelled', true])
      expect(plain(second.agent.messages)).toEqual(told)
      await second.invoke('Q3')
      expect(plain(second.agent.messages)).toEqual(plain(first.agent.messages))
      expect([modelCalls, second.ledger.modelCalls]).toEqual([1, 0])
    },
  )

  it('folds over the trim of the default conversation manager, turn after turn', async () => {
    const chat: Script = (messages) =>
      `answer to ${JSON.stringify(messages.at(-1)?.content[0])}, ${messages.length} messages`
    const turns = Array.from({ length: 30 }, (_, n) => `question ${n}`)
    const engine = await engineWith(runtime, [])
    const first = new Process(engine, { script: chat })
    for (const turn of turns.slice(0, 25)) await first.invoke(turn)
    await first.plugin.detach()
    const second = new Process(engine, { script: chat })
    for (const turn of turns) await second.invoke(turn)
    const { agent: bare } = makeAgent(new Ledger(), chat)
    for (const turn of turns) await bare.invoke(turn)
    expect(plain(second.agent.messages)).toEqual(plain(bare.messages))
    expect(second.agent.messages).toHaveLength(40)
    expect(second.ledger.modelCalls).toBe(5)
    // Each message is stored once, the trims cost next to nothing.
    const text = JSON.stringify(engine.entries('q4'))
    expect(text.match(/answer to .{1,20}question 7\b/g)).toHaveLength(1)
  })
})

describe('open questions', () => {
  const asking = (ledger: Ledger): AgentConfig => ({
    tools: [
      tool({
        name: 'charge',
        description: 'For a test.',
        inputSchema: { type: 'object' },
        callback: (_, context) => {
          const answer = (context as ToolContext).interrupt<JSONValue>({ name: 'confirm', reason: 'dear' })
          ledger.tools.push(`charged ${JSON.stringify(answer)}`)
          return `charged ${JSON.stringify(answer)}`
        },
      }),
      noting(ledger, 'look'),
    ],
  })
  const ask: Script = [{ tools: [{ name: 'charge' }, { name: 'look', input: { n: 1 } }] }, 'Done.']

  it('end the invocation as the SDK does; the program goes on once somebody has answered', async () => {
    const engine = await engineWith(runtime, [])
    const first = new Process(engine, { script: ask, config: asking })
    const result = await first.invoke('Q4')
    expect(result.stopReason).toBe('interrupt')
    expect(result.interrupts).toMatchObject([{ id: 'tool:call_1_1:confirm', name: 'confirm', reason: 'dear' }])
    expect(first.ledger.tools).toEqual(['look:1'])
    const [question] = questionsOf(engine.entries('q4'))
    expect(question).toMatchObject({ kind: 'interrupt', name: 'confirm', tool: 'charge', reason: 'dear' })
    // The first process still lives, and holds nothing. Without an answer the second stops at the same place.
    const second = new Process(engine, { script: ask, config: asking })
    expect(await second.invoke('Q4')).toMatchObject({
      stopReason: 'interrupt',
      interrupts: [{ id: 'tool:call_1_1:confirm' }],
    })
    expect(second.ledger).toMatchObject({ modelCalls: 0, tools: [] })
    const id = question?.id ?? ''
    await engine.signal('q4', { id, name: id, payload: { value: 'yes' } })
    for (const process of [new Process(engine, { script: ask, config: asking }), first, second]) {
      expect(String(await process.invoke('Q4'))).toBe('Done.')
      await process.plugin.detach()
    }
    expect(JSON.stringify(plain(first.agent.messages))).toContain('charged \\"yes\\"')
    expect(questionsOf(engine.entries('q4'))).toHaveLength(1)
  })

  it.each(['the same process', 'another process'])('native responses resume in %s', async (where) => {
    const engine = await engineWith(runtime, [])
    const first = new Process(engine, { script: ask, config: asking })
    await first.invoke('Q4')
    const second = where === 'the same process' ? first : new Process(engine, { script: ask, config: asking })
    const response = [{ interruptResponse: { interruptId: 'tool:call_1_1:confirm', response: 'natively' } }]
    expect(String(await second.invoke(response))).toBe('Done.')
    expect(second.ledger.tools).toContain('charged "natively"')
    expect(questionsOf(engine.entries('q4'))).toHaveLength(1)
    expect(engine.entries('q4').filter(({ type }) => type === 'signal')).toHaveLength(1)
    await expect(second.invoke(response)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    // A second answer is told who was first.
    const late = new Process(
      await engineWith(
        runtime,
        engine.entries('q4').slice(
          0,
          engine.entries('q4').findIndex((entry) => entry.type === 'step' && entry.key.endsWith('~2')),
        ),
      ),
      { script: ask, config: asking },
    )
    await expect(
      late.invoke([{ interruptResponse: { interruptId: 'tool:call_1_1:confirm', response: 'no' } }]),
    ).rejects.toMatchObject({ code: 'ALREADY_ANSWERED' })
  })

  it('stay pending with wait: true', async () => {
    const engine = await engineWith(runtime, [])
    const process = new Process(engine, { script: ask, config: asking, wait: true })
    const invoked = process.invoke('Q4')
    await engine.until('q4', (entries) => questionsOf(entries).length > 0)
    const [question] = questionsOf(engine.entries('q4'))
    await engine.signal('q4', { id: question?.id ?? '', name: question?.id ?? '', payload: { value: 1 } })
    expect(String(await invoked)).toBe('Done.')
    expect(process.ledger.tools.sort()).toEqual(['charged 1', 'look:1'])
  })

  it('of a policy look to the SDK like interrupts', async () => {
    const options = {
      script: ask,
      approvals: { charge: true as const },
      config: (ledger: Ledger) => ({ tools: [noting(ledger, 'charge'), noting(ledger, 'look')] }),
    }
    const engine = await engineWith(runtime, [])
    const first = new Process(engine, options)
    const result = await first.invoke('Q4')
    expect(result.stopReason).toBe('interrupt')
    expect(result.interrupts).toMatchObject([
      { name: 'approval', reason: { tool: 'charge', question: expect.stringMatching(/^ap_/) } },
    ])
    expect(first.ledger.tools).toEqual(['look:1'])
    const second = new Process(engine, options)
    const interruptId = result.interrupts?.[0]?.id ?? ''
    expect(
      String(
        await second.invoke([{ interruptResponse: { interruptId, response: { approved: true, input: { n: 9 } } } }]),
      ),
    ).toBe('Done.')
    expect(second.ledger.tools).toEqual(['charge:9'])
  })
})

describe('what cannot be durable', () => {
  it('is refused with a reason', async () => {
    const engine = await engineWith(runtime, [])
    const background = new Process(engine, { config: () => ({ backgroundTasks: true }) })
    await expect(background.invoke('x')).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('backgroundTasks'),
    })
    const checkpoints = new Process(engine, { config: () => ({ checkpointing: true }) })
    await expect(checkpoints.invoke('x')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(() => createDurablePlugin({ runId: '' }, async () => Promise.reject(new Error()))).toThrow(/runId/)
    expect(() => createDurablePlugin({ runId: 'x', budget: {} }, async () => Promise.reject(new Error()))).toThrow(
      /budget of an agent limits nothing/,
    )
  })

  it('a cancelled run ends, and stays ended', async () => {
    const engine = await engineWith(runtime, [])
    const begun = Promise.withResolvers<void>()
    const process = new Process(engine, {
      config: (ledger) => ({
        tools: [
          tool({
            name: 'look',
            description: 'For a test.',
            inputSchema: { type: 'object' },
            callback: async (_, context) => {
              begun.resolve()
              await new Promise<void>((resolve) => context?.cancelSignal.addEventListener('abort', () => resolve()))
              ledger.tools.push('stopped')
              return 'x'
            },
          }),
        ],
      }),
    })
    const invoked = process.invoke('Q4')
    await begun.promise
    await engine.engine.cancel('q4', 'enough')
    expect((await invoked).stopReason).toBe('cancelled')
    expect(engine.entries('q4').at(-1)).toMatchObject({ type: 'end', outcome: { cancelled: 'enough' } })
    await expect(new Process(engine).invoke('Q4')).rejects.toMatchObject({ code: 'RUN_ENDED' })
  })
})
