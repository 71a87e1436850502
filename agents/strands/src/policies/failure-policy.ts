/** What was declared about the failures of an agent's model and tools, beside the agent. */
import { type Duration, type OptionNames, refuseNoObject, refuseUnknown, toMs, UsageError } from '@selvage/core'
import {
  type Circuit,
  CircuitBreaker,
  type CircuitBreakerOptions,
  type FailureClass,
  type FailureKind,
  isPerClass,
  type Retry,
  type RetryPolicies,
  type RetryPolicy,
  retryBehaviour,
} from '@selvage/programs'
import { Model } from '@strands-agents/sdk'

/**
 * For model calls: a policy for each class of failure, or one policy, which is that of transient failures. `tools`: for
 * the calls of a tool, by its name or `*` for all that have none of their own (effects `once` excepted); there one
 * policy is for whatever fails.
 */
export type AgentRetry = Retry & { readonly tools?: { readonly [tool: string]: Retry } }

/** A model that is asked where the one before it has failed. */
export interface Fallback {
  /** A model, or what makes one: once, when it is first needed. */
  readonly model: Model | (() => Model)
  /** Kinds or classes of failure that it stands in for. Default: transient, refusal, context-overflow, malformed-output. */
  readonly on?: readonly (FailureKind | FailureClass)[]
}

export interface FailurePolicies {
  /**
   * When model and tool calls are made again, durably: a backoff is a timer of the run and survives the process. Default
   * for managed programs: transient failures of the model, up to 10 attempts within about a quarter of an hour, unless
   * the agent has a `retryStrategy` or a model router of its own. `false`: only what the SDK does in memory. Where model
   * calls are retried here, the agent's own strategies are not asked. See docs/failures.md.
   */
  readonly retry?: AgentRetry | false
  /** Models that are asked, one after the other, where the agent's model fails. What was asked is never asked again. */
  readonly fallback?: readonly Fallback[]
  /**
   * Leaves a model or a tool alone for a while, in all runs of this worker, that fails again and again. Off by default. A
   * `new CircuitBreaker()` may be shared by several agents, and says what state its circuits are in.
   */
  readonly circuitBreaker?: CircuitBreakers
  /** How long an attempt of a model call may take. */
  readonly modelTimeout?: Duration
  /** How long an attempt of a tool call may take, by the name of the tool. After it the call fails, and may be retried. */
  readonly timeouts?: { readonly [tool: string]: Duration | ToolTimeout }
}

export interface ToolTimeout {
  readonly timeout?: Duration
  /** How long the tool may go without `currentStep().heartbeat()`. */
  readonly heartbeatTimeout?: Duration
}

export interface CircuitBreakers {
  /** For the models of the agent, each a circuit of its own. */
  readonly model?: CircuitBreaker | CircuitBreakerOptions
  /** For tools, by name. */
  readonly tools?: { readonly [tool: string]: CircuitBreaker | CircuitBreakerOptions }
}

export const FAILURE_OPTIONS: OptionNames<FailurePolicies> = {
  retry: true,
  fallback: true,
  circuitBreaker: true,
  modelTimeout: true,
  timeouts: true,
}

const FALLBACK: OptionNames<Fallback> = { model: true, on: true }
const TOOL_TIMEOUT: OptionNames<ToolTimeout> = { timeout: true, heartbeatTimeout: true }
const CIRCUIT_BREAKERS: OptionNames<CircuitBreakers> = { model: true, tools: true }

/** How much later than planned an attempt may begin. */
const MOMENT_MS = 5_000

/** Where nothing was said: about a quarter of an hour. */
const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 10, initial: '2s', max: '5m' }

const DEFAULT_ON: readonly (FailureKind | FailureClass)[] = [
  'transient',
  'refusal',
  'context-overflow',
  'malformed-output',
]

/** A candidate for a model call behind the agent's own model. */
export interface Candidate {
  readonly on: ReadonlySet<string>
  model(): Model
}

export interface Limits {
  readonly timeoutMs: number | undefined
  readonly heartbeatMs: number | undefined
}

const NO_LIMITS: Limits = { timeoutMs: undefined, heartbeatMs: undefined }

export class FailurePolicy {
  /** Of model calls, as its author wrote it. */
  readonly modelRetry: RetryPolicies | undefined
  /** Of the last candidate of model calls, where its author wrote nothing. */
  readonly defaultRetry: RetryPolicies | undefined
  readonly candidates: readonly Candidate[]
  readonly modelTimeoutMs: number | undefined
  readonly #isManaged: boolean
  readonly #modelBreaker: CircuitBreaker | undefined
  readonly #toolBreakers: ReadonlyMap<string, CircuitBreaker>
  readonly #tools: { readonly [tool: string]: Retry }
  readonly #limits: ReadonlyMap<string, Limits>

  /** `isManaged`: a worker has the run, and a wait keeps nobody's process busy. UsageError for what makes no sense. */
  constructor(options: FailurePolicies, isManaged: boolean) {
    const { retry, fallback = [], circuitBreaker = {}, modelTimeout, timeouts = {} } = options
    refuseUnknown('circuitBreaker', circuitBreaker, CIRCUIT_BREAKERS)
    if (retry !== false) refuseNoObject('retry', retry)
    refuseNoObject('timeouts', timeouts)
    if (!Array.isArray(fallback)) {
      throw new UsageError('BAD_INPUT', 'fallback is no list.', {
        hint: 'Write fallback: [{ model: new SomeModel(…) }].',
      })
    }
    this.#isManaged = isManaged
    this.#modelBreaker = breakerOf(circuitBreaker.model)
    this.#toolBreakers = new Map(
      Object.entries(circuitBreaker.tools ?? {}).flatMap(([tool, given]) => {
        const breaker = breakerOf(given)
        return breaker === undefined ? [] : [[tool, breaker]]
      }),
    )
    const { model, tools } = retry === undefined || retry === false ? { model: undefined, tools: {} } : parted(retry)
    this.modelRetry = model
    this.#tools = tools
    for (const one of [model, ...Object.values(tools)]) if (one !== undefined) retryBehaviour(one, () => 0)
    this.defaultRetry = retry === undefined && isManaged ? { transient: DEFAULT_RETRY } : undefined
    this.candidates = fallback.map(candidateOf)
    this.modelTimeoutMs = modelTimeout === undefined ? undefined : toMs(modelTimeout, 'modelTimeout')
    this.#limits = new Map(Object.entries(timeouts).map(([tool, limit]) => [tool, limitsOf(tool, limit)]))
  }

  /** Of a tool's calls; `isOnce`: a policy for all tools does not count. */
  retryOf(tool: string, isOnce: boolean): Retry | undefined {
    if (Object.hasOwn(this.#tools, tool)) return this.#tools[tool]
    return isOnce ? undefined : this.#tools['*']
  }

  limitsOf(tool: string): Limits {
    return this.#limits.get(tool) ?? NO_LIMITS
  }

  modelCircuit(model: string): Guard | undefined {
    return guardOf(this.#modelBreaker, `model ${model}`)
  }

  /** Whether an attempt that a model's circuit does not let through waits. */
  get waitsForModels(): boolean {
    return this.#modelBreaker?.whileOpen === 'wait'
  }

  toolCircuit(tool: string): Guard | undefined {
    return guardOf(this.#toolBreakers.get(tool), `tool ${tool}`)
  }

  /**
   * In an author's own process nothing else may keep it alive until the next attempt, in `ms`. The returned function lets it
   * go again; where nobody calls it, because the run was cancelled meanwhile, that comes a moment later by itself.
   */
  holdProcess(ms: number): () => void {
    if (this.#isManaged || ms >= 2 ** 31 - MOMENT_MS) return () => {}
    const handle = setTimeout(() => {}, ms + MOMENT_MS)
    return () => clearTimeout(handle)
  }

  /** The options in which something is declared of that very tool. */
  declaredOf(tool: string): readonly string[] {
    return [
      ...(Object.hasOwn(this.#tools, tool) ? ['retry'] : []),
      ...(this.#limits.has(tool) ? ['timeouts'] : []),
      ...(this.#toolBreakers.has(tool) ? ['circuitBreaker'] : []),
    ]
  }

  /** Tools that something is declared of. */
  get tools(): readonly string[] {
    return [
      ...Object.keys(this.#tools).filter((name) => name !== '*'),
      ...this.#limits.keys(),
      ...this.#toolBreakers.keys(),
    ]
  }
}

function parted(retry: AgentRetry): { model: RetryPolicies | undefined; tools: { readonly [tool: string]: Retry } } {
  const { tools = {}, ...rest } = retry as AgentRetry & RetryPolicies
  if (Object.keys(rest).length === 0) return { model: undefined, tools }
  return { model: isPerClass(rest) ? rest : { transient: rest as RetryPolicy }, tools }
}

/** A circuit, and what an attempt does that it does not let through. */
export interface Guard {
  readonly circuit: Circuit
  readonly waits: boolean
}

function guardOf(breaker: CircuitBreaker | undefined, name: string): Guard | undefined {
  return breaker && { circuit: breaker.circuit(name), waits: breaker.whileOpen === 'wait' }
}

function breakerOf(given: CircuitBreaker | CircuitBreakerOptions | undefined): CircuitBreaker | undefined {
  return given === undefined || given instanceof CircuitBreaker ? given : new CircuitBreaker(given)
}

function candidateOf(fallback: Fallback): Candidate {
  refuseUnknown('A fallback', fallback, FALLBACK)
  const { model, on = DEFAULT_ON } = fallback
  if (!(model instanceof Model) && typeof model !== 'function') {
    throw new UsageError('BAD_INPUT', 'A fallback has no model.', {
      hint: 'Write fallback: [{ model: new SomeModel(…) }], or a function that makes it.',
    })
  }
  let made: Model | undefined
  return {
    on: new Set(on),
    model: () => {
      made ??= model instanceof Model ? model : model()
      return made
    },
  }
}

function limitsOf(tool: string, limit: Duration | ToolTimeout): Limits {
  const isPlain = typeof limit !== 'object' || limit === null || !('timeout' in limit || 'heartbeatTimeout' in limit)
  if (!isPlain) refuseUnknown(`The timeout of tool "${tool}"`, limit, TOOL_TIMEOUT)
  const { timeout, heartbeatTimeout } = isPlain ? { timeout: limit as Duration } : (limit as ToolTimeout)
  const ms = (duration: Duration | undefined, what: string): number | undefined =>
    duration === undefined ? undefined : toMs(duration, `${what} of tool "${tool}"`)
  return { timeoutMs: ms(timeout, 'timeout'), heartbeatMs: ms(heartbeatTimeout, 'heartbeatTimeout') }
}
