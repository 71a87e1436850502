/** Whatever takes options refuses one that it does not know: no misspelling is ignored. */
import { type Program, SelvageError } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../test/world.ts'
import { readBudget } from './budgets/budget.ts'
import { Prices } from './budgets/prices.ts'
import type { Context } from './context.ts'
import { normalizeEffect } from './effects.ts'
import { CircuitBreaker } from './failures/circuit-breaker.ts'
import { retryBehaviour } from './failures/retry.ts'
import { createPipeline } from './pipelines/pipeline.ts'
import { createWorkflow } from './workflow.ts'

const child = createWorkflow('child', () => 1)

function thrownBy(make: () => unknown): unknown {
  try {
    return make()
  } catch (error) {
    return error
  }
}

const unknown = { efect: 'once' } as never

describe('outside of a run', () => {
  const run = (): void => {}
  const surfaces: { readonly [what: string]: (options: never) => unknown } = {
    'Workflow "w"': (options) => createWorkflow('w', run, options),
    'Pipeline "p"': (options) => createPipeline('p', [child], options),
    'The budget of workflow "w"': (budget) => createWorkflow('w', run, { budget }),
    'The budget of pipeline "p"': (budget) => createPipeline('p', [child], { budget }),
    'The budget of x': (options) => readBudget('x', options),
    'A circuit breaker': (options) => new CircuitBreaker(options),
    'An effect': (options) => normalizeEffect(options),
    'The price of model "m"': (price) => new Prices().set({ m: price }),
  }
  const also = {
    'Stage 1 of pipeline "p"': () => createPipeline('p', [{ program: child, efect: 1 } as never]),
    'A retry policy': () => retryBehaviour(unknown, () => 0),
    'A retry per class': () => retryBehaviour({ transient: {}, efect: 1 } as never, () => 0),
    compensate: () => normalizeEffect({ effect: 'once', compensate: { run, efect: 1 } as never }),
    'Approval "of an unknown outcome"': () => normalizeEffect({ effect: 'once', ask: unknown }),
  }

  it.each([...Object.entries(surfaces), ...Object.entries(also)])('%s knows no misspelling', (what, make) => {
    const error = thrownBy(() => make(unknown))
    expect(error).toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(`${what} has no option "efect"`),
    })
    expect((error as SelvageError).hint).toMatch(/^It knows \w+(, \w+)*\.$/)
  })

  it.each(Object.entries(surfaces))('%s takes no text, list or null for options', (what, make) => {
    for (const given of what === 'An effect' ? [['once'], null] : ['once', ['once'], null]) {
      expect(
        thrownBy(() => make(given as never)),
        String(given),
      ).toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringContaining(`${what} was given`),
      })
    }
  })

  it('what is undefined was not given, and all that is known is taken', () => {
    expect(() => createWorkflow('w', run, { efect: undefined } as never)).not.toThrow()
    const budget = { tokens: 1, onExceeded: 'stop' } as const
    const options = { version: '1', input: undefined, retry: { maxAttempts: 2 }, budget } as never
    expect(() => createWorkflow('w', run, options)).not.toThrow()
    expect(() => createPipeline('p', [child], options)).not.toThrow()
  })
})

describe('in a run', () => {
  const surfaces: { readonly [what: string]: (ctx: Context, options: never) => Promise<unknown> } = {
    'Step "pay" of run r': (ctx, options) => ctx.step('pay', () => 1, options),
    'Transaction "pay" of run r': (ctx, options) => ctx.transaction('pay', () => 1, options),
    'Message "mail" of run r': (ctx, options) => ctx.send('mail', 1, options),
    'Signal "go" of run r': (ctx, options) => ctx.signal('go', options),
    'Callback "back" of run r': async (ctx, options) => ctx.callback('back', options).result,
    'Approval "ok" of run r': (ctx, options) => ctx.approval('ok', options),
    'waitUntil "there" of run r': (ctx, options) => ctx.waitUntil('there', () => 1, options),
    'Child "child" of run r': (ctx, options) => ctx.child(child, undefined, options),
  }

  async function resultOf(body: (ctx: Context) => Promise<unknown>): Promise<unknown> {
    const clock = fakeClock()
    const programs: Program[] = [createWorkflow('flow', body), child]
    const world = new World(nodeRuntime({ clock }), clock, programs)
    await world.start('r', 'flow')
    await world.until(() => world.outcome('r') !== undefined)
    return world.outcome('r')
  }

  it.each(Object.entries(surfaces))('%s knows no misspelling, and the run fails with it', async (what, ask) => {
    const outcome = await resultOf((ctx) => ask(ctx, unknown))
    const message = expect.stringContaining(`${what} has no option "efect". It knows `)
    expect(outcome).toMatchObject({ error: { code: 'BAD_INPUT', message } })
  })

  it.each(Object.entries(surfaces))('%s takes no text, list or null for options', async (what, ask) => {
    for (const given of ['once', ['once'], null] as never[]) {
      const message = expect.stringContaining(`${what} was given`)
      expect(await resultOf((ctx) => ask(ctx, given))).toMatchObject({ error: { code: 'BAD_INPUT', message } })
    }
  })

  it('a step that is refused is not made, and leaves its name free', async () => {
    let made = 0
    const outcome = await resultOf(async (ctx) => {
      const refused = await ctx.step('pay', () => ++made, unknown).catch((error: unknown) => error)
      if (!SelvageError.is(refused, 'BAD_INPUT')) throw refused
      await ctx.step('pay', () => ++made)
      return made
    })
    expect(outcome).toMatchObject({ ok: 1 })
  })

  it('a step in the body of a step is a plain call, and knows no misspelling either', async () => {
    const outcome = await resultOf((ctx) => ctx.step('outer', () => ctx.step('inner', () => 1, unknown)))
    const message = expect.stringContaining('Step "inner" of run r has no option "efect"')
    expect(outcome).toMatchObject({ error: { code: 'STEP_FAILED', cause: { code: 'BAD_INPUT', message } } })
  })
})
