/** What was declared about an agent's tools, beside the agent: their effects, and who must approve a call. */
import {
  type Effect,
  type KnownOptions,
  type OptionNames,
  refuseNoObject,
  refuseUnknown,
  UsageError,
} from '@selvage/core'
import {
  type ApprovalPolicy,
  checkApproval,
  type EffectDeclaration,
  normalizeEffect,
  type Undo,
} from '@selvage/programs'
import type { Tool } from '@strands-agents/sdk'
import { suppliedRecord, type ToolRecord } from '../conversation/record.ts'
import { agentOfTool } from '../seams/tools.ts'
import { type AgentBudget, type ReadyBudget, readAgentBudget } from './budget.ts'
import { FAILURE_OPTIONS, type FailurePolicies, FailurePolicy } from './failure-policy.ts'
import { type LoopGuardOptions, type ReadyLoopGuard, readLoopGuard } from './loop-guard.ts'

export interface ToolPolicies extends FailurePolicies {
  /**
   * What each tool does outside, by its name: see docs/guarantees.md. Tools without one follow their MCP annotations,
   * else `defaultEffect`.
   */
  readonly effects?: { readonly [tool: string]: Effect | EffectDeclaration }
  /** Default `idempotent`, and one line at start names the tools that it is assumed of. */
  readonly defaultEffect?: Effect
  /** Tools whose calls somebody must approve first, by name. `true`: anybody, at any time. */
  readonly approvals?: { readonly [tool: string]: ToolApproval | true }
  /** What the agent may use, over all that its run does: see docs/budgets.md. */
  readonly budget?: AgentBudget
  /** What becomes of an agent that makes the same call with the same result again and again: see docs/budgets.md. */
  readonly loopGuard?: LoopGuardOptions
}

export interface ToolApproval extends ApprovalPolicy {
  /** Shown beside the arguments to whoever decides. Anything that can be recorded. */
  details?: unknown
  /**
   * What a no does. `tell-model` (default): the model is told the reason, and goes on. `fail`: the run fails with REJECTED,
   * and what it did is undone where that was declared.
   */
  onReject?: 'tell-model' | 'fail'
}

const TOOL_APPROVAL: OptionNames<ToolApproval> = {
  assignee: true,
  timeout: true,
  onTimeout: true,
  escalateTo: true,
  reminders: true,
  quorum: true,
  of: true,
  details: true,
  onReject: true,
}

export type ToolEffect = EffectDeclaration<ToolRecord>

export class Policy {
  readonly failures: FailurePolicy
  readonly #effects: Map<string, ToolEffect>
  readonly #approvals: Map<string, ToolApproval>
  readonly #defaultEffect: Effect | undefined
  readonly money: ReadyBudget
  readonly loopGuard: ReadyLoopGuard | undefined
  #told = false

  /** `isManaged`: a worker has the run. UsageError for declarations that make no sense. */
  constructor(options: ToolPolicies, isManaged = false) {
    const { effects = {}, approvals = {}, defaultEffect, budget } = options
    refuseNoObject('effects', effects)
    refuseNoObject('approvals', approvals)
    this.failures = new FailurePolicy(options, isManaged)
    this.money = readAgentBudget(budget)
    this.loopGuard = readLoopGuard(options.loopGuard)
    if (defaultEffect !== undefined) normalizeEffect(defaultEffect)
    this.#defaultEffect = defaultEffect
    this.#effects = new Map(Object.entries(effects).map(([tool, declared]) => [tool, checked(declared)]))
    this.#approvals = new Map(
      Object.entries(approvals).map(([tool, approval]) => [tool, approval === true ? {} : approval]),
    )
    for (const [tool, approval] of this.#approvals) checkToolApproval(tool, approval)
  }

  effectOf(name: string, tool: Tool | undefined): ToolEffect {
    return this.#effects.get(name) ?? annotated(tool) ?? { effect: this.#defaultEffect ?? 'idempotent' }
  }

  /** How a call of that tool is undone, if it can be. */
  undoOf(name: string): Undo | undefined {
    const declared = this.#effects.get(name)
    if (declared?.compensate === undefined) return undefined
    const { compensation, reconcile } = normalizeEffect(declared)
    return compensation && { compensation, ...(reconcile !== undefined && { reconcile }) }
  }

  /** Tools whose calls are undone when their run fails or is cancelled. */
  get undoable(): readonly string[] {
    return [...this.#effects].flatMap(([tool, { compensate }]) => (compensate === undefined ? [] : [tool]))
  }

  approvalOf(name: string): ToolApproval | undefined {
    return this.#approvals.get(name)
  }

  /**
   * The vended `bash` keeps one shell from call to call: what was set and where it was is gone with the process, and the
   * model would not be told. UNSUPPORTED, unless its effect is declared, by an author who knows.
   */
  refuseLive(agent: string, tools: readonly Tool[]): void {
    if (this.#effects.has(BASH) || !tools.some(isLiveBash)) return
    throw new UsageError(
      'UNSUPPORTED',
      `Agent "${agent}" has the live bash tool, whose shell is lost with the process.`,
      {
        hint: "Use the SDK's shell tool, which begins anew with each call, or declare effects: { bash: … } if your commands do not rely on each other.",
      },
    )
  }

  /** What is declared of that tool which only a call can follow that is one step. */
  ofOneStep(name: string): readonly string[] {
    const { effect, ...rest } = this.#effects.get(name) ?? {}
    return [
      ...(effect === 'once' ? ["the effect 'once'"] : []),
      ...Object.keys(rest),
      ...this.failures.declaredOf(name),
    ]
  }

  /** What the author should know before a run, once: tools of undeclared effect, declarations of no tool. */
  remarks(agent: string, tools: readonly Tool[]): string[] {
    if (this.#told) return []
    this.#told = true
    const undeclared = tools.filter(
      (tool) => !this.#effects.has(tool.name) && !tool.name.startsWith('strands_') && agentOfTool(tool) === undefined,
    )
    const assumed = this.#defaultEffect === undefined ? undeclared.filter((tool) => annotated(tool) === undefined) : []
    const known = new Set(tools.map(({ name }) => name))
    const unknown = [...this.#effects.keys(), ...this.#approvals.keys(), ...this.failures.tools].filter(
      (name) => !known.has(name),
    )
    return [
      ...(assumed.length > 0
        ? [
            `Agent "${agent}": after a crash these tools are run again with the same idempotency key, as nothing declares their effect: ${list(assumed.map(({ name }) => name))}.`,
          ]
        : []),
      ...(unknown.length > 0
        ? [`Agent "${agent}" has no tool called ${list(unknown)}; what is declared of tools goes by their names.`]
        : []),
    ]
  }
}

/** BAD_INPUT when the agent is registered, not when the tool is called. */
function checkToolApproval(tool: string, approval: ToolApproval): void {
  refuseUnknown(`The approval of tool "${tool}"`, approval, TOOL_APPROVAL)
  const { onReject, ...policy } = approval
  if (onReject !== undefined && onReject !== 'tell-model' && onReject !== 'fail') {
    throw new UsageError('BAD_INPUT', `The approval of tool "${tool}" has onReject: ${JSON.stringify(onReject)}.`, {
      hint: 'Use tell-model or fail.',
    })
  }
  checkApproval(tool, policy)
}

function list(names: readonly string[]): string {
  return [...new Set(names)].join(', ')
}

function checked(declared: Effect | EffectDeclaration): ToolEffect {
  normalizeEffect(declared)
  if (typeof declared === 'string') return { effect: declared }
  const { reconcile, ...rest } = declared
  if (reconcile === undefined) return rest
  return {
    ...rest,
    reconcile: async (at) => {
      const found = await reconcile(at)
      return typeof found === 'object' && found.done ? { done: true, result: suppliedRecord(found.result) } : found
    },
  }
}

/**
 * What an MCP server says of its tool. Hints are no proof, so only those count that were given, and the careful reading
 * wins: what is said to destroy, and not said to be idempotent, is never run again blindly.
 */
function annotated(tool: Tool | undefined): ToolEffect | undefined {
  const { annotations } = (tool?.toolSpec ?? {}) as { annotations?: { readonly [hint: string]: unknown } }
  if (annotations?.readOnlyHint === true) return { effect: 'read' }
  if (annotations?.idempotentHint === true) return { effect: 'idempotent' }
  if (annotations?.destructiveHint === true) return { effect: 'once' }
  return undefined
}

const BASH = 'bash'

/**
 * By what it says of itself: its module must not be imported to compare. It makes SIGTERM and SIGINT end the process at once, with
 * code 0, whatever else the process would do first.
 */
function isLiveBash({ name, description }: Tool): boolean {
  return name === BASH && description.includes('in a persistent session')
}

/** Options that declare something of tools and models: of both forms. */
export const POLICY_OPTIONS: OptionNames<ToolPolicies> = {
  effects: true,
  defaultEffect: true,
  approvals: true,
  budget: true,
  loopGuard: true,
  ...FAILURE_OPTIONS,
}

/** Reserved names of both forms, and what to do instead. */
const RESERVED: { readonly [option: string]: string } = {
  timeout: 'Give the run a deadline when you start it.',
  compensate: 'Declare it beside the effect of the tool: effects: { charge: { effect, compensate } }.',
}
const RESERVED_NAMES: KnownOptions = Object.fromEntries(Object.keys(RESERVED).map((name) => [name, false]))

/** Options that later issues own (UNSUPPORTED), and those that nobody knows (BAD_INPUT): never ignored. */
export function refuseOptions(what: string, options: object, known: KnownOptions): void {
  refuseUnknown(what, options, { ...RESERVED_NAMES, ...known })
  for (const [name, instead] of Object.entries(RESERVED)) {
    if (known[name] || (options as { readonly [name: string]: unknown } | undefined)?.[name] === undefined) continue
    throw new UsageError('UNSUPPORTED', `${what}: ${name} is not built yet.`, { hint: instead })
  }
}
