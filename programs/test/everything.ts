/** A workflow that uses all of ctx, with one result whatever happens to its processes. */
import type { Duration, Json, Program, Question } from '@selvage/core'
import { toMs } from '@selvage/core'
import { createWorkflow } from '../src/workflow.ts'

export interface Everything {
  readonly trace: readonly unknown[]
  /** The order in which the children were done. */
  readonly order: readonly number[]
  readonly draws: readonly unknown[]
}

/** `trace` of every run. */
export const EXPECTED: Everything['trace'] = [
  'go',
  'paid',
  3,
  [1, 'part 2 is broken', 9],
  new Map([['k', 1n]]),
  'published',
  { ready: true },
  true,
  'StepError',
]

/** What somebody outside answers to a question of it. */
export function answerTo({ kind, assignee }: Question): Json | undefined {
  if (kind === 'callback') return { value: 'paid' }
  if (kind === 'unknown') return { approved: true, value: 'published' }
  return assignee === 'lead' ? { approved: true } : undefined
}

/** Two programs, `flow` and its child `part`; `unit` is what its times are counted in. `published` counts the effect `once`. */
export function everything(unit: Duration, published: () => void = () => {}): readonly Program[] {
  const units = (count: number): number => count * toMs(unit, 'unit')
  const part = createWorkflow('part', async (ctx, n: number) => {
    if (n === 2) throw new RangeError('part 2 is broken')
    return ctx.step('square', () => n * n)
  })
  const flow = createWorkflow('flow', async (ctx) => {
    const trace: unknown[] = []
    await ctx.sleep(units(1))
    const order: number[] = []
    const parts = [1, 2, 3].map(async (n) => {
      const square = await ctx.child(part, n).catch((error: Error) => (error.cause as Error).message)
      order.push(n)
      return square
    })
    const { id, result } = ctx.callback<string>('paid', { timeout: units(9) })
    await ctx.step('tell', () => id)
    const flaky = ctx.step(
      'flaky',
      (at) => {
        if (at.attempt < 3) throw new Error('busy')
        return at.attempt
      },
      { retry: { initial: units(1) } },
    )
    trace.push(await Promise.race([flaky, ctx.sleep(units(20)), ctx.signal('go')]))
    trace.push(await result, await flaky)
    const draws = [ctx.random(), ctx.uuid()]
    trace.push(await Promise.all(parts))
    if (ctx.changed('extra')) trace.push(await ctx.step('extra', () => new Map([['k', 1n]])))
    const poll = await ctx.waitUntil('ready', () => (ctx.now() > 0 ? { ready: true } : undefined), {
      timeout: units(2),
    })
    const answer = await ctx.approval('publish', {
      timeout: units(1),
      onTimeout: 'escalate',
      escalateTo: ['lead'],
    })
    const publish = (): string => {
      published()
      return 'published'
    }
    if (answer.approved) trace.push(await ctx.step('publish', publish, { effect: 'once' }))
    trace.push(
      poll,
      answer.approved,
      await ctx.signal('late', { timeout: units(1) }).catch((error: Error) => error.name),
    )
    return { trace, order, draws }
  })
  return [flow, part]
}
