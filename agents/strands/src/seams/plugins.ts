/** The seams of plugins of the SDK: session managers, strategies of retries, goal loops. */
import {
  type Agent,
  DefaultModelRetryStrategy,
  type Message,
  ModelRetryStrategy,
  SessionManager,
  type Snapshot,
} from '@strands-agents/sdk'
import { fieldsOf } from './inside.ts'
import { NO_INTERRUPTS } from './interrupts.ts'

/** The plugins of an agent, initialised or not, with those that the SDK makes of other options. */
export function pluginsOf(agent: Agent): unknown[] {
  const { _pluginRegistry } = agent as unknown as { readonly _pluginRegistry: object }
  return fieldsOf(_pluginRegistry).flatMap((field) => (typeof field === 'object' && field ? fieldsOf(field) : []))
}

/** Whether an agent has one, as its option or in its list of plugins. */
export function hasSessionManager(agent: Agent): boolean {
  return agent.sessionManager !== undefined || pluginsOf(agent).some((plugin) => plugin instanceof SessionManager)
}

/** Strategies by which the loop asks a model again. */
function retryStrategiesOf(agent: Agent): ModelRetryStrategy[] {
  return pluginsOf(agent).filter((plugin) => plugin instanceof ModelRetryStrategy)
}

/** Whether model calls of that agent are made again as the SDK does it where its author has said nothing. */
export function hasDefaultRetry(agent: Agent): boolean {
  const { _modelRouter } = agent as unknown as { readonly _modelRouter?: unknown }
  const [strategy, ...others] = retryStrategiesOf(agent)
  if (_modelRouter !== undefined || !(strategy instanceof DefaultModelRetryStrategy) || others.length > 0) return false
  const settings = ({ _maxAttempts, _backoff }: { _maxAttempts?: unknown; _backoff?: unknown }): string =>
    JSON.stringify([_maxAttempts, _backoff])
  return settings(strategy as object) === settings(new DefaultModelRetryStrategy() as object)
}

const muted = new WeakMap<ModelRetryStrategy, () => boolean>()

/** While `isMuted`, the agent's strategies make no other attempt. */
export function muteRetries(agent: Agent, isMuted: () => boolean): void {
  for (const strategy of retryStrategiesOf(agent)) {
    const isKnown = muted.has(strategy)
    muted.set(strategy, isMuted)
    if (isKnown) continue
    const open = strategy as unknown as { computeRetryDecision(event: unknown): unknown }
    const decide = open.computeRetryDecision.bind(strategy)
    open.computeRetryDecision = (event) => (muted.get(strategy)?.() ? { retry: false } : decide(event))
  }
}

interface GoalLoopInside {
  readonly _preserveContext: boolean
  readonly _runs: WeakMap<object, { initialSnapshot?: Snapshot }>
}

/**
 * A GoalLoop with `preserveContext: false` keeps what the agent is at the first model call of an invocation, in a field of
 * its run, and gives the agent that back before each other attempt. Undefined where the agent has no such plugin, or that
 * has it already; else what tells it the messages of that model call.
 */
export function missingGoalStart(agent: Agent): ((messages: readonly Message[]) => void) | undefined {
  const plugin = pluginsOf(agent).find(isForgetfulGoalLoop)
  const run = plugin?._runs.get(agent)
  if (run === undefined || run.initialSnapshot !== undefined) return undefined
  return (messages) => {
    const { data, ...snapshot } = agent.takeSnapshot({ include: ['systemPrompt', 'modelState'] })
    const shown = messages.map((message) => message.toJSON() as never)
    run.initialSnapshot = { ...snapshot, data: { ...data, messages: shown, interrupts: NO_INTERRUPTS } }
  }
}

function isForgetfulGoalLoop(plugin: unknown): plugin is GoalLoopInside {
  const { _preserveContext, _runs } = (plugin ?? {}) as Partial<GoalLoopInside>
  return _preserveContext === false && _runs instanceof WeakMap
}
