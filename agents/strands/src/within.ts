/**
 * Who is asking: the invocation inside which code runs, for calls that pass no gate of their agent.
 *
 * A model does not know which agent calls it, and one model serves many agents. So each pass of an invocation is entered
 * around every step of its generator: hooks, conversation managers and whatever else the loop calls find it here, the
 * consumer of the stream does not. (`enterWith` inside of a generator would leak to the consumer.) Before- and
 * AfterInvocation lie outside.
 *
 * `node:async_hooks` is imported here and not had through core's Runtime port: that port carries steps, and is given to
 * hosts; an agent that is not yet in any run has none. Bun, Deno and workerd have the module, too.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { StateStore } from '@strands-agents/sdk'
import type { Scope } from './scope.ts'
import type { Invocation } from './seams.ts'

type Events = ReturnType<Invocation>

/** An invocation that code runs inside of. What it has begun and did not wait for may outlive it. */
export interface Invoked {
  readonly scope: Scope
  readonly isOver: boolean
  readonly over: Promise<void>
  /** A strategy is choosing the model of the turn. */
  readonly isRouting: boolean
  /** Inside of the model stage: what the loop gives to the model. */
  readonly loop?: LoopCall
}

/** The loop's own model call. */
export interface LoopCall {
  /** Where the model writes what it wants to be given the next time. */
  state?: StateStore | undefined
}

const invoked = new AsyncLocalStorage<Invoked | undefined>()

/** The invocation that the caller runs inside of, if it is not over. */
export function invocationNow(): Invoked | undefined {
  const now = invoked.getStore()
  return now?.isOver ? undefined : now
}

/** Runs an invocation of the scope's agent as one that its code can find. */
export async function* within(scope: Scope, events: Events): Events {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const now = { scope, isOver: false, over, isRouting: false }
  const enter = <T>(step: () => T): T => invoked.run(now, step)
  let isDone = false
  try {
    let next = await enter(() => events.next())
    while (!next.done) {
      try {
        yield next.value
      } catch (error) {
        next = await enter(() => events.throw(error))
        continue
      }
      next = await enter(() => events.next())
    }
    isDone = true
    return next.value
  } finally {
    if (!isDone) await enter(() => events.return(undefined as never))
    now.isOver = true
    resolve()
  }
}

/** Runs what makes the loop's own model call: the body of a step, which may begin wherever the journal is written. */
export function asLoopCall<T>(now: Invoked | undefined, loop: LoopCall, body: () => T): T {
  return now === undefined ? body() : invoked.run(heir(now, { loop }), body)
}

/** Runs what chooses the model of a turn. */
export function asRouting<T>(body: () => T): T {
  const now = invocationNow()
  return now === undefined ? body() : invoked.run(heir(now, { isRouting: true }), body)
}

/** The same invocation, ending with it. */
function heir(now: Invoked, more: Partial<Invoked>): Invoked {
  return {
    scope: now.scope,
    over: now.over,
    isRouting: now.isRouting,
    get isOver() {
      return now.isOver
    },
    ...more,
  }
}
