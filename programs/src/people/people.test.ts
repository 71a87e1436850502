/** Reminders, several people, data: what an approval does while it is open, on time that only the test moves. */
import { type Json, reminderKey, type SelvageError, voteId, voteName } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../../test/world.ts'
import type { StandardSchema } from '../input.ts'
import { createWorkflow } from '../workflow.ts'
import type { ApprovalOptions } from './approval-options.ts'

const HOUR = 3_600_000
const KEY = 'approval:publish'

async function asking(options: ApprovalOptions): Promise<World> {
  const clock = fakeClock()
  const flow = createWorkflow('flow', async (ctx) => {
    try {
      return await ctx.approval('publish', options)
    } catch (error) {
      if ((error as SelvageError).code === 'APPROVAL_TIMEOUT' && options.onTimeout === undefined) throw error
      return { code: (error as SelvageError).code, message: (error as Error).message }
    }
  })
  const world = new World(nodeRuntime({ clock }), clock, [flow])
  await world.start('r', 'flow')
  await world.suspended('r')
  return world
}

async function hours(world: World, count: number): Promise<void> {
  await world.elapse(count * HOUR)
  await world.settled('r')
}

const idOf = (world: World, n = 0): string => world.questions('r')[n]?.id ?? ''

function reminded(world: World): number[] {
  const asked = world.entries('r').find((entry) => entry.type === 'open')?.at ?? 0
  return world
    .entries('r')
    .filter((entry) => entry.type === 'wait' && entry.signalId === undefined && entry.key.includes('/reminder#'))
    .map((entry) => (entry.at - asked) / HOUR)
}

async function vote(world: World, seat: string, approved: boolean, reason?: string): Promise<unknown> {
  const id = idOf(world)
  const payload: Json = { approved, seat, ...(reason !== undefined && { reason }) }
  const receipt = await world.signal('r', { id: voteId(id, seat), name: voteName(id), payload, by: seat })
  await world.settled('r')
  return receipt
}

describe('reminders', () => {
  it('come every so often, over any death, until there is an answer', async () => {
    const world = await asking({ reminders: '4h' })
    for (let hour = 1; hour <= 13; hour++) {
      await hours(world, 1)
      await world.kill()
      await world.settled('r')
    }
    expect(reminded(world)).toEqual([4, 8, 12])
    await world.answer('r', idOf(world), { approved: true }, 'ann')
    expect(await world.result('r')).toMatchObject({ approved: true, by: 'ann' })
    expect(world.questions('r')).toHaveLength(1)
  })

  it('that fall due while nobody works are one, and the next keeps its time', async () => {
    const world = await asking({ reminders: '4h' })
    await world.clock.advance(70 * HOUR)
    await hours(world, 0)
    expect(reminded(world)).toEqual([70])
    await hours(world, 2)
    expect(reminded(world)).toEqual([70, 72])
  })

  it('of a list come once each, and stop at the timeout', async () => {
    const world = await asking({ reminders: ['1h', '5h', '30h'], timeout: '1d', onTimeout: 'reject' })
    for (let hour = 1; hour <= 24; hour++) await hours(world, 1)
    expect(reminded(world)).toEqual([1, 5])
    expect(await world.result('r')).toMatchObject({ approved: false, by: 'timeout' })
  })

  it('begin anew with each level of an escalation', async () => {
    const world = await asking({ reminders: '2h', timeout: '5h', onTimeout: 'escalate', escalateTo: ['lead'] })
    for (let hour = 1; hour <= 9; hour++) await hours(world, 1)
    expect(reminded(world)).toEqual([2, 4, 7, 9])
    const [first, second] = world.questions('r')
    expect(first).not.toHaveProperty('level')
    expect(second).toMatchObject({ assignee: 'lead', level: 2 })
  })

  it('and the time begin anew when a retry asks again', async () => {
    const world = await asking({ reminders: '2h', timeout: '5h' })
    for (let hour = 1; hour <= 5; hour++) await hours(world, 1)
    expect(world.outcome('r')).toMatchObject({ error: { code: 'APPROVAL_TIMEOUT' } })
    await world.elapse(100 * HOUR)
    await world.retry('r')
    await world.suspended('r')
    for (let hour = 1; hour <= 3; hour++) await hours(world, 1)
    expect(reminded(world)).toEqual([2, 4, 107])
    await world.kill()
    await hours(world, 1)
    const [first, second, third, fourth] = [1, 2, 3, 4].map((n) => reminderKey(KEY, n))
    expect(world.keys('r', 'wait')).toEqual([first, second, KEY, third, fourth])
  })
})

describe('a quorum', () => {
  const two = { quorum: 2, of: ['ann', 'bob', 'cy'] } as const

  it('is a yes with the first m that say so, each vote journaled', async () => {
    const world = await asking({ ...two, of: [...two.of] })
    expect(world.questions('r')).toMatchObject([{ quorum: { need: 2, of: ['ann', 'bob', 'cy'] } }])
    await vote(world, 'ann', true)
    await world.kill()
    await vote(world, 'bob', false, 'too much')
    await world.kill()
    expect(world.outcome('r')).toBeUndefined()
    await vote(world, 'cy', true)
    expect(await world.result('r')).toMatchObject({
      approved: true,
      by: 'ann, cy',
      votes: [
        { seat: 'ann', approved: true, by: 'ann' },
        { seat: 'bob', approved: false, reason: 'too much', by: 'bob' },
        { seat: 'cy', approved: true },
      ],
    })
    const signals = world.entries('r').flatMap((entry) => (entry.type === 'signal' ? [entry.signal.id] : []))
    const id = idOf(world)
    expect(signals).toEqual([voteId(id, 'ann'), voteId(id, 'bob'), voteId(id, 'cy'), id])
  })

  it('is a no as soon as too few are left', async () => {
    const world = await asking({ ...two, of: [...two.of] })
    await vote(world, 'ann', false, 'too much')
    await vote(world, 'bob', false)
    expect(await world.result('r')).toMatchObject({ approved: false, reason: 'ann: too much; bob: no', by: 'ann, bob' })
  })

  it('counts each seat once, and nobody without one', async () => {
    const world = await asking({ ...two, of: [...two.of] })
    await vote(world, 'ann', true)
    expect(await vote(world, 'ann', true)).toMatchObject({ accepted: false })
    await vote(world, 'eve', true)
    expect(world.outcome('r')).toBeUndefined()
    await vote(world, 'bob', true)
    expect(await world.result('r')).toMatchObject({ approved: true, by: 'ann, bob' })
  })

  it('that is not reached in time escalates to one who decides alone', async () => {
    const world = await asking({
      ...two,
      of: [...two.of],
      timeout: '2h',
      onTimeout: 'escalate',
      escalateTo: ['boss'],
      reminders: '1h',
    })
    await vote(world, 'ann', true)
    await hours(world, 1)
    await hours(world, 1)
    expect(world.keys('r', 'wait')).toContain(KEY)
    const [, second] = world.questions('r')
    expect(second).toMatchObject({ assignee: 'boss', level: 2 })
    expect(second).not.toHaveProperty('quorum')
    await world.answer('r', second?.id ?? '', { approved: true }, 'boss')
    expect(await world.result('r')).toMatchObject({ approved: true, by: 'boss' })
  })

  it('that time has ended takes further votes after a retry, and keeps those it has', async () => {
    const world = await asking({ ...two, of: [...two.of], timeout: '2h' })
    await vote(world, 'ann', true)
    await hours(world, 2)
    expect(world.outcome('r')).toMatchObject({ error: { code: 'APPROVAL_TIMEOUT' } })
    await world.elapse(HOUR)
    await world.retry('r')
    await world.suspended('r')
    await hours(world, 1)
    expect(world.outcome('r')).toBeUndefined()
    await world.kill()
    await vote(world, 'cy', true)
    expect(await world.result('r')).toMatchObject({ approved: true, by: 'ann, cy' })
  })
})

describe('data', () => {
  const even: StandardSchema<unknown, { n: number }> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => {
        const { n } = value as { n: number }
        return n % 2 === 0 ? { value: { n: n * 10 } } : { issues: [{ message: 'must be even', path: ['n'] }] }
      },
      jsonSchema: { input: () => ({ type: 'object', required: ['n'] }) },
    },
  }

  it('are checked by the program as well, which asks again and says what was wrong', async () => {
    const world = await asking({ schema: even as StandardSchema<unknown, never>, timeout: '5h' })
    expect(world.questions('r')).toMatchObject([{ schema: { type: 'object', required: ['n'] } }])
    await hours(world, 1)
    await world.answer('r', idOf(world), { approved: true, value: { n: 3 } }, 'ann')
    await world.settled('r')
    await world.kill()
    await world.suspended('r')
    const [first, second] = world.questions('r')
    expect(second?.id).not.toBe(first?.id)
    expect(second).toMatchObject({
      refused: { question: first?.id, by: 'ann', issues: [{ path: 'n', message: 'must be even' }] },
      expiresAt: first?.expiresAt,
    })
    await world.answer('r', second?.id ?? '', { approved: true, value: { n: 4 } }, 'bob')
    expect(await world.result('r')).toMatchObject({ approved: true, value: { n: 40 }, by: 'bob' })
  })

  it('are not asked of a no', async () => {
    const world = await asking({ schema: even as StandardSchema<unknown, never> })
    await world.answer('r', idOf(world), { approved: false, reason: 'never' })
    expect(await world.result('r')).toMatchObject({ approved: false, reason: 'never' })
  })
})

it.each([
  { quorum: 2 },
  { of: ['a'] },
  { quorum: 0, of: ['a'] },
  { quorum: 2, of: ['a'] },
  { quorum: 1.5, of: ['a', 'b'] },
  { quorum: 1, of: ['a', 'a'] },
  { quorum: 1, of: [''] },
  { quorum: 1, of: ['a'], assignee: 'b' },
  { quorum: 1, of: ['a'], schema: {} },
  { schema: {}, timeout: '1h', onTimeout: 'approve' },
  { schema: [] },
  { reminders: 5 },
  { reminders: ['1h', 'soon'] },
  { onTimeout: 'ask', timeout: '1h' },
  { timout: '1h' },
  { assignee: '' },
] as unknown as ApprovalOptions[])(
  'options that make no sense are refused before anybody is asked: %j',
  async (options) => {
    const clock = fakeClock()
    const flow = createWorkflow('flow', (ctx) => ctx.approval('publish', options).catch(({ code }) => code))
    const world = new World(nodeRuntime({ clock }), clock, [flow])
    await world.start('r', 'flow')
    expect(await world.result('r')).toBe('BAD_INPUT')
    expect(world.questions('r')).toEqual([])
  },
)
