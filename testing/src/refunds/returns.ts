/**
 * What a shop does with goods that come back: money back, a fee for the box, a mail. Three deeds at a bank, each of which
 * must happen once. The function is the same with Selvage and without it: see plain.ts.
 */
import { fileURLToPath } from 'node:url'
import type { ReconcileContext, Reconciled } from '@selvage/core'
import { createWorkflow, type StepOptions } from '@selvage/programs'
import type { Deed } from '../bank/ledger.ts'
import type { Receipt } from '../bank/server.ts'
import type { Asking, Outside } from '../crash/outside.ts'
import type { Scenario } from '../crash/scenario.ts'
import type { Given } from '../crash/site.ts'
import type { RefundProgram } from './experiment.ts'

/**
 * How the deeds are declared: `idempotent`, for a bank that honours keys; `once` with a `reconcile`, for one that does not
 * and can be asked; `asked`, once without a `reconcile`, so that a person is asked.
 */
export type Way = 'idempotent' | 'once' | 'asked'

export const WAYS: readonly Way[] = ['idempotent', 'once', 'asked']

export interface Returned {
  /** The order, which is the run's id, too. */
  readonly order: string
  readonly way: Way
}

/** What is needed of a gate. */
export interface Steps {
  step<T>(name: string, body: (at: Asking) => Promise<T>, options?: StepOptions<T>): Promise<T>
}

export async function takeBack(steps: Steps, outside: Outside, { order, way }: Returned): Promise<readonly string[]> {
  const done: string[] = []
  const deeds = [
    ['refund', { order, amount: 4_200 }],
    ['charge', { order, amount: 350 }],
    ['mail', { order, text: 'Your money is on its way.' }],
  ] as const
  for (const [deed, asked] of deeds) {
    const receipt = await steps.step(deed, (at) => outside.ask(deed, asked, at), declared(outside, deed, way))
    done.push(receipt.text ?? `${deed} of ${receipt.amount}`)
  }
  return done
}

function declared(outside: Outside, deed: Deed, way: Way): StepOptions<Receipt> {
  if (way === 'idempotent') return {}
  return { effect: 'once', ...(way === 'once' && { reconcile: lookedUp(outside, deed) }) }
}

/** A `reconcile` that asks the bank by the key. */
export function lookedUp(outside: Outside, deed: Deed): (at: ReconcileContext) => Promise<Reconciled<Receipt>> {
  return async ({ idempotencyKey: key }: ReconcileContext): Promise<Reconciled<Receipt>> => {
    const [receipt] = await outside.bank.find(deed, { key })
    return receipt === undefined ? { done: false } : { done: true, result: receipt }
  }
}

/** The answer of somebody who looks at the bank's statement. */
export const byStatement: NonNullable<Scenario['answer']> = async ({ runId, name }, outside) => {
  const [receipt] = await outside.bank.find(name as Deed, { order: runId })
  return receipt === undefined ? { approved: false, reason: 'retry' } : { approved: true, value: { ...receipt } }
}

export const scenario: Scenario = {
  programs: (outside) => [createWorkflow('returns', (ctx, returned: Returned) => takeBack(ctx, outside, returned))],
  start: { program: 'returns', input: { order: 'run', way: 'idempotent' } },
  answer: byStatement,
}

/** As a workflow, on any engine. */
export function returns(returned: Returned): Given {
  const module = new URL('../../dist/refunds/returns.js', import.meta.url).href
  return { scenario: { ...scenario, start: { program: 'returns', input: { ...returned } } }, module }
}

/** For the refund experiment. */
export const experiment: RefundProgram = {
  given: returns,
  baselines: { plain: fileURLToPath(new URL('../../dist/refunds/plain.js', import.meta.url)) },
}
