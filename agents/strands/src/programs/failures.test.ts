import { nodeRuntime } from '@selvage/runtime-node'
import {
  AfterModelCallEvent,
  ConstantBackoff,
  DefaultModelRetryStrategy,
  MaxTokensError,
  Message,
  ModelError,
  TextBlock,
  tool,
} from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { Ledger, makeAgent, noting, plain } from '../../test/agents.ts'
import { MemoryEngine } from '../../test/memory-engine.ts'
import { keysOf, outcomeOf, play, playAllPrefixes, recordedSteps, type Scenario } from '../../test/scenario.ts'
import { type Script, throttled } from '../testing/index.ts'
import { createAgentProgram } from './agent-program.ts'

const runtime = nodeRuntime()

function failing(errors: readonly (Error | undefined)[], more: Partial<Scenario> = {}): Scenario {
  let attempt = 0
  return {
    script: (_, { answer }) => {
      if (answer === 1) return { tools: [{ name: 'look', input: { n: 1 } }] }
      const error = errors[attempt++]
      return error === undefined ? 'Done.' : { error }
    },
    config: (ledger) => ({
      tools: [noting(ledger, 'look')],
      retryStrategy: new DefaultModelRetryStrategy({ maxAttempts: 3, backoff: new ConstantBackoff({ delayMs: 1 }) }),
    }),
    ...more,
  }
}

describe('failures of a model', () => {
  it('an attempt that is made again takes no index and leaves no record', async () => {
    const { entries, how, ledger } = await play(runtime, failing([throttled(), throttled()]))
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(keysOf(entries)).toEqual(['model#1', 'tool:call_1_1@1', 'model#2'])
    expect(ledger.modelCalls).toBe(4)
  })

  it('an error that may pass ends the run as failed; retried, it goes on at that call', async () => {
    const broken = failing([new Error('no route to model')])
    const first = await play(runtime, broken)
    expect(first.how).toMatchObject({ outcome: { error: { name: 'ModelError', message: 'no route to model' } } })
    expect(keysOf(first.entries)).toEqual(['model#1', 'tool:call_1_1@1'])
    const reopened = { seq: first.entries.length, at: 2_000_000, type: 'reopen', voided: [] } as const
    const again = await play(runtime, failing([]), [...first.entries, reopened])
    expect(again.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(again.ledger).toMatchObject({ modelCalls: 1, tools: [] })
  })

  it('a maximum of tokens is an outcome: of its class in every process, with its partial message', async () => {
    const partial = new Message({ role: 'assistant', content: [new TextBlock('half an ans')] })
    const seen: unknown[] = []
    const scenario = failing([new MaxTokensError('too many tokens', partial)], {
      prepare: (agent) =>
        agent.addHook(AfterModelCallEvent, ({ error }) => {
          if (error instanceof MaxTokensError) seen.push([error.message, plain([error.partialMessage])])
        }),
    })
    const first = await play(runtime, scenario)
    expect(first.how).toMatchObject({
      outcome: { error: { message: expect.stringContaining('too many tokens') }, step: 'model#2' },
    })
    const behind = first.entries.findIndex((entry) => entry.type === 'step' && entry.key === 'model#2') + 1
    const again = await play(runtime, scenario, first.entries.slice(0, behind))
    expect(again.how).toMatchObject({
      outcome: { error: { message: expect.stringContaining('too many tokens') }, step: 'model#2' },
    })
    expect(again.ledger.modelCalls).toBe(0)
    expect(seen).toEqual(
      Array(2).fill(['too many tokens', [{ role: 'assistant', content: [{ text: 'half an ans' }] }]]),
    )
    // Retried, the step that ended the run is void.
    const reopened = { seq: first.entries.length, at: 2_000_000, type: 'reopen', voided: ['model#2'] } as const
    const third = await play(runtime, failing([]), [...first.entries, reopened])
    expect(third.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(keysOf(third.entries)).toEqual(['model#1', 'tool:call_1_1@1', 'model#2', 'model#2'])
  })

  it.each([1, 20_000])('an answer that was cut is counted with what it cost, in every process (%i)', async (n) => {
    const totals = new Map<Message, number>()
    const told = (message: Message | undefined): void => {
      if (message !== undefined) totals.set(message, message.metadata?.usage?.totalTokens ?? Number.NaN)
    }
    const scenario: Scenario = {
      script: (_, { options }) =>
        options?.systemPrompt === undefined ? { text: 'half '.repeat(n), stopReason: 'maxTokens' } : 'Done.',
      prepare: (agent) =>
        agent.addHook(AfterModelCallEvent, (event) => {
          if (event.error instanceof MaxTokensError) told(event.error.partialMessage)
          told(event.stopData?.message)
          if (event.error === undefined) return
          agent.systemPrompt = 'Be short.'
          event.retry = true
        }),
    }
    const first = await play(runtime, scenario)
    const sum = [...totals.values()].reduce((one, other) => one + other)
    expect(totals.size).toBe(2)
    expect(first.how).toMatchObject({ outcome: { ok: { text: 'Done.', usage: { totalTokens: sum } } } })
    await playAllPrefixes(runtime, scenario, (again) => expect(outcomeOf(again)).toEqual(outcomeOf(first)))
  })

  describe('a partial message of 100 kB', () => {
    const long = (word: string): Message =>
      new Message({ role: 'assistant', content: [new TextBlock(`${word} `.repeat(20_000))] })
    const cut = (word: string, seen: unknown[] = []): Scenario => ({
      ...failing([]),
      script: (_, { answer }) =>
        answer === 1
          ? { tools: [{ name: 'look', input: { n: 1 } }] }
          : { error: new MaxTokensError(`too many: ${word}`, long(word)) },
      prepare: (agent) =>
        agent.addHook(AfterModelCallEvent, ({ error }) => {
          if (error instanceof MaxTokensError) seen.push([error.message, plain([error.partialMessage])])
        }),
    })
    const whole = (word: string): unknown => [`too many: ${word}`, plain([long(word)])]

    it('is whole in every process', async () => {
      const seen: unknown[] = []
      const first = await playAllPrefixes(runtime, cut('half', seen), (again, first, prefix) => {
        expect(outcomeOf(again)).toEqual(outcomeOf(first))
        expect(again.ledger.modelCalls).toBe(first.ledger.modelCalls - recordedSteps(prefix, 'model'))
      })
      expect(first.how).toMatchObject({ outcome: { step: 'model#2' } })
      expect(keysOf(first.entries)).toEqual(['model#1', 'tool:call_1_1@1', 'partial:model#2', 'model#2'])
      expect(seen).toEqual(Array(first.entries.length).fill(whole('half')))
    })

    it('is that of the newest call, once the run was retried', async () => {
      const seen: unknown[] = []
      const first = await play(runtime, cut('half', seen))
      const reopened = { seq: first.entries.length, at: 2_000_000, type: 'reopen', voided: ['model#2'] } as const
      const second = await play(runtime, cut('more', seen), [...first.entries, reopened])
      expect(second.ledger.modelCalls).toBe(1)
      const third = await play(runtime, cut('never', seen), second.entries.slice(0, -1))
      expect(third.ledger.modelCalls).toBe(0)
      expect(seen).toEqual([whole('half'), whole('more'), whole('more')])
    })

    it('goes where large values go', async () => {
      const stored = new Map<string, Uint8Array>()
      const blobs = {
        put: async (bytes: Uint8Array) => {
          stored.set(`b${stored.size}`, bytes)
          return `b${stored.size - 1}`
        },
        get: async (hash: string) => stored.get(hash) as Uint8Array,
      }
      const seen: unknown[] = []
      const first = await play(runtime, cut('half', seen), [], blobs)
      expect(JSON.stringify(first.entries).length).toBeLessThan(10_000)
      await play(runtime, cut('never', seen), first.entries.slice(0, -1), blobs)
      expect(seen).toEqual([whole('half'), whole('half')])
    })
  })

  it('a model that is not there is told by its own error', async () => {
    const { how } = await play(runtime, failing([new ModelError('unknown model x')]))
    expect(how).toMatchObject({ outcome: { error: { name: 'ModelError', message: 'unknown model x' } } })
  })
})

describe('cancel', () => {
  it.each(['model', 'tool'])('ends the run as cancelled, and reaches a %s in flight', async (where) => {
    const aborted = Promise.withResolvers<string>()
    const begun = Promise.withResolvers<void>()
    const hang = (abortSignal: AbortSignal | undefined): Promise<void> =>
      new Promise((resolve) => {
        begun.resolve()
        abortSignal?.addEventListener('abort', () => {
          aborted.resolve(where)
          resolve()
        })
      })
    const ledger = new Ledger()
    const program = createAgentProgram(
      'agent',
      () => {
        const waiting = tool({
          name: 'wait',
          description: 'For a test.',
          inputSchema: { type: 'object' },
          callback: async (_, context) => {
            await hang(context?.cancelSignal)
            return 'over'
          },
        })
        const script: Script = async (_, { answer, options }) => {
          if (where === 'model') await hang(options?.cancelSignal)
          return answer === 1 ? { tools: [{ name: 'wait' }] } : 'never'
        }
        return makeAgent(ledger, script, { tools: [waiting] }).agent
      },
      { effects: { wait: 'read' } },
    )
    const engine = new MemoryEngine(runtime)
    await engine.start('r', { program: 'agent', input: 'go' })
    const running = engine.execute('r', program)
    await begun.promise
    await engine.engine.cancel('r', 'no longer wanted')
    expect(await running).toEqual({ outcome: { cancelled: 'no longer wanted' } })
    expect(await aborted.promise).toBe(where)
    expect(keysOf(engine.entries('r'))).not.toContain(where === 'model' ? 'model#1' : 'model#2')
  })
})

describe('changed code', () => {
  const changed = (onCodeChange: 'continue' | 'stop', lines: string[] = []): Scenario =>
    failing([], {
      config: (ledger) => ({ tools: [noting(ledger, 'look')], systemPrompt: 'another prompt' }),
      options: { onCodeChange, log: (line) => lines.push(line) },
    })

  it('is told in one line, and what was recorded stands', async () => {
    const { entries } = await play(runtime, failing([]))
    const lines: string[] = []
    const again = await play(runtime, changed('continue', lines), entries.slice(0, 4))
    expect(again.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(lines.filter((line) => line.includes('changed'))).toEqual([expect.stringContaining('(system prompt)')])
    expect(again.ledger.tools).toEqual([])
  })

  it('stops the run if it shall', async () => {
    const { entries } = await play(runtime, failing([]))
    const again = await play(runtime, changed('stop'), entries.slice(0, 4))
    expect(again.how).toMatchObject({ outcome: { error: { code: 'CODE_CHANGED' } } })
    expect(again.ledger.modelCalls).toBe(0)
    // A new run does not care.
    expect((await play(runtime, changed('stop'))).how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
  })
})
