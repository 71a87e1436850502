import { type Program, RunError, SelvageError, StepError } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../test/world.ts'
import type { ChildProgram } from './child.ts'
import type { Context } from './context.ts'
import type { StandardSchema } from './input.ts'
import { createWorkflow } from './workflow.ts'

const HOUR = 3_600_000

function worldOf<Result>(fn: (ctx: Context) => Promise<Result> | Result, ...programs: Program[]): World {
  const clock = fakeClock()
  return new World(nodeRuntime({ clock }), clock, [createWorkflow('flow', fn), ...programs])
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (error) {
    return error
  }
}

const double = createWorkflow('double', async (ctx, n: number) => {
  await ctx.sleep('1h')
  return ctx.step('double', () => n * 2)
})

describe('a child', () => {
  it('is a run of its own that the parent waits for, over any death', async () => {
    const world = worldOf((ctx) => ctx.child(double, 21), double)
    await world.start('r', 'flow', null, { tenant: 'acme', deadline: 2e12 })
    await world.suspended('r')
    expect(world.ids()).toEqual(['r', 'r/double#1'])
    expect(world.entries('r/double#1')[0]).toMatchObject({
      start: { program: 'double', input: 21, parent: { runId: 'r', key: 'double#1' }, tenant: 'acme', deadline: 2e12 },
    })
    await world.kill()
    await world.suspended('r')
    await world.elapse(HOUR)
    expect(await world.result('r')).toBe(42)
    expect(world.keys('r')).toEqual(['child:double#1'])
  })

  it('that is the program itself, without an end, comes to one', async () => {
    const world = worldOf((ctx) => ctx.child({ name: 'flow' }, null, { key: 'x'.repeat(99) }))
    await world.start('r', 'flow')
    await errorOf(world.result('r'))
    const { error } = world.outcome('r') as { readonly error: { readonly message: string } }
    expect(error.message).toContain('of a child has 1001 characters')
    expect(error.message.length).toBeLessThan(3_000)
    expect(world.ids().length).toBe(10)
  })

  it('names the one that failed first, however many are in between', async () => {
    const [three, two, one] = [3, 2, 1].map((level) =>
      createWorkflow(`level${level}`, (ctx): unknown => {
        if (level === 3) throw new TypeError('no such customer')
        return ctx.child({ name: `level${level + 1}` }, null, { key: 'below' })
      }),
    ) as [Program, Program, Program]
    const world = worldOf((ctx) => errorOf(ctx.child(one, null, { key: 'top' })), one, two, three)
    await world.start('r', 'flow')
    expect(await world.result('r')).toMatchObject({
      code: 'RUN_FAILED',
      message: 'Child r/top failed in r/top/below/below: no such customer',
      details: { runId: 'r/top', origin: { runId: 'r/top/below/below', message: 'no such customer' } },
      cause: { message: 'Child r/top/below failed in r/top/below/below: no such customer' },
    })
  })

  it('may have a result that does not fit into an entry', async () => {
    const large = createWorkflow('large', () => ({ text: 'selvage '.repeat(10_000), at: new Date(0) }))
    const world = worldOf(async (ctx) => {
      const { text, at } = await ctx.child(large, null)
      return [text.length, at.getTime()]
    }, large)
    await world.start('r', 'flow')
    expect(await world.result('r')).toEqual([80_000, 0])
    expect(JSON.stringify(world.entries('r')).length).toBeLessThan(4_000)
  })

  it('may be one of many, by ordinal or by key', async () => {
    const world = worldOf(
      (ctx) =>
        Promise.all([
          ctx.child(double, 1),
          ctx.child(double, 2, { key: 'part-0' }),
          ctx.child(double, 3),
          errorOf(ctx.child(double, 4, { key: 'part-0' })).then((error) => (error as SelvageError).code),
        ]),
      double,
    )
    await world.start('r', 'flow')
    await world.suspended('r')
    expect([...world.ids()].sort()).toEqual(['r', 'r/double#1', 'r/double#2', 'r/part-0'])
    await world.suspended('r/double#1')
    await world.elapse(HOUR)
    expect(await world.result('r')).toEqual([2, 4, 6, 'KEY_IN_USE'])
  })

  it('that fails rejects with a RunError around its error, live and replayed', async () => {
    const failing = createWorkflow('failing', (ctx) =>
      ctx.step('a', () => {
        throw new RangeError('too far')
      }),
    )
    const seen: unknown[] = []
    const world = worldOf(async (ctx) => {
      const error = await errorOf(ctx.child(failing, null))
      const cause = (error as Error).cause as Error
      seen.push([RunError.is(error, 'RUN_FAILED'), StepError.is(cause, 'STEP_FAILED'), String(cause.cause)])
      await ctx.sleep('1h')
    }, failing)
    await world.start('r', 'flow')
    await world.until(() => seen.length === 1)
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    expect(seen).toEqual(Array(2).fill([true, true, 'RangeError: too far']))
  })

  it('that was cancelled rejects with RUN_CANCELLED', async () => {
    const world = worldOf(async (ctx) => SelvageError.is(await errorOf(ctx.child(double, 1)), 'RUN_CANCELLED'), double)
    await world.start('r', 'flow')
    await world.suspended('r/double#1')
    await world.cancel('r/double#1', 'enough')
    expect(await world.result('r')).toBe(true)
  })

  it('is not started with an input that its schema refuses', async () => {
    const schema: StandardSchema<unknown, number> = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'not a number' }] }) },
    }
    const strict: ChildProgram<string, number> = { name: 'strict', input: schema }
    const world = worldOf(async (ctx) => String(((await errorOf(ctx.child(strict, 'x'))) as Error).cause))
    await world.start('r', 'flow')
    expect(await world.result('r')).toContain('not a number')
    expect(world.ids()).toEqual(['r'])
  })

  it('is started as soon as an engine that was away is back', async () => {
    const world = worldOf((ctx) => ctx.child(double, 21), double)
    await world.start('r', 'flow')
    world.away = true
    await world.until(() => world.keys('r', 'retry').length === 1)
    world.away = false
    // Behind the retry, and not behind the sleep of a child that it may have started at once.
    await world.elapse(HOUR / 2)
    await world.suspended('r/double#1')
    await world.elapse(HOUR)
    expect(await world.result('r')).toBe(42)
  })

  it('that is asked for with another input after an edit stops the parent', async () => {
    const parent = (n: number): Program => createWorkflow('flow', (ctx) => ctx.child(double, n))
    const clock = fakeClock()
    const world = new World(nodeRuntime({ clock }), clock, [parent(1), double])
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.kill([parent(2), double])
    await world.until(() => world.outcome('r') !== undefined)
    expect(JSON.stringify(world.outcome('r'))).toContain('NON_DETERMINISM')
  })
})

describe('a parent that ends', () => {
  it('while it starts a child cancels that one, too', async () => {
    const world = worldOf((ctx) => ctx.child(double, 1), double)
    let release: (() => void) | undefined
    world.beforeStart = () => new Promise((resolve) => (release = resolve))
    await world.start('r', 'flow')
    await world.until(() => release !== undefined)
    await world.cancel('r', 'enough')
    await world.until(() => world.entries('r').some((entry) => entry.type === 'signal'))
    release?.()
    await world.until(() => world.outcome('r/double#1') !== undefined)
    expect(world.outcome('r/double#1')).toEqual({ cancelled: 'its parent r has ended', because: 'parent' })
  })

  it.each([
    ['cancelled', async (world: World) => world.cancel('r', 'enough')],
    ['done', async (world: World) => void (await world.signal('r', { id: 'go', name: 'go', payload: 'done' }))],
  ])('because it is %s cancels its unfinished children, but for those it abandons', async (_how, end) => {
    const world = worldOf(async (ctx) => {
      void ctx.child(double, 1, { key: 'kept', onParentEnd: 'abandon' })
      const children = [ctx.child(double, 2), ctx.child(double, 3)]
      await Promise.race([ctx.signal('go'), ...children])
    }, double)
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.until(() => world.ids().length === 4)
    await world.suspended('r/kept')
    await end(world)
    await world.until(() => world.outcome('r') !== undefined)
    await world.until(() => world.outcome('r/double#1') !== undefined && world.outcome('r/double#2') !== undefined)
    expect(world.outcome('r/double#1')).toEqual({ cancelled: 'its parent r has ended', because: 'parent' })
    expect(world.outcome('r/double#2')).toEqual({ cancelled: 'its parent r has ended', because: 'parent' })
    await world.suspended('r/kept')
    await world.elapse(HOUR)
    expect(await world.result('r/kept')).toBe(2)
  })

  it.each(['before', 'after'])('because it failed leaves its children to a retry, that end %s it', async (when) => {
    let broken = true
    const world = worldOf(async (ctx) => {
      const child = ctx.child(double, 2)
      await ctx.step('fragile', () => {
        if (broken) throw new Error('failed')
      })
      return child
    }, double)
    await world.start('r', 'flow')
    await world.until(() => world.outcome('r') !== undefined)
    expect(world.outcome('r')).toHaveProperty('error')
    await world.suspended('r/double#1')
    broken = false
    if (when === 'before') {
      await world.elapse(HOUR)
      await world.result('r/double#1')
    }
    await world.retry('r')
    if (when === 'after') {
      await world.suspended('r')
      await world.elapse(HOUR)
    }
    expect(await world.result('r')).toBe(4)
  })
})

describe('a parent that was cancelled and is retried', () => {
  const asking = createWorkflow('asking', async (ctx) => {
    const before = await ctx.step('before', () => 'before')
    return `${before}, ${await ctx.signal<string>('answer')}`
  })

  function retrying(fn: (ctx: Context) => Promise<unknown>): World {
    const clock = fakeClock()
    const programs = [createWorkflow('flow', fn), asking, createWorkflow('inner', (ctx) => ctx.child(asking, null))]
    return new World(nodeRuntime({ clock }), clock, programs, { retries: true })
  }

  async function cancelled(world: World, ...ids: readonly string[]): Promise<void> {
    await world.cancel('r', 'enough')
    await world.until(() => ['r', ...ids].every((id) => world.outcome(id) !== undefined))
  }

  const family = (ctx: Context): Promise<unknown> =>
    Promise.all([ctx.child(asking, null), ctx.child({ name: 'inner' }, null)])
  const asked = ['r/asking#1', 'r/inner#1/asking#1']

  it('goes on with all its children where they were, by one retry', async () => {
    const world = retrying(family)
    await world.start('r', 'flow')
    for (const time of [1, 2]) {
      await world.until(() => asked.every((id) => world.ids().includes(id)))
      for (const id of [...asked, 'r']) await world.suspended(id)
      await cancelled(world, ...asked, 'r/inner#1')
      await world.retry('r')
      for (const id of asked) await world.until(() => world.outcome(id) === undefined)
      for (const id of asked) await world.suspended(id)
      expect([time, world.outcome('r')]).toEqual([time, undefined])
    }
    for (const id of asked) await world.tell(id, 'answer', 'yes')
    expect(await world.result('r')).toEqual(['before, yes', 'before, yes'])
    for (const id of asked) expect(world.keys(id)).toEqual(['before'])
  })

  it('goes on with a child that had not ended yet', async () => {
    let release: (() => void) | undefined
    const slow = createWorkflow('slow', (ctx) => {
      ctx.onCancel((shielded) => shielded.step('undo', () => new Promise<void>((resolve) => (release = resolve))))
      return ctx.signal('answer')
    })
    const clock = fakeClock()
    const programs = [createWorkflow('flow', (ctx) => ctx.child(slow, null)), slow]
    const world = new World(nodeRuntime({ clock }), clock, programs, { retries: true })
    await world.start('r', 'flow')
    await world.suspended('r/slow#1')
    await cancelled(world)
    await world.until(() => release !== undefined)
    await world.retry('r')
    await world.suspended('r')
    expect(world.outcome('r/slow#1')).toBeUndefined()
    release?.()
    await world.until(() => world.keys('r').includes('child:slow#1/retry#2'))
    await world.suspended('r/slow#1')
    await world.tell('r/slow#1', 'answer', 'yes')
    expect(await world.result('r')).toBe('yes')
  })

  it('in whatever process it does so', async () => {
    const story = async (diesAt: number): Promise<World> => {
      const world = retrying((ctx) => ctx.child(asking, null))
      const until = async (condition: () => boolean): Promise<void> => {
        const dies = (): boolean => world.deaths === 0 && world.entries('r').length >= diesAt
        await world.until(() => condition() || dies())
        if (dies()) await world.kill()
        await world.until(condition)
      }
      await world.start('r', 'flow')
      await until(() => world.keys('r').includes('child:asking#1'))
      await world.suspended('r/asking#1')
      await world.cancel('r', 'enough')
      await until(() => world.outcome('r') !== undefined && world.outcome('r/asking#1') !== undefined)
      await world.retry('r')
      await until(() => world.outcome('r/asking#1') === undefined)
      await world.tell('r/asking#1', 'answer', 'yes')
      await until(() => world.outcome('r') !== undefined)
      expect([diesAt, await world.result('r')]).toEqual([diesAt, 'before, yes'])
      return world
    }
    const undisturbed = await story(Number.POSITIVE_INFINITY)
    for (let diesAt = 1; diesAt <= undisturbed.entries('r').length; diesAt++) {
      const world = await story(diesAt)
      expect([diesAt, world.keys('r')]).toEqual([diesAt, undisturbed.keys('r')])
    }
  })

  it('hears of a child that somebody else has cancelled', async () => {
    const world = retrying((ctx) => ctx.child(asking, null))
    await world.start('r', 'flow')
    await world.suspended('r/asking#1')
    await world.cancel('r/asking#1', 'not this one')
    await world.until(() => world.outcome('r') !== undefined)
    expect(JSON.stringify(world.outcome('r'))).toContain('not this one')
  })

  it('does not make those go on that it has left behind since, while it ends', async () => {
    const world = retrying((ctx) => Promise.race([ctx.signal('go'), ctx.child(asking, null), ctx.child(asking, null)]))
    const both = ['r/asking#1', 'r/asking#2']
    await world.start('r', 'flow')
    for (const id of both) {
      await world.until(() => world.ids().includes(id))
      await world.suspended(id)
    }
    await cancelled(world, ...both)
    await world.retry('r')
    for (const id of both) {
      await world.until(() => world.outcome(id) === undefined)
      await world.suspended(id)
    }
    let release: (() => void) | undefined
    world.beforeCancel = (id) =>
      id === 'r/asking#2' ? new Promise((resolve) => (release = resolve)) : Promise.resolve()
    await world.suspended('r')
    await world.tell('r', 'go', 'gone')
    const told = (): number => world.entries('r').filter((entry) => JSON.stringify(entry).includes('asking#1#')).length
    await world.until(() => told() > 0 && release !== undefined)
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => void setImmediate(resolve))
    expect(JSON.stringify(world.entries('r'))).not.toContain('/retry#3')
    release?.()
    expect(await world.result('r')).toBe('gone')
    for (const id of both) {
      await world.until(() => world.outcome(id) !== undefined)
      expect(world.outcome(id)).toEqual({ cancelled: 'its parent r has ended', because: 'parent' })
    }
  })
})
