import type { Json } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../../test/world.ts'
import type { Context, StepOptions } from '../context.ts'
import { createWorkflow } from '../workflow.ts'
import type { Done } from './compensate.ts'
import type { UndoFacts } from './undo-item.ts'

type Flow = (ctx: Context, world: World) => Promise<unknown>

function worldOf(flow: Flow, ...children: readonly (readonly [name: string, flow: Flow])[]): World {
  const clock = fakeClock()
  const programs = [['flow', flow] as const, ...children].map(([name, fn]) =>
    createWorkflow(name, (ctx) => fn(ctx, world), { log: () => {} }),
  )
  const world: World = new World(nodeRuntime({ clock }), clock, programs)
  return world
}

async function ended(world: World, id = 'r'): Promise<unknown> {
  await world.until(() => world.outcome(id) !== undefined)
  return world.outcome(id)
}

const undone = (world: World): readonly string[] => world.keys('r').filter((key) => key.includes('/undo'))
const openItems = (world: World) => world.questions('r').filter(({ kind }) => kind === 'compensation')

/** Books, charges and fails to ship. */
const trip =
  (log: string[], options: StepOptions<string> = {}): Flow =>
  async (ctx) => {
    for (const name of ['book', 'charge', 'ticket']) {
      await ctx.step(name, () => `${name} done`, {
        compensate: (done) => void log.push(`undo ${done.name}: ${done.result}`),
        ...options,
      })
    }
    await ctx.step('ship', () => {
      throw new Error('no ship')
    })
  }

describe('a workflow that fails', () => {
  it('undoes what it did, newest first, as steps of their own, and stays failed with its own error', async () => {
    const log: string[] = []
    const world = worldOf(trip(log))
    await world.start('r', 'flow')
    expect(await ended(world)).toMatchObject({ error: { cause: { message: 'no ship' } }, step: 'ship' })
    expect(log).toEqual(['undo ticket: ticket done', 'undo charge: charge done', 'undo book: book done'])
    expect(undone(world)).toEqual(['ticket/undo', 'charge/undo', 'book/undo'])
  })

  it('tells each compensation of the call that it undoes, with a key of its own', async () => {
    const seen: { done: Done<string>; key: string }[] = []
    const made: string[] = []
    const world = worldOf(async (ctx) => {
      await ctx.step('charge', (at) => `receipt ${made.push(at.idempotencyKey)}`, {
        compensate: (done, at) => void seen.push({ done, key: at.idempotencyKey }),
      })
      throw new Error('enough')
    })
    await world.start('r', 'flow')
    await ended(world)
    expect(seen).toHaveLength(1)
    expect(seen[0]?.done).toEqual({
      runId: 'r',
      step: 'charge',
      name: 'charge',
      input: undefined,
      result: 'receipt 1',
      outcome: 'done',
      idempotencyKey: made[0],
      reason: 'enough',
    })
    expect(seen[0]?.key).not.toBe(made[0])
  })

  it('goes on behind what is recorded where its process dies while it undoes', async () => {
    const log: string[] = []
    const world: World = worldOf(async (ctx) => {
      for (const name of ['a', 'b', 'c']) {
        await ctx.step(name, () => name, {
          compensate: () => {
            log.push(`undo ${name}`)
            return name === 'b' && world.deaths === 0 ? new Promise(() => {}) : undefined
          },
        })
      }
      throw new Error('enough')
    })
    await world.start('r', 'flow')
    await world.until(() => log.length === 2)
    await world.kill()
    expect(await ended(world)).toMatchObject({ error: { message: 'enough' } })
    expect(log).toEqual(['undo c', 'undo b', 'undo b', 'undo a'])
  })

  it('undoes nothing that failed, and is left for a retry where nothing can be undone', async () => {
    let calls = 0
    const world = worldOf(async (ctx) => {
      await ctx.step('plain', () => 1)
      return await ctx.step('charge', () => ++calls > 1 || Promise.reject(new Error('declined')), {
        compensate: () => {
          throw new Error('never')
        },
      })
    })
    await world.start('r', 'flow')
    expect(await ended(world)).toMatchObject({ error: { cause: { message: 'declined' } } })
    expect(world.entries('r').some(({ type }) => type === 'undo')).toBe(false)
    await world.retry('r')
    expect(await world.result('r')).toBe(true)
  })

  it.each([
    ['a lost connection', Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })],
    ['a time-out', new DOMException('too late', 'TimeoutError')],
  ])('does not guess what became of a step that failed by %s', async (_, error) => {
    const world = worldOf(async (ctx) => {
      await ctx.step('charge', () => Promise.reject(error), { compensate: () => {} })
    })
    await world.start('r', 'flow')
    await ended(world)
    expect(openItems(world)[0]?.reason).toMatchObject({ step: 'charge', outcome: 'unknown' })
  })

  it('is not retried once it was undone', async () => {
    const world = worldOf(trip([]))
    await world.start('r', 'flow')
    await ended(world)
    await expect(world.retry('r')).rejects.toMatchObject({ code: 'RUN_UNDONE' })
  })

  it('makes a compensation again by its policy, and lets the others run where it gives up', async () => {
    const log: string[] = []
    const flow: Flow = async (ctx) => {
      await ctx.step('a', () => 1, { compensate: () => void log.push('a') })
      await ctx.step('b', () => 2, {
        compensate: {
          run: () => {
            log.push('b')
            throw new Error('bank is closed')
          },
          retry: { maxAttempts: 2, initial: 60_000, jitter: 'none' },
        },
      })
      throw new Error('enough')
    }
    const world = worldOf(flow)
    await world.start('r', 'flow')
    await world.suspended('r')
    expect(log).toEqual(['b'])
    await world.kill()
    await world.elapse(60_000)
    expect(await ended(world)).toMatchObject({ error: { message: 'enough' } })
    expect(log).toEqual(['b', 'b', 'a'])
    const [item] = openItems(world)
    expect(item).toMatchObject({ kind: 'compensation', name: 'b' })
    const facts = item?.reason as unknown as UndoFacts
    expect(facts).toMatchObject({ step: 'b', outcome: 'done', result: 2, reason: 'enough' })
    expect(facts.problem).toContain('bank is closed')
  })
})

describe('an open item', () => {
  /** Its compensation fails until the bank opens. */
  async function leftOpen(log: string[], bank: { open: boolean }): Promise<World> {
    const world = worldOf(async (ctx) => {
      await ctx.step('charge', () => 7, {
        compensate: {
          run: ({ result }) => {
            log.push(`undo ${result}`)
            if (!bank.open) throw new Error('closed')
          },
          retry: { maxAttempts: 1 },
        },
      })
      throw new Error('enough')
    })
    await world.start('r', 'flow')
    await ended(world)
    return world
  }
  const answer = async (world: World, payload: Json): Promise<unknown> => {
    const item = openItems(world).at(-1)
    const before = world.entries('r').length
    await world.answer('r', item?.id ?? '', payload, 'ann')
    await world.until(() => world.entries('r').length > before + 1 && world.outcome('r') !== undefined)
    return world.outcome('r')
  }

  it('outlives the run, and one that was done by hand is recorded', async () => {
    const log: string[] = []
    const world = await leftOpen(log, { open: false })
    expect(await answer(world, { approved: true })).toMatchObject({ error: { message: 'enough' } })
    expect(log).toEqual(['undo 7'])
    expect(world.keys('r', 'wait')).toEqual(['charge/undo/open#1'])
  })

  it('runs its compensation again, in another process, as often as somebody says so', async () => {
    const log: string[] = []
    const bank = { open: false }
    const world = await leftOpen(log, bank)
    await world.kill()
    expect(await answer(world, { approved: false, reason: 'retry' })).toMatchObject({ error: { message: 'enough' } })
    expect(openItems(world)).toHaveLength(2)
    bank.open = true
    await answer(world, { approved: false, reason: 'retry' })
    expect(log).toEqual(['undo 7', 'undo 7', 'undo 7'])
    expect(undone(world)).toEqual(['charge/undo', 'charge/undo/again#1', 'charge/undo/again#2'])
    expect(openItems(world)).toHaveLength(2)
  })

  it('is left alone with a reason, and takes one answer', async () => {
    const log: string[] = []
    const world = await leftOpen(log, { open: true })
    expect(openItems(world)).toEqual([])
    const other = await leftOpen(log, { open: false })
    await answer(other, { approved: false, reason: 'written off' })
    const [item] = openItems(other)
    expect(await other.answer('r', item?.id ?? '', { approved: true })).toMatchObject({ accepted: false })
    expect(log).toEqual(['undo 7', 'undo 7'])
  })
})

describe('a workflow that is cancelled', () => {
  it('undoes what it did behind the handlers of the cancel, and stays cancelled', async () => {
    const log: string[] = []
    const world = worldOf(async (ctx) => {
      await ctx.step('a', () => 1, { compensate: ({ reason }) => void log.push(`undo a: ${reason}`) })
      ctx.onCancel((shielded) => shielded.step('tell', () => void log.push('told')))
      await ctx.signal('never')
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    await world.cancel('r', 'no longer wanted')
    expect(await ended(world)).toEqual({ cancelled: 'no longer wanted', undone: true })
    expect(log).toEqual(['told', 'undo a: no longer wanted'])
  })

  it('takes longer than the grace of a cancel where its compensations are made again', async () => {
    let calls = 0
    const world = worldOf(async (ctx) => {
      await ctx.step('a', () => 1, {
        compensate: {
          run: () => {
            if (++calls < 3) throw new Error('closed')
          },
          retry: { maxAttempts: 3, initial: '1h', factor: 1, jitter: 'none' },
        },
      })
      await ctx.signal('never').catch(() => {})
      await new Promise(() => {})
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.cancel('r', 'enough')
    for (let hour = 1; hour < 3; hour++) {
      await world.suspended('r')
      expect(calls).toBe(hour)
      await world.kill()
      await world.elapse(3_600_000)
    }
    expect(await ended(world)).toEqual({ cancelled: 'enough', undone: true })
    expect(calls).toBe(3)
    expect(openItems(world)).toEqual([])
  })

  it('waits for what is in flight, and undoes it', async () => {
    const log: string[] = []
    let finish = (): void => {}
    const world = worldOf(async (ctx) => {
      await ctx.step(
        'charge',
        () =>
          new Promise<string>((resolve) => {
            log.push('charging')
            finish = () => resolve('charged')
          }),
        { compensate: ({ result }) => void log.push(`undo ${result}`) },
      )
    })
    await world.start('r', 'flow')
    await world.until(() => log.length === 1)
    await world.cancel('r', 'enough')
    await world.until(() => world.entries('r').some(({ type }) => type === 'undo'))
    finish()
    expect(await ended(world)).toEqual({ cancelled: 'enough', undone: true })
    expect(log).toEqual(['charging', 'undo charged'])
  })

  it('asks about what does not end within the grace: it is unknown', async () => {
    const world = worldOf(async (ctx) => {
      await ctx.step('charge', () => new Promise(() => {}), { compensate: () => {} })
    })
    await world.start('r', 'flow')
    await world.until(() => world.keys('r', 'state').length === 1)
    await world.cancel('r', 'enough')
    await world.until(() => world.entries('r').some(({ type }) => type === 'undo'))
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => void setImmediate(resolve))
    await world.elapse(30_000)
    expect(await ended(world)).toEqual({ cancelled: 'enough', undone: true })
    expect(openItems(world)[0]?.reason).toMatchObject({ step: 'charge', outcome: 'unknown' })
  })

  it('asks about what goes on behind its time-out, and whose target has not seen it: it may happen yet', async () => {
    const world = worldOf(async (ctx) => {
      await ctx.step<string>('charge', () => new Promise(() => {}), {
        effect: 'once',
        timeout: 100,
        onUnknown: 'fail',
        reconcile: () => ({ done: false }),
        compensate: () => {},
      })
    })
    await world.start('r', 'flow')
    await world.until(() => world.entries('r').some(({ type }) => type === 'intent'))
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => void setImmediate(resolve))
    await world.elapse(100)
    await world.until(() => world.entries('r').some(({ type }) => type === 'undo'))
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => void setImmediate(resolve))
    await world.elapse(30_000)
    expect(await ended(world)).toMatchObject({ undone: true })
    expect(openItems(world)[0]?.reason).toMatchObject({ step: 'charge', outcome: 'unknown' })
  })
})

describe('a step whose process died inside of it', () => {
  /** Another process finds the run cancelled, a minute ago. */
  async function cancelledAfterDeath(options: StepOptions<string>): Promise<{ world: World; log: string[] }> {
    const log: string[] = []
    const flow: Flow = async (ctx) => {
      await ctx.step<string>(
        'charge',
        () => {
          log.push('charge')
          return new Promise(() => {})
        },
        { compensate: ({ outcome, result }) => void log.push(`undo ${outcome} ${result}`), ...options },
      )
    }
    const first = worldOf(flow)
    await first.start('r', 'flow')
    await first.until(() => log.length === 1)
    const entries = first.entries('r')
    const seq = entries.length
    const at = entries.at(-1)?.at ?? 0
    const signal = { id: '$cancel', name: '$cancel', payload: 'enough' }
    const world = worldOf(flow)
    await world.elapse(60_000)
    world.restore('r', [...entries, { type: 'signal', signal, seq, at }])
    return { world, log }
  }

  it.each([
    ['ask', ['charge']],
    ['skip', ['charge']],
    ['compensate', ['charge', 'undo unknown undefined']],
  ] as const)('is unknown: %s', async (compensateUnknown, expected) => {
    const { world, log } = await cancelledAfterDeath({ compensateUnknown })
    expect(await ended(world)).toEqual({ cancelled: 'enough', undone: true })
    expect(log).toEqual(expected)
    expect(openItems(world)).toHaveLength(compensateUnknown === 'ask' ? 1 : 0)
  })

  it.each([
    ['done', { done: true, result: 'found' }, ['charge', 'undo done found'], 0],
    ['not done', { done: false }, ['charge'], 0],
    ['unknown', 'unknown', ['charge'], 1],
  ] as const)('is asked of the target system, if it can tell: %s', async (_, found, expected, items) => {
    const { world, log } = await cancelledAfterDeath({ effect: 'once', reconcile: () => found })
    expect(await ended(world)).toEqual({ cancelled: 'enough', undone: true })
    expect(log).toEqual(expected)
    expect(openItems(world)).toHaveLength(items)
  })
})

describe('children', () => {
  it('that completed are undone as they were declared, and one that is open undoes itself', async () => {
    const log: string[] = []
    const world = worldOf(
      async (ctx) => {
        await ctx.child({ name: 'leg' }, 'out', {
          key: 'out',
          compensate: ({ result, input }) => void log.push(`undo child ${input}: ${result}`),
        })
        const back = ctx.child({ name: 'stay' }, 'back', { key: 'back', compensate: () => void log.push('never') })
        await ctx.signal('fail')
        await Promise.race([back, ctx.step('fail', () => Promise.reject(new Error('no hotel')))])
      },
      ['leg', async () => 'booked'],
      [
        'stay',
        async (ctx) => {
          await ctx.step('room', () => 12, { compensate: ({ result }) => void log.push(`undo room ${result}`) })
          await ctx.signal('never')
        },
      ],
    )
    await world.start('r', 'flow')
    await world.until(() => world.ids().includes('r/back'))
    await world.suspended('r/back')
    await world.signal('r', { id: 'fail', name: 'fail', payload: null })
    expect(await ended(world)).toMatchObject({ error: { cause: { message: 'no hotel' } } })
    expect(world.outcome('r/back')).toMatchObject({ cancelled: expect.stringContaining('its parent r has ended') })
    expect(log).toEqual(['undo room 12', 'undo child out: booked'])
    expect(openItems(world)).toEqual([])
  })
})

describe('compensate', () => {
  it.each([
    [{ compensate: 7 }, 'no function'],
    [{ compensate: { run: () => {}, tries: 3 } }, 'tries'],
    [{ compensate: { run: () => {}, retry: { maxAttempts: 0 } } }, 'maxAttempts'],
    [{ compensateUnknown: 'skip' }, 'without compensate'],
    [{ compensate: () => {}, compensateUnknown: 'guess' }, 'guess'],
    [{ compensate: () => {}, effect: 'read' }, 'read'],
  ])('is refused where it makes no sense: %j', async (options, message) => {
    const world = worldOf((ctx) => ctx.step('a', () => 1, options as never))
    await world.start('r', 'flow')
    expect(await ended(world)).toMatchObject({
      error: { code: 'BAD_INPUT', message: expect.stringContaining(message) },
    })
  })
})
