/** A trip that fails. What was done is undone, newest first; one of it only when a person has said so. */
import { type StepContext, TerminalError } from '@selvage/core'
import { createWorkflow } from '@selvage/programs'
import type { Scenario } from '@selvage/testing/conformance'
import { judge } from './saga-judge.ts'

export const scenario: Scenario = {
  programs(outside) {
    const act = (at: StepContext): string => {
      outside.act(at)
      return `${at.name} done`
    }
    const undo = (_: unknown, at: StepContext): void => void act(at)
    const has = (idempotencyKey: string) => outside.find((line) => line.idempotencyKey === idempotencyKey) !== undefined
    const known = ({ idempotencyKey }: { readonly idempotencyKey: string }) =>
      has(idempotencyKey) ? ({ done: true, result: 'done' } as const) : ({ done: false } as const)
    const leg = createWorkflow('leg', async (ctx) => await ctx.step('leg', act))
    const trip = createWorkflow('trip', async (ctx) => {
      await ctx.step('book', act, { compensate: undo })
      await ctx.step('charge', act, {
        effect: 'once',
        reconcile: known,
        compensate: { run: undo, effect: 'once', reconcile: known },
      })
      await Promise.all([
        ctx.step('seat', act, { effect: 'once', reconcile: known, compensate: undo }),
        ctx.step('meal', act, { compensate: { run: undo, retry: { initial: 5, jitter: 'none' } } }),
      ])
      await ctx.step('visa', act, {
        compensate: (_, at) => {
          // Only a person can open the office again.
          if (at.key === 'visa/undo') throw new TerminalError('the office is closed')
          act(at)
        },
      })
      await ctx.child(leg, null, { key: 'out', compensate: undo })
      await ctx.step('fly', () => Promise.reject(new TerminalError('no plane')))
    })
    return [trip, leg]
  },
  start: { program: 'trip', input: null },
  ends: 'failed',
  answer: ({ kind }) => (kind === 'compensation' ? { approved: false, reason: 'retry' } : { approved: true }),
  needs: {
    charge: ['book'],
    seat: ['charge'],
    visa: ['seat', 'meal'],
    'child:out/undo': ['fly'],
    'seat/undo': ['child:out/undo', 'visa/undo'],
    'charge/undo': ['seat/undo', 'meal/undo'],
    'book/undo': ['charge/undo'],
    'visa/undo/again#1': ['book/undo', 'visa/undo/open#1'],
  },
  judge: (lines) => judge(lines),
  extract: (entries) => entries.flatMap((entry) => (entry.type === 'step' ? [entry.key] : [])).sort(),
}
