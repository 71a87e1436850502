/** A refund that a person must approve, at a bank that honours no keys: done as often as the approval is consumed. */
import { createWorkflow } from '@selvage/programs'
import type { Scenario } from './scenario.ts'
import type { Given } from './site.ts'

export const scenario: Scenario = {
  programs: (outside) => [
    createWorkflow('consent', async (ctx, order: string) => {
      const paid = await ctx.signal<number>('paid')
      await ctx.step('charge', (at) => outside.ask('charge', { order, amount: paid }, at))
      const answer = await ctx.approval('refund')
      if (!answer.approved) return 'kept'
      await ctx.step('refund', (at) => outside.ask('refund', { order, amount: paid }, at))
      return 'refunded'
    }),
  ],
  start: { program: 'consent', input: 'run' },
  signals: [{ id: 'paid-1', name: 'paid', payload: 4_200 }],
  answer: () => ({ approved: true }),
}

/** The consent to a refund for that order, which is its run's id, too. */
export function consent(order: string): Given {
  const module = new URL('../../dist/crash/consent.js', import.meta.url).href
  return { scenario: { ...scenario, start: { program: 'consent', input: order } }, module }
}
