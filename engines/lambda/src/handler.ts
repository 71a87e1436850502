/**
 * The function's side: what a user exports from the module that Lambda loads.
 *
 *   execution of a run      drives it: as many advances as the time of the invocation allows, then the next invocation
 *   executions of a signal  see that it has its number, and that its run hears of it, if its sender has not
 */
import {
  type DurableContext,
  type DurableExecutionHandler,
  type DurableLambdaHandler,
  withDurableExecution,
} from '@aws/durable-execution-sdk-js'
import { UsageError } from '@selvage/core'
import { type Driver, Generation } from './drive-run.ts'
import type { Post } from './post.ts'
import type { Payload, QueuedPayload, Result, RunPayload, SignalPayload } from './wire.ts'

/** What an engine brings to its function. */
export interface Station {
  readonly post: Post
  driver(ctx: DurableContext): Driver
}

export type Handler = DurableLambdaHandler

/** What others than runs is for `otherwise`: a user's own handler. */
export function handlerOf(
  station: Station,
  otherwise: DurableExecutionHandler = async (event) => refuse(event),
): Handler {
  return withDurableExecution(async (event: unknown, ctx: DurableContext): Promise<unknown> => {
    const { selvage } = (event ?? {}) as Partial<Payload>
    if (selvage === 'run') return await drive(ctx, event as RunPayload, station)
    if (selvage === 'signal') return await station.post.settle(ctx, event as SignalPayload)
    if (selvage === 'queued') return await station.post.deliver(ctx, event as QueuedPayload)
    return await otherwise(event, ctx)
  })
}

async function drive(ctx: DurableContext, payload: RunPayload, station: Station): Promise<Result> {
  const outcome = await new Generation(ctx, payload, station.driver(ctx)).live()
  return outcome === undefined ? { next: payload.generation + 1 } : { outcome }
}

function refuse(event: unknown): never {
  const text = JSON.stringify(event)?.slice(0, 200)
  throw new UsageError('BAD_INPUT', `This function drives runs of Selvage, and was invoked with ${text}.`, {
    hint: 'Start runs with lambdaEngine({ functionName }); events of your own belong to a function of your own.',
  })
}
