/** The seams of models that are called beside the loop. */
import { Agent, Message, Model } from '@strands-agents/sdk'
import { fieldsOf, MOST_OBJECTS } from './inside.ts'

/** What chooses among the models of a router. */
export interface Strategy {
  select(context: { readonly attempts: readonly unknown[] }): unknown
}

/**
 * The models that an agent and what it is made of can call, each in a field of its owner: the agent's, a router's
 * candidates and its strategy's, those of conversation, context and memory managers, of plugins and interventions. Not
 * found: `#private` fields, and what only a closure holds (`aroundInherited`). Nearest first; large data is not looked
 * through.
 */
export function modelsAround(agent: Agent): { readonly models: readonly Model[]; readonly strategies: Strategy[] } {
  const { contextManager, memoryManager } = agent as { contextManager?: unknown; memoryManager?: unknown }
  const { _modelRouter, _conversationManager, _pluginRegistry, _interventionRegistry } = agent as unknown as {
    readonly [field: string]: unknown
  }
  const models: Model[] = []
  const strategies: Strategy[] = []
  const seen = new Set<unknown>([agent])
  const queue: unknown[] = [
    ...[agent.model, _modelRouter, _conversationManager, contextManager, memoryManager],
    ...[_pluginRegistry, _interventionRegistry],
  ]
  for (let at = 0; at < queue.length && at < MOST_OBJECTS; at++) {
    const value = queue[at]
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    if (value instanceof Model) models.push(value)
    else if (value instanceof Agent) queue.push(value.model)
    else if (!(value instanceof Message) && !ArrayBuffer.isView(value)) {
      const { _strategy, _candidates } = value as { readonly _strategy?: Partial<Strategy>; _candidates?: unknown }
      if (typeof _strategy?.select === 'function' && Array.isArray(_candidates)) strategies.push(_strategy as Strategy)
      queue.push(...fieldsOf(value))
    }
  }
  return { models, strategies }
}

type Stream = Model['streamAggregated']

/**
 * Puts something around `streamAggregated` as every provider inherits it, for all models of the process: the only prototype
 * of the SDK that is written to. `around` is called for each call, and gives the events that the caller gets.
 */
export function aroundInherited(
  around: (inherited: Stream, model: Model, ...asked: Parameters<Stream>) => ReturnType<Stream>,
): void {
  const inherited = Model.prototype.streamAggregated
  Model.prototype.streamAggregated = function (this: Model, ...asked: Parameters<Stream>) {
    return around(inherited, this, ...asked)
  }
}
