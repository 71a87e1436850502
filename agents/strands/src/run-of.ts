/**
 * The durable run of an agent, for the author's code that runs beside the gates: hooks, middleware and tools.
 *
 * Hooks of the cycle under way fire again when a run goes on; what they do through `step()` is done once. The key of such
 * a step says where it was made, in words that are the same in every process:
 *
 *   hook:<event>:<name>@<n>[:<tool use id>][~2]     n: model outcomes recorded by then; ~2: the second there
 *   hook:<event>:<name>@<message or call>[~2]       before the first turn of a session's message, or of a call of an agent
 *                                                   that keeps its context: those before it need not have been counted
 *
 * An event of a tool call is told apart by the tool use, so that calls that run side by side may ask in any order.
 */
import {
  type Duration,
  type Op,
  type OptionNames,
  refuseUnknown,
  type StepContext,
  toMs,
  UsageError,
} from '@selvage/core'
import { type EffectDeclaration, effectStep, ONLY_RETRYABLE, type Retry, retryBehaviour } from '@selvage/programs'
import type { Agent } from '@strands-agents/sdk'
import type { Scope } from './gates/scope.ts'

export interface AgentStepOptions<T> extends Omit<Partial<EffectDeclaration<T>>, 'compensate' | 'compensateUnknown'> {
  /**
   * In place of the counted one: what has this key is done once in a run, wherever it is asked for, and gives what was
   * recorded every other time.
   */
  readonly key?: string
  /** Default: an error other than RetryableError is recorded at once, and thrown. */
  readonly retry?: Retry
  /** Of each attempt. */
  readonly timeout?: Duration
  /** How long each attempt may go without `at.heartbeat()`. */
  readonly heartbeatTimeout?: Duration
}

const STEP: OptionNames<AgentStepOptions<unknown>> = {
  key: true,
  effect: true,
  retry: true,
  timeout: true,
  heartbeatTimeout: true,
  reconcile: true,
  onUnknown: true,
  ask: true,
}

/** What an agent's own code is given of the run that it is part of. */
export interface AgentRun {
  readonly runId: string
  /**
   * Whether what the event tells of was recorded before this process went on with the run: a model call or tool call that
   * was not made now. For what should be seen or logged once.
   */
  readonly isReplaying: boolean
  /**
   * Does something once in the run and records its result (JSON and the codec's other values). Inside the body of a tool,
   * which is a step already, it is a plain call. `once`, `reconcile` and `onUnknown` as for the steps of a workflow.
   */
  step<T>(name: string, body: (at: StepContext) => Promise<T> | T, options?: AgentStepOptions<T>): Promise<T>
}

/** An event of a hook, the context of a tool or of middleware, or the agent itself. */
export type OfAgent = {
  readonly agent: object
  readonly type?: string
  readonly toolUse?: { readonly toolUseId: string }
}

const scopes = new WeakMap<object, () => Scope | undefined>()

/** Makes the run of an agent known; see `bindAgent`. */
export function knowRunOf(agent: Agent, scope: () => Scope | undefined): void {
  scopes.set(agent, scope)
}

/**
 * The run that an agent is invoked in, from BeforeInvocation to the last hook behind. Undefined where there is none: the
 * agent is not durable, is not being invoked, or has stopped with its turn open (see docs/durable.md).
 *
 *   agent.addHook(AfterToolCallEvent, async (event) => {
 *     await runOf(event)?.step('audit', () => audit(event.toolUse))
 *   })
 */
export function runOf(given: OfAgent | Agent): AgentRun | undefined {
  const of: OfAgent = 'agent' in given ? (given as OfAgent) : { agent: given }
  const scope = scopes.get(of.agent)?.()
  return scope === undefined ? undefined : new RunOfAgent(scope, of)
}

class RunOfAgent implements AgentRun {
  readonly runId: string
  readonly #scope: Scope
  readonly #of: OfAgent

  constructor(scope: Scope, of: OfAgent) {
    this.runId = scope.durable.runId
    this.#scope = scope
    this.#of = of
  }

  get isReplaying(): boolean {
    const { conversation, fold } = this.#scope
    const { toolUse, type } = this.#of
    if (type === 'beforeInvocationEvent') return fold.hasAnswerAhead(this.#scope.ahead)
    if (toolUse !== undefined) return this.#scope.hasRecorded(toolUse.toolUseId, conversation.cycle)
    if (type === 'afterModelCallEvent') return conversation.answers <= fold.recorded
    return conversation.answers < fold.recorded
  }

  async step<T>(
    name: string,
    body: (at: StepContext) => Promise<T> | T,
    options: AgentStepOptions<T> = {},
  ): Promise<T> {
    const { durable } = this.#scope
    const { runId } = this
    refuseUnknown(`Step "${name}" of agent run ${runId}`, options, STEP, { runId })
    const outer = durable.current()
    if (outer !== undefined) return await body(outer)
    const { key: own } = options
    if (name === '' || own === '') {
      throw new UsageError(
        'BAD_INPUT',
        `A step of agent run ${this.runId} has an empty ${own === '' ? 'key' : 'name'}.`,
        {
          hint: 'Name it by what it does.',
          details: { runId: this.runId },
        },
      )
    }
    if (own === undefined) return await this.#make(this.#counted(name), name, body, options)
    const { chosen } = this.#scope
    const before = chosen.get(own)
    if (before !== undefined) return (await before) as T
    const made = this.#make(`hook:${own}`, name, body, options)
    chosen.set(own, made)
    return await made
  }

  #make<T>(
    local: string,
    name: string,
    body: (at: StepContext) => Promise<T> | T,
    { retry = ONLY_RETRYABLE, timeout, heartbeatTimeout, effect, reconcile, onUnknown, ask }: AgentStepOptions<T>,
  ): Promise<T> {
    const { durable } = this.#scope
    const key = this.#scope.key(local)
    const op: Op = {
      key,
      kind: 'code',
      name,
      ...(timeout !== undefined && { timeoutMs: toMs(timeout, `timeout of step "${name}"`) }),
    }
    const declaration = {
      ...(effect !== undefined && { effect }),
      ...(reconcile !== undefined && { reconcile }),
      ...(onUnknown !== undefined && { onUnknown }),
      ...(ask !== undefined && { ask }),
    }
    return effectStep(
      this.#scope.asking,
      op,
      body,
      Object.keys(declaration).length === 0 ? undefined : { effect: 'idempotent', ...declaration },
      {
        retryAfterMs: retryBehaviour(retry, () => durable.random(`retry:${key}`)),
        ...(heartbeatTimeout !== undefined && {
          heartbeatTimeoutMs: toMs(heartbeatTimeout, `heartbeatTimeout of step "${name}"`),
        }),
      },
    )
  }

  #counted(name: string): string {
    const { conversation, ahead } = this.#scope
    const { type = 'agent', toolUse } = this.#of
    const place = toolUse === undefined ? '' : `:${toolUse.toolUseId}`
    return this.#scope.nextOf(`hook:${type.replace(/Event$/, '')}:${name}@${ahead ?? conversation.answers}${place}`)
  }
}
