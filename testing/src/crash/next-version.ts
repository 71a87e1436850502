/** What a deploy puts beside order.ts, for a while: a worker that has a program of that name in its next version, and no other. */
import { createWorkflow } from '@selvage/programs'
import type { Scenario } from './scenario.ts'

export const scenario: Scenario = {
  programs: (outside) => [
    createWorkflow('order', async (ctx) => ctx.step('note', (at) => void outside.act(at)), { version: '2' }),
  ],
  start: { program: 'order', version: '2', input: null },
}
