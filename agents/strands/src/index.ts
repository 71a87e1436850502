export type { Conversation } from './conversation/conversation.ts'
export { isReplayed } from './conversation/events.ts'
export type { SentMessage } from './conversation/fold.ts'
export { conversationOf, innerConversationsOf, MESSAGE } from './conversation/fold.ts'
export {
  createDurablePlugin,
  DURABLE_OPTIONS,
  type DurableOptions,
  type DurablePlugin,
  type OpenDurable,
} from './plugin.ts'
export type { AgentBudget } from './policies/budget.ts'
export type { ToolApproval, ToolPolicies } from './policies/policy.ts'
export {
  type AgentContext,
  type AgentFactory,
  type AgentRunResult,
  createAgentProgram,
} from './programs/agent-program.ts'
export {
  createOrchestratorProgram,
  type OrchestratorFactory,
  type OrchestratorOptions,
  type OrchestratorRunResult,
} from './programs/orchestrator-program.ts'
export type { AgentOptions } from './programs/program-options.ts'
export {
  busy,
  createSessionProgram,
  isIdleSession,
  type Replied,
  ReplyReader,
  sessionProgramName,
} from './programs/session-program.ts'
export { type AgentRun, type AgentStepOptions, type OfAgent, runOf } from './run-of.ts'
