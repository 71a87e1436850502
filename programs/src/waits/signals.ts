import type { Durable, Question } from '@selvage/core'
import { StepError } from '@selvage/core'
import { expiryOf } from '../people/deadline.ts'

export interface Callback<T> {
  /** `cb_…`: hand it to whoever will answer, in a step. The first answer wins. */
  readonly id: string
  /** The answer. Rejects with StepError WAIT_TIMEOUT. */
  readonly result: Promise<T>
}

/** What a wait for somebody is told: `what` names it in its error, `timeoutMs` is undefined for ever. */
export interface Wanted {
  readonly what: string
  readonly timeoutMs: number | undefined
}

/**
 * The payload of the next signal of that name. Rejects with WAIT_TIMEOUT at `until` (epoch ms). A retry of a run that
 * this has ended takes what has come since.
 */
export async function awaitSignal<T>(
  durable: Durable,
  key: string,
  name: string,
  { what, timeoutMs }: Wanted,
  until: number | undefined = timeoutMs === undefined
    ? undefined
    : Math.max(durable.now(), durable.renewed(key) ?? 0) + timeoutMs,
): Promise<T> {
  const result = await durable.wait<T>(key, name, until)
  if (result.ok) return result.value
  const error = new StepError('WAIT_TIMEOUT', `No ${what} came to run ${durable.runId} within ${timeoutMs} ms.`, {
    details: { runId: durable.runId, step: key, attempt: 1 },
  })
  durable.blame(error, key)
  throw error
}

/** The question of a callback. */
export function callbackQuestion(durable: Durable, key: string, name: string, { timeoutMs }: Wanted): Question {
  return {
    id: callbackId(durable, key),
    kind: 'callback',
    name,
    ...(timeoutMs !== undefined && { expiresAt: expiryOf(durable, key, timeoutMs) }),
  }
}

export function callbackId(durable: Durable, key: string): string {
  return durable.id('cb_', key)
}
