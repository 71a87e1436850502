/**
 * An order: a workflow with everything that leaves a mark in a journal. Its result is the same whatever happens to its
 * processes.
 */
import type { StepContext } from '@selvage/core'
import { createWorkflow } from '@selvage/programs'
import { turns } from '../turn-engine/hostility.ts'
import type { Scenario } from './scenario.ts'

const ITEMS = ['cup', 'plate', 'spoon']
/** Longer than an advance stays open for a timer. */
const REST_MS = 40

export const scenario: Scenario = {
  programs(outside) {
    const act = (at: StepContext): string => {
      outside.act(at)
      return `${at.name} done`
    }
    const box = createWorkflow('box', async (ctx, items: readonly string[]) => {
      const wrapped = await ctx.step('wrap', (at) => `${act(at)} ${items.length}`)
      return [wrapped, await ctx.step('seal', act)]
    })
    const order = createWorkflow('order', async (ctx, items: readonly string[]) => {
      const stock = await ctx.step('stock', act)
      const price = await ctx.step('price', act)
      const quotes = await Promise.all(
        items.map((item, index) =>
          ctx.step(
            'quote',
            async (at) => {
              await turns(3 * index)
              return `${item}: ${act(at)}`
            },
            { key: `quote ${item}` },
          ),
        ),
      )
      const charge = await ctx.step('charge', act, {
        effect: 'once',
        reconcile: ({ idempotencyKey }) => {
          const line = outside.find((each) => each.idempotencyKey === idempotencyKey)
          return line === undefined ? { done: false } : { done: true, result: 'charge done' }
        },
      })
      const label = await ctx.step(
        'label',
        (at) => {
          act(at)
          if (at.attempt === 1) throw new Error('the printer is jammed')
          return `label at attempt ${at.attempt}`
        },
        { retry: { initial: REST_MS, jitter: 'none' } },
      )
      await ctx.sleep(REST_MS)
      const boxed = await ctx.child(box, items)
      const paid = await ctx.signal('paid')
      const { approved } = await ctx.approval('send')
      const mail = await ctx.step('mail', act, { effect: 'once' })
      const picture = await ctx.step('picture', (at) => act(at).repeat(10_000))
      return { stock, price, quotes, charge, label, boxed, paid, approved, mail, picture: picture.length }
    })
    return [order, box]
  },
  start: { program: 'order', input: ITEMS },
  signals: [
    { id: 'paid-1', name: 'paid', payload: 42 },
    { id: 'noise-1', name: 'noise', payload: null },
  ],
  answer(question, outside) {
    if (question.kind !== 'unknown') return { approved: true }
    const happened = outside.find(({ runId, name }) => runId === question.runId && name === question.name) !== undefined
    return happened ? { approved: true, value: `${question.name} done` } : { approved: false, reason: 'retry' }
  },
  needs: {
    price: ['stock'],
    ...Object.fromEntries(ITEMS.map((item) => [`quote ${item}`, ['stock', 'price']])),
    charge: ITEMS.map((item) => `quote ${item}`),
    label: ['charge'],
    seal: ['wrap'],
    mail: ['label', 'child:box#1/done', 'signal:paid', 'approval:send'],
    'mail/again#1': ['mail', 'mail/unknown'],
    picture: ['approval:send', 'mail'],
  },
}
