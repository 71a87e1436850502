import type { Entry, ForkEffects } from '@selvage/core'
import { planFork } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../test/world.ts'
import { createWorkflow } from './workflow.ts'

/** Steps of each kind, some at once; `made` is what has happened outside. */
function worldOf(made: string[]): World {
  const clock = fakeClock()
  const mail = createWorkflow('mail', (ctx) => ctx.step('send', () => made.push('mail')))
  const flow = createWorkflow('flow', async (ctx) => {
    const dice = ctx.random()
    const id = ctx.uuid()
    const a = await ctx.step(`a ${id}`, () => made.push('a'))
    const both = await Promise.all([
      ctx.step('b', () => made.push('b'), { effect: 'once' }),
      ctx.step('c', () => made.push('c'), { compensate: () => {} }),
    ])
    const sent = await ctx.child(mail, a, { key: 'mail' })
    const answer = await ctx.approval('go on', { details: dice })
    return { dice, id, a, both, sent, answer: answer.approved, d: await ctx.step('d', () => made.push('d')) }
  })
  return new World(nodeRuntime({ clock }), clock, [flow, mail])
}

async function finish(world: World, id: string): Promise<unknown> {
  await world.until(
    () => world.outcome(id) !== undefined || world.questions(id).some(({ kind }) => kind === 'approval'),
  )
  for (const question of world.questions(id)) await world.answer(id, question.id, { approved: true }).catch(() => {})
  return await world.result(id)
}

/** The journal of an original that has ended, and what it gave. */
async function original(): Promise<{ entries: readonly Entry[]; result: unknown }> {
  const world = worldOf([])
  await world.start('o', 'flow')
  const result = await finish(world, 'o')
  return { entries: world.entries('o'), result }
}

/** What the journal of a fork begins with. */
function forkOf(entries: readonly Entry[], at: number, effects: ForkEffects = 'reuse'): readonly Entry[] {
  const [first] = entries
  if (first?.type !== 'start') throw new Error('a journal begins with its start')
  const plan = planFork(nodeRuntime(), { runId: 'o', entries }, at, { runId: 'f', salt: 'other' })
  const forkedFrom = { runId: 'o', at: plan.at, entries: plan.inherited, salt: first.salt, effects }
  return [{ ...first, salt: 'other', start: { ...first.start, forkedFrom } }, ...plan.entries]
}

describe('a fork', () => {
  it('at every place of a journal comes to the same, and makes nothing that the original has made', async () => {
    const { entries, result } = await original()
    for (let at = 1; at <= entries.length; at++) {
      const made: string[] = []
      const world = worldOf(made)
      world.restore('f', forkOf(entries, at))
      const again = (await finish(world, 'f')) as { readonly dice: number; readonly id: string }
      const { dice, id, ...rest } = result as typeof again
      expect(again, `at ${at}`).toMatchObject(rest)
      // The key of a step is made of a uuid: where that is drawn anew, the step is another one.
      const isNew = at === 1
      expect(again.id === id, `at ${at}`).toBe(!isNew)
      expect(again.dice === dice).toBe(!isNew)
      expect(made, `at ${at}`).toEqual(isNew ? ['a'] : [])
    }
  })

  it('goes on from every entry of its own journal', async () => {
    const { entries } = await original()
    const first = forkOf(entries, 3)
    const whole = worldOf([])
    whole.restore('f', first)
    const result = await finish(whole, 'f')
    const journal = whole.entries('f').filter(({ type }) => type !== 'end')
    expect(journal.length).toBeGreaterThan(first.length)
    for (let length = first.length; length < journal.length; length++) {
      const made: string[] = []
      const world = worldOf(made)
      world.restore('f', journal.slice(0, length))
      expect(await finish(world, 'f'), `behind ${length}`).toEqual(result)
      expect(made, `behind ${length}`).toEqual([])
    }
  })

  it('of a dry run makes nothing, wherever it leaves the original', async () => {
    const { entries } = await original()
    for (let at = 1; at <= entries.length; at++) {
      const made: string[] = []
      const world = worldOf(made)
      world.restore('f', forkOf(entries, at, 'dry-run'))
      await finish(world, 'f')
      expect(made, `at ${at}`).toEqual([])
    }
  })
})
