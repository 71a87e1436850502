/**
 * A run that is a part of a Restate handler of yours (of a service, an object or a workflow), under the id
 * `inside/<invocation>/<key>`. Your invocation sends the start and suspends until an awakeable tells it the end; the run goes
 * on as any other, in whichever worker has its program, and is signalled and read as any other.
 *
 *     const orders = restate.service({ name: 'orders', handlers: {
 *       place: async (ctx, order) => {
 *         const stock = await ctx.run('stock', () => reserve(order))
 *         const text = await runInside(ctx, analyst, order.topic, { engine, runtime })
 *         await ctx.run('mail', () => send(text, stock))
 *       },
 *     } })
 *
 * A cancel of your invocation cancels the run.
 */
import { CancelledError, type Context, TerminalError, type VirtualObjectDefinition } from '@restatedev/restate-sdk'
import { type Blobs, type OptionNames, type Outcome, refuseUnknown, SelvageError, type Signal } from '@selvage/core'
import { type Named, type InsideOptions as Options, resultInside, startInside } from '@selvage/core/engines'
import type { Driving } from './drive-run.ts'
import type { RestateEngine } from './engine.ts'

/** `key`: unique in the invocation. */
export interface InsideOptions extends Options<RestateEngine> {
  /** Those that the workers have, as in `openSelvage({ engine, blobs })`; default: the engine's own. */
  readonly blobs?: Blobs
}

const OPTIONS: OptionNames<InsideOptions> = { engine: true, runtime: true, key: true, blobs: true }

interface Hearing {
  signal(ctx: Context, signal: Signal): Promise<void>
}

/**
 * `program`: a program, or a handle of one that workers have registered. Resolves with what it returns. Rejects with a
 * TerminalError of Restate's, so that your handler is not tried again for it: its `cause` is the program's error, or a RunError
 * RUN_CANCELLED. Where its result cannot be read just now (UNAVAILABLE), Restate tries your handler again.
 */
export async function runInside(
  ctx: Context,
  program: Named,
  input: unknown,
  options: InsideOptions,
): Promise<unknown> {
  refuseUnknown('runInside()', options, OPTIONS)
  const { engine, runtime, blobs = engine.blobs, key = program.name } = options
  const { services } = engine
  const runId = `inside/${ctx.request().id}/${key}`
  const start = startInside(runId, program, input)
  const { id: tells, promise } = ctx.awakeable<Outcome>()
  const runs: VirtualObjectDefinition<string, Driving> = { name: services.runs }
  const at = await ctx.date.now()
  ctx.objectSendClient(runs, runId).drive({ generation: 0, first: { start, at, tells } })
  let outcome: Outcome
  try {
    outcome = await promise
  } catch (error) {
    if (error instanceof CancelledError) {
      const inbox: VirtualObjectDefinition<string, Hearing> = { name: services.inbox }
      const payload = 'the Restate invocation around it was cancelled'
      ctx.objectSendClient(inbox, runId).signal({ id: '$cancel', name: '$cancel', payload, at })
    }
    throw error
  }
  return await resultInside(runId, outcome, { runtime, blobs }).catch((cause: Error) => {
    // Not how the run ended: its result is there, and can be read when the server answers again.
    if ('ok' in outcome && SelvageError.is(cause, 'UNAVAILABLE')) throw cause
    throw Object.assign(new TerminalError(cause.message), { cause })
  })
}
