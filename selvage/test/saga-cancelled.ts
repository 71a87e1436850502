/** A trip that is cancelled beside steps that are in flight, by one of its own. */
import type { StepContext } from '@selvage/core'
import { createWorkflow } from '@selvage/programs'
import type { Scenario } from '@selvage/testing/conformance'
import { judge } from './saga-judge.ts'

export const scenario: Scenario = {
  programs(outside) {
    const act = (at: StepContext): string => {
      outside.act(at)
      return `${at.name} done`
    }
    const slowly = async (at: StepContext): Promise<string> => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => void setImmediate(resolve))
      return act(at)
    }
    const undo = (_: unknown, at: StepContext): void => void act(at)
    const has = (idempotencyKey: string) => outside.find((line) => line.idempotencyKey === idempotencyKey) !== undefined
    const known = ({ idempotencyKey }: { readonly idempotencyKey: string }) =>
      has(idempotencyKey) ? ({ done: true, result: 'done' } as const) : ({ done: false } as const)
    const flow = (cancel: () => Promise<void>) =>
      createWorkflow('trip', async (ctx) => {
        await ctx.step('book', act, { compensate: undo, compensateUnknown: 'compensate' })
        await ctx.step('charge', act, { effect: 'once', reconcile: known, compensate: undo })
        await Promise.all([
          ctx.step('seat', slowly, { effect: 'once', reconcile: known, compensate: undo }),
          ctx.step('meal', slowly, { compensate: undo, compensateUnknown: 'compensate' }),
          ctx.step('stop', async (at) => {
            act(at)
            await cancel()
          }),
        ])
        await ctx.signal('never')
      })
    return [
      {
        name: 'trip',
        resume: 'replay',
        run: (durable) => flow(() => durable.outbound.cancel(durable.runId, 'enough')).run(durable),
      },
    ]
  },
  start: { program: 'trip', input: null },
  ends: 'cancelled',
  judge: (lines) => judge(lines, ['stop']).filter((each) => !MAY_BE_UNDONE_FOR_NOTHING.has(each)),
}

/** It is declared that their undoing does no harm where nobody knows whether they happened. */
const MAY_BE_UNDONE_FOR_NOTHING: ReadonlySet<string> = new Set(
  ['book', 'meal'].map((name) => `${name} was undone and never happened`),
)
