/** Forks: no effect of the original is repeated silently, whatever the policy. */
import { ScriptedModel } from '@selvage/strands/testing'
import { Agent, tool } from '@strands-agents/sdk'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Approval, openSelvage, type Selvage } from '../index.ts'

async function questionOf(selvage: Selvage, runId: string): Promise<Approval> {
  for (;;) {
    const [question] = (await selvage.approvals({ runId })).items
    if (question !== undefined) return question
    await new Promise<void>((resolve) => void setImmediate(resolve))
  }
}

/** Books, charges once, mails in a child, and reports; `broken` makes the report fail. */
function orders(selvage: Selvage, made: string[], keys: string[] = [], bug: { broken: boolean } = { broken: false }) {
  const mail = selvage.workflow('mail', (ctx) => ctx.step('send', () => made.push('mail')))
  return selvage.workflow('order', async (ctx, item: string) => {
    const id = ctx.uuid()
    const booked = await ctx.step('book', (at) => {
      keys.push(at.idempotencyKey)
      made.push('book')
      return `${item} booked`
    })
    const charge = await ctx.step('charge', () => made.push('charge'), { effect: 'once' })
    await ctx.child(mail, item, { key: 'mail' })
    const report = await ctx.step('report', () => {
      made.push('report')
      if (bug.broken) throw new Error('no paper')
      return 'reported'
    })
    return { id, booked, charge, report, late: ctx.uuid(), random: ctx.random() }
  })
}

describe('a fork of a workflow', () => {
  test('reuses what the original did behind the place where it leaves it, under keys of its own', async () => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const made: string[] = []
    const keys: string[] = []
    const run = await orders(selvage, made, keys).start('cup', { runId: 'o' })
    const result = (await run.result()) as { readonly id: string }
    expect(made).toEqual(['book', 'charge', 'mail', 'report'])
    const fork = await run.fork({ at: 'charge', runId: 'o2' })
    const again = (await fork.result()) as typeof result
    expect(made).toEqual(['book', 'charge', 'mail', 'report'])
    expect(again).toMatchObject({ id: result.id, booked: 'cup booked', charge: 2, report: 'reported' })
    expect(again).not.toMatchObject({ late: (result as never as { late: string }).late })
    expect((await selvage.runs({ parent: 'o2' })).items).toEqual([])
    expect((await selvage.runs({ tag: { key: 'forkedFrom', value: 'o' } })).items).toMatchObject([{ id: 'o2' }])
  })

  test('makes what the original has not done, and what failed there', async () => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const made: string[] = []
    const bug = { broken: true }
    const run = await orders(selvage, made, [], bug).start('cup', { runId: 'o' })
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_FAILED' })
    bug.broken = false
    const fork = await run.fork()
    expect(await fork.result()).toMatchObject({ booked: 'cup booked', report: 'reported' })
    expect(made).toEqual(['book', 'charge', 'mail', 'report', 'report'])
  })

  test.each([
    ['and leaves all as it was', undefined],
    ['and undoes all', () => {}],
  ])('makes a child anew that failed there %s, and asks nobody about it', async (_, compensate) => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const made: string[] = []
    let isFull = true
    const leg = selvage.workflow('leg', async (ctx, to: string) => {
      await ctx.step('book', () => made.push(to))
      if (to === 'b' && isFull) throw new Error('full')
      return to
    })
    const undone = compensate === undefined ? {} : { compensate }
    const trip = selvage.workflow('trip', async (ctx) => [
      await ctx.child(leg, 'a', { key: 'a', ...undone }),
      await ctx.child(leg, 'b', { key: 'b', ...undone }),
    ])
    const run = await trip.start(undefined, { runId: 'r' })
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_FAILED' })
    isFull = false
    const at = compensate === undefined ? { at: 'child:b' } : {}
    expect(await (await run.fork(at)).result()).toEqual(['a', 'b'])
    expect(made.filter((to) => to === 'b')).toHaveLength(2)
    expect((await selvage.approvals()).items).toEqual([])
  })

  test('of a dry run does nothing, and says so', async () => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const made: string[] = []
    const run = await orders(selvage, made).start('cup', { runId: 'o' })
    await run.result()
    const fork = await run.fork({ at: 'charge', effects: 'dry-run' })
    const dry = { dryRun: true, step: 'charge', name: 'charge' }
    expect(await fork.result()).toMatchObject({ booked: 'cup booked', charge: dry, report: { dryRun: true } })
    expect(made).toHaveLength(4)
  })

  test('asks before each effect, or before those that were named', async () => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const made: string[] = []
    const run = await orders(selvage, made).start('cup', { runId: 'o' })
    await run.result()
    const yes = await run.fork({ at: 1, effects: { charge: 'ask' }, runId: 'yes' })
    const question = await questionOf(selvage, 'yes')
    expect(question).toMatchObject({ name: 'charge', reason: { forkedFrom: { runId: 'o', at: 1 } } })
    await yes.approve(question.id)
    await yes.result()
    expect(made).toEqual(['book', 'charge', 'mail', 'report', 'charge'])
    const order = selvage.reference('order')
    await expect(order.start('cup', { runId: 'yes' })).rejects.toMatchObject({
      code: 'RUN_CONFLICT',
      hint: expect.stringContaining("run('yes')"),
    })
    const no = await run.fork({ at: 1, effects: { charge: 'ask' }, runId: 'no' })
    await no.reject((await questionOf(selvage, 'no')).id, { reason: 'once is enough' })
    await expect(no.result()).rejects.toMatchObject({ cause: { message: expect.stringContaining('once is enough') } })
    expect(made).toHaveLength(5)
  })

  test('of a run that was undone makes again what was undone, and only that', async () => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const made: string[] = []
    let isOut = true
    const order = selvage.workflow('order', async (ctx) => {
      await ctx.step('note', () => made.push('note'))
      await ctx.step('charge', (at) => made.push(`charge ${at.idempotencyKey}`), {
        effect: 'once',
        compensate: () => void made.push('refund'),
      })
      await ctx.step('mail', () => made.push('mail'), { effect: 'once' })
      if (isOut) throw new Error('out of stock')
      return 'done'
    })
    const run = await order.start(undefined, { runId: 'o' })
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_FAILED' })
    isOut = false
    await expect(run.fork({ at: 'mail' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    const fork = await run.fork()
    expect(await fork.result()).toBe('done')
    expect(made.map((line) => line.split(' ')[0])).toEqual(['note', 'charge', 'mail', 'refund', 'charge'])
    const charges = made.filter((line) => line.startsWith('charge'))
    expect(new Set(charges).size).toBe(2)
  })

  test('undoes what it did itself, and not what the original did', async () => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const made: string[] = []
    let fails = false
    const order = selvage.workflow('order', async (ctx) => {
      const undo = { compensate: ({ name }: { name: string }) => void made.push(`undo ${name}`) }
      await ctx.step('a', () => made.push('a'), undo)
      await ctx.step('b', () => made.push('b'), undo)
      if (!fails) return
      await ctx.step('c', () => made.push('c'), undo)
      throw new Error('enough')
    })
    const run = await order.start(undefined, { runId: 'o' })
    await run.result()
    fails = true
    const fork = await run.fork({ at: 'b' })
    await expect(fork.result()).rejects.toMatchObject({ code: 'RUN_FAILED' })
    expect(made).toEqual(['a', 'b', 'c', 'undo c'])
  })

  test('is refused where it makes no sense', async () => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const run = await orders(selvage, []).start('cup', { runId: 'o' })
    await run.result()
    for (const bad of [{ at: 'nothing' }, { at: 99 }, { at: 0 }, { effects: 'guess' }, { runId: 'o' }, { wat: 1 }]) {
      await expect(run.fork(bad as never)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    }
    await expect(selvage.run('none').fork()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const fork = await run.fork()
    await fork.result()
    await expect(fork.fork()).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })
})

describe('a fork of an agent', () => {
  /** Charges what it was told, under another call id in each life. */
  function clerk(selvage: Selvage, made: string[]) {
    let lives = 0
    return selvage.agent(
      'clerk',
      () => {
        const life = ++lives
        const charge = tool({
          name: 'charge',
          description: 'Charges.',
          inputSchema: z.object({ amount: z.number() }),
          callback: ({ amount }) => `charged ${made.push(`charge ${amount}`) && amount}`,
        })
        const script = [
          { tools: [{ name: 'charge', input: { amount: 1 } }] },
          { tools: [{ name: 'charge', input: { amount: life === 1 ? 2 : 2 }, id: `call_of_${life}` }] },
          { tools: [{ name: 'charge', input: { amount: 2 + life }, id: `other_of_${life}` }] },
          `Done in life ${life}.`,
        ]
        const model = new ScriptedModel((_messages, { answer }) => script[answer - 1] as never)
        return new Agent({ model, tools: [charge], printer: false })
      },
      { effects: { charge: 'once' } },
    )
  }

  test('asks its model on from there, and makes no call again that the original has made', async () => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const made: string[] = []
    const run = await clerk(selvage, made).start('go', { runId: 'a' })
    expect(await run.result()).toMatchObject({ text: 'Done in life 1.' })
    expect(made).toEqual(['charge 1', 'charge 2', 'charge 3'])
    const fork = await run.fork({ at: 'model#2' })
    expect(await fork.result()).toMatchObject({ text: 'Done in life 2.' })
    // The same call is answered from the original; another one is made.
    expect(made).toEqual(['charge 1', 'charge 2', 'charge 3', 'charge 4'])
    expect(JSON.stringify(await fork.conversation())).toContain('charged 2')
  })

  test('of a dry run tells its model that nothing was called', async () => {
    await using selvage = await openSelvage({ url: 'sqlite::memory:' })
    const made: string[] = []
    const run = await clerk(selvage, made).start('go', { runId: 'a' })
    await run.result()
    const fork = await run.fork({ at: 'model#2', effects: { charge: 'dry-run' } })
    await fork.result()
    expect(made).toHaveLength(3)
    expect(JSON.stringify(await fork.conversation())).toContain('Dry run: charge was not called')
  })
})
