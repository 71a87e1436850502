/** The seams of interventions: handlers that stand before a call of a tool, and those that ask a person about it. */
import { type Agent, type BeforeToolCallEvent, InterventionHandler } from '@strands-agents/sdk'

/** Those that stand before calls of tools: its registry passes by what has the method of the base class. */
export function interventionsOf(agent: Agent): InterventionHandler[] {
  return handlersOf(agent).filter(
    ({ beforeToolCall }) => beforeToolCall !== InterventionHandler.prototype.beforeToolCall,
  )
}

function handlersOf(agent: Agent): readonly InterventionHandler[] {
  const { _interventionRegistry } = agent as unknown as {
    readonly _interventionRegistry?: { readonly handlers?: readonly InterventionHandler[] }
  }
  return _interventionRegistry?.handlers ?? []
}

/** The id of the interrupt by which a handler that returns `confirm` asks about a call: its registry raises it under its name. */
export function confirmId(handler: string, toolUseId: string): string {
  return `hook:beforeToolCall:${toolUseId}:${handler}`
}

/** What a classifier says of a call. */
export interface Verdict {
  readonly requiresHumanInTheLoop: boolean
  readonly reason?: string
}

/**
 * The vended HumanInTheLoop, in fields that are private only to the type checker: it asks `_requiresApproval`, which asks
 * `_classifier` unless the tool use id is one of `_classifiedToolUseIds`, and then whoever answers: `_ask` where there is
 * one, else an interrupt. Its closures hold what `_classifier` calls.
 */
export interface HumanInside {
  readonly name: string
  _requiresApproval(event: BeforeToolCallEvent): Promise<Verdict>
  _classifier?: ((event: BeforeToolCallEvent) => Verdict | Promise<Verdict>) | undefined
  _ask?: ((prompt: string) => Promise<unknown>) | undefined
  readonly _classifiedToolUseIds: Set<string>
}

export function humanInside(handler: InterventionHandler): HumanInside | undefined {
  const found = handler as unknown as Partial<HumanInside>
  const isKnown = typeof found._requiresApproval === 'function' && found._classifiedToolUseIds instanceof Set
  return isKnown ? (found as HumanInside) : undefined
}

/** A call of a tool as a steering handler shows it to its model. Times as ISO texts. */
export interface LedgerCall {
  readonly startTime: string
  readonly id: string
  readonly name: string
  readonly args: unknown
  status: string
  endTime?: string
  result?: unknown
  error?: string | null
}

/** The vended ToolLedgerProvider: hooks of tool calls fill it, as long as its process lives. */
export interface Ledger {
  readonly _toolCalls: LedgerCall[]
  /** The oldest beyond so many are dropped. */
  readonly _maxEntries: number
}

/** Those of an agent's steering handlers. */
export function ledgersOf(agent: Agent): Ledger[] {
  return handlersOf(agent).flatMap((handler) => {
    const { _contextProviders } = handler as unknown as { readonly _contextProviders?: unknown }
    return Array.isArray(_contextProviders) ? _contextProviders.filter(isLedger) : []
  })
}

function isLedger(provider: unknown): provider is Ledger {
  const { _toolCalls, _maxEntries } = (provider ?? {}) as Partial<Ledger>
  return Array.isArray(_toolCalls) && typeof _maxEntries === 'number'
}
