import { type Program, SelvageError, TerminalError } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import { fakeClock } from '@selvage/testing'
import { describe, expect, it } from 'vitest'
import { World } from '../../test/world.ts'
import type { ChildProgram } from '../child.ts'
import { createWorkflow } from '../workflow.ts'
import { createPipeline } from './pipeline.ts'
import type { PipelineOptions, PipelineStage } from './pipeline-stages.ts'

const HOUR = 3_600_000

/** Programs that write down what they were given. */
function programs() {
  const given: [name: string, input: unknown][] = []
  /** Programs by name that fail, and with what. */
  const broken = new Map<string, () => Error>()
  const make = (name: string): Program & ChildProgram<string, string> =>
    createWorkflow(name, async (ctx, input: string) => {
      const value = await ctx.step('before', () => {
        given.push([name, input])
        return `${name}(${input})`
      })
      await ctx.step('work', () => {
        const error = broken.get(name)
        if (error !== undefined) throw error()
      })
      return value
    })
  return { given, broken, a: make('a'), b: make('b'), c: make('c') }
}

/** Sleeps for an hour. */
const slow = createWorkflow('slow', async (ctx, input: string) => {
  await ctx.sleep('1h')
  return `slow(${input})`
})

function worldOf(stages: readonly PipelineStage[], options: PipelineOptions, ...others: Program[]): World {
  const clock = fakeClock()
  return new World(nodeRuntime({ clock }), clock, [createPipeline('brief', stages, options), slow, ...others])
}

async function failure(world: World, id = 'r'): Promise<string> {
  await world.until(() => world.outcome(id) !== undefined)
  expect(world.outcome(id)).toHaveProperty('error')
  return JSON.stringify(world.outcome(id))
}

describe('a pipeline', () => {
  it('gives each stage what the one before has made, each a run of its own, and results in the last', async () => {
    const { given, a, b, c } = programs()
    const world = worldOf([a, b, c], {}, a, b, c)
    await world.start('r', 'brief', 'x')
    expect(await world.result('r')).toBe('c(b(a(x)))')
    expect(world.ids()).toEqual(['r', 'r/a', 'r/b', 'r/c'])
    expect(given.map(([name]) => name)).toEqual(['a', 'b', 'c'])
    expect(world.status('r')).toEqual({ stage: 'c', number: 3, of: 3 })
  })

  it('goes on with the stage that it was in, over any death', async () => {
    const { given, a, c } = programs()
    const world = worldOf([a, { program: slow, timeout: '2h' }, c], {}, a, c)
    await world.start('r', 'brief', 'x')
    await world.suspended('r/slow')
    await world.kill()
    await world.suspended('r/slow')
    await world.elapse(HOUR)
    expect(await world.result('r')).toBe('c(slow(a(x)))')
    expect(given.length).toBe(2)
  })

  it('makes the input of a stage with its function, of all that was made so far', async () => {
    const { a, b, c } = programs()
    const input: PipelineStage = {
      program: c,
      name: 'end',
      input: (previous, { input, results }) => JSON.stringify([previous, input, results]),
    }
    const world = worldOf([a, b, input], {}, a, b, c)
    await world.start('r', 'brief', 'x')
    const made = JSON.stringify(['b(a(x))', 'x', { a: 'a(x)', b: 'b(a(x))' }])
    expect(await world.result('r')).toBe(`c(${made})`)
    expect(world.ids()).toContain('r/end')
  })

  it.each([
    ['the text', {}, 'b(plan)'],
    ['the structured output', { structuredOutput: { parts: 2 } }, 'b([object Object])'],
  ])('passes on %s of what an agent has made', async (_what, more, expected) => {
    const { b } = programs()
    const message = { role: 'assistant', content: [{ text: 'plan' }] }
    const agent = createWorkflow('agent', () => ({ text: 'plan', message, stopReason: 'endTurn', usage: {}, ...more }))
    const world = worldOf([agent, b], {}, agent, b)
    await world.start('r', 'brief', 'x')
    expect(await world.result('r')).toBe(expected)
  })

  it('numbers stages of one program, around the names that were given', async () => {
    const { a } = programs()
    const world = worldOf([a, a, { program: a, name: 'a#2' }, { program: a }], {}, a)
    await world.start('r', 'brief', 'x')
    await world.result('r')
    expect(world.ids()).toEqual(['r', 'r/a', 'r/a#3', 'r/a#2', 'r/a#4'])
  })

  it('that is cancelled cancels its stage', async () => {
    const { a, c } = programs()
    const world = worldOf([a, slow, c], {}, a, c)
    await world.start('r', 'brief', 'x')
    await world.suspended('r/slow')
    await world.cancel('r', 'enough')
    await world.until(() => world.outcome('r') !== undefined && world.outcome('r/slow') !== undefined)
    expect(world.outcome('r')).toEqual({ cancelled: 'enough' })
    expect(world.outcome('r/slow')).toEqual({ cancelled: 'its parent r has ended', because: 'parent' })
    expect(world.ids()).not.toContain('r/c')
  })
})

describe('a stage that fails', () => {
  it('fails the pipeline; a retry of both begins there, and what was done is not done again', async () => {
    const { given, broken, a, b, c } = programs()
    broken.set('b', () => new RangeError('too far'))
    const world = worldOf([a, b, c], {}, a, b, c)
    await world.start('r', 'brief', 'x')
    expect(await failure(world)).toContain('too far')
    broken.clear()
    // As the engine does, the child first.
    await world.retry('r/b')
    await world.retry('r')
    expect(await world.result('r')).toBe('c(b(a(x)))')
    expect(given.map(([name]) => name)).toEqual(['a', 'b', 'c'])
  })

  it('is another child at each attempt of its policy where the engine cannot retry', async () => {
    const { given, broken, a, b } = programs()
    broken.set('b', () => new Error('busy'))
    const retry = { maxAttempts: 3, initial: '1h', jitter: 'none' } as const
    const world = worldOf([a, { program: b, retry }], {}, a, b)
    await world.start('r', 'brief', 'x')
    await world.until(() => world.outcome('r/b') !== undefined)
    await world.suspended('r')
    await world.kill()
    await world.suspended('r')
    await world.elapse(HOUR)
    await world.until(() => world.outcome('r/b~2') !== undefined)
    await world.suspended('r')
    broken.clear()
    await world.elapse(2 * HOUR)
    expect(await world.result('r')).toBe('b(a(x))')
    expect(world.ids()).toEqual(['r', 'r/a', 'r/b', 'r/b~2', 'r/b~3'])
    expect(given.map(([name]) => name)).toEqual(['a', 'b', 'b', 'b'])
  })

  it("has the pipeline's policy unless it has its own, which judges the author's error", async () => {
    const { given, broken, a, b } = programs()
    broken.set('a', () => new TypeError('busy'))
    broken.set('b', () => new RangeError('too far'))
    const seen: unknown[] = []
    const retry = { maxAttempts: 2, initial: 0 }
    const on = (error: unknown): boolean => {
      seen.push(String(error))
      broken.delete('a')
      return false
    }
    const world = worldOf([{ program: a, retry: { ...retry, on } }, b], { retry }, a, b)
    await world.start('r', 'brief', 'x')
    expect(await failure(world)).toContain('busy')
    expect(seen).toEqual(['TypeError: busy'])
    expect(given.length).toBe(1)
    await world.retry('r/a')
    await world.retry('r')
    expect(await failure(world)).toContain('too far')
    expect(given.map(([name]) => name)).toEqual(['a', 'b', 'b'])
  })

  it.each([
    ['with a TerminalError', () => new TerminalError('never'), 'never'],
    ['because it was cancelled', undefined, 'RUN_CANCELLED'],
  ])('%s is not tried again', async (_how, error, expected) => {
    const { given, broken, a, b } = programs()
    if (error !== undefined) broken.set('a', error)
    const world = worldOf([error === undefined ? slow : a, b], { retry: { maxAttempts: 5, initial: 0 } }, a, b)
    await world.start('r', 'brief', 'x')
    if (error === undefined) {
      await world.suspended('r/slow')
      await world.cancel('r/slow', 'enough')
    }
    expect(await failure(world)).toContain(expected)
    expect(given.length).toBe(error === undefined ? 0 : 1)
    expect(world.ids().length).toBe(2)
  })
})

it('a cancel of the pipeline is no attempt of its stage', async () => {
  let broken = true
  const asking = createWorkflow('asking', async (ctx) => {
    await ctx.signal('go')
    return ctx.step('work', () => {
      if (broken) throw new Error('busy')
      return 'done'
    })
  })
  const world = worldOf([asking], { retry: { maxAttempts: 2, initial: 0 } }, asking)
  await world.start('r', 'brief', 'x')
  await world.suspended('r/asking')
  await world.cancel('r', 'enough')
  await world.until(() => world.outcome('r') !== undefined && world.outcome('r/asking') !== undefined)
  await world.retry('r')
  for (const id of ['r/asking~2', 'r/asking~3']) {
    await world.until(() => world.ids().includes(id))
    await world.suspended(id)
    broken = id === 'r/asking~2'
    await world.tell(id, 'go', null)
  }
  expect(await world.result('r')).toBe('done')
})

describe('a stage that takes too long', () => {
  it('is cancelled and fails the pipeline; a retry gives it its time anew', async () => {
    const { given, a, b } = programs()
    const world = worldOf([a, { program: slow, timeout: '30m' }, b], {}, a, b)
    await world.start('r', 'brief', 'x')
    await world.suspended('r/slow')
    await world.elapse(HOUR / 2)
    const outcome = await failure(world)
    expect(outcome).toContain('STEP_TIMEOUT')
    expect(outcome).toContain('Stage \\"slow\\" of run r took longer than 1800000 ms')
    expect(world.outcome('r/slow')).toEqual({ cancelled: 'stage "slow" took longer than 1800000 ms' })
    // By then its own hour has long been over.
    await world.elapse(24 * HOUR)
    await world.retry('r/slow')
    await world.retry('r')
    expect(await world.result('r')).toBe('b(slow(a(x)))')
    expect(given.map(([name]) => name)).toEqual(['a', 'b'])
  })

  it('again after a retry is cancelled again', async () => {
    const asking = createWorkflow('asking', (ctx) => ctx.signal('answer'))
    const world = worldOf([{ program: asking, timeout: '30m' }], {}, asking)
    await world.start('r', 'brief', 'x')
    for (let time = 1; time <= 2; time++) {
      await world.suspended('r/asking')
      await world.suspended('r')
      await world.elapse(HOUR / 2 - 1)
      await world.suspended('r')
      expect(world.outcome('r')).toBeUndefined()
      await world.elapse(1)
      expect(await failure(world)).toContain('STEP_TIMEOUT')
      await world.elapse(HOUR)
      await world.retry('r/asking')
      await world.retry('r')
    }
    await world.suspended('r/asking')
    await world.kill()
    await world.suspended('r/asking')
    await world.signal('r/asking', { id: '1', name: 'answer', payload: 'at last' })
    expect(await world.result('r')).toBe('at last')
  })

  it('is tried again by its policy', async () => {
    const world = worldOf([{ program: slow, timeout: '30m', retry: { maxAttempts: 2, initial: 0 } }], {})
    await world.start('r', 'brief', 'x')
    await world.suspended('r/slow')
    await world.elapse(HOUR / 2)
    await world.until(() => world.ids().includes('r/slow~2'))
    await world.suspended('r/slow~2')
    await world.elapse(HOUR / 2)
    expect(await failure(world)).toContain('STEP_TIMEOUT')
  })

  it('that failed in time and was retried late has its time, too', async () => {
    let broken = true
    const asking = createWorkflow('asking', async (ctx) => {
      await ctx.step('work', () => {
        if (broken) throw new Error('busy')
      })
      return ctx.signal('answer')
    })
    const world = worldOf([{ program: asking, timeout: '30m' }], {}, asking)
    await world.start('r', 'brief', 'x')
    expect(await failure(world)).toContain('busy')
    await world.elapse(HOUR)
    broken = false
    await world.retry('r/asking')
    await world.retry('r')
    await world.suspended('r')
    await world.suspended('r/asking')
    await world.kill()
    await world.suspended('r')
    await world.signal('r/asking', { id: '1', name: 'answer', payload: 'at last' })
    expect(await world.result('r')).toBe('at last')
  })
})

describe('a process that dies', () => {
  /** Fails once by time, once by an error, and is retried late: by its policy and by hand. */
  async function story(diesAt: number | undefined): Promise<World> {
    const { given, broken, a, b } = programs()
    broken.set('b', () => new Error('busy'))
    const stages: PipelineStage[] = [
      { program: a, timeout: '30m' },
      { program: slow, timeout: '30m', retry: { maxAttempts: 2, initial: '5m', jitter: 'none' } },
      { program: b, timeout: '30m' },
    ]
    const world = worldOf(stages, {}, a, b)
    const until = async (condition: () => boolean): Promise<void> => {
      // What a step of a stage has done and not recorded yet would be done again, and rightly so.
      const isRecorded = (): boolean =>
        given.length === world.ids().filter((id) => world.keys(id).includes('before')).length
      const dies = (): boolean =>
        diesAt !== undefined && world.deaths === 0 && world.entries('r').length >= diesAt && isRecorded()
      await world.until(() => condition() || dies())
      if (dies()) await world.kill()
      await world.until(condition)
    }
    await world.start('r', 'brief', 'x')
    for (const id of ['r/slow', 'r/slow~2']) {
      await until(() => world.ids().includes(id) && world.entries('r').some(({ type }) => type === 'state'))
      await world.suspended(id)
      await world.suspended('r')
      await world.elapse(HOUR / 2)
      await until(() => world.outcome(id) !== undefined)
      if (id === 'r/slow') await world.suspended('r')
      await world.elapse(HOUR / 12)
    }
    await until(() => world.outcome('r') !== undefined)
    expect(await failure(world)).toContain('STEP_TIMEOUT')
    for (const id of ['r/slow~2', 'r/b']) {
      await world.elapse(24 * HOUR)
      await world.retry(id)
      await world.retry('r')
      await until(() => world.outcome('r') !== undefined)
      if (id === 'r/slow~2') expect(await failure(world)).toContain('busy')
      broken.clear()
    }
    expect(await world.result('r')).toBe('b(slow(a(x)))')
    expect(given.map(([name]) => name)).toEqual(['a', 'b'])
    return world
  }

  it('at any entry of the pipeline changes nothing', async () => {
    const undisturbed = await story(undefined)
    expect(undisturbed.ids()).toEqual(['r', 'r/a', 'r/slow', 'r/slow~2', 'r/b'])
    for (let diesAt = 1; diesAt <= undisturbed.entries('r').length; diesAt++) {
      const world = await story(diesAt)
      expect([diesAt, ...world.ids()]).toEqual([diesAt, ...undisturbed.ids()])
      expect([diesAt, world.keys('r')]).toEqual([diesAt, undisturbed.keys('r')])
    }
  })
})

describe('bad input', () => {
  const { a } = programs()
  const cases: [string, () => unknown, string][] = [
    ['no name', () => createPipeline('', [a]), 'A pipeline needs a name'],
    ['no stages', () => createPipeline('p', []), 'has no stages'],
    ['no list', () => createPipeline('p', a as never), 'has no stages'],
    ['an unknown option', () => createPipeline('p', [a], { retires: 1 } as object), 'has no option "retires"'],
    ['an unknown retry option', () => createPipeline('p', [a], { retry: { times: 3 } as object }), 'no option "times"'],
    ['a retry that is a number', () => createPipeline('p', [a], { retry: 3 as never }), 'no policy'],
    ['a retry out of range', () => createPipeline('p', [a], { retry: { maxAttempts: 0 } }), 'maxAttempts'],
    ['a stage that is nothing', () => createPipeline('p', [a, null as never]), 'Stage 2 of pipeline "p" is no program'],
    ['a stage that is a name', () => createPipeline('p', ['a' as never]), 'Stage 1 of pipeline "p" is no program'],
    ['a stage that is something else', () => createPipeline('p', [new Error('e') as never]), 'is no program'],
    ['a stage without program', () => createPipeline('p', [{ name: 'a', timeout: 1 } as never]), 'is no program'],
    ['a program that is none', () => createPipeline('p', [{ program: 'a' as never }]), 'is no program'],
    ['an unknown stage option', () => createPipeline('p', [{ program: a, model: 1 } as never]), 'no option "model"'],
    ['an input that is no function', () => createPipeline('p', [{ program: a, input: 'x' } as never]), 'no function'],
    ['a bad timeout', () => createPipeline('p', [{ program: a, timeout: 'soon' }]), 'timeout of stage "a"'],
    [
      'one name twice',
      () =>
        createPipeline('p', [
          { program: a, name: 's' },
          { program: a, name: 's' },
        ]),
      'called "s"',
    ],
    ['an empty name', () => createPipeline('p', [{ program: a, name: '' }]), 'called ""'],
    ['the name of an attempt', () => createPipeline('p', [{ program: a, name: 'a~2' }]), 'called "a~2"'],
  ]
  it.each(cases)('%s is a BAD_INPUT that says so', (_what, make, message) => {
    const error = (() => {
      try {
        return make()
      } catch (thrown) {
        return thrown
      }
    })()
    expect(SelvageError.is(error, 'BAD_INPUT')).toBe(true)
    expect((error as Error).message).toContain(message)
  })
})
