/** What a user's module exports for Lambda. */
import type { DurableExecutionHandler } from '@aws/durable-execution-sdk-js'
import { type OptionNames, type Program, type Runtime, refuseUnknown, UsageError } from '@selvage/core'
import { hostOn } from '@selvage/core/engines'
import { LAMBDA_OPTIONS, type LambdaEngine, type LambdaOptions, lambdaEngine } from './engine.ts'
import { type Handler, handlerOf } from './handler.ts'

export interface LambdaHandlerOptions extends LambdaOptions {
  /** What core needs of a platform: `nodeRuntime()` of `@selvage/runtime-node`. */
  readonly runtime: Runtime
}

const OPTIONS: OptionNames<LambdaHandlerOptions> = { ...LAMBDA_OPTIONS, runtime: true }

/**
 * The handler of a function that drives runs: of whatever an engine serves, as with `openSelvage({ engine })` and
 * `selvage.work()`, or of these programs.
 *
 *     export const handler = lambdaHandler(engine)
 *     export const handler = lambdaHandler([report, analyst], { runtime: nodeRuntime(), blobs })
 *
 * With a handler of yours, as for `withDurableExecution`, it gets every event that is not ours: see runInside.
 */
export function lambdaHandler(engine: LambdaEngine, yours?: DurableExecutionHandler): Handler
export function lambdaHandler(programs: Program | readonly Program[], options: LambdaHandlerOptions): Handler
export function lambdaHandler(
  what: LambdaEngine | Program | readonly Program[],
  options?: LambdaHandlerOptions | DurableExecutionHandler,
): Handler {
  if ('station' in what) return handlerOf(what.station, typeof options === 'function' ? options : undefined)
  if (options === undefined || typeof options === 'function') {
    throw new UsageError('BAD_INPUT', 'lambdaHandler was given programs without a runtime.', {
      hint: 'Give lambdaHandler(programs, { runtime: nodeRuntime() }), or an engine that serves.',
    })
  }
  const programs = 'run' in what ? [what] : what
  refuseUnknown('lambdaHandler()', options, OPTIONS)
  const { runtime, ...rest } = options
  const engine = lambdaEngine(rest)
  void engine.serve(hostOn(engine, runtime, programs))
  return handlerOf(engine.station)
}
