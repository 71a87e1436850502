/** The seams around an invocation: its passes, the middleware and the hooks that stand around them. */
import type { Agent } from '@strands-agents/sdk'
import { type Invocation, inside } from './inside.ts'

/**
 * `Agent.stream` calls `this._streamWithMiddleware(args, options, invocationState, continuationEvent)` once per pass,
 * after BeforeInvocation and before AfterInvocation, and yields on what it yields without calling hooks. An own property
 * of the instance takes its place.
 */
export function wrapInvocation(agent: Agent, wrap: (original: Invocation) => Invocation): void {
  const self = inside(agent)
  self._streamWithMiddleware = wrap(self._streamWithMiddleware.bind(agent))
}

/** The loop turns exactly the error that `_throwIfCancelled` throws into a result with stopReason `cancelled`. Its class is not exported. */
export function throwIfCancelled(agent: Agent): void {
  inside(agent)._throwIfCancelled()
}

/** Whether the agent runs tools outside of its loop. Not readable in public. */
export function hasBackgroundTasks(agent: Agent): boolean {
  return inside(agent)._backgroundTasks !== undefined
}

/** Whether the loop returns at every cycle with stopReason `checkpoint`. Not readable in public. */
export function hasCheckpointing(agent: Agent): boolean {
  return inside(agent)._checkpointing === true
}

/**
 * Makes a Wrap handler the outermost of its stage, whoever registered before it: handlers run in the order of one list per
 * stage. False where this version keeps them otherwise; then those registered earlier stand outside.
 */
export function makeOutermost(agent: Agent, stage: object, handler: unknown): boolean {
  const handlers: unknown = inside(agent)._middlewareRegistry?._handlers?.get(stage)
  if (!Array.isArray(handlers)) return false
  const at = handlers.findIndex((entry: { handler?: unknown }) => entry.handler === handler)
  if (at < 0) return false
  handlers.unshift(...handlers.splice(at, 1))
  return true
}

/** Whether a handler is the only one of a stage. False where this version keeps them otherwise. */
export function isOnlyHandler(agent: Agent, stage: object, handler: unknown): boolean {
  const handlers: unknown = inside(agent)._middlewareRegistry?._handlers?.get(stage)
  return Array.isArray(handlers) && handlers.length === 1 && handlers[0]?.handler === handler
}

/** Whether a stage has handlers that is none of these. True where this version keeps them otherwise. */
export function hasOtherStages(agent: Agent, stages: readonly object[]): boolean {
  const handlers: unknown = inside(agent)._middlewareRegistry?._handlers
  if (!(handlers instanceof Map)) return true
  return [...handlers].some(([stage, own]) => !stages.includes(stage as object) && (own as unknown[]).length > 0)
}

/**
 * Puts something around the hooks of an event: those that an agent has are called, one after the other, by
 * `invokeCallbacks(event)` of its registry; that of `Agent.stream` itself as well, in a stream that has begun before.
 * `types`: of these events, also where they have no hooks; default: of each that has any. `toolUseId`: of the call that an
 * event is of. False where this version does so otherwise.
 */
export function aroundHooks(
  agent: Agent,
  around: (hooks: () => Promise<unknown>, type: string | undefined, toolUseId?: string) => Promise<unknown>,
  types?: ReadonlySet<string | undefined>,
): boolean {
  const registry = inside(agent)._hooksRegistry
  const { invokeCallbacks, getCallbacksFor } = registry ?? {}
  if (registry === undefined || typeof invokeCallbacks !== 'function' || typeof getCallbacksFor !== 'function')
    return false
  registry.invokeCallbacks = (event) => {
    const hooks = (): Promise<unknown> => invokeCallbacks.call(registry, event)
    const { type, toolUse } = event as { readonly type?: string; readonly toolUse?: { readonly toolUseId?: string } }
    const isFor = types === undefined ? getCallbacksFor.call(registry, event).length > 0 : types.has(type)
    return isFor ? around(hooks, type, toolUse?.toolUseId) : hooks()
  }
  return true
}
