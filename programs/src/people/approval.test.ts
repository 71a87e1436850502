import type { Json, SelvageError } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../../test/world.ts'
import type { Context } from '../context.ts'
import { createWorkflow } from '../workflow.ts'
import type { ApprovalOptions } from './approval-options.ts'

const HOUR = 3_600_000

/** A run that asks one approval and ends with its answer, or with the error. */
async function asking(options: ApprovalOptions): Promise<World> {
  const clock = fakeClock()
  const flow = createWorkflow('flow', async (ctx) => {
    try {
      return await ctx.approval('publish', options)
    } catch (error) {
      return { code: (error as SelvageError).code, message: (error as Error).message }
    }
  })
  const world = new World(nodeRuntime({ clock }), clock, [flow])
  await world.start('r', 'flow')
  return world
}

async function hours(world: World, count: number): Promise<void> {
  await world.suspended('r')
  await world.elapse(count * HOUR)
}

const idOf = (world: World, level = 0): string => world.questions('r')[level]?.id ?? ''

describe('an approval', () => {
  it('shows what is asked, waits over any death, and gives the answer with who and when', async () => {
    const world = await asking({ details: { day: new Date(0) }, tool: 'send', input: { to: 'x' }, assignee: 'ann' })
    await world.suspended('r')
    expect(world.questions('r')).toEqual([
      {
        id: expect.stringMatching(/^ap_[\w-]{22}$/),
        kind: 'approval',
        name: 'publish',
        tool: 'send',
        input: { to: 'x' },
        inputHash: expect.stringMatching(/^[\w-]{16}$/),
        reason: { day: { $s: ['date', '1970-01-01T00:00:00.000Z'] } },
        assignee: 'ann',
      },
    ])
    await hours(world, 10_000)
    await world.kill()
    await world.suspended('r')
    const at = world.clock.now()
    await world.answer('r', idOf(world), { approved: true, input: { to: 'y' } }, 'bob')
    expect(await world.result('r')).toEqual({ approved: true, input: { to: 'y' }, by: 'bob', at })
    expect(world.questions('r')).toHaveLength(1)
  })

  it('takes the first answer', async () => {
    const world = await asking({})
    await world.suspended('r')
    const answers: Json[] = [{ approved: false, reason: 'no' }, { approved: true }]
    const [first, second] = await Promise.all(answers.map((answer) => world.answer('r', idOf(world), answer, 'x')))
    expect(first).toEqual({ accepted: true })
    expect(second).toMatchObject({ accepted: false, first: { payload: { approved: false, reason: 'no' } } })
    expect(await world.result('r')).toMatchObject({ approved: false, reason: 'no' })
  })

  it('takes an answer that says neither yes nor no for a no, and says why', async () => {
    const world = await asking({})
    await world.suspended('r')
    await world.answer('r', idOf(world), 'ok')
    expect(await world.result('r')).toMatchObject({ approved: false, reason: expect.stringContaining('neither') })
  })
})

describe('a timeout', () => {
  it('without onTimeout rejects with APPROVAL_TIMEOUT, and is counted from when it was asked', async () => {
    const world = await asking({ timeout: '3h' })
    for (let hour = 0; hour < 3; hour++) {
      await hours(world, 1)
      await world.kill()
    }
    expect(await world.result('r')).toMatchObject({ code: 'APPROVAL_TIMEOUT' })
    expect(world.questions('r')[0]?.expiresAt).toBe((world.entries('r')[1]?.at ?? 0) + 3 * HOUR)
  })

  it("with 'wait' leaves the question open for ever", async () => {
    const world = await asking({ timeout: '1h', onTimeout: 'wait' })
    await hours(world, 100)
    await world.answer('r', idOf(world), { approved: true })
    expect(await world.result('r')).toMatchObject({ approved: true })
  })

  it.each([
    ['reject', { approved: false, by: 'timeout', reason: expect.stringContaining('Nobody answered') }],
    ['approve', { approved: true, by: 'timeout' }],
  ] as const)("with '%s' decides, the same for ever", async (onTimeout, decision) => {
    const world = await asking({ timeout: '1h', onTimeout })
    await hours(world, 1)
    expect(await world.result('r')).toMatchObject(decision)
  })
})

describe('an escalation', () => {
  const escalating = { timeout: '1h', onTimeout: 'escalate', escalateTo: ['lead', 'boss'], assignee: 'ann' } as const

  it('asks one after the other, each with a question of its own', async () => {
    const world = await asking(escalating)
    await hours(world, 1)
    await world.kill()
    await hours(world, 1)
    await world.suspended('r')
    const questions = world.questions('r')
    expect(questions.map((question) => question.assignee)).toEqual(['ann', 'lead', 'boss'])
    expect(new Set(questions.map((question) => question.id)).size).toBe(3)
    expect(world.keys('r', 'open')).toEqual(['approval:publish', 'approval:publish/2', 'approval:publish/3'])
    await world.answer('r', idOf(world, 2), { approved: true }, 'boss')
    expect(await world.result('r')).toMatchObject({ approved: true, by: 'boss' })
  })

  it('does not count an answer to a level that is over', async () => {
    const world = await asking(escalating)
    await hours(world, 1)
    await world.suspended('r')
    await world.answer('r', idOf(world, 0), { approved: true }, 'ann')
    await world.suspended('r')
    await world.answer('r', idOf(world, 1), { approved: false, reason: 'no' }, 'lead')
    expect(await world.result('r')).toMatchObject({ approved: false, by: 'lead' })
  })

  it('that nobody answers rejects with APPROVAL_TIMEOUT and names who was asked', async () => {
    const world = await asking(escalating)
    for (let level = 0; level < 3; level++) await hours(world, 1)
    expect(await world.result('r')).toEqual({
      code: 'APPROVAL_TIMEOUT',
      message: expect.stringContaining('ann, lead, boss'),
    })
  })
})

it.each([
  { onTimeout: 'reject' },
  { timeout: '1h', onTimeout: 'escalate' },
  { timeout: '1h', onTimeout: 'escalate', escalateTo: [] },
  { timeout: '1h', escalateTo: ['lead'] },
  { timeout: 'soon' },
] as ApprovalOptions[])(
  'options that contradict each other are refused before anybody is asked: %j',
  async (options) => {
    const world = await asking(options)
    expect(await world.result('r')).toMatchObject({ code: 'BAD_INPUT' })
    expect(world.questions('r')).toEqual([])
  },
)

describe('a retry of a run that a timeout has ended', () => {
  const ends = async (world: World): Promise<void> => world.until(() => world.outcome('r') !== undefined)

  function worldOf(fn: (ctx: Context) => Promise<unknown>): World {
    const clock = fakeClock()
    return new World(nodeRuntime({ clock }), clock, [createWorkflow('flow', fn)])
  }

  it('asks again, with its time anew, as often as it is made and in whatever process', async () => {
    const world = worldOf((ctx) => ctx.approval('publish', { timeout: '3h' }))
    await world.start('r', 'flow')
    for (let time = 1; time <= 3; time++) {
      await world.suspended('r')
      expect(world.questions('r')).toHaveLength(time)
      expect(world.questions('r').at(-1)?.expiresAt).toBe(world.clock.now() + 3 * HOUR)
      for (let hour = 1; hour <= 3; hour++) {
        expect([time, hour, world.outcome('r')]).toEqual([time, hour, undefined])
        await world.kill()
        await hours(world, 1)
      }
      await ends(world)
      expect(world.outcome('r')).toMatchObject({ error: { code: 'APPROVAL_TIMEOUT' }, step: 'approval:publish' })
      await world.elapse(24 * HOUR)
      await world.retry('r')
    }
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    await world.answer('r', idOf(world, 3), { approved: true }, 'ann')
    expect(await world.result('r')).toMatchObject({ approved: true, by: 'ann' })
    expect(world.questions('r')).toHaveLength(4)
  })

  it('asks the last one of an escalation, and keeps what time has decided before', async () => {
    const world = worldOf(async (ctx) => {
      const first = await ctx.approval('first', { timeout: '1h', onTimeout: 'reject' })
      const caught = await ctx.approval('second', { timeout: '1h' }).catch((error: SelvageError) => error.code)
      const options = { timeout: '1h', onTimeout: 'escalate', assignee: 'ann', escalateTo: ['boss'] } as const
      return [first.approved, caught, (await ctx.approval('third', options)).approved]
    })
    await world.start('r', 'flow')
    for (let hour = 1; hour <= 4; hour++) await hours(world, 1)
    await ends(world)
    await world.retry('r')
    await world.suspended('r')
    const keys = ['approval:first', 'approval:second', 'approval:third', 'approval:third/2']
    expect(world.keys('r', 'open')).toEqual([...keys, 'approval:third/2'])
    await world.answer('r', idOf(world, 4), { approved: true })
    expect(await world.result('r')).toEqual([false, 'APPROVAL_TIMEOUT', true])
  })

  it('takes an answer that came too late', async () => {
    const world = worldOf((ctx) =>
      Promise.all([ctx.approval('publish', { timeout: '1h' }), ctx.sleep('1h')]).catch(async (error) => {
        await ctx.signal('more')
        throw error
      }),
    )
    await world.start('r', 'flow')
    await hours(world, 1)
    await world.suspended('r')
    await world.answer('r', idOf(world), { approved: true }, 'ann')
    await world.tell('r', 'more', null)
    await ends(world)
    await world.retry('r')
    expect(await world.result('r')).toMatchObject([{ approved: true, by: 'ann' }, undefined])
  })

  it('waits again for a callback, with its time anew, and takes a signal that came meanwhile', async () => {
    const world = worldOf(async (ctx) => [
      await ctx.callback('paid', { timeout: '1h' }).result,
      await ctx.signal('go', { timeout: '1h' }),
    ])
    await world.start('r', 'flow')
    await hours(world, 1)
    await ends(world)
    await world.elapse(24 * HOUR)
    await world.retry('r')
    await hours(world, 0.5)
    expect(world.questions('r')).toHaveLength(2)
    await world.suspended('r')
    await world.answer('r', idOf(world), { value: 'paid' })
    await world.suspended('r')
    await hours(world, 1)
    await ends(world)
    expect(world.outcome('r')).toMatchObject({ error: { code: 'WAIT_TIMEOUT' }, step: 'signal:go' })
  })
})
