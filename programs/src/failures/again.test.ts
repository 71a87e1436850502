/** What a retry of a run makes again, and what a run may take. */
import { SelvageError } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../../test/world.ts'
import type { Context } from '../context.ts'
import { createWorkflow, type WorkflowOptions } from '../workflow.ts'

const HOUR = 3_600_000

function worldOf<Result>(fn: (ctx: Context) => Promise<Result> | Result, options: WorkflowOptions = {}): World {
  const clock = fakeClock()
  return new World(nodeRuntime({ clock }), clock, [createWorkflow('flow', fn, options)])
}

describe('a retry of a run that failed', () => {
  it('behind an error that was caught, cleaned up after, and thrown again: all of that is made again', async () => {
    const done: string[] = []
    let isMended = false
    const world = worldOf(async (ctx) => {
      try {
        return await ctx.step('charge', (at) => {
          done.push(`charge ${at.idempotencyKey.length}`)
          if (!isMended) throw new Error('declined')
          return 'charged'
        })
      } catch (error) {
        await ctx.step('release', (at) => void done.push(`release ${at.idempotencyKey}`))
        await ctx.step('tell', () => void done.push('tell'))
        throw error
      }
    })
    await world.start('r', 'flow')
    await expect(world.result('r')).rejects.toThrow('declined')
    // It fails once more: what it does about that is done once more, and is another thing for the outside.
    await world.kill()
    await world.retry('r')
    await expect(world.result('r')).rejects.toThrow('declined')
    const releases = done.filter((what) => what.startsWith('release'))
    expect(new Set(releases).size).toBe(2)
    expect(done.filter((what) => what === 'tell')).toHaveLength(2)
    isMended = true
    await world.retry('r')
    expect(await world.result('r')).toBe('charged')
    expect(done.filter((what) => what === 'tell')).toHaveLength(2)
  })

  it('leaves what another branch has done, and what was made of a failure that was handled', async () => {
    const done: string[] = []
    let isMended = false
    const world = worldOf(async (ctx) => {
      const note = (name: string) => ctx.step(name, () => void done.push(name))
      const failing = ctx.step('failing', () => {
        if (!isMended) throw new Error('not yet')
      })
      const other = async (): Promise<void> => {
        await note('first')
        await ctx.step('handled', () => Promise.reject(new Error('no'))).catch(() => note('instead'))
        await note('last')
      }
      const [result] = await Promise.allSettled([failing, other()])
      if (result.status === 'rejected') throw result.reason
    })
    await world.start('r', 'flow')
    await expect(world.result('r')).rejects.toThrow('not yet')
    isMended = true
    await world.kill()
    await world.retry('r')
    await world.result('r')
    expect(done).toEqual(['first', 'instead', 'last'])
  })

  it('asks again for as long as before: signals, polls, and approvals that ran out side by side', async () => {
    const waits: ((ctx: Context) => Promise<unknown>)[] = [
      (ctx) => ctx.signal('go', { timeout: '1h' }),
      (ctx) => ctx.waitUntil('ready', () => undefined, { interval: '20m', timeout: '1h' }),
      (ctx) => Promise.all([ctx.approval('a', { timeout: '1h' }), ctx.approval('b', { timeout: '1h' })]),
    ]
    for (const wait of waits) {
      const world = worldOf(wait)
      await world.start('r', 'flow')
      for (let time = 0; time < 3; time++) {
        for (let minutes = 0; minutes < 60; minutes += 20) {
          await world.suspended('r')
          expect(world.outcome('r')).toBeUndefined()
          await world.elapse(HOUR / 3)
        }
        await expect(world.result('r')).rejects.toThrow(/(?:WAIT|APPROVAL)_TIMEOUT/)
        await world.elapse(5 * HOUR)
        await world.kill()
        await world.retry('r')
      }
    }
  })

  it('gives a step in its backoff all its attempts anew', async () => {
    let calls = 0
    const flaky = (ctx: Context): Promise<void> =>
      ctx.step(
        'flaky',
        () => {
          calls++
          throw new Error('no')
        },
        { retry: { maxAttempts: 2, initial: '1h', max: '1h', jitter: 'none' } },
      )
    let isMended = false
    const world = worldOf(async (ctx) => {
      const other = async (): Promise<void> => {
        await ctx.sleep('30m')
        await ctx.step('bad', () => {
          if (!isMended) throw new Error('bad')
        })
      }
      await Promise.all([flaky(ctx), other()])
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.elapse(HOUR / 2)
    await expect(world.result('r')).rejects.toThrow('bad')
    expect(calls).toBe(1)
    isMended = true
    await world.kill()
    await world.retry('r')
    await world.suspended('r')
    expect(calls).toBe(2)
    await world.elapse(HOUR)
    await expect(world.result('r')).rejects.toThrow('no')
    expect(calls).toBe(3)
  })
})

describe('the time-out of a run', () => {
  it('cancels it, whatever it waits for, however often its process dies; a retry gives it its time anew', async () => {
    const undone: string[] = []
    const world = worldOf(
      async (ctx) => {
        ctx.onCancel(() => void undone.push('undone'))
        await ctx.step('begin', () => 1)
        await ctx.signal('never')
      },
      { timeout: '2h' },
    )
    await world.start('r', 'flow')
    for (let time = 1; time <= 2; time++) {
      await world.suspended('r')
      await world.elapse(HOUR)
      await world.kill()
      await world.suspended('r')
      expect(world.outcome('r')).toBeUndefined()
      await world.elapse(HOUR)
      await world.settled('r')
      expect(world.outcome('r')).toMatchObject({ because: 'timeout', cancelled: expect.stringContaining('7200000 ms') })
      expect(undone).toHaveLength(time)
      await world.retry('r')
    }
  })

  it('a deadline that has ended a run once does not end it again', async () => {
    const world = worldOf((ctx) => ctx.signal('go'))
    await world.start('r', 'flow', null, { deadline: world.clock.now() + HOUR })
    await world.suspended('r')
    await world.elapse(HOUR)
    await world.settled('r')
    expect(world.outcome('r')).toMatchObject({ because: 'deadline' })
    await world.retry('r')
    await world.suspended('r')
    await world.elapse(9 * HOUR)
    await world.tell('r', 'go', 'late')
    expect(await world.result('r')).toBe('late')
  })
})

describe('a step that is silent', () => {
  it('for longer than its heartbeat time-out is aborted, and made again by its policy', async () => {
    const begun: (() => void)[] = []
    const aborted: unknown[] = []
    const world = worldOf((ctx) =>
      ctx.step(
        'long',
        (at) => {
          if (at.attempt === 2) return 'done'
          return new Promise<string>(() => {
            at.abortSignal.addEventListener('abort', () => aborted.push(at.abortSignal.reason))
            begun.push(() => at.heartbeat())
          })
        },
        { heartbeatTimeout: '1m', retry: { transient: { jitter: 'none' } } },
      ),
    )
    await world.start('r', 'flow')
    await world.until(() => begun.length === 1)
    for (let beats = 0; beats < 5; beats++) {
      await world.clock.advance(50_000)
      begun[0]?.()
    }
    expect(aborted).toEqual([])
    await world.clock.advance(60_000)
    expect(SelvageError.is(aborted[0], 'STEP_TIMEOUT')).toBe(true)
    await world.elapse(1_000)
    expect(await world.result('r')).toBe('done')
  })
})
