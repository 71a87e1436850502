import type { Program } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../test/world.ts'
import { createWorkflow } from './workflow.ts'

const HOUR = 3_600_000

const old: Program = createWorkflow('flow', async (ctx) => {
  await ctx.sleep('1h')
  await ctx.step('ship', () => {})
  await ctx.sleep('1h')
  await ctx.step('bill', () => {})
})

const guarded: Program = createWorkflow('flow', async (ctx) => {
  await ctx.sleep('1h')
  if (ctx.changed('weigh')) await ctx.step('weigh', () => {})
  await ctx.step('ship', () => {})
  await ctx.sleep('1h')
  await ctx.step('bill', () => {})
})

async function worldWith(program: Program): Promise<World> {
  const clock = fakeClock()
  const world = new World(nodeRuntime({ clock }), clock, [program])
  await world.start('r', 'flow')
  await world.suspended('r')
  return world
}

describe('changed', () => {
  it('is true for a run that begins with the new code', async () => {
    const world = await worldWith(guarded)
    await world.elapse(HOUR)
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    await world.elapse(HOUR)
    await world.result('r')
    expect(world.keys('r')).toEqual(['weigh', 'ship', 'bill'])
    expect(world.keys('r', 'state')).toContain('changed:weigh')
  })

  it('is true for an old run that has not come to the guard', async () => {
    const world = await worldWith(old)
    await world.kill([guarded])
    await world.suspended('r')
    await world.elapse(HOUR)
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    await world.elapse(HOUR)
    await world.result('r')
    expect(world.keys('r')).toEqual(['weigh', 'ship', 'bill'])
  })

  it('is false for an old run that has been past it, and stays so', async () => {
    const world = await worldWith(old)
    await world.elapse(HOUR)
    await world.suspended('r')
    for (let deploy = 0; deploy < 3; deploy++) {
      await world.kill([guarded])
      await world.suspended('r')
    }
    await world.elapse(HOUR)
    await world.result('r')
    expect(world.keys('r')).toEqual(['ship', 'bill'])
    expect(world.keys('r', 'state')).not.toContain('changed:weigh')
  })

  it('does not change its mind in a loop that replay leaves half-way', async () => {
    const loop = (guard: boolean, seen: boolean[] = []): Program =>
      createWorkflow('flow', async (ctx) => {
        for (let round = 0; round < 4; round++) {
          if (guard) seen.push(ctx.changed('round'))
          await ctx.step('work', () => {})
          await ctx.sleep('1h')
        }
      })
    const world = await worldWith(loop(false))
    await world.elapse(HOUR)
    await world.suspended('r')
    const seen: boolean[] = []
    await world.kill([loop(true, seen)])
    for (let hour = 0; hour < 3; hour++) {
      await world.suspended('r')
      await world.elapse(HOUR)
    }
    await world.result('r')
    expect(seen).toEqual([false, false, false, false])
  })
})
