/**
 * An open item: what a run that is undone leaves to a person, as a question of kind `compensation`. The run ends while it
 * is open; each answer lets it go on, and is in its journal.
 *
 *   { approved: true }                                    it is undone (done by hand), or there was nothing to undo
 *   { approved: false, reason: 'retry' }                  it is not: run the compensation (again)
 *   { approved: false, reason: <any other> }              it is not, and stays so
 */
import { type Durable, encode, errorToJson, type Json, type Question } from '@selvage/core'
import { RETRY_REASON } from '../effects.ts'
import type { Deed } from './deeds.ts'

/** What an open item shows (`reason` of the question). */
export interface UndoFacts {
  /** The key of the step that is not undone. */
  readonly step: string
  readonly outcome: 'done' | 'unknown'
  /** Of the step. */
  readonly result?: unknown
  /** With which it was made. */
  readonly idempotencyKey: string
  /** Why the run is undone. */
  readonly reason: string
  /** Why this step is not: the error of its compensation, or why nobody knows whether it happened. */
  readonly problem: string
  readonly error?: Json
  readonly answers: { readonly [answer: string]: string }
}

export interface Item {
  readonly deed: Deed
  readonly key: string
  readonly id: string
}

/** Resolves once the item is durable. */
export async function openItem(
  gate: Durable,
  deed: Deed,
  count: number,
  facts: Omit<UndoFacts, 'step' | 'answers' | 'error'>,
  error: unknown,
): Promise<Item> {
  const key = `${deed.key}/undo/open#${count}`
  const { name, kind, input } = deed.told
  const whole: UndoFacts = {
    step: deed.key,
    ...facts,
    ...(error !== undefined && { error: errorToJson(error) as unknown as Json }),
    answers: {
      approve: 'it is undone (done by hand), or there was nothing to undo',
      [`reject with reason '${RETRY_REASON}'`]: 'it is not: run the compensation (again)',
      'reject with another reason': 'it is not, and stays so',
    },
  }
  const question: Question = {
    id: gate.id('ap_', key),
    kind: 'compensation',
    name,
    ...(kind === 'tool' && { tool: name }),
    ...(input !== undefined && { input }),
    reason: encode(whole, `the facts of open item ${key}`),
  }
  await gate.open(key, question)
  return { deed, key, id: question.id }
}

/** Waits for the answer: whether the compensation is to be run. */
export async function wantsRetry(gate: Durable, { key, id }: Item): Promise<boolean> {
  const answer = await gate.wait<{ approved?: unknown; reason?: unknown }>(key, id)
  return answer.ok && answer.value?.approved !== true && answer.value?.reason === RETRY_REASON
}
