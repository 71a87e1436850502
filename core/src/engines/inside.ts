/** A run that is a part of a user's own workflow: how it is started, and what comes back. */
import { RunError } from '../errors.ts'
import type { Outcome, Start } from '../journal/entry.ts'
import type { Blobs, Engine, Runtime } from '../ports.ts'
import { decode, encode, errorFromJson } from '../values/codec.ts'
import { createOffload } from '../values/offload.ts'

export interface InsideOptions<Outside extends Engine = Engine> {
  /** Whose workers run the program. */
  readonly engine: Outside
  /** `nodeRuntime()` of `@selvage/runtime-node`. */
  readonly runtime: Runtime
  /** Unique in your workflow; default: the program's name. */
  readonly key?: string
}

/** A program, or a handle of one: what names it. */
export interface Named {
  readonly name: string
  readonly version?: string | undefined
}

export function startInside(runId: string, { name, version }: Named, input: unknown): Start {
  const start = { program: name, input: encode(input, `the input of run ${runId}`) }
  return version === undefined ? start : { ...start, version }
}

/** What the program has returned. Rejects with its error, or RUN_CANCELLED. */
export async function resultInside(
  runId: string,
  outcome: Outcome,
  { runtime, blobs }: { readonly runtime: Runtime; readonly blobs?: Blobs | undefined },
): Promise<unknown> {
  if ('error' in outcome) throw errorFromJson(outcome.error)
  if ('cancelled' in outcome) {
    throw new RunError('RUN_CANCELLED', `Run ${runId} was cancelled: ${outcome.cancelled}`, { details: { runId } })
  }
  return decode(await createOffload({ runtime, blobs }).unpack(outcome.ok))
}
