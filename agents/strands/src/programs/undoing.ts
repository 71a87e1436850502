/**
 * What the programs of agents, graphs and swarms undo when their run fails or is cancelled: calls of tools whose effect is
 * declared with `compensate`, those of inner agents included. A model that merely stops has ended its run well.
 */
import { type Durable, SelvageError } from '@selvage/core'
import { Saga } from '@selvage/programs'
import { suppliedRecord, type ToolRecord } from '../conversation/record.ts'
import type { Policy } from '../policies/policy.ts'

/** Runs the body of a run with what undoes it. Behind the point of no return nothing of the agent is made. */
export async function undoable<T>(durable: Durable, policy: Policy, body: (saga: Saga) => Promise<T>): Promise<T> {
  const saga = new Saga(durable, {
    undoOf: (tool) => policy.undoOf(tool),
    judge: (result) => judged(suppliedRecord(result)),
    present: (result) => presented(suppliedRecord(result)),
  })
  return await saga.around(() => body(saga), { spares: isOfCode })
}

/** The code is wrong, and not what it did: the run is retried with the right one. */
function isOfCode(error: unknown): boolean {
  return SelvageError.is(error, 'CODE_CHANGED')
}

/** A tool that threw has an error result. One that was aborted may have acted all the same. */
function judged({ status, error }: ToolRecord): 'done' | 'failed' | 'unknown' {
  if (status !== 'error') return 'done'
  return error?.name === 'AbortError' || error?.name === 'TimeoutError' ? 'unknown' : 'failed'
}

/** What the tool returned, as its model was told. */
function presented({ content }: ToolRecord): unknown {
  const [only, ...others] = content
  if (only === undefined || others.length > 0) return content
  if ('text' in only) return only.text
  if (!('json' in only)) return content
  const { json } = only as { readonly json: unknown }
  const isWrapped = typeof json === 'object' && json !== null && Object.keys(json).join() === '$value'
  return isWrapped ? (json as { readonly $value: unknown }).$value : json
}
