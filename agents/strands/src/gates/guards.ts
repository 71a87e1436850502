/** What is put around the stream of an invocation. */
import type { AgentResult, AgentStreamEvent } from '@strands-agents/sdk'
import { markIfReplayed } from '../conversation/events.ts'
import type { Invocation } from '../seams/inside.ts'
import type { Scope } from './scope.ts'

type Events = ReturnType<Invocation>

interface Guard {
  readonly scope: Scope
  readonly unlessLost: UnlessLost
}

/** Events that the SDK makes of what comes from the journal are marked. */
export async function* marked(events: Events): Events {
  try {
    let next = await events.next()
    while (!next.done) {
      markIfReplayed(next.value)
      try {
        yield next.value
      } catch (error) {
        next = await events.throw(error)
        continue
      }
      next = await events.next()
    }
    return next.value
  } finally {
    await events.return(undefined as never)
  }
}

/**
 * Ends with an error as soon as the run is lost, whatever the loop waits for: nothing settles any more. When the consumer
 * leaves, what is in flight is finished and recorded, and nothing new begins; it waits for that.
 */
export async function* guarded(events: Events, { scope, unlessLost }: Guard): Events {
  let isOver = false
  const taken = async (step: Promise<IteratorResult<AgentStreamEvent, AgentResult>>): typeof step => {
    try {
      return await unlessLost(step)
    } catch (error) {
      isOver = true
      throw error
    }
  }
  try {
    let next = await taken(events.next())
    while (!next.done) {
      try {
        yield next.value
      } catch (error) {
        next = await taken(events.throw(error))
        continue
      }
      next = await taken(events.next())
    }
    isOver = true
    return next.value
  } finally {
    const { aborted: isCancelled } = scope.agent.cancelSignal
    scope.hasLeft = !isOver && (isCancelled ? 'cancelled' : 'open')
    // The SDK's loop would go on with another model call, and is told that there is none.
    if (!isOver) await unlessLost(events.return(undefined as never)).catch(() => {})
  }
}

export type UnlessLost = <T>(pending: Promise<T>) => Promise<T>

/**
 * Rejects in place of what is pending once `lost` does. Unlike Promise.race it leaves nothing behind on `lost` each time: that lives
 * as long as the run is attached, and would keep every result, and with it the agent.
 */
export function unlessRejected(lost: Promise<never> | undefined): UnlessLost {
  if (lost === undefined) return (pending) => pending
  let failure: { readonly error: unknown } | undefined
  let fail: ((error: unknown) => void) | undefined
  lost.catch((error: unknown) => {
    failure = { error }
    fail?.(error)
  })
  return <T>(pending: Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      fail = reject
      pending.then(
        (value) => {
          if (fail === reject) fail = undefined
          resolve(value)
        },
        (error: unknown) => {
          if (fail === reject) fail = undefined
          reject(error)
        },
      )
      if (failure !== undefined) reject(failure.error)
    })
}
