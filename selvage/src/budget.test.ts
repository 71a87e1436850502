import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Durable, NOTHING_SPENT } from '@selvage/core'
import { isRefusal, Meter, readBudget } from '@selvage/programs'
import { type Script, ScriptedModel, throttled } from '@selvage/strands/testing'
import { fakeClock } from '@selvage/testing'
import { Agent, type Message, type ModelStreamEvent, type StreamOptions, tool } from '@strands-agents/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { failureOf } from '../test/failure.ts'
import { quiet } from '../test/quiet.ts'
import { type AgentBudget, type OpenOptions, openSelvage, type PriceTable, type Selvage } from './index.ts'

/** Tells what its provider would: so many tokens for each call. */
class MeteredModel extends ScriptedModel {
  readonly #usage: { inputTokens: number; outputTokens: number; totalTokens: number; cacheReadInputTokens?: number }

  constructor(script: Script, modelId: string, inputTokens: number, outputTokens: number, maxTokens = outputTokens) {
    super(script, { modelId })
    this.updateConfig({ maxTokens })
    this.#usage = { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }
  }

  override async *stream(messages: Message[], options?: StreamOptions): AsyncGenerator<ModelStreamEvent> {
    for await (const event of super.stream(messages, options)) {
      yield event.type === 'modelMetadataEvent' ? { ...event, usage: { ...this.#usage } } : event
    }
  }
}

const PRICES: PriceTable = { big: { input: 10, output: 50 }, small: { input: 1, output: 5 } }

let selvage: Selvage
const opened: Selvage[] = []

async function open(options: OpenOptions = {}): Promise<Selvage> {
  const one = await openSelvage({ url: 'sqlite::memory:', logger: quiet, prices: PRICES, ...options })
  opened.push(one)
  return one
}

beforeEach(async () => {
  selvage = await open()
})
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

const look = tool({
  name: 'look',
  description: 'Looks.',
  inputSchema: z.object({ at: z.number() }),
  callback: ({ at }) => `seen ${at}`,
})

/** Looks at one thing after another, for ever or so often. */
const looking =
  (times = Number.POSITIVE_INFINITY): Script =>
  (_messages, { answer }) =>
    answer > times ? 'Done.' : { tools: [{ name: 'look', input: { at: answer } }] }

function looker(
  budget: AgentBudget | undefined,
  { times = 100, model = new MeteredModel(looking(times), 'big', 80, 20) } = {},
) {
  const handle = selvage.agent('looker', () => new Agent({ model, tools: [look], printer: false }), {
    effects: { look: 'read' },
    ...(budget !== undefined && { budget }),
  })
  return { handle, model }
}

describe('stop', () => {
  test('model calls: the run ends at the cap, says what is spent, and goes on once it was raised', async () => {
    const { handle, model } = looker({ modelCalls: 3, onExceeded: 'stop' }, { times: 4 })
    const run = await handle.start('Look', { runId: 'r' })
    expect(await failureOf(run)).toMatchObject({
      code: 'BUDGET_EXCEEDED',
      details: {
        runId: 'r',
        pot: 'run:r',
        limit: 'modelCalls',
        cap: 3,
        spent: 3,
        reserved: 0,
        needed: 1,
        step: 'model#4',
      },
    })
    expect(model.calls).toBe(3)
    expect((await run.status()).budget).toEqual([
      { id: 'run:r', onExceeded: 'stop', limits: { modelCalls: { cap: 3, spent: 3, reserved: 0, left: 0 } } },
    ])

    await run.retry()
    expect(await failureOf(run)).toMatchObject({ code: 'BUDGET_EXCEEDED' })
    expect(model.calls).toBe(3)

    await run.raiseBudget({ modelCalls: 5 })
    await run.retry()
    expect(await run.result()).toMatchObject({ text: 'Done.' })
    expect(model.calls).toBe(5)
  })

  test('an answer that was cut at its maximum of tokens is counted as its provider told', async () => {
    const model = new MeteredModel([{ text: 'half', stopReason: 'maxTokens' }], 'big', 80, 20, 500)
    const { handle } = looker({ tokens: 10_000, onExceeded: 'stop' }, { model })
    const run = await handle.start('Look', { runId: 'r' })
    expect(await failureOf(run)).toMatchObject({ code: 'STEP_FAILED' })
    const [pot] = (await run.status()).budget ?? []
    expect(pot?.limits.tokens).toMatchObject({ spent: 100, reserved: 0 })
    expect(await run.usage()).toMatchObject({ calls: 1, inputTokens: 80, outputTokens: 20, totalTokens: 100 })
    await run.retry()
    await failureOf(run)
    expect(await run.usage()).toMatchObject({ calls: 2, totalTokens: 200 })
  })

  test('tokens: no call is made that would go beyond, and each is counted as its provider told', async () => {
    const { handle, model } = looker({ tokens: 1_000, onExceeded: 'stop' })
    const run = await handle.start('Look', { runId: 'r' })
    const { details } = await failureOf(run)
    expect(details).toMatchObject({ limit: 'tokens', cap: 1_000, spent: model.calls * 100, reserved: 0 })
    expect(details.spent).toBeLessThanOrEqual(1_000)
    expect((details.spent as number) + (details.needed as number)).toBeGreaterThan(1_000)
    expect(await run.usage()).toMatchObject({
      calls: model.calls,
      totalTokens: model.calls * 100,
      toolCalls: model.calls,
      runs: 1,
    })
  })

  test('usd: by the price table; a model without a price is refused and never free', async () => {
    // 80 × 10 + 20 × 50 millionths: 0.0018 for each call.
    const { handle, model } = looker({ usd: 0.01, onExceeded: 'stop' })
    const run = await handle.start('Look', { runId: 'r' })
    expect((await failureOf(run)).details).toMatchObject({ limit: 'usd', cap: 0.01 })
    expect(model.calls).toBe(5)
    const usage = await run.usage()
    expect(usage.usd).toBeCloseTo(5 * 0.0018)
    expect(usage.models).toEqual([expect.objectContaining({ model: 'big', calls: 5 })])

    const unknown = new MeteredModel(looking(1), 'nobody-knows-it', 80, 20)
    const other = selvage.agent('other', () => new Agent({ model: unknown, tools: [look], printer: false }), {
      budget: { usd: 5, onExceeded: 'stop' },
    })
    const refused = await other.start('Look', { runId: 'o' })
    expect(await failureOf(refused)).toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining('Model "nobody-knows-it" has no price'),
    })
    expect(unknown.calls).toBe(0)
    selvage.prices({ 'nobody-knows-it': { input: 1, output: 1 } })
    await refused.retry()
    expect(await refused.result()).toMatchObject({ text: 'Done.' })
  })

  test('tool calls: the tool beyond the cap is not run', async () => {
    const { handle, model } = looker({ toolCalls: 2, onExceeded: 'stop' }, { times: 3 })
    const run = await handle.start('Look', { runId: 'r' })
    expect((await failureOf(run)).details).toMatchObject({ limit: 'toolCalls', cap: 2, spent: 2 })
    expect((await run.usage()).toolCalls).toBe(2)
    await run.raiseBudget({ toolCalls: 1 })
    await run.retry()
    expect(await run.result()).toMatchObject({ text: 'Done.' })
    expect(model.calls).toBe(4)
  })

  test('a declared cap that is higher in a later process counts', async () => {
    const { handle } = looker({ modelCalls: 1, onExceeded: 'stop' }, { times: 2 })
    const run = await handle.start('Look', { runId: 'r' })
    await failureOf(run)
    const parts = selvage.parts
    await parts.engine.pots?.open([{ id: 'run:r', caps: { modelCalls: 3 }, onExceeded: 'stop', downgradeAt: 0.8 }])
    expect((await run.status()).budget?.[0]?.limits.modelCalls).toMatchObject({ cap: 3, spent: 1, left: 2 })
  })

  test('an attempt that is throttled is a call without tokens', async () => {
    let calls = 0
    const model = new MeteredModel(() => (++calls === 1 ? { error: throttled() } : 'Done.'), 'big', 80, 20)
    const { handle } = looker({ modelCalls: 5, tokens: 5_000 }, { model })
    const run = await handle.start('Look', { runId: 'r' })
    await run.result()
    expect((await run.status()).budget?.[0]?.limits).toMatchObject({
      modelCalls: { spent: 2, reserved: 0 },
      tokens: { spent: 100, reserved: 0 },
    })
  })
})

describe('ask', () => {
  const question = async (runId: string) => {
    for (;;) {
      const [found] = (await selvage.approvals({ kind: 'budget', runId })).items
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  test('a question with the facts; a plain yes grants as much again, an input says how much', async () => {
    const { handle, model } = looker({ modelCalls: 2, onExceeded: 'ask', ask: { assignee: 'finance' } }, { times: 5 })
    const run = await handle.start('Look', { runId: 'r' })
    const first = await question('r')
    expect(first).toMatchObject({
      kind: 'budget',
      assignee: 'finance',
      reason: { pot: 'run:r', limit: 'modelCalls', cap: 2, spent: 2, needed: 1, step: 'model#3' },
    })
    expect(model.calls).toBe(2)
    await run.approve(first.id, { by: 'ann' })
    const second = await question('r')
    expect(second.reason).toMatchObject({ cap: 4, spent: 4 })
    await expect(run.approve(second.id, { input: { modelCalls: 'plenty' } })).rejects.toMatchObject({
      code: 'BAD_INPUT',
    })
    await run.approve(second.id, { input: { wallClock: 'plenty' } })
    const third = await question('r')
    expect(third.reason).toMatchObject({ problem: expect.stringContaining('plenty') })
    await run.approve(third.id, { input: { modelCalls: 2 } })
    expect(await run.result()).toMatchObject({ text: 'Done.' })
    expect(model.calls).toBe(6)
    expect((await run.status()).budget?.[0]?.limits.modelCalls).toMatchObject({ cap: 6, spent: 6 })
  })

  test('a no ends the run, and a raise from outside answers the question', async () => {
    const { handle } = looker({ modelCalls: 1, onExceeded: 'ask' }, { times: 2 })
    const refused = await handle.start('Look', { runId: 'no' })
    await refused.reject((await question('no')).id, { reason: 'too dear', by: 'bob' })
    expect(await failureOf(refused)).toMatchObject({
      code: 'BUDGET_EXCEEDED',
      message: expect.stringContaining('More was refused by bob: too dear'),
    })
    await refused.raiseBudget({ modelCalls: 2 })
    await refused.retry()
    expect(await refused.result()).toMatchObject({ text: 'Done.' })

    const raised = await handle.start('Look', { runId: 'yes' })
    const { id } = await question('yes')
    await raised.raiseBudget({ modelCalls: 5 }, { id: 'once' })
    await raised.raiseBudget({ modelCalls: 5 }, { id: 'once' })
    expect(await raised.result()).toMatchObject({ text: 'Done.' })
    expect((await raised.status()).budget?.[0]?.limits.modelCalls).toMatchObject({ cap: 6, spent: 3 })
    await expect(raised.approve(id)).rejects.toMatchObject({ code: 'ALREADY_ANSWERED' })
  })

  test('a week of waiting for a person costs no time', async () => {
    const clock = fakeClock()
    selvage = await open({ clock })
    const slow = tool({
      name: 'look',
      description: 'Looks for a minute.',
      inputSchema: z.object({ at: z.number() }),
      callback: async ({ at }) => {
        await clock.advance(60_000)
        return `seen ${at}`
      },
    })
    const model = new MeteredModel(looking(3), 'big', 80, 20)
    const handle = selvage.agent('slow', () => new Agent({ model, tools: [slow], printer: false }), {
      budget: { wallClock: '2m', onExceeded: 'ask' },
    })
    const run = await handle.start('Look', { runId: 'r' })
    const { id, reason } = await question('r')
    expect(reason).toMatchObject({ limit: 'wallClock', cap: 120_000, spent: 120_000 })
    await clock.advance(7 * 24 * 3_600_000)
    await run.approve(id, { input: { wallClock: '10m' } })
    await run.result()
    expect((await run.status()).budget?.[0]?.limits.wallClock).toMatchObject({ cap: 720_000, spent: 180_000 })
  })
})

describe('downgrade', () => {
  test('the cheaper model answers from a part of the cap on, is recorded, and stops at the cap', async () => {
    const small = new MeteredModel(looking(), 'small', 80, 20)
    const { handle, model } = looker({ usd: 0.01, onExceeded: 'downgrade', downgradeTo: small, downgradeAt: 0.5 })
    const run = await handle.start('Look', { runId: 'r' })
    expect((await failureOf(run)).details).toMatchObject({ limit: 'usd', cap: 0.01 })
    expect(model.calls).toBe(2)
    expect(small.calls).toBeGreaterThan(10)
    const usage = await run.usage()
    expect(usage.models.map(({ model, calls }) => [model, calls])).toEqual([
      ['big', 2],
      ['small', small.calls],
    ])
    const spent = (await run.status()).budget?.[0]?.limits.usd?.spent ?? 0
    expect(spent).toBeCloseTo(usage.usd ?? 0, 9)
    expect(spent).toBeLessThanOrEqual(0.01)
  })

  test('is refused where there is no cheaper model', () => {
    expect(() => looker({ usd: 1, onExceeded: 'downgrade' })).toThrow(/no model to go on with/)
    expect(() => looker({})).toThrow(/limits nothing/)
    expect(() => looker({ tokens: -1 })).toThrow(/tokens is -1/)
    expect(() => looker({ tokenz: 1 } as AgentBudget)).toThrow(/no option "tokenz"/)
  })
})

describe('tenants', () => {
  test('one pot for all runs of a tenant, another one with each day', async () => {
    const clock = fakeClock(Date.UTC(2026, 10, 21, 12))
    selvage = await open({ clock, tenants: { acme: { budget: { modelCalls: 3, period: 'day', onExceeded: 'stop' } } } })
    const { handle } = looker(undefined, { times: 1 })
    await (await handle.start('Look', { tenant: 'acme', runId: 'a' })).result()
    const second = await handle.start('Look', { tenant: 'acme', runId: 'b' })
    expect((await failureOf(second)).details).toMatchObject({ pot: 'tenant:acme/2026-11-21', spent: 3 })
    await (await handle.start('Look', { tenant: 'other', runId: 'c' })).result()
    await (await handle.start('Look', { runId: 'd' })).result()
    expect((await selvage.pot('tenant:acme'))?.limits.modelCalls).toEqual({ cap: 3, spent: 3, reserved: 0, left: 0 })
    expect((await second.status()).budget?.map(({ id }) => id)).toEqual(['tenant:acme/2026-11-21'])

    await clock.advance(12 * 3_600_000)
    await second.retry()
    await second.result()
    expect((await selvage.pot('tenant:acme'))?.limits.modelCalls).toMatchObject({ spent: 1, left: 2 })
    await selvage.raiseBudget('tenant:acme', { modelCalls: 4 })
    expect((await selvage.pot('tenant:acme'))?.limits.modelCalls).toMatchObject({ cap: 7 })
    await expect(selvage.raiseBudget('tenant:nobody', { modelCalls: 4 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('a tree', () => {
  test('children draw on the pot of their workflow and on their own', async () => {
    const models: MeteredModel[] = []
    const child = selvage.agent(
      'child',
      () => {
        const model = new MeteredModel(looking(3), 'big', 80, 20)
        models.push(model)
        return new Agent({ model, tools: [look], printer: false })
      },
      { effects: { look: 'read' }, budget: { modelCalls: 10, onExceeded: 'stop' } },
    )
    const fan = selvage.workflow(
      'fan',
      async (ctx, width: number) => {
        const all = Array.from({ length: width }, (_, at) => ctx.child(child, 'Look', { key: `c${at}` }))
        const ended = await Promise.allSettled(all)
        return ended.filter(({ status }) => status === 'fulfilled').length
      },
      { budget: { modelCalls: 30, onExceeded: 'stop' } },
    )
    const run = await fan.start(20, { runId: 'f' })
    const done = await run.result()
    const calls = models.reduce((sum, model) => sum + model.calls, 0)
    expect(calls).toBe(30)
    expect(done).toBeLessThan(20)
    expect((await run.status()).budget).toEqual([
      { id: 'run:f', onExceeded: 'stop', limits: { modelCalls: { cap: 30, spent: 30, reserved: 0, left: 0 } } },
    ])
    expect(await run.usage({ tree: true })).toMatchObject({ calls: 30, totalTokens: 3_000, runs: 21 })
    const states = await Promise.all(Array.from({ length: 20 }, (_, at) => selvage.run(`f/c${at}`).status()))
    expect(states[0]?.budget?.map(({ id }) => id)).toEqual(['run:f/c0', 'run:f'])
    const failed = states.filter(({ status }) => status === 'failed')
    expect(failed).toHaveLength(20 - done)
    // What a child lacks is raised where it lacks it.
    await selvage.run('f').raiseBudget({ modelCalls: 80 })
    for (const { id } of failed) await selvage.run(id).retry()
    for (const { id } of failed) expect(await selvage.run(id).result()).toMatchObject({ text: 'Done.' })
    expect(models.reduce((sum, model) => sum + model.calls, 0)).toBe(80)
  })

  test('children of one pot that all ask go on with one answer', async () => {
    const child = selvage.agent(
      'child',
      () => new Agent({ model: new MeteredModel(looking(2), 'big', 80, 20), tools: [look], printer: false }),
    )
    const fan = selvage.workflow(
      'fan',
      (ctx) => Promise.all([0, 1, 2].map((at) => ctx.child(child, 'Look', { key: `c${at}` }))),
      { budget: { modelCalls: 3, ask: { assignee: 'finance' } } },
    )
    const run = await fan.start(undefined, { runId: 'f' })
    const asked = async () => (await selvage.approvals({ kind: 'budget', assignee: 'finance', status: 'any' })).items
    while ((await asked()).length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
    const [one] = await asked()
    await selvage.run(one?.runId ?? '').approve(one?.id ?? '', { input: { modelCalls: 6 } })
    await run.result()
    expect((await asked()).map(({ status }) => status)).toEqual(['answered', 'answered', 'answered'])
    expect((await run.status()).budget?.[0]?.limits.modelCalls).toMatchObject({ cap: 9, spent: 9 })
  })

  test("a workflow's own steps cost time; who is asked for more is asked once, also by a replay", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'selvage-budget-'))
    const url = `sqlite:${join(folder, 'a.db')}`
    const clock = fakeClock()
    const made: string[] = []
    const goOn = async () => {
      await selvage.close()
      selvage = await open({ url, clock })
      const slow = selvage.workflow(
        'slow',
        async (ctx) => {
          for (const name of ['a', 'b', 'c', 'd']) {
            await ctx.step(name, async () => {
              await clock.advance(60_000)
              made.push(name)
            })
            if (name === 'c') await ctx.signal('go')
          }
          return 'done'
        },
        { budget: { wallClock: '2m' } },
      )
      return await slow.start(undefined, { runId: 'w' })
    }
    const suspended = async () => {
      while ((await selvage.run('w').status()).status !== 'suspended') await new Promise((soon) => setTimeout(soon, 5))
    }
    await goOn()
    await suspended()
    const [question] = (await selvage.approvals({ kind: 'budget' })).items
    expect(question?.reason).toMatchObject({ limit: 'wallClock', cap: 120_000, spent: 120_000, step: 'c' })
    const asked = await goOn()
    await asked.approve(question?.id ?? '', { input: { wallClock: '1h' } })
    while (made.length < 3) await new Promise((soon) => setTimeout(soon, 5))
    await suspended()
    const run = await goOn()
    await run.signal('go')
    expect(await run.result()).toBe('done')
    expect(made).toEqual(['a', 'b', 'c', 'd'])
    expect((await selvage.approvals({ kind: 'budget', status: 'any' })).items).toHaveLength(1)
    expect((await run.status()).budget?.[0]?.limits.wallClock).toMatchObject({ cap: 3_720_000, spent: 240_000 })
    await selvage.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('and where they are to stop, the step fails, and a retry makes it', async () => {
    const clock = fakeClock()
    selvage = await open({ clock })
    const slow = selvage.workflow(
      'slow',
      async (ctx) => {
        for (const name of ['a', 'b']) await ctx.step(name, () => clock.advance(60_000), { retry: { maxAttempts: 3 } })
        return 'done'
      },
      { budget: { wallClock: '1m', onExceeded: 'stop' } },
    )
    const run = await slow.start(undefined, { runId: 'w' })
    expect(await failureOf(run)).toMatchObject({ code: 'STEP_FAILED', cause: { code: 'BUDGET_EXCEEDED' } })
    await run.raiseBudget({ wallClock: '1m' })
    await run.retry()
    expect(await run.result()).toBe('done')
  })
})

describe('a fork', () => {
  test('draws on the pot of its original, where a raise of either counts', async () => {
    const { handle, model } = looker({ modelCalls: 3, onExceeded: 'stop' }, { times: 3 })
    const run = await handle.start('Look', { runId: 'r' })
    await failureOf(run)
    const fork = await run.fork({ at: 'model#2', runId: 'f' })
    expect(await failureOf(fork)).toMatchObject({ code: 'BUDGET_EXCEEDED', details: { pot: 'run:r', spent: 3 } })
    expect(model.calls).toBe(3)
    await fork.raiseBudget({ modelCalls: 10 })
    await fork.retry()
    expect(await fork.result()).toMatchObject({ text: 'Done.' })
    await run.retry()
    await run.result()
    const [pot] = (await run.status()).budget ?? []
    expect(pot).toMatchObject({ id: 'run:r', limits: { modelCalls: { cap: 13, spent: model.calls } } })
    expect((await fork.status()).budget).toEqual([pot])
  })
})

describe('a meter', () => {
  const meterOf = (): Meter => {
    const { money } = selvage.parts.treasury
    const start = { program: 'p', input: null }
    const durable = { runId: 'r', start, clock: () => 0, outbound: { money } } as unknown as Durable
    return Meter.of(durable, readBudget('a test', { tokens: 1_000 })) as Meter
  }
  const amount = { ...NOTHING_SPENT, tokens: 300, modelCalls: 1 }

  test('a process that goes on counts its own call beside the one that died', async () => {
    expect(isRefusal(await meterOf().reserve('model#1', amount))).toBe(false)
    expect(isRefusal(await meterOf().reserve('model#1', amount))).toBe(false)
    const third = await meterOf().reserve('model#1', amount)
    expect((await selvage.pot('run:r'))?.limits.tokens).toEqual({ cap: 1_000, spent: 0, reserved: 900, left: 100 })
    expect(await meterOf().reserve('model#1', amount)).toMatchObject({ granted: false, lacks: 'tokens' })
    if (isRefusal(third)) throw new Error('refused')
    third.settle({ ...amount, tokens: 120 }, true)
    third.settle({ ...amount, tokens: 999 }, true)
    await selvage.pot('run:r')
    await new Promise((resolve) => setImmediate(resolve))
    expect((await selvage.pot('run:r'))?.limits.tokens).toEqual({ cap: 1_000, spent: 360, reserved: 0, left: 640 })
  })

  test('a call that gave no answer stays counted, and its time with it', async () => {
    const meter = meterOf()
    const ticket = await meter.reserve('model#1', amount)
    if (isRefusal(ticket)) throw new Error('refused')
    ticket.begin()
    ticket.leave()
    ticket.settle(amount)
    expect((await selvage.pot('run:r'))?.limits.tokens).toMatchObject({ spent: 0, reserved: 300 })
  })
})
