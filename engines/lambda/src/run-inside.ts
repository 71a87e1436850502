/**
 * A run that is a part of a durable handler of yours: in a child context of its execution, under the id
 * `inside/<execution>/<key>`. It is driven, signalled and read as any run is, but for three things: it ends with the
 * execution around it, it cannot be retried, and its history is not renewed, so all of it shares 30,000 operations.
 *
 *     export const handler = lambdaHandler(engine, async (order, ctx) => {
 *       const stock = await ctx.step('stock', () => reserve(order))
 *       const text = await runInside(ctx, analyst, order.topic, { engine, runtime })
 *       await ctx.step('mail', () => send(text, stock))
 *     })
 */
import type { DurableContext } from '@aws/durable-execution-sdk-js'
import { createHost, type Outcome, type Program, type Runtime } from '@selvage/core'
import { resultInside, startInside } from '@selvage/core/engines'
import { type Driver, Generation } from './drive-run.ts'
import type { LambdaEngine } from './engine.ts'
import { insideId } from './names.ts'
import type { RunPayload } from './wire.ts'

export interface InsideOptions {
  /** That of the function's `lambdaHandler`: signals to the run come to the same function. */
  readonly engine: LambdaEngine
  /** `nodeRuntime()` of `@selvage/runtime-node`. */
  readonly runtime: Runtime
  /** Unique in the execution; default: the program's name. */
  readonly key?: string
}

/** Resolves with what the program returns; rejects with its error, or RUN_CANCELLED. */
export async function runInside(
  ctx: DurableContext,
  program: Program,
  input: unknown,
  { engine, runtime, key = program.name }: InsideOptions,
): Promise<unknown> {
  const { manifest, blobs, station } = engine
  const [, execution = ''] = /\/durable-execution\/([^/]+)\//.exec(ctx.executionContext.durableExecutionArn) ?? []
  const runId = insideId({ execution, key })
  const payload: RunPayload = {
    selvage: 'run',
    runId,
    generation: 0,
    start: startInside(runId, program, input),
    nonce: '',
  }
  const programs = [program]
  const host = createHost({
    runtime,
    manifest,
    programs: () => programs,
    outbound: engine,
    ...(blobs !== undefined && { blobs }),
    // What can be in the result is: reading it elsewhere is nothing that the SDK waits for.
    ...(manifest.limits.entryBytes !== undefined && { offloadBytes: manifest.limits.entryBytes }),
  })
  const outcome = await ctx.runInChildContext(key, async (child) => {
    const driver: Driver = { ...station.driver(child), hostOf: () => host, rotateAfter: 'never' }
    return (await new Generation(child, payload, driver).live()) as Outcome
  })
  return await resultInside(runId, outcome, { runtime, blobs })
}
