/**
 * A shipment: what a program can see of its past (chance, ids, time, who came first) and deeds at a bank that follow from
 * it, at once and one after the other, in a child and behind a wait. Each thing that it sees is told, so that two lives of
 * one run can be compared.
 */
import { type Context, createWorkflow } from '@selvage/programs'
import type { Deed } from '../bank/ledger.ts'
import { turns } from '../turn-engine/hostility.ts'
import type { Scenario } from './scenario.ts'
import type { Given } from './site.ts'

const REST_MS = 20

/** For whom the bank does it, in the order in which a run that nobody disturbs comes to it; the mails are asked for at once. */
export const SHIPMENT: readonly (readonly [Deed, string])[] = [
  ['charge', 'goods'],
  ['mail', 'customer'],
  ['mail', 'warehouse'],
  ['mail', 'carrier'],
  ['charge', 'freight'],
  ['refund', 'deposit'],
  ['mail', 'thanks'],
]

/** The same for one order, as it should stand in the ledger of the bank. */
export function deedsFor(order: string): readonly (readonly [Deed, string])[] {
  return SHIPMENT.map(([deed, whom]) => [deed, `${order}/${whom}`])
}

export const scenario: Scenario = {
  programs(outside) {
    const within = (ctx: Context, order: string) => {
      const saw = (what: string, value: unknown): void => outside.tell([ctx.runId, what, JSON.stringify(value) ?? ''])
      const deed = async (what: Deed, whom: string, late = 0): Promise<string> => {
        const text = ctx.uuid()
        saw(`id of ${whom}`, text)
        const receipt = await ctx.step(`${what} ${whom}`, async (at) => {
          await turns(late)
          return outside.ask(what, { order: `${order}/${whom}`, text }, at)
        })
        saw(`${what} ${whom}`, receipt.id)
        return whom
      }
      return { saw, deed }
    }
    const freight = createWorkflow('freight', async (ctx, order: string) => {
      const { saw, deed } = within(ctx, order)
      saw('chance', ctx.random())
      return deed('charge', 'freight')
    })
    const shipment = createWorkflow('shipment', async (ctx, order: string) => {
      const { saw, deed } = within(ctx, order)
      saw('chance', ctx.random())
      saw('begin', ctx.now())
      await deed('charge', 'goods')
      const mails = [deed('mail', 'customer', 6), deed('mail', 'warehouse', 3), deed('mail', 'carrier')]
      saw('first', await Promise.race(mails))
      saw('mails', await Promise.all(mails))
      saw('overdue', await ctx.signal('never', { timeout: REST_MS }).then(String, (error: Error) => error.name))
      saw('child', await ctx.child(freight, order))
      await ctx.sleep(REST_MS)
      saw('rested', ctx.now())
      saw('paid', await ctx.signal('paid'))
      await deed('refund', 'deposit')
      saw('chance', ctx.random())
      return deed('mail', 'thanks')
    })
    return [shipment, freight]
  },
  start: { program: 'shipment', input: 'run' },
  signals: [{ id: 'paid-1', name: 'paid', payload: 42 }],
}

/** The shipment of that order, which is its run's id, too. */
export function shipment(order: string): Given {
  const module = new URL('../../dist/crash/shipment.js', import.meta.url).href
  return { scenario: { ...scenario, start: { program: 'shipment', input: order } }, module }
}
