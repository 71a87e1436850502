/** The inbox as its users see it: filters, edits, data, delegation, several people. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Approval } from '../core.ts'
import { openSelvage, type Run, type Selvage } from '../core.ts'

let selvage: Selvage

beforeEach(async () => {
  selvage = await openSelvage({ url: 'sqlite::memory:' })
})

afterEach(async () => {
  await selvage.close()
})

/** The first open question of a run, as soon as it is in the journal. */
async function asked(run: Run<unknown>): Promise<Approval> {
  for await (const event of run.events()) {
    if (event.type !== 'questionOpened' || event.status !== 'open') continue
    return selvage.approval(event.question.id)
  }
  throw new Error(`Run ${run.id} ended without asking`)
}

const ids = async (query: Parameters<Selvage['approvals']>[0]): Promise<readonly string[]> =>
  (await selvage.approvals(query)).items.map(({ runId }) => runId).toSorted()

describe('the inbox', () => {
  test('is filtered by assignee, tag, run, kind and status, in pages', async () => {
    const pay = selvage.workflow('pay', (ctx, assignee: string) => ctx.approval('pay', { assignee }))
    const runs = await Promise.all(
      ['ann', 'bob', 'ann'].map((who, n) =>
        pay.start(who, { runId: `r${n}`, tags: { team: n === 0 ? 'red' : 'blue', all: 'yes' } }),
      ),
    )
    const questions = await Promise.all(runs.map(asked))
    expect(await ids({ assignee: 'ann' })).toEqual(['r0', 'r2'])
    expect(await ids({ tag: { key: 'team', value: 'blue' } })).toEqual(['r1', 'r2'])
    expect(await ids({ tag: { key: 'team', value: 'blue' }, assignee: 'ann' })).toEqual(['r2'])
    expect(await ids({ tag: { key: 'team', value: 'green' } })).toEqual([])
    expect(await ids({ runId: 'r1' })).toEqual(['r1'])
    expect(await ids({ kind: 'unknown' })).toEqual([])
    await runs[0]?.approve(questions[0]?.id ?? '')
    expect(await ids({ tag: { key: 'all', value: 'yes' } })).toEqual(['r1', 'r2'])
    expect(await ids({ status: 'answered' })).toEqual(['r0'])
    expect(await ids({ status: 'any', tag: { key: 'all', value: 'yes' } })).toEqual(['r0', 'r1', 'r2'])
    const first = await selvage.approvals({ limit: 1, tag: { key: 'all', value: 'yes' } })
    const second = await selvage.approvals({
      limit: 1,
      tag: { key: 'all', value: 'yes' },
      ...(first.next === undefined ? {} : { after: first.next }),
    })
    expect([...first.items, ...second.items].map(({ runId }) => runId).toSorted()).toEqual(['r1', 'r2'])
  })
})

describe('delegation', () => {
  test('moves the question to another inbox, and says who gave it to whom', async () => {
    const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay', { assignee: 'ann' }))
    const run = await pay.start()
    const { id } = await asked(run)
    await run.delegate(id, { to: 'bob', by: 'ann', reason: 'on leave' })
    await run.delegate(id, { to: 'cy', by: 'bob' })
    expect(await ids({ assignee: 'ann' })).toEqual([])
    expect(await ids({ assignee: 'cy' })).toEqual([run.id])
    expect(await selvage.approval(id)).toMatchObject({
      assignee: 'cy',
      delegations: [
        { from: 'ann', to: 'bob', by: 'ann', reason: 'on leave', at: expect.any(Number) },
        { from: 'bob', to: 'cy', by: 'bob' },
      ],
    })
    await expect(run.delegate(id, { to: 'dora', from: 'ann' })).rejects.toMatchObject({ code: 'NOT_ASKED' })
    await expect(run.delegate(id, { to: 'cy' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await run.approve(id, { by: 'cy' })
    await expect(run.delegate(id, { to: 'dora' })).rejects.toMatchObject({ code: 'ALREADY_ANSWERED' })
    expect(await run.result()).toMatchObject({ approved: true, by: 'cy' })
    const signals = (await run.journal()).flatMap((entry) => (entry.type === 'signal' ? [entry.signal.name] : []))
    expect(signals).toEqual([`delegate:${id}`, `delegate:${id}`, id])
  })

  test('by several at once is one after the other', async () => {
    const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay', { assignee: 'p0' }))
    const run = await pay.start()
    const { id } = await asked(run)
    await Promise.all(Array.from({ length: 10 }, (_, n) => run.delegate(id, { to: `q${n}` })))
    const { delegations = [], assignee } = await selvage.approval(id)
    expect(delegations).toHaveLength(10)
    expect(assignee).toBe(delegations.at(-1)?.to)
    expect(delegations.map(({ from }) => from)).toEqual(['p0', ...delegations.slice(0, -1).map(({ to }) => to)])
  })
})

describe('an answer', () => {
  test('to other arguments than those that are shown is refused', async () => {
    const pay = selvage.workflow('pay', (ctx) => ctx.approval('pay', { tool: 'charge', input: { amount: 5 } }))
    const run = await pay.start()
    const { id, inputHash = '' } = await asked(run)
    await expect(run.approve(id, { inputHash: 'another' })).rejects.toMatchObject({
      code: 'INPUT_MISMATCH',
      details: { inputHash, given: 'another' },
    })
    await expect(run.reject(id, { inputHash: 'another' })).rejects.toMatchObject({ code: 'INPUT_MISMATCH' })
    await run.approve(id, { inputHash })
    expect(await run.result()).toMatchObject({ approved: true })
  })

  test('brings data that fit, or is refused and the question stays open: also where the program is not', async () => {
    const pay = selvage.workflow('pay', async (ctx) => {
      const answer = await ctx.approval('pay', { schema: z.object({ amount: z.number().max(10), to: z.string() }) })
      return answer.approved ? `${answer.value.amount} to ${answer.value.to}` : answer.reason
    })
    const run = await pay.start()
    const { id, schema } = await asked(run)
    expect(schema).toMatchObject({ type: 'object', required: ['amount', 'to'] })
    await expect(run.approve(id)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(run.respond(id, { amount: 11, to: 'bob' })).rejects.toMatchObject({
      code: 'BAD_INPUT',
      details: { id, runId: run.id, issues: [{ path: 'amount', message: 'must be <= 10' }] },
    })
    await expect(run.approve(id, { value: { amount: 'x' } })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    expect((await selvage.approval(id)).status).toBe('open')
    await run.respond(id, { amount: 9, to: 'bob' })
    expect(await run.result()).toBe('9 to bob')
  })

  test('fits a plain JSON Schema of any draft', async () => {
    const pay = selvage.workflow('pay', (ctx, $schema: string) =>
      ctx.approval('pay', { schema: { $schema, type: 'array', items: { type: 'integer' }, minItems: 1 } }),
    )
    for (const draft of ['http://json-schema.org/draft-07/schema#', 'https://json-schema.org/draft/2020-12/schema']) {
      const run = await pay.start(draft)
      const { id } = await asked(run)
      await expect(run.respond(id, [])).rejects.toMatchObject({ code: 'BAD_INPUT' })
      await expect(run.respond(id, [1.5])).rejects.toMatchObject({ details: { issues: [{ path: '0' }] } })
      await run.respond(id, [1])
      expect(await run.result()).toMatchObject({ approved: true, value: [1] })
    }
  })
})

describe('several people', () => {
  const pays = (): ReturnType<typeof selvage.workflow<unknown, unknown>> =>
    selvage.workflow('pay', (ctx) => ctx.approval('pay', { quorum: 2, of: ['ann', 'bob', 'cy'] }))

  test('each answer once, by name; the others are told what was decided', async () => {
    const run = await pays().start()
    const { id } = await asked(run)
    await expect(run.approve(id)).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(run.approve(id, { by: 'eve' })).rejects.toMatchObject({ code: 'NOT_ASKED' })
    await expect(run.approve(id, { by: 'ann', input: {} })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    expect(await ids({ assignee: 'ann' })).toEqual([run.id])
    await run.approve(id, { by: 'ann' })
    expect(await ids({ assignee: 'ann' })).toEqual([])
    expect(await ids({ assignee: 'bob' })).toEqual([run.id])
    await expect(run.reject(id, { by: 'ann' })).rejects.toMatchObject({
      code: 'ALREADY_ANSWERED',
      details: { seat: 'ann', by: 'ann', value: { approved: true }, at: expect.any(Number) },
    })
    expect(await selvage.approval(id)).toMatchObject({ status: 'open', votes: [{ seat: 'ann', approved: true }] })
    await run.approve(id, { by: 'bob' })
    expect(await run.result()).toMatchObject({
      approved: true,
      by: 'ann, bob',
      votes: [{ seat: 'ann' }, { seat: 'bob' }],
    })
    await expect(run.reject(id, { by: 'cy' })).rejects.toMatchObject({
      code: 'ALREADY_ANSWERED',
      details: { by: 'ann, bob', value: { approved: true } },
    })
  })

  test('may give their place away, and nobody has two', async () => {
    const run = await pays().start()
    const { id } = await asked(run)
    await run.delegate(id, { by: 'ann', to: 'dora' })
    await expect(run.delegate(id, { by: 'bob', to: 'dora' })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    await expect(run.delegate(id, { by: 'eve', to: 'fay' })).rejects.toMatchObject({ code: 'NOT_ASKED' })
    await expect(run.approve(id, { by: 'ann' })).rejects.toMatchObject({ code: 'NOT_ASKED' })
    expect(await ids({ assignee: 'dora' })).toEqual([run.id])
    await run.reject(id, { by: 'dora', reason: 'no' })
    await expect(run.delegate(id, { by: 'dora', to: 'fay' })).rejects.toMatchObject({ code: 'ALREADY_ANSWERED' })
    await run.reject(id, { by: 'bob', reason: 'no' })
    expect(await run.result()).toMatchObject({
      approved: false,
      reason: 'no',
      votes: [
        { seat: 'ann', by: 'dora' },
        { seat: 'bob', by: 'bob' },
      ],
    })
  })
})
