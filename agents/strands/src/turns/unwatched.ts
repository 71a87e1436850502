/**
 * Whether anybody sees the events of an invocation. `agent.invoke()` drops them all, so what was recorded need not be made
 * into events again: of a long turn that takes longer than everything else a resume does.
 */
import type { Agent, InvokeOptions } from '@strands-agents/sdk'

/** Tells of the options that an invocation passes on whether they come from `invoke()`. */
export function unwatched(agent: Agent): (options: InvokeOptions | undefined) => boolean {
  const ours = new WeakSet<InvokeOptions>()
  const invoke = agent.invoke.bind(agent)
  agent.invoke = (args, options) => {
    // With an invocationState in them, the SDK passes the options on as they are.
    const own = { ...options, invocationState: options?.invocationState ?? {} }
    ours.add(own)
    return invoke(args, own)
  }
  return (options) => options !== undefined && ours.has(options)
}
