import { SelvageError } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../../test/world.ts'
import type { Context } from '../context.ts'
import { createWorkflow } from '../workflow.ts'

const HOUR = 3_600_000

function worldOf<Result>(fn: (ctx: Context) => Promise<Result> | Result): World {
  const clock = fakeClock()
  return new World(nodeRuntime({ clock }), clock, [createWorkflow('flow', fn)])
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (error) {
    return SelvageError.is(error) ? error.code : error
  }
}

describe('sleep', () => {
  it('is over at its time, however often the process dies meanwhile', async () => {
    const world = worldOf(async (ctx) => {
      await ctx.sleep('3h')
      return ctx.now()
    })
    const begun = world.clock.now()
    await world.start('r', 'flow')
    for (let hour = 1; hour <= 3; hour++) {
      await world.suspended('r')
      expect(world.outcome('r')).toBeUndefined()
      await world.elapse(HOUR)
      if (hour < 3) await world.kill()
    }
    expect(await world.result('r')).toBe(begun + 3 * HOUR)
  })

  it('may be asked for many times at once', async () => {
    const world = worldOf(async (ctx) => {
      const order: number[] = []
      await Promise.all([3, 1, 2].map(async (hours) => ctx.sleep({ hours }).then(() => order.push(hours))))
      return order
    })
    await world.start('r', 'flow')
    for (let hour = 0; hour < 3; hour++) {
      await world.suspended('r')
      await world.kill()
      await world.suspended('r')
      await world.elapse(HOUR)
    }
    expect(await world.result('r')).toEqual([1, 2, 3])
  })

  it('until a date in the past is over at once', async () => {
    const world = worldOf(async (ctx) => {
      await ctx.sleepUntil(new Date(0))
      return codeOf(ctx.sleepUntil(Number.NaN))
    })
    await world.start('r', 'flow')
    expect(await world.result('r')).toBe('BAD_INPUT')
  })
})

describe('signal', () => {
  it('comes in order, one for each wait, early ones included', async () => {
    const world = worldOf(async (ctx) => {
      const got = [await ctx.signal<number>('n')]
      await ctx.sleep('1h')
      got.push(await ctx.signal<number>('n'), await ctx.signal<number>('n'))
      return got
    })
    await world.start('r', 'flow')
    for (const n of [1, 2, 3]) await world.signal('r', { id: `s${n}`, name: 'n', payload: n })
    expect(await world.signal('r', { id: 's3', name: 'n', payload: 4 })).toMatchObject({ accepted: false })
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    await world.elapse(HOUR)
    expect(await world.result('r')).toEqual([1, 2, 3])
  })

  it('that does not come in time rejects with WAIT_TIMEOUT', async () => {
    const world = worldOf((ctx) => codeOf(ctx.signal('n', { timeout: '1h' })))
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.elapse(HOUR)
    expect(await world.result('r')).toBe('WAIT_TIMEOUT')
  })

  it('waited for twice at once is refused', async () => {
    const world = worldOf(async (ctx) => {
      const first = ctx.signal('n')
      const code = await codeOf(ctx.signal('n'))
      return [code, await first]
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.signal('r', { id: 's', name: 'n', payload: 'x' })
    expect(await world.result('r')).toEqual(['KEY_IN_USE', 'x'])
  })
})

describe('callback', () => {
  it('has an id that is in the journal before a step can tell it to anybody', async () => {
    let told = ''
    let journaled: readonly unknown[] = []
    const world: World = worldOf(async (ctx) => {
      await ctx.step('first', () => {})
      const { id, result } = ctx.callback<string>('payment')
      await ctx.step('tell', () => {
        told = id
        journaled = world.questions('r').map((question) => question.id)
      })
      return result
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    expect(told).toMatch(/^cb_[\w-]{22}$/)
    expect(journaled).toEqual([told])
    await world.kill()
    await world.answer('r', told, { value: 'paid' })
    expect(await world.answer('r', told, { value: 'paid twice' })).toMatchObject({ accepted: false })
    expect(await world.result('r')).toBe('paid')
  })

  it('that is not answered in time rejects with WAIT_TIMEOUT, also when nobody looks yet', async () => {
    const world = worldOf(async (ctx) => {
      const { result } = ctx.callback('payment', { timeout: '1h' })
      await ctx.sleep('2h')
      return codeOf(result)
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.elapse(HOUR)
    await world.suspended('r')
    await world.elapse(HOUR)
    expect(await world.result('r')).toBe('WAIT_TIMEOUT')
  })
})

describe('waitUntil', () => {
  it('polls until something is there; each poll is made once', async () => {
    let polls = 0
    const world = worldOf((ctx) =>
      ctx.waitUntil('ready', () => (++polls < 3 ? undefined : { at: polls }), { interval: '1h' }),
    )
    await world.start('r', 'flow')
    for (let hour = 0; hour < 2; hour++) {
      await world.suspended('r')
      await world.kill()
      await world.suspended('r')
      await world.elapse(HOUR)
    }
    expect(await world.result('r')).toEqual({ at: 3 })
    expect(polls).toBe(3)
  })

  it('makes its last poll when time is up', async () => {
    let polls = 0
    const world = worldOf((ctx) => codeOf(ctx.waitUntil('ready', () => ++polls > 9, { interval: '2h', timeout: '3h' })))
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.elapse(2 * HOUR)
    await world.suspended('r')
    await world.elapse(HOUR)
    expect(await world.result('r')).toBe('WAIT_TIMEOUT')
    expect(polls).toBe(3)
  })
})
