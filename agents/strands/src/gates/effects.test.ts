import type { Entry, Json } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { ExecuteToolStage, type Tool } from '@strands-agents/sdk'
import { describe, expect, it } from 'vitest'
import { type Ledger, noting, plain } from '../../test/agents.ts'
import { type Played, play, questionsOf, type Scenario } from '../../test/scenario.ts'
import type { ToolPolicies } from '../policies/policy.ts'

const runtime = nodeRuntime()

function charging(effects: ToolPolicies['effects'], more: Partial<Scenario> = {}): Scenario {
  return {
    script: [{ tools: [{ name: 'charge', input: { n: 1 } }] }, 'Done.'],
    config: (ledger) => ({ tools: [noting(ledger, 'charge')] }),
    options: effects === undefined ? {} : { effects },
    ...more,
  }
}

/** The journal of a run whose process died between the intent of the charge and its result. */
async function died(scenario: Scenario): Promise<readonly Entry[]> {
  const { entries } = await play(runtime, scenario)
  const at = entries.findIndex(({ type }) => type === 'intent')
  expect(at).toBeGreaterThan(0)
  return entries.slice(0, at + 1)
}

function resultText({ agent }: Played): string {
  return JSON.stringify(plain(agent.messages)[2])
}

describe('effects of tools', () => {
  it('an undeclared tool is run again with the same key, and one line at start names it', async () => {
    const lines: string[] = []
    const { entries } = await play(runtime, charging(undefined, { options: { log: (line) => lines.push(line) } }))
    expect(entries.some(({ type }) => type === 'intent')).toBe(false)
    expect(lines).toEqual([expect.stringContaining('charge')])
  })

  it('once: recorded before it begins, and made', async () => {
    const { entries, ledger } = await play(runtime, charging({ charge: 'once' }))
    const intent = entries.find(({ type }) => type === 'intent')
    expect(intent).toMatchObject({ op: { effect: 'once', name: 'charge', input: { n: 1 } } })
    expect(ledger.tools).toEqual(['charge:1'])
  })

  it('once: reconcile finds it done', async () => {
    const keys: string[] = []
    const scenario = charging({
      charge: {
        effect: 'once',
        reconcile: ({ idempotencyKey, input }) => {
          keys.push(`${idempotencyKey}/${JSON.stringify(input)}`)
          return { done: true, result: { receipt: 'ch_1' } }
        },
      },
    })
    const again = await play(runtime, scenario, await died(scenario))
    expect(again.ledger.tools).toEqual([])
    expect(keys).toEqual([expect.stringMatching(/^[\w-]{43}\/\{"n":1\}$/)])
    expect(resultText(again)).toContain('{"json":{"receipt":"ch_1"}}')
  })

  it('once: reconcile finds it not done', async () => {
    const scenario = charging({ charge: { effect: 'once', reconcile: () => ({ done: false }) } })
    const again = await play(runtime, scenario, await died(scenario))
    expect(again.ledger.tools).toEqual(['charge:1'])
  })

  it('unknown: the model is told', async () => {
    const scenario = charging({ charge: { effect: 'once', onUnknown: 'tell-model' } })
    const again = await play(runtime, scenario, await died(scenario))
    expect(again.ledger.tools).toEqual([])
    expect(resultText(again)).toContain('outcome of charge is unknown')
    expect(again.how).toMatchObject({ outcome: { ok: { text: 'Done.' } } })
    // And is told the same when the process dies behind that.
    const behind = again.entries.findIndex((entry) => entry.type === 'step' && 'unknown' in entry.outcome) + 1
    const third = await play(runtime, scenario, again.entries.slice(0, behind))
    expect(resultText(third)).toBe(resultText(again))
  })

  it('unknown: the run fails, and the model is not asked what it makes of it', async () => {
    const scenario = charging({ charge: { effect: 'once', onUnknown: 'fail' } })
    const again = await play(runtime, scenario, await died(scenario))
    expect(again.how).toMatchObject({ outcome: { error: { code: 'OUTCOME_UNKNOWN' }, step: 'tool:call_1_1@1' } })
    expect(again.ledger.modelCalls).toBe(0)
  })

  it.each<[string, Json, readonly string[], string]>([
    ['it happened', { approved: true, value: { receipt: 'ch_2' } }, [], '{"json":{"receipt":"ch_2"}}'],
    ['it did not: make it', { approved: false, reason: 'retry' }, ['charge:1'], 'charge 1'],
    ['it did not: give up', { approved: false, reason: 'card expired' }, [], 'card expired'],
  ])('unknown: somebody is asked, and says that %s', async (_, payload, tools, text) => {
    const scenario = charging({ charge: 'once' }, { answer: () => payload })
    const again = await play(runtime, scenario, await died(scenario))
    expect(again.ledger.tools).toEqual(tools)
    expect(resultText(again)).toContain(text)
    expect(questionsOf(again.entries)).toMatchObject([{ kind: 'unknown', tool: 'charge', input: { n: 1 } }])
    // The same from every entry behind the crash.
    for (let length = 2; length < again.entries.length; length++) {
      const third = await play(runtime, scenario, again.entries.slice(0, length))
      if (again.entries.slice(0, length).some(({ type }) => type === 'intent'))
        expect(resultText(third)).toBe(resultText(again))
    }
  })

  it('defaultEffect is what undeclared tools have, with all that follows', async () => {
    const lines: string[] = []
    const scenario = charging(undefined, { options: { defaultEffect: 'once', log: (line) => lines.push(line) } })
    const asked = await play(
      runtime,
      { ...scenario, answer: () => ({ approved: false, reason: 'retry' }) },
      await died(scenario),
    )
    expect(questionsOf(asked.entries)).toMatchObject([{ kind: 'unknown', tool: 'charge' }])
    expect(asked.ledger.tools).toEqual(['charge:1'])
    const declared = charging({ charge: 'read' }, { options: { defaultEffect: 'once', effects: { charge: 'read' } } })
    const { entries } = await play(runtime, declared)
    expect(entries.some(({ type }) => type === 'intent')).toBe(false)
    expect(lines).toEqual([])
    await expect(
      play(runtime, charging(undefined, { options: { defaultEffect: 'twice' as never } })),
    ).rejects.toMatchObject({
      code: 'BAD_INPUT',
    })
  })

  it('MCP annotations declare what nobody else does', async () => {
    const annotated = (ledger: Ledger, annotations: object): Tool => {
      const made = noting(ledger, 'charge')
      return Object.assign(made, { toolSpec: { ...made.toolSpec, annotations } })
    }
    const effectUnder = async (annotations: object, effects?: ToolPolicies['effects']): Promise<unknown> => {
      const { entries } = await play(
        runtime,
        charging(effects, { config: (ledger) => ({ tools: [annotated(ledger, annotations)] }) }),
      )
      return entries.flatMap((entry) => (entry.type === 'step' && entry.op.kind === 'tool' ? [entry.op.effect] : []))[0]
    }
    expect(await effectUnder({ readOnlyHint: true })).toBe('read')
    expect(await effectUnder({ destructiveHint: true, idempotentHint: true })).toBe('idempotent')
    expect(await effectUnder({ destructiveHint: true })).toBe('once')
    expect(await effectUnder({ openWorldHint: true })).toBe('idempotent')
    expect(await effectUnder({ readOnlyHint: true }, { charge: 'once' })).toBe('once')
  })

  it('a body can reach its idempotency key, the same in every process', async () => {
    const keys: (string | undefined)[] = []
    const scenario = charging(undefined, {
      config: (ledger) => ({
        tools: [noting(ledger, 'charge', () => void keys.push(runtime.context.get()?.idempotencyKey))],
      }),
      prepare: (agent) =>
        agent.addMiddleware(ExecuteToolStage, async function* (ctx, next) {
          keys.push(runtime.context.get()?.idempotencyKey)
          return yield* next(ctx)
        }),
    })
    const { entries } = await play(runtime, scenario)
    const behind = entries.findIndex((entry) => entry.type === 'step' && entry.op.kind === 'tool')
    await play(runtime, scenario, entries.slice(0, behind))
    expect(keys).toHaveLength(4)
    expect(new Set(keys).size).toBe(1)
    expect(keys[0]).toMatch(/^[\w-]{43}$/)
  })

  it('declarations that make no sense, and options that are not built', async () => {
    await expect(play(runtime, charging({ charge: { effect: 'read', compensate: () => {} } }))).rejects.toMatchObject({
      code: 'BAD_INPUT',
    })
    await expect(play(runtime, charging({ charge: 'twice' as never }))).rejects.toMatchObject({ code: 'BAD_INPUT' })
    // The engine of this test keeps no pots.
    await expect(play(runtime, charging({}, { options: { budget: { tokens: 5 } } }))).resolves.toMatchObject({
      how: { outcome: { error: { code: 'UNSUPPORTED' } } },
    })
    await expect(play(runtime, charging({}, { options: { efects: {} } as never }))).rejects.toMatchObject({
      code: 'BAD_INPUT',
    })
    const lines: string[] = []
    await play(
      runtime,
      charging({ chrage: 'once' }, { options: { effects: { chrage: 'once' }, log: (line) => lines.push(line) } }),
    )
    expect(lines.join()).toContain('no tool called chrage')
  })
})
