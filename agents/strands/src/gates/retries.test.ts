import { RetryableError, TerminalError } from '@selvage/core'
import { CircuitBreaker } from '@selvage/programs'
import { nodeRuntime } from '@selvage/runtime-node'
import { type JSONValue, ModelError, ModelThrottledError, type Tool, tool } from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Ledger } from '../../test/agents.ts'
import { keysOf, type Played, play, type Scenario } from '../../test/scenario.ts'
import type { AgentOptions } from '../programs/program-options.ts'
import { type ScriptedAnswer, scriptedModel, throttled } from '../testing/index.ts'

const runtime = nodeRuntime()

const failed = (properties: object, message = 'no'): Error =>
  new ModelError(message, { cause: Object.assign(new Error(message), properties) })

/** A model that fails as told, and then answers. */
function model(
  failures: readonly (Error | ScriptedAnswer)[],
  options: AgentOptions,
  more: Partial<Scenario> = {},
): Scenario {
  let call = 0
  return {
    script: () => {
      const next = failures[call++]
      if (next === undefined) return 'Done.'
      return next instanceof Error ? { error: next } : next
    },
    options,
    ...more,
  }
}

/** Goes on in another process each time that the run waits, at the time that it waits for. */
async function playOn(scenario: Scenario): Promise<Played & { readonly waited: readonly number[] }> {
  const played = await play(runtime, scenario)
  const { engine, program } = played
  const waited: number[] = []
  let { how } = played
  while ('waits' in how) {
    const last = engine.entries('r').at(-1)
    if (last?.type !== 'retry') throw new Error(`waits for something else: ${JSON.stringify(how)}`)
    waited.push(last.retryAt - last.at)
    engine.now = last.retryAt
    how = await engine.execute('r', program)
  }
  return { ...played, how, entries: engine.entries('r'), waited }
}

const retriesOf = ({ entries }: Played) => entries.filter((entry) => entry.type === 'retry')

describe('a model call', () => {
  it('is made again where the failure is transient: the run waits, in no process', async () => {
    // A random part of the bound may be so short that the process stays.
    const whole = { retry: { transient: { jitter: 'none' } } } as const
    const { how, entries, waited, ledger } = await playOn(model([throttled(), failed({ status: 503 })], whole))
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    // A millisecond may pass between the entry and the wait.
    expect(waited.map((ms) => Math.round(ms / 10) * 10)).toEqual([1_000, 2_000])
    expect(keysOf(entries)).toEqual(['model#1'])
    expect(ledger.modelCalls).toBe(3)
  })

  it('nor is a policy needed for that', async () => {
    const played = await playOn(model([throttled(), failed({ status: 503 })], {}))
    expect(played.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(retriesOf(played)).toHaveLength(2)
  })

  it.each([
    ['permanent', [failed({ status: 401 })], { retry: { transient: {} } }],
    ['unrecognised', [new ModelError('who knows')], { retry: { transient: {} } }],
    ['transient, without a policy for it', [failed({ status: 503 })], { retry: { transient: false } }],
  ] as const)('is not made again where the failure is %s', async (_, failures, options) => {
    const { how, ledger, waited } = await playOn(model(failures, options))
    expect(how).toMatchObject({ outcome: { error: { name: 'ModelError' } } })
    expect([ledger.modelCalls, waited]).toEqual([1, []])
  })

  it('waits as long as the provider asks', async () => {
    const error = new ModelThrottledError('slow', {
      cause: Object.assign(new Error('slow'), { status: 429, headers: new Headers({ 'retry-after': '77' }) }),
    })
    const { waited } = await playOn(model([error], { retry: { maxAttempts: 2 } }))
    expect(waited.map((ms) => Math.round(ms / 1_000))).toEqual([77])
  })

  it.each([
    ['wants it', new RetryableError('soon', { after: 60 }), 2],
    ['does not', new TerminalError('never'), 1],
  ] as const)('is made again if who wrote the model %s, whatever the policy says', async (_, error, calls) => {
    const { ledger } = await playOn(model([error], { retry: { transient: false, permanent: false } }))
    expect(ledger.modelCalls).toBe(calls)
    const { ledger: other } = await playOn(model([error], { retry: { permanent: { initial: 50 } } }))
    expect(other.modelCalls).toBe(calls)
  })

  it('that has used up its attempts fails the run with its own error, and a retry of the run gives it all anew', async () => {
    const errors = Array.from({ length: 4 }, () => failed({ status: 500 }))
    const scenario = model(errors, { retry: { transient: { maxAttempts: 2, jitter: 'none' } } })
    const first = await playOn(scenario)
    expect(first.how).toMatchObject({ outcome: { error: { name: 'ModelError' } } })
    expect(first.ledger.modelCalls).toBe(2)
    const { engine, program } = first
    await engine.retry('r')
    expect(await engine.execute('r', program)).toEqual({ waits: [] })
    const last = engine.entries('r').at(-1)
    expect(last).toMatchObject({ type: 'retry', attempt: 1 })
  })

  it('is not multiplied by what the SDK does in memory', async () => {
    // The SDK's default would sleep for seconds between the attempts.
    const { ledger, how } = await playOn(model([throttled(), throttled()], { retry: { maxAttempts: 2, initial: 50 } }))
    expect(how).toMatchObject({ outcome: { error: { name: 'ModelThrottledError' } } })
    expect(ledger.modelCalls).toBe(2)
  })

  it('is made again where the model declined, if that is wanted, and all of it is counted', async () => {
    const refused = { text: 'I would rather not.', stopReason: 'refusal' } as const
    const { how, entries } = await playOn(model([refused], { retry: { model: { initial: 50 } } }))
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.', stopReason: 'endTurn' } } })
    const [retry] = retriesOf({ entries } as Played)
    const spent = (retry as unknown as { next: { usage: { outputTokens: number } } }).next.usage.outputTokens
    const [answer] = entries.filter(({ type }) => type === 'step')
    const paid = answer?.type === 'step' && 'ok' in answer.outcome ? answer.outcome.ok : undefined
    const { outputTokens } = (paid as { metadata: { usage: { outputTokens: number } } }).metadata.usage
    expect(how).toMatchObject({ outcome: { ok: { usage: { outputTokens: spent + outputTokens } } } })
  })
})

describe('fallback', () => {
  const standIn = (answers: readonly ScriptedAnswer[] = ['Second.']) => {
    let call = 0
    return scriptedModel(() => answers[call++] ?? 'Second.', { modelId: 'second' })
  }

  it.each([
    ['overload', failed({ status: 529 })],
    ['overload', throttled()],
    ['refusal', { text: 'no', stopReason: 'refusal' }],
    ['refusal', { text: 'no', stopReason: 'contentFiltered' }],
    ['context-overflow', failed({ status: 400, code: 'context_length_exceeded' })],
    ['malformed-output', new ModelError('unable to parse tool input JSON')],
  ] as const)('stands in for %s, at once; the answer says who gave it', async (kind, failure) => {
    const second = standIn()
    const played = await playOn(model([failure as never], { fallback: [{ model: second, on: [kind] }] }))
    expect(played.how).toMatchObject({ outcome: { ok: { text: 'Second.' } } })
    expect(retriesOf(played)).toMatchObject([{ key: 'model#1', next: { at: 1, model: 'second', because: kind } }])
    expect(played.entries.at(-2)).toMatchObject({ key: 'model#1', outcome: { ok: { model: 'second' } } })
    expect([played.ledger.modelCalls, second.calls]).toEqual([1, 1])
  })

  it('does not stand in for what it was not declared for', async () => {
    const second = standIn()
    const { how } = await playOn(model([failed({ status: 401 })], { fallback: [{ model: second }] }))
    expect(how).toMatchObject({ outcome: { error: { name: 'ModelError' } } })
    expect(second.calls).toBe(0)
  })

  it('goes down the chain, and each model has its attempts', async () => {
    const second = standIn([{ error: failed({ status: 503 }) }, { error: failed({ status: 503 }) }])
    const third = scriptedModel(() => 'Third.', { modelId: 'third' })
    const played = await playOn(
      model([failed({ status: 503 }), failed({ status: 503 })], {
        retry: { transient: { maxAttempts: 2, initial: 50, jitter: 'none' } },
        fallback: [{ model: second }, { model: () => third }],
      }),
    )
    expect(played.how).toMatchObject({ outcome: { ok: { text: 'Third.' } } })
    expect(retriesOf(played).map(({ next }) => next)).toMatchObject([
      { at: 0 },
      { at: 1, because: 'overload' },
      { at: 1 },
      { at: 2, because: 'overload' },
    ])
    expect([played.ledger.modelCalls, second.calls, third.calls]).toEqual([2, 2, 1])
  })

  it('a process that goes on behind the failure asks the stand-in, and the failed one never again', async () => {
    const second = standIn()
    const scenario = model([failed({ status: 529 })], { fallback: [{ model: second }] })
    const whole = await playOn(scenario)
    const behind = whole.entries.findIndex(({ type }) => type === 'retry') + 1
    const again = await play(runtime, scenario, whole.entries.slice(0, behind))
    expect(again.how).toMatchObject({ outcome: { ok: { text: 'Second.' } } })
    expect([again.ledger.modelCalls, second.calls]).toEqual([0, 2])
    const replayed = await play(runtime, scenario, whole.entries.slice(0, -1))
    expect([replayed.ledger.modelCalls, second.calls]).toEqual([0, 2])
  })

  it('stands in for structured output that is not what its schema says', async () => {
    const schema = z.object({ n: z.number() })
    const tools = (n: JSONValue) => [{ name: 'strands_structured_output', input: { n } }]
    const second = standIn([{ tools: tools(7) }])
    const { how, ledger } = await playOn(
      model(
        [{ tools: tools('seven') }],
        { fallback: [{ model: second, on: ['malformed-output'] }] },
        { config: () => ({ structuredOutputSchema: schema }) },
      ),
    )
    expect(how).toMatchObject({ outcome: { ok: { structuredOutput: { n: 7 } } } })
    expect([ledger.modelCalls, second.calls]).toEqual([1, 1])
  })

  it('an overflow that no model takes is left to the SDK, which makes the conversation shorter', async () => {
    const second = standIn([{ error: failed({ code: 'context_length_exceeded' }) }])
    const { entries } = await playOn(
      model([failed({ code: 'context_length_exceeded' })], { fallback: [{ model: second, on: ['context-overflow'] }] }),
    )
    expect(entries.at(-1)).toMatchObject({ outcome: { error: {} } })
    expect(second.calls).toBe(1)
  })
})

describe('a tool call', () => {
  const calling = (bodies: readonly (() => JSONValue)[], options: AgentOptions): Scenario => {
    let made = 0
    const flaky = (ledger: Ledger): Tool =>
      tool({
        name: 'flaky',
        description: 'For a test.',
        inputSchema: { type: 'object' },
        callback: () => {
          ledger.tools.push('flaky')
          return bodies[made++]?.() ?? 'fine'
        },
      })
    return {
      script: [{ tools: [{ name: 'flaky' }] }, 'Done.'],
      config: (ledger) => ({ tools: [flaky(ledger)] }),
      options: { effects: { flaky: 'idempotent' }, ...options },
    }
  }
  const fail = (error: Error) => () => {
    throw error
  }
  const resultOf = ({ agent }: Played): unknown =>
    agent.messages.flatMap(({ content }) =>
      content.flatMap((block) => (block.type === 'toolResultBlock' ? [block.toJSON()] : [])),
    )

  it('is made again under a policy of its name, durably, and the model hears of the good result only', async () => {
    const scenario = calling([fail(new Error('away')), fail(new Error('away'))], {
      retry: { tools: { flaky: { initial: 50 } } },
    })
    const played = await playOn(scenario)
    expect(played.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(played.ledger.tools).toHaveLength(3)
    expect(retriesOf(played)).toMatchObject([{ error: { message: 'away' } }, { error: { message: 'away' } }])
    expect(keysOf(played.entries)).toEqual(['model#1', 'tool:call_1_1@1', 'model#2'])
  })

  it('whose attempts are used up tells the model what the tool said', async () => {
    const played = await play(
      runtime,
      calling([fail(new Error('really away'))], { retry: { tools: { flaky: { maxAttempts: 1 } } } }),
    )
    expect(played.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(JSON.stringify(resultOf(played))).toContain('really away')
    expect(played.ledger.tools).toHaveLength(1)
  })

  it.each([
    ['without a policy', {}, new Error('no'), 1],
    ['that is terminal', { retry: { tools: { flaky: { initial: 50 } } } }, new TerminalError('no'), 1],
    ['whose class has no policy', { retry: { tools: { flaky: { transient: {} } } } }, new Error('no'), 1],
    ['that its author wants again', {}, new RetryableError('soon', { after: 60 }), 2],
    ['of any tool, under the policy of all', { retry: { tools: { '*': { initial: 50 } } } }, new Error('no'), 2],
    [
      'of an effect once, under the policy of all',
      { effects: { flaky: 'once' }, retry: { tools: { '*': { initial: 50 } } } },
      new Error('no'),
      1,
    ],
    [
      'of an effect once, under its own',
      { effects: { flaky: 'once' }, retry: { tools: { flaky: { initial: 50 } } } },
      new Error('no'),
      2,
    ],
  ] as const)('a failure %s', async (_, options, error, calls) => {
    const { ledger, how } = await playOn(calling([fail(error)], options as AgentOptions))
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(ledger.tools).toHaveLength(calls)
  })
})

describe('a circuit breaker', () => {
  it('waits for a model that fails in other runs, and the wait is no attempt', async () => {
    const breaker = new CircuitBreaker({ failures: 2, cooldown: '1m' })
    const options = { retry: { maxAttempts: 2, initial: 50 }, circuitBreaker: { model: breaker } }
    const down = await playOn(model([failed({ status: 503 }), failed({ status: 503 })], options))
    expect(down.how).toMatchObject({ outcome: { error: {} } })
    expect(breaker.report(down.engine.now)).toMatchObject([{ name: 'model scripted', state: 'open' }])
    const other = await playOn(model([failed({ status: 503 })], { ...options, retry: { maxAttempts: 1 } }))
    // Its circuit is tried a minute later, and fails at its only attempt.
    expect(other.how).toMatchObject({ outcome: { error: { name: 'ModelError' } } })
    expect(other.waited.map((ms) => ms > 50_000)).toEqual([true])
    expect(other.ledger.modelCalls).toBe(1)
  })

  it('that shall fail goes to the stand-in without asking', async () => {
    const breaker = new CircuitBreaker({ failures: 1, cooldown: '1m', whileOpen: 'fail' })
    breaker.circuit('model scripted').failed(1_000_000)
    const second = scriptedModel(() => 'Second.', { modelId: 'second' })
    const { how, ledger } = await playOn(
      model([], { circuitBreaker: { model: breaker }, fallback: [{ model: second, on: ['overload'] }] }),
    )
    expect(how).toMatchObject({ outcome: { ok: { text: 'Second.' } } })
    expect(ledger.modelCalls).toBe(0)
  })
})

describe('a time-out', () => {
  const hanging = (ledger: Ledger, aborted: string[]): Tool =>
    tool({
      name: 'hang',
      description: 'For a test.',
      inputSchema: { type: 'object' },
      callback: async (_, context) => {
        ledger.tools.push('hang')
        if (ledger.tools.length > 1) return 'fine'
        return await new Promise<JSONValue>((resolve) => {
          context?.cancelSignal.addEventListener('abort', () => {
            aborted.push('hang')
            resolve('too late')
          })
        })
      },
    })

  it.each([
    ['a tool that takes too long', { timeouts: { hang: 30 } }],
    ['a tool that is silent for too long', { timeouts: { hang: { heartbeatTimeout: 30 } } }],
  ] as const)('aborts %s, and the call is made again by its policy', async (_, limits) => {
    const aborted: string[] = []
    const { how, entries, agent } = await playOn({
      script: [{ tools: [{ name: 'hang' }] }, 'Done.'],
      config: (ledger) => ({ tools: [hanging(ledger, aborted)] }),
      options: {
        ...limits,
        effects: { hang: 'idempotent' },
        retry: { tools: { hang: { transient: { initial: 50 } } } },
      },
    })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(aborted).toEqual(['hang'])
    expect(entries.filter(({ type }) => type === 'retry')).toMatchObject([{ error: { code: 'STEP_TIMEOUT' } }])
    expect(JSON.stringify(agent.messages)).not.toContain('too late')
  })

  it('that no policy mends is told to the model', async () => {
    const { how, agent } = await play(runtime, {
      script: [{ tools: [{ name: 'hang' }] }, 'Done.'],
      config: (ledger) => ({ tools: [hanging(ledger, [])] }),
      options: { timeouts: { hang: 30 }, effects: { hang: 'read' } },
    })
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    expect(JSON.stringify(agent.messages)).toContain('took longer than 30 ms')
  })

  it('of a model call reaches the provider, and another attempt is made', async () => {
    const aborted = Promise.withResolvers<void>()
    let calls = 0
    const { how } = await playOn({
      script: async (_, { options }) => {
        if (++calls > 1) return 'Done.'
        await new Promise<void>((resolve) => options?.cancelSignal?.addEventListener('abort', () => resolve()))
        aborted.resolve()
        return 'never seen'
      },
      options: { modelTimeout: 30, retry: { transient: { initial: 50 } } },
    })
    await aborted.promise
    expect(how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
  })
})

describe('bad input', () => {
  it.each([
    [{ retry: { maxAttempts: 0 } }, 'maxAttempts'],
    [{ retry: { attempts: 3 } }, 'no option "attempts"'],
    [{ retry: { tools: { look: { transient: {}, maxAttempts: 3 } } } }, 'no option "maxAttempts"'],
    [{ fallback: [{}] }, 'no model'],
    [{ timeouts: { look: 'soon' } }, 'timeout of tool "look"'],
  ])('%j', async (options, message) => {
    await expect(play(runtime, { script: [], options: options as AgentOptions })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(message),
    })
  })
})
