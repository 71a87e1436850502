/** The budget of an agent, and the cheaper model that it may go on with. */
import { type OptionNames, refuseUnknown, UsageError } from '@selvage/core'
import { BUDGET_OPTIONS, type Budget, type BudgetOptions, readBudget } from '@selvage/programs'
import type { Model } from '@strands-agents/sdk'

export interface AgentBudget extends BudgetOptions {
  /**
   * The model that answers where a pot says `downgrade`: the agent's own, that of a workflow above it, or the tenant's.
   * Which model answered is recorded with each answer.
   */
  readonly downgradeTo?: Model
  /**
   * Output tokens to reserve for a model call before it is made. Default: the `maxTokens` of the model, else 4,096. A
   * call that says more is counted in full all the same.
   */
  readonly outputTokens?: number
}

export interface ReadyBudget {
  /** Not there: the agent has no pot of its own. */
  readonly budget: Budget | undefined
  readonly downgradeTo: Model | undefined
  readonly outputTokens: number | undefined
}

const OPTIONS: OptionNames<AgentBudget> = { ...BUDGET_OPTIONS, downgradeTo: true, outputTokens: true }

/** UsageError BAD_INPUT for what makes no sense. */
export function readAgentBudget(options: AgentBudget | undefined): ReadyBudget {
  if (options === undefined) return { budget: undefined, downgradeTo: undefined, outputTokens: undefined }
  refuseUnknown('The budget of an agent', options, OPTIONS)
  const { downgradeTo, outputTokens, ...rest } = options
  if (downgradeTo !== undefined && typeof downgradeTo.streamAggregated !== 'function') {
    throw bad(
      'has a downgradeTo that is no Model of @strands-agents/sdk',
      'Give a model, such as new BedrockModel({ … }).',
    )
  }
  if (outputTokens !== undefined && !(Number.isSafeInteger(outputTokens) && outputTokens > 0)) {
    throw bad(`has outputTokens: ${String(outputTokens)}`, 'Give a whole number above 0.')
  }
  const isOnlyCheaper = downgradeTo !== undefined && Object.keys(rest).length === 0
  const budget = isOnlyCheaper ? undefined : readBudget('an agent', rest)
  if (budget?.onExceeded === 'downgrade' && downgradeTo === undefined) {
    throw bad("has onExceeded: 'downgrade' and no model to go on with", 'Give it downgradeTo: a cheaper model.')
  }
  return { budget, downgradeTo, outputTokens }
}

function bad(problem: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', `The budget of an agent ${problem}.`, { hint })
}
