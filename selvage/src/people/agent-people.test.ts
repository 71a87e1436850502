/** Approvals of agents over restarts, deploys and cancelled siblings: edited, in parallel, nested, by several people. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ScriptedModel } from '@selvage/strands/testing'
import { Agent, BeforeToolCallEvent, tool } from '@strands-agents/sdk'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { quiet } from '../../test/quiet.ts'
import { type AgentOptions, type Approval, openSelvage, type Selvage } from '../index.ts'

let folder: string
let selvage: Selvage
const done: string[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvage-people-'))
  selvage = await process()
  done.length = 0
})

afterEach(async () => {
  await selvage.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A new one on the same database: nothing of the one before is left in memory. */
function process(): Promise<Selvage> {
  return openSelvage({ url: `sqlite:${join(folder, 'a.db')}`, logger: quiet })
}

async function restart(): Promise<void> {
  await selvage.close()
  selvage = await process()
}

const acting = (name: string) =>
  tool({
    name,
    description: 'Acts.',
    inputSchema: z.object({ amount: z.number().max(100) }),
    callback: ({ amount }) => {
      done.push(`${name} ${amount}`)
      return `${name} ${amount}`
    },
  })

function seller(options: AgentOptions, script = SCRIPT, prepare: (agent: Agent) => void = () => {}) {
  return selvage.agent(
    'seller',
    () => {
      const agent = new Agent({
        model: new ScriptedModel(script),
        tools: [acting('charge'), acting('mail')],
        printer: false,
      })
      prepare(agent)
      return agent
    },
    options,
  )
}

const SCRIPT = [{ tools: [{ name: 'charge', input: { amount: 12 } }] }, 'Done.']

/** Open questions by tool, as soon as there are so many. */
async function asked(count: number): Promise<ReadonlyMap<string, Approval>> {
  for (;;) {
    const { items } = await selvage.approvals()
    if (items.length === count) return new Map(items.map((item) => [item.tool ?? item.name, item]))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const answer = (question: Approval | undefined) => {
  const run = selvage.run(question?.runId ?? '')
  const id = question?.id ?? ''
  return {
    approve: (options: Parameters<typeof run.approve>[1]) => run.approve(id, options),
    reject: (reason: string) => run.reject(id, { reason }),
  }
}

test('edited arguments must fit the tool, and the record says what was executed and who had edited it', async () => {
  const run = await seller({ approvals: { charge: true } }).start('Sell', { runId: 's' })
  const question = (await asked(1)).get('charge')
  expect(question?.inputSchema).toMatchObject({ type: 'object', required: ['amount'] })
  await expect(answer(question).approve({ input: { amount: 'ten' } })).rejects.toMatchObject({
    code: 'BAD_INPUT',
    details: { issues: [{ path: 'amount' }] },
  })
  await expect(answer(question).approve({ input: { amount: 101 } })).rejects.toMatchObject({ code: 'BAD_INPUT' })
  await answer(question).approve({ input: { amount: 10 }, by: 'ann', inputHash: question?.inputHash ?? '' })
  expect((await run.result()).text).toBe('Done.')
  expect(done).toEqual(['charge 10'])
  const made = (await run.journal()).find((entry) => entry.type === 'step' && entry.op.name === 'charge')
  expect(made).toMatchObject({
    outcome: { ok: { edited: { input: { amount: 10 }, by: 'ann', at: expect.any(Number) } } },
  })
})

test('an answer is to the arguments that were shown: a hook that was deployed meanwhile makes others, and those are asked about', async () => {
  const first = await seller({ approvals: { charge: true } }).start('Sell', { runId: 's' })
  const old = (await asked(1)).get('charge')
  await first.status()
  await selvage.close()
  // Answered while no process works: the question and the arguments are those of the old code.
  const outside = await openSelvage({ url: `sqlite:${join(folder, 'a.db')}`, work: false })
  await outside.run('s').approve(old?.id ?? '', { by: 'ann' })
  await outside.close()

  selvage = await process()
  seller({ approvals: { charge: true } }, SCRIPT, (agent) => {
    agent.addHook(BeforeToolCallEvent, (event) => {
      event.toolUse.input = { amount: 99 }
    })
  })
  await selvage.work()
  const question = (await asked(1)).get('charge')
  expect(question?.id).not.toBe(old?.id)
  expect(question?.input).toEqual({ amount: 99 })
  expect(done).toEqual([])
  await answer(question).approve({ by: 'bob' })
  await selvage.run('s').result()
  expect(done).toEqual(['charge 99'])
})

test('in parallel and nested, each answered by another process, some yes and some no', async () => {
  const register = () =>
    selvage.agent(
      'team',
      () => {
        const clerk = new Agent({
          name: 'clerk',
          description: 'Writes mails.',
          model: new ScriptedModel([{ tools: [{ name: 'mail', input: { amount: 1 } }] }, 'Mailed.']),
          tools: [acting('mail')],
          printer: false,
        })
        const calls = [
          { name: 'charge', input: { amount: 5 } },
          { name: 'refund', input: { amount: 6 } },
          { name: 'clerk', input: { input: 'Write to bob' } },
        ]
        const model = new ScriptedModel([{ tools: calls }, 'All done.'])
        return new Agent({ model, tools: [acting('charge'), acting('refund'), clerk.asTool()], printer: false })
      },
      { approvals: { charge: true, refund: { assignee: 'ann' }, mail: { quorum: 2, of: ['ann', 'bob'] } } },
    )
  await register().start('Go', { runId: 't' })
  const questions = await asked(3)
  expect([...questions.keys()].toSorted()).toEqual(['charge', 'mail', 'refund'])
  for (const say of [
    () => answer(questions.get('mail')).approve({ by: 'bob' }),
    () => answer(questions.get('refund')).reject('too much'),
    () => answer(questions.get('mail')).approve({ by: 'ann' }),
    () => answer(questions.get('charge')).approve({ by: 'cy' }),
  ]) {
    await restart()
    await say()
    register()
    await selvage.work()
  }
  const result = (await selvage.run('t').result()) as { text: string }
  expect(result.text).toBe('All done.')
  expect(done.toSorted()).toEqual(['charge 5', 'mail 1'])
  const conversation = JSON.stringify(await selvage.run('t').conversation())
  expect(conversation).toContain('The call of refund was rejected: too much')
})

test('survive a sibling that was cancelled', async () => {
  const pays = (): void => {
    const pay = selvage.workflow('pay', (ctx, who: string) => ctx.approval('pay', { assignee: who }))
    selvage.workflow('all', async (ctx) => {
      const [ann, bob] = await Promise.allSettled(['ann', 'bob'].map((who) => ctx.child(pay, who, { key: who })))
      return [ann?.status, bob?.status]
    })
  }
  pays()
  await selvage.reference('all').start(undefined, { runId: 'all' })
  await selvage.work()
  const open = async (): Promise<Approval | undefined> => (await selvage.approvals({ assignee: 'bob' })).items[0]
  await asked(2)
  await selvage.run('all/ann').cancel('enough')
  await selvage
    .run('all/ann')
    .result()
    .catch(() => {})
  await restart()
  pays()
  await selvage.work()
  const { items } = await selvage.approvals({ status: 'any', assignee: 'ann' })
  expect(items).toMatchObject([{ status: 'closed' }])
  await expect(answer(items[0]).approve({})).rejects.toMatchObject({ code: 'RUN_ENDED' })
  await answer(await open()).approve({ by: 'bob' })
  expect(await selvage.run('all').result()).toEqual(['rejected', 'fulfilled'])
})

test('options of approvals that make no sense are refused when the agent is registered', () => {
  for (const approval of [{ timout: '1h' }, { quorum: 3, of: ['a'] }, { schema: {} }, { onTimeout: 'reject' }]) {
    expect(() => seller({ approvals: { charge: approval as object } })).toThrow(
      expect.objectContaining({ code: 'BAD_INPUT' }),
    )
  }
  for (const ask of [{ timeout: '1h', onTimeout: 'approve' }, { assignee: '' }]) {
    const effects = { charge: { effect: 'once', ask } } as NonNullable<AgentOptions['effects']>
    expect(() => seller({ effects })).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
  }
})
