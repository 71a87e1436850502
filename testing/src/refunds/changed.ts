/** The same program with its deeds in another order: what was recorded of the one is no past of the other. */
import { createWorkflow } from '@selvage/programs'
import type { Scenario } from '../crash/scenario.ts'
import { scenario as returns } from './returns.ts'

export const scenario: Scenario = {
  ...returns,
  programs: (outside) => [
    createWorkflow('returns', async (ctx, { order }: { readonly order: string }) => {
      await ctx.step('mail', (at) => outside.ask('mail', { order, text: 'Your money is on its way.' }, at))
      await ctx.step('refund', (at) => outside.ask('refund', { order, amount: 4_200 }, at))
    }),
  ],
}
