import type { StepContext } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../test/world.ts'
import type { Context } from './context.ts'
import { createWorkflow } from './workflow.ts'

function worldOf<Result>(fn: (ctx: Context) => Promise<Result> | Result, log: unknown[] = []): World {
  const clock = fakeClock()
  const print = (_runId: string, values: readonly unknown[]): void => void log.push(...values)
  return new World(nodeRuntime({ clock }), clock, [createWorkflow('flow', fn, { log: print })])
}

async function cancelled(world: World): Promise<unknown> {
  await world.cancel('r', 'enough')
  await world.until(() => world.outcome('r') !== undefined)
  return world.outcome('r')
}

describe('a cancel', () => {
  it('rejects what is waited for with an AbortError, starts no new step, and ends as cancelled', async () => {
    const seen: unknown[] = []
    let late = 0
    const world = worldOf(async (ctx) => {
      try {
        await ctx.signal('never')
      } catch (error) {
        seen.push((error as Error).name, ctx.abortSignal.aborted)
      }
      await ctx.step('late', () => ++late).catch((error: Error) => seen.push(error.name))
      return 'done all the same'
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    expect(await cancelled(world)).toEqual({ cancelled: 'enough' })
    expect(seen).toEqual(['AbortError', true, 'AbortError'])
    expect(late).toBe(0)
  })

  it('runs its handlers once, newest first, each with a gate that is open', async () => {
    const done: string[] = []
    const undo = (name: string) => (ctx: Context) => ctx.step(`undo ${name}`, () => void done.push(name))
    const world = worldOf(async (ctx) => {
      for (const name of ['book', 'charge', 'ship']) {
        await ctx.step(name, () => {})
        ctx.onCancel(undo(name))
      }
      await ctx.signal('never')
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    expect(await cancelled(world)).toEqual({ cancelled: 'enough' })
    expect(done).toEqual(['ship', 'charge', 'book'])
  })

  it('goes on with its handlers where the process died', async () => {
    const done: string[] = []
    const world: World = worldOf(async (ctx) => {
      ctx.onCancel(async (shielded) => {
        await shielded.step('first', () => void done.push('first'))
        await shielded.step('second', () => {
          done.push('second')
          return world.deaths === 0 ? new Promise(() => {}) : undefined
        })
      })
      await ctx.signal('never')
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.cancel('r', 'enough')
    await world.until(() => done.includes('second'))
    await world.kill()
    await world.until(() => world.outcome('r') !== undefined)
    expect(done).toEqual(['first', 'second', 'second'])
    expect(world.outcome('r')).toEqual({ cancelled: 'enough' })
  })

  it('does not let one handler keep the others from running', async () => {
    const log: unknown[] = []
    const done: string[] = []
    const world = worldOf(async (ctx) => {
      ctx.onCancel(() => void done.push('first'))
      ctx.onCancel(() => {
        throw new Error('handler broke')
      })
      ctx.onCancel(() => void done.push('never'))()
      await ctx.signal('never')
    }, log)
    await world.start('r', 'flow')
    await world.suspended('r')
    await cancelled(world)
    expect(done).toEqual(['first'])
    expect(log).toEqual(['an onCancel handler failed:', expect.objectContaining({ message: 'handler broke' })])
  })

  it('runs its handlers beside a function that does not heed it, and ends after the grace', async () => {
    const done: string[] = []
    const world = worldOf(async (ctx) => {
      ctx.onCancel((shielded) => shielded.step('undo', () => void done.push('undo')))
      await ctx.signal('never').catch(() => {})
      await new Promise(() => {})
    })
    await world.start('r', 'flow')
    await world.suspended('r')
    await world.cancel('r', 'enough')
    await world.suspended('r')
    expect(done).toEqual([])
    await world.elapse(1_000)
    await world.until(() => done.length === 1)
    expect(world.outcome('r')).toBeUndefined()
    await world.until(() => world.clock.nextTimerAt !== undefined)
    await world.elapse(30_000)
    await world.until(() => world.outcome('r') !== undefined)
    expect(world.outcome('r')).toEqual({ cancelled: 'enough' })
  })

  it('can be taken back by a retry: what it did and what failed because of it is void', async () => {
    const done: string[] = []
    const world = worldOf(async (ctx) => {
      await ctx.step('first', () => void done.push('first'))
      ctx.onCancel((shielded) => shielded.step('undo', () => void done.push('undo')))
      const aborted = (at: StepContext): Promise<string> =>
        new Promise((_, reject) => at.abortSignal.addEventListener('abort', () => reject(at.abortSignal.reason)))
      return ctx.step('slow', (at) => {
        done.push('slow')
        return done.includes('undo') ? 'done' : aborted(at)
      })
    })
    await world.start('r', 'flow')
    await world.until(() => done.includes('slow'))
    expect(await cancelled(world)).toEqual({ cancelled: 'enough' })
    await world.retry('r')
    expect(await world.result('r')).toBe('done')
    expect(done).toEqual(['first', 'slow', 'undo', 'slow'])
  })

  it('that never comes runs no handler', async () => {
    const done: string[] = []
    const world = worldOf(async (ctx) => {
      ctx.onCancel(() => void done.push('undo'))
      return ctx.step('a', () => 1)
    })
    await world.start('r', 'flow')
    expect(await world.result('r')).toBe(1)
    expect(done).toEqual([])
  })
})
