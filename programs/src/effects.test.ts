import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../test/world.ts'
import type { StepOptions } from './context.ts'
import { normalizeEffect, type UnknownFacts } from './effects.ts'
import { createWorkflow } from './workflow.ts'

interface Charged {
  readonly world: World
  /** The idempotency key of every time that the effect happened. */
  readonly charges: string[]
}

/** A run that dies inside an effect `once`: the charge was made, and nobody recorded it. */
async function diedInside(options: StepOptions<string>): Promise<Charged> {
  const clock = fakeClock()
  const charges: string[] = []
  const flow = createWorkflow('flow', async (ctx) => {
    try {
      return await ctx.step<string>(
        'charge',
        (at) => {
          charges.push(at.idempotencyKey)
          return world.deaths === 0 ? new Promise(() => {}) : 'charged'
        },
        { effect: 'once', ...options },
      )
    } catch (error) {
      return { code: (error as { code?: string }).code, message: (error as Error).message }
    }
  })
  const world: World = new World(nodeRuntime({ clock }), clock, [flow])
  await world.start('r', 'flow')
  await world.until(() => charges.length === 1)
  await world.kill()
  return { world, charges }
}

const openId = (world: World): string => world.questions('r').at(-1)?.id ?? ''

describe('an unknown outcome', () => {
  it('is asked about with all that is known, and not made again meanwhile', async () => {
    const { world, charges } = await diedInside({})
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    const [question, ...others] = world.questions('r')
    expect(others).toEqual([])
    expect(question).toMatchObject({ kind: 'unknown', name: 'charge' })
    const intent = world.entries('r').find((entry) => entry.type === 'intent')
    const facts = question?.reason as unknown as UnknownFacts
    expect(facts).toMatchObject({ step: 'charge', idempotencyKey: charges[0], intendedAt: intent?.at, attempt: 1 })
    expect(charges).toHaveLength(1)
  })

  it('that happened takes the value of the answer as its result', async () => {
    const { world, charges } = await diedInside({})
    await world.suspended('r')
    await world.answer('r', openId(world), { approved: true, value: 'receipt 7' })
    expect(await world.result('r')).toBe('receipt 7')
    expect(charges).toHaveLength(1)
  })

  it('that did not happen is made now, under a key of its own', async () => {
    const { world, charges } = await diedInside({})
    await world.suspended('r')
    await world.answer('r', openId(world), { approved: false, reason: 'retry' })
    expect(await world.result('r')).toBe('charged')
    expect(world.keys('r')).toEqual(['charge', 'charge/again#1'])
    expect(new Set(charges).size).toBe(2)
  })

  it('that did not happen may be given up', async () => {
    const { world, charges } = await diedInside({})
    await world.suspended('r')
    await world.answer('r', openId(world), { approved: false, reason: 'customer left' }, 'ann')
    expect(await world.result('r')).toEqual({
      code: 'STEP_FAILED',
      message: expect.stringMatching(/customer left.*ann/s),
    })
    expect(charges).toHaveLength(1)
  })

  it.each(['fail', 'tell-model'] as const)('is the caller’s under %s', async (onUnknown) => {
    const { world, charges } = await diedInside({ onUnknown })
    expect(await world.result('r')).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    expect(world.questions('r')).toEqual([])
    expect(charges).toHaveLength(1)
  })

  it('is not unknown where reconcile can tell', async () => {
    const found: string[] = []
    const { world, charges } = await diedInside({
      reconcile: ({ idempotencyKey }) => {
        found.push(idempotencyKey)
        return { done: true, result: 'found' }
      },
    })
    expect(await world.result('r')).toBe('found')
    expect(found).toEqual(charges)
  })
})

describe('normalizeEffect', () => {
  it('takes what is undeclared for idempotent', () => {
    expect(normalizeEffect(undefined)).toMatchObject({ effect: 'idempotent', declared: false })
    expect(normalizeEffect('read')).toMatchObject({ effect: 'read', declared: true })
    expect(normalizeEffect({ effect: 'once' })).toMatchObject({ effect: 'once', onUnknown: 'ask' })
  })

  it.each([
    [{ effect: 'once', compensate: 'undo' }, 'BAD_INPUT'],
    [{ effect: 'twice' }, 'BAD_INPUT'],
    [{ effect: 'once', onUnknown: 'guess' }, 'BAD_INPUT'],
    [{ effect: 'read', reconcile: () => 'unknown' }, 'BAD_INPUT'],
    [{ effect: 'idempotent', onUnknown: 'ask' }, 'BAD_INPUT'],
  ])('refuses %j', (declaration, code) => {
    expect(() => normalizeEffect(declaration as never)).toThrow(expect.objectContaining({ code }))
  })
})

describe('an effect `once`', () => {
  /** Charged, and the connection lost before an answer came; a policy would make it again at once. */
  async function connectionLost(reconcile?: StepOptions<string>['reconcile']): Promise<Charged> {
    const clock = fakeClock()
    const charges: string[] = []
    const flow = createWorkflow('flow', (ctx) =>
      ctx.step<string>(
        'charge',
        (at) => {
          charges.push(at.idempotencyKey)
          if (charges.length > 1) return `charged ${charges.length} times`
          throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
        },
        { effect: 'once', retry: { initial: 0 }, ...(reconcile !== undefined && { reconcile }) },
      ),
    )
    const world = new World(nodeRuntime({ clock }), clock, [flow])
    await world.start('r', 'flow')
    return { world, charges }
  }

  it('whose connection was lost is not made again before the target system was asked', async () => {
    const { world, charges } = await connectionLost(() => ({ done: true, result: 'receipt 7' }))
    expect(await world.result('r')).toBe('receipt 7')
    expect(charges).toHaveLength(1)
  })

  it('whose connection was lost is made again under its policy if it has not happened', async () => {
    const { world, charges } = await connectionLost(() => ({ done: false }))
    expect(await world.result('r')).toBe('charged 2 times')
    expect(charges).toHaveLength(2)
  })

  it('whose connection was lost is unknown where nobody can be asked', async () => {
    const { world, charges } = await connectionLost()
    await world.suspended('r')
    expect(world.questions('r')).toMatchObject([{ kind: 'unknown', name: 'charge' }])
    expect(charges).toHaveLength(1)
  })

  it('that took too long and goes on is not made beside itself', async () => {
    const clock = fakeClock()
    const charges: string[] = []
    const given = Promise.withResolvers<void>()
    const flow = createWorkflow('flow', (ctx) =>
      ctx.step<string>(
        'charge',
        async (at) => {
          // It does not heed its abortSignal.
          if (at.attempt === 1) await given.promise
          charges.push(at.idempotencyKey)
          return 'charged'
        },
        { effect: 'once', timeout: 20, reconcile: () => ({ done: false }) },
      ),
    )
    const world = new World(nodeRuntime({ clock }), clock, [flow])
    await world.start('r', 'flow')
    await world.suspended('r')
    given.resolve()
    expect(world.questions('r')).toMatchObject([{ kind: 'unknown', name: 'charge' }])
    await world.answer('r', openId(world), { approved: true, value: 'charged' })
    expect(await world.result('r')).toBe('charged')
    expect(charges).toHaveLength(1)
  })

  it('that took too long and heeded its abort is made again if it has not happened', async () => {
    const clock = fakeClock()
    const attempts: number[] = []
    const flow = createWorkflow('flow', (ctx) =>
      ctx.step<string>(
        'charge',
        (at) => {
          attempts.push(at.attempt)
          if (at.attempt > 1) return 'charged'
          return new Promise((_, reject) => {
            at.abortSignal.addEventListener('abort', () => reject(at.abortSignal.reason))
          })
        },
        { effect: 'once', timeout: 20, reconcile: () => ({ done: false }) },
      ),
    )
    const world = new World(nodeRuntime({ clock }), clock, [flow])
    await world.start('r', 'flow')
    expect(await world.result('r')).toBe('charged')
    expect(attempts).toEqual([1, 2])
  })
})
