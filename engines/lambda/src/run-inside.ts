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
import { type OptionNames, type Outcome, type Program, refuseUnknown } from '@selvage/core'
import { hostOn, type InsideOptions as Options, resultInside, startInside } from '@selvage/core/engines'
import { type Driver, Generation } from './drive-run.ts'
import type { LambdaEngine } from './engine.ts'
import { insideId } from './names.ts'
import { insidePayload } from './wire.ts'

/** `engine`: that of the function's `lambdaHandler`, so that signals come to the same function. `key`: unique in the execution. */
export type InsideOptions = Options<LambdaEngine>

const OPTIONS: OptionNames<InsideOptions> = { engine: true, runtime: true, key: true }

/** Resolves with what the program returns; rejects with its error, or RUN_CANCELLED. */
export async function runInside(
  ctx: DurableContext,
  program: Program,
  input: unknown,
  options: InsideOptions,
): Promise<unknown> {
  refuseUnknown('runInside()', options, OPTIONS)
  const { engine, runtime, key = program.name } = options
  const { manifest, blobs, station } = engine
  const [, execution = ''] = /\/durable-execution\/([^/]+)\//.exec(ctx.executionContext.durableExecutionArn) ?? []
  const runId = insideId({ execution, key })
  const payload = insidePayload(runId, startInside(runId, program, input))
  // What can be in the result is: reading it elsewhere is nothing that the SDK waits for.
  const { entryBytes: offloadBytes } = manifest.limits
  const host = hostOn(engine, runtime, [program], offloadBytes === undefined ? {} : { offloadBytes })
  const outcome = await ctx.runInChildContext(key, async (child) => {
    const driver: Driver = { ...station.driver(child), hostOf: () => host, rotateAfter: 'never' }
    return (await new Generation(child, payload, driver).live()) as Outcome
  })
  return await resultInside(runId, outcome, { runtime, blobs })
}
