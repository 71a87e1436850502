import { RetryableError, SelvageError, StepError, TerminalError } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../test/world.ts'
import type { Context } from './context.ts'
import { createWorkflow, type WorkflowOptions } from './workflow.ts'

const HOUR = 3_600_000

function worldOf<Input, Result>(
  fn: (ctx: Context, input: Input) => Promise<Result> | Result,
  options: WorkflowOptions<Input> = {},
): World {
  const clock = fakeClock()
  return new World(nodeRuntime({ clock }), clock, [createWorkflow('flow', fn, options)])
}

async function ended(world: World, id = 'r'): Promise<unknown> {
  await world.start(id, 'flow')
  return world.result(id)
}

/** Nobody can look at it: neither what it is nor what it says. */
function unreadable(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

it.each(['a step', 'the function'])('what %s throws and nobody can read fails the run', async (where) => {
  const world = worldOf(async (ctx) => {
    await ctx.step('a', () => {
      if (where === 'a step') throw unreadable()
    })
    throw unreadable()
  })
  await expect(ended(world)).rejects.toThrow('A value was thrown that cannot be read.')
})

describe('step', () => {
  it('is run once over any number of processes', async () => {
    const calls: string[] = []
    const world = worldOf(async (ctx) => {
      const one = await ctx.step('one', () => calls.push('one'))
      await ctx.sleep('1h')
      const two = await ctx.step('two', () => calls.push('two'))
      await ctx.sleep('1h')
      return [one, two]
    })
    await world.start('r', 'flow')
    for (let hour = 0; hour < 2; hour++) {
      await world.suspended('r')
      await world.kill()
      await world.suspended('r')
      await world.elapse(HOUR)
    }
    expect(await world.result('r')).toEqual([1, 2])
    expect(calls).toEqual(['one', 'two'])
  })

  it('is called by its name, then name#2, name#3', async () => {
    const world = worldOf(async (ctx) => {
      for (let n = 0; n < 3; n++) await ctx.step('fetch', () => n)
    })
    await ended(world)
    expect(world.keys('r')).toEqual(['fetch', 'fetch#2', 'fetch#3'])
  })

  it('refuses a name that is open, and takes a key instead', async () => {
    const world = worldOf(async (ctx) => {
      const same = await Promise.allSettled([ctx.step('a', () => 1), ctx.step('a', () => 2)])
      const keyed = await Promise.all(['x', 'y'].map((key) => ctx.step('b', () => key, { key })))
      const again = await Promise.allSettled([ctx.step('b', () => 'z', { key: 'x' })])
      return [same, again]
        .flat()
        .map((one) => (one.status === 'rejected' ? one.reason.code : one.value))
        .concat(keyed)
    })
    expect(await ended(world)).toEqual([1, 'KEY_IN_USE', 'KEY_IN_USE', 'x', 'y'])
  })

  it('inside a step is a plain call that takes no name', async () => {
    const world = worldOf(async (ctx) => {
      await ctx.step('outer', () => ctx.step('inner', () => ctx.step('inner', () => 1)))
      await ctx.step('inner', () => 2)
    })
    await ended(world)
    expect(world.keys('r')).toEqual(['outer', 'inner'])
  })

  it('gives its author the copy that is recorded', async () => {
    const date = new Date(0)
    const world = worldOf(async (ctx) => {
      const live = await ctx.step('a', () => ({ date, list: new Set([1n]) }))
      return [live.date === date, live.date.getTime(), [...live.list]]
    })
    expect(await ended(world)).toEqual([false, 0, [1n]])
  })

  it('that gives up rejects with a StepError around the author’s error, live and replayed', async () => {
    const seen: unknown[] = []
    const world = worldOf(async (ctx) => {
      try {
        await ctx.step('a', () => {
          throw new TypeError('no')
        })
      } catch (error) {
        seen.push([StepError.is(error, 'STEP_FAILED'), (error as StepError).details, String((error as Error).cause)])
      }
      await ctx.sleep('1h')
      return true
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    expect(seen).toHaveLength(2)
    expect(seen[0]).toEqual([true, { runId: 'r', step: 'a', attempt: 1 }, 'TypeError: no'])
    expect(seen[1]).toEqual(seen[0])
  })

  it('that takes too long fails with STEP_TIMEOUT, and its abortSignal fires', async () => {
    let aborted = false
    const world = worldOf(async (ctx) => {
      try {
        await ctx.step(
          'a',
          (at) => new Promise(() => at.abortSignal.addEventListener('abort', () => (aborted = true))),
          {
            timeout: '1m',
          },
        )
      } catch (error) {
        return SelvageError.is((error as Error).cause, 'STEP_TIMEOUT')
      }
      return 'no error'
    })
    await world.start('r', 'flow')
    await world.until(() => world.clock.nextTimerAt !== undefined)
    await world.elapse(60_000)
    expect(await world.result('r')).toBe(true)
    expect(aborted).toBe(true)
  })

  it('does not end the process when nobody looks at its rejection', async () => {
    const world = worldOf(async (ctx) => {
      void ctx.step('a', () => Promise.reject(new Error('unseen')))
      await ctx.sleep('1h')
      return 'went on'
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.elapse(HOUR)
    expect(await world.result('r')).toBe('went on')
  })
})

describe('retry', () => {
  it('makes failed attempts again, over a death in between, and counts on', async () => {
    const attempts: number[] = []
    const world = worldOf(async (ctx) =>
      ctx.step(
        'a',
        (at) => {
          attempts.push(at.attempt)
          if (at.attempt < 4) throw new Error('busy')
          return at.attempt
        },
        { retry: { maxAttempts: 4, initial: '1h', jitter: 'none' } },
      ),
    )
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    expect(attempts).toEqual([1])
    for (const hours of [1, 2, 4]) {
      await world.suspended('r')
      await world.elapse(hours * HOUR)
    }
    expect(await world.result('r')).toBe(4)
    expect(attempts).toEqual([1, 2, 3, 4])
  })

  it('is not made without a policy, but for a RetryableError', async () => {
    let plain = 0
    let asked = 0
    const world = worldOf(async (ctx) => {
      const one = ctx.step('plain', () => {
        plain++
        throw new Error('no')
      })
      const two = ctx.step('asked', () => {
        if (++asked < 2) throw new RetryableError('soon', { after: HOUR })
        return 'yes'
      })
      const results = await Promise.allSettled([one, two])
      return results.map((result) => result.status)
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.elapse(HOUR)
    expect(await world.result('r')).toEqual(['rejected', 'fulfilled'])
    expect([plain, asked]).toEqual([1, 2])
  })

  it('follows the workflow’s policy, but not for an effect once', async () => {
    const calls = { plain: 0, once: 0, terminal: 0 }
    const world = worldOf(
      async (ctx) => {
        const fail = (name: keyof typeof calls, error: Error) => () => {
          calls[name]++
          throw error
        }
        await Promise.allSettled([
          ctx.step('plain', fail('plain', new Error('no'))),
          ctx.step('once', fail('once', new Error('no')), { effect: 'once' }),
          ctx.step('terminal', fail('terminal', new TerminalError('no'))),
        ])
      },
      { retry: { maxAttempts: 3, initial: 0 } },
    )
    await ended(world)
    expect(calls).toEqual({ plain: 3, once: 1, terminal: 1 })
  })
})

describe('values', () => {
  it('now, random and uuid are the same on replay, whatever steps draw', async () => {
    const seen: unknown[][] = []
    const world = worldOf(async (ctx) => {
      const draws = [ctx.now(), ctx.random(), ctx.uuid()]
      await ctx.step('draw', () => [ctx.random(), ctx.uuid()])
      draws.push(ctx.random(), ctx.uuid(), ctx.now())
      seen.push(draws)
      await ctx.sleep('1h')
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    expect(seen).toHaveLength(2)
    expect(seen[1]).toEqual(seen[0])
    expect(new Set(seen[0]).size).toBe(5)
    expect(seen[0]?.[2]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('a run id that is used again gets other ones', async () => {
    const draw = async (): Promise<unknown> => ended(worldOf((ctx) => [ctx.random(), ctx.uuid()]))
    expect(await draw()).not.toEqual(await draw())
  })

  it('log does not print a replayed line twice', async () => {
    const lines: unknown[] = []
    const world = worldOf(
      async (ctx) => {
        for (let n = 0; n < 3; n++) {
          await ctx.step('work', () => n)
          ctx.log('done', n)
          await ctx.sleep('1h')
        }
      },
      { log: (runId, values) => lines.push([runId, ...values]) },
    )
    await world.start('r', 'flow')
    for (let hour = 0; hour < 3; hour++) {
      await world.suspended('r')
      await world.kill()
      await world.suspended('r')
      await world.elapse(HOUR)
    }
    await world.result('r')
    expect(lines).toEqual([0, 1, 2].map((n) => ['r', 'done', n]))
  })

  it('status is shown beside the run', async () => {
    const world = worldOf(async (ctx) => {
      ctx.status({ phase: 'asking' })
      await ctx.signal('go')
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    expect(world.status('r')).toEqual({ phase: 'asking' })
  })

  it('a first sleep counts from the begin of the run, not from its creation', async () => {
    const world = worldOf(async (ctx) => {
      await ctx.sleep('10m')
      return ctx.now()
    })
    const created = world.clock.now()
    await world.start('r', 'flow', null, { startAt: created + HOUR })
    await world.elapse(HOUR)
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    await world.elapse(600_000)
    expect(await world.result('r')).toBe(created + HOUR + 600_000)
  })
})

describe('order', () => {
  it('of completion is that of the first pass: race and shared state come out as they went in', async () => {
    const seen: unknown[] = []
    let releaseSlow = (): void => {}
    const world = worldOf(async (ctx) => {
      const order: string[] = []
      const slow = ctx.step('slow', () => new Promise<string>((resolve) => (releaseSlow = () => resolve('slow'))))
      const fast = ctx.step('fast', () => 'fast')
      const both = Promise.all([slow.then((name) => order.push(name)), fast.then((name) => order.push(name))])
      const winner = await Promise.race([slow, fast])
      releaseSlow()
      await both
      seen.push([winner, ...order])
      await ctx.sleep('1h')
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    expect(seen).toEqual([
      ['fast', 'fast', 'slow'],
      ['fast', 'fast', 'slow'],
    ])
  })

  it('a step that is renamed under a run stops it with both names', async () => {
    const renamed = (name: string) =>
      createWorkflow('flow', async (ctx) => {
        await ctx.step(name, () => 1)
        await ctx.sleep('1h')
      })
    const clock = fakeClock()
    const world = new World(nodeRuntime({ clock }), clock, [renamed('old')])
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.kill([renamed('new')])
    await world.until(() => world.outcome('r') !== undefined)
    expect(JSON.stringify(world.outcome('r'))).toMatch(/NON_DETERMINISM.*old.*new|old.*new.*NON_DETERMINISM/s)
  })
})

it('what an engine lacks says so', async () => {
  const world = worldOf(async (ctx) => {
    const refused = await Promise.allSettled([
      ctx.transaction('rows', () => 1),
      ctx.step('send', (at) => at.send('mail')),
    ])
    return refused.map((one) => one.status === 'rejected' && String(one.reason))
  })
  const [rows, mail] = (await ended(world)) as string[]
  expect(rows).toMatch(/^UsageError: Engine '.*' has no transactions with the journal. Use ctx.step/)
  expect(mail).toMatch(/STEP_FAILED|has no outbox/)
})

it('waits and guards inside the body of a step are refused', async () => {
  const world = worldOf((ctx) =>
    ctx.step('body', async () => {
      const tries = [
        () => ctx.sleep(1),
        () => ctx.signal('s'),
        async () => ctx.callback('c'),
        () => ctx.approval('a'),
        () => ctx.waitUntil('w', () => true),
        () => ctx.child({ name: 'flow' }, null),
        async () => ctx.changed('x'),
      ]
      const results = await Promise.allSettled(tries.map((attempt) => attempt()))
      return results.map((result) => (result.status === 'rejected' ? result.reason.code : 'allowed'))
    }),
  )
  expect(await ended(world)).toEqual(Array(7).fill('ALREADY_OPEN'))
})
