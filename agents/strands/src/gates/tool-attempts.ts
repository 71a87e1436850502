/**
 * The attempts of one tool call. An error that a tool tells the model is a result; only where the call is made again is
 * it a failure, journaled with what the tool said. What is left in the end reaches the model in the tool's own words.
 */
import { FailedResult, type Op, type StepBehaviour } from '@selvage/core'
import { CircuitOpenError, classifyUnder, ONLY_RETRYABLE, retryBehaviour } from '@selvage/programs'
import type { ExecuteToolContext, Tool, ToolContext, ToolResultBlock } from '@strands-agents/sdk'
import type { ToolRecord } from '../conversation/record.ts'
import type { ToolEffect } from '../policies/policy.ts'
import { ConsumerLeft } from './relay.ts'
import type { Scope } from './scope.ts'

type Behaviour = Pick<StepBehaviour<ToolRecord>, 'retryAfterMs' | 'heartbeatTimeoutMs'>

/** When a call is made again, and for how long it may be silent. */
export function toolBehaviour(scope: Scope, { key, name }: Op, { effect }: ToolEffect): Behaviour {
  const { failures } = scope.policy
  const retry = failures.retryOf(name, effect === 'once') ?? ONLY_RETRYABLE
  const { heartbeatMs } = failures.limitsOf(name)
  const held = holdsOf(scope)
  const guard = failures.toolCircuit(name)
  let waited = scope.attemptsOf(key).filter(({ error }) => guard?.waits && error.name === 'CircuitOpenError').length
  const again: Behaviour['retryAfterMs'] = (error, attempt, at) => {
    if (error instanceof ConsumerLeft) return undefined
    if (error instanceof CircuitOpenError && guard?.waits) {
      waited++
      return error.openUntil - at.now
    }
    if (!(error instanceof CircuitOpenError)) {
      if (classifyUnder(retry, error).class === 'transient') guard?.circuit.failed(at.now)
      else guard?.circuit.succeeded()
    }
    // Most calls never fail: what their policy costs is left until one does. A wait for a circuit is no attempt.
    return retryBehaviour(retry, () => scope.durable.random(`retry:${key}`))(error, attempt - waited, at)
  }
  return {
    retryAfterMs: (error, attempt, at) => {
      const after = again(error, attempt, at)
      if (typeof after === 'number') held.set(key, failures.holdProcess(after))
      return after
    },
    ...(heartbeatMs !== undefined && { heartbeatTimeoutMs: heartbeatMs }),
  }
}

const holds = new WeakMap<Scope, Map<string, () => void>>()

/** What lets an author's process go, by the key of the step that waits for its next attempt. */
function holdsOf(scope: Scope): Map<string, () => void> {
  const map = holds.get(scope) ?? new Map<string, () => void>()
  holds.set(scope, map)
  return map
}

/** Before the body. Throws CircuitOpenError where its circuit lets nothing through. */
export function enterCircuit(scope: Scope, { key, name }: Op): void {
  holdsOf(scope).get(key)?.()
  scope.policy.failures.toolCircuit(name)?.circuit.enter(scope.durable.clock())
}

/** Throws where the tool has told an error; `record`: what is kept of it if it stands. */
export function throwIfError(scope: Scope, name: string, block: ToolResultBlock, record: () => ToolRecord): void {
  if (block.status !== 'error') scope.policy.failures.toolCircuit(name)?.circuit.succeeded()
  else throw new FailedResult(block.error ?? new ToolResultError(block), record)
}

/** An error result without an error behind it: of an MCP tool, for example. */
class ToolResultError extends Error {
  override readonly name = 'ToolResultError'

  constructor({ content }: ToolResultBlock) {
    super(content.flatMap((block) => (block.type === 'textBlock' ? [block.text] : [])).join('\n'))
  }
}

/** A tool whose cancel signal fires with `abortSignal`, too: the executor hands every tool that of its agent. */
export function abortedBy(tool: ExecuteToolContext['tool'], abortSignal: AbortSignal): ExecuteToolContext['tool'] {
  return withContext(tool, (context) => ({
    ...context,
    cancelSignal: AbortSignal.any([context.cancelSignal, abortSignal]),
  }))
}

/** A tool of which `taken` is told when its body takes the agent out of its context. */
export function agentTakenBy(tool: ExecuteToolContext['tool'], taken: () => void): ExecuteToolContext['tool'] {
  return withContext(tool, (context) => telling(context, taken))
}

/** A context that tells when the agent is taken out of it. */
export function telling<Context extends { readonly agent: unknown }>(context: Context, taken: () => void): Context {
  const { agent } = context
  const get = (): unknown => {
    taken()
    return agent
  }
  return Object.defineProperty({ ...context }, 'agent', { get, enumerable: true, configurable: true })
}

/** A tool of which `keep` is given what it streams: the executor leaves it as it is when its own consumer leaves. */
export function streamKept(
  tool: ExecuteToolContext['tool'],
  keep: (events: ReturnType<Tool['stream']>) => void,
): ExecuteToolContext['tool'] {
  return withStream(tool, (original, context) => {
    const events = original(context)
    keep(events)
    return events
  })
}

function withContext(
  tool: ExecuteToolContext['tool'],
  changed: (context: ToolContext) => ToolContext,
): ExecuteToolContext['tool'] {
  return withStream(tool, (original, context) => original(changed(context)))
}

function withStream(
  tool: ExecuteToolContext['tool'],
  by: (original: Tool['stream'], context: ToolContext) => ReturnType<Tool['stream']>,
): ExecuteToolContext['tool'] {
  if (tool === undefined) return undefined
  const stream: Tool['stream'] = (context) => by((given) => tool.stream(given), context)
  return new Proxy(tool, {
    get: (target, name) => {
      if (name === 'stream') return stream
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
