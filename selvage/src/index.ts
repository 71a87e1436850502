import './node-version.ts'

export type {
  AgentBudget,
  AgentContext,
  AgentFactory,
  AgentOptions,
  AgentRun,
  AgentRunResult,
  AgentStepOptions,
  DurablePlugin,
  OrchestratorFactory,
  OrchestratorOptions,
  OrchestratorRunResult,
  ToolApproval,
  ToolPolicies,
} from '@selvage/strands'
export { isReplayed, runOf } from '@selvage/strands'
export { type DurableOptions, durable } from './durable.ts'
export * from './exports.ts'
export type { AgentPipelineStage, AgentStage } from './pipeline-stages.ts'
export { openSelvage, Selvage } from './selvage.ts'
