/**
 * I5, I12, I13 for everything that ctx has: whatever part of a journal a process leaves, the next one comes to the same
 * journal and result.
 */
import type { Entry, Program } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { expect, it } from 'vitest'
import { World } from '../test/world.ts'
import { createWorkflow } from './workflow.ts'

const HOUR = 3_600_000

const programs = (log: string[]): readonly Program[] => {
  const part = createWorkflow('part', async (ctx, n: number) => {
    if (n === 2) throw new RangeError('part 2 is broken')
    return ctx.step('square', () => n * n)
  })
  const flow = createWorkflow(
    'flow',
    async (ctx) => {
      const trace: unknown[] = []
      await ctx.sleep('1h')
      const order: number[] = []
      const parts = [1, 2, 3].map(async (n) => {
        const square = await ctx.child(part, n).catch((error: Error) => (error.cause as Error).message)
        order.push(n)
        return square
      })
      const { id, result } = ctx.callback<string>('paid', { timeout: '9h' })
      await ctx.step('tell', () => id)
      const flaky = ctx.step(
        'flaky',
        (at) => {
          if (at.attempt < 3) throw new Error('busy')
          return at.attempt
        },
        { retry: { initial: '1h' } },
      )
      trace.push(await Promise.race([flaky, ctx.sleep('20h'), ctx.signal('go')]))
      trace.push(await result, await flaky, ctx.random(), ctx.uuid())
      trace.push(await Promise.all(parts))
      if (ctx.changed('extra')) trace.push(await ctx.step('extra', () => new Map([['k', 1n]])))
      const poll = await ctx.waitUntil('ready', () => (ctx.now() > 0 ? { ready: true } : undefined), { timeout: '2h' })
      const answer = await ctx.approval('publish', {
        timeout: '1h',
        onTimeout: 'escalate',
        escalateTo: ['lead'],
      })
      if (answer.approved) trace.push(await ctx.step('publish', () => 'published', { effect: 'once' }))
      trace.push(poll, answer.approved, await ctx.signal('late', { timeout: '1h' }).catch((error: Error) => error.name))
      ctx.log('at the end')
      return { trace, order }
    },
    { log: (_runId, values) => log.push(values.join(' ')) },
  )
  return [flow, part]
}

interface Result {
  readonly trace: readonly unknown[]
  readonly order: readonly number[]
}

/** Lets the run go on to its end: answers what it asks, sends what it waits for, lets hours pass. */
async function drive(world: World): Promise<void> {
  for (let turn = 0; world.outcome('r') === undefined; turn++) {
    if (turn > 60) throw new Error(`the run does not end: ${JSON.stringify(world.entries('r').slice(-4))}`)
    await world.settled('r')
    for (const question of world.questions('r')) {
      if (question.kind === 'callback') await world.tell('r', question.id, { value: 'paid' })
      if (question.kind === 'unknown') await world.tell('r', question.id, { approved: true, value: 'published' })
      if (question.assignee === 'lead') await world.tell('r', question.id, { approved: true })
    }
    await world.tell('r', 'go', 'go')
    await world.settled('r')
    if (world.outcome('r') === undefined) await world.elapse(HOUR)
  }
}

/** What is recorded, without the times. */
function timeless(entries: readonly Entry[]): unknown[] {
  return entries.map((entry) => {
    const { at: _, ...rest } = entry
    const text = JSON.stringify(rest, (key, value) =>
      ['at', 'startedAt', 'retryAt', 'expiresAt', 'stack', 'host'].includes(key) ? undefined : value,
    )
    return JSON.parse(text)
  })
}

it('any prefix of a journal leads to the same journal and result', async () => {
  const make = (log: string[] = []): World => {
    const clock = fakeClock()
    return new World(nodeRuntime({ clock }), clock, programs(log))
  }
  const whole = make()
  await whole.start('r', 'flow')
  await drive(whole)
  const journal = whole.entries('r')
  const result = (await whole.result('r')) as Result
  expect(result.trace).toEqual(
    expect.arrayContaining(['go', 'paid', 'published', 'StepError', [1, 'part 2 is broken', 9]]),
  )

  for (let length = 1; length <= journal.length; length++) {
    const world = make()
    const prefix = journal.slice(0, length)
    await world.clock.advance((prefix.at(-1)?.at ?? 0) - world.clock.now())
    for (const id of whole.ids()) if (id !== 'r') world.restore(id, whole.entries(id).slice(0, 1))
    world.restore('r', prefix)
    await drive(world)
    const again = (await world.result('r')) as Result
    expect(again.trace, `after ${length} entries`).toEqual(result.trace)
    const settled = prefix.filter((entry) => entry.type === 'wait' && entry.key.endsWith('/done')).length
    expect(again.order.slice(0, settled), `after ${length} entries`).toEqual(result.order.slice(0, settled))
    expect(timeless(world.entries('r')).slice(0, length)).toEqual(timeless(prefix))
  }
})
