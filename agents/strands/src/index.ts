export {
  type AgentContext,
  type AgentFactory,
  type AgentRunResult,
  createAgentProgram,
} from './agent-program.ts'
export type { AgentBudget } from './budget.ts'
export type { Conversation } from './conversation.ts'
export { isReplayed } from './events.ts'
export type { SentMessage } from './fold.ts'
export { conversationOf, innerConversationsOf, MESSAGE } from './fold.ts'
export {
  createOrchestratorProgram,
  type OrchestratorFactory,
  type OrchestratorOptions,
  type OrchestratorRunResult,
} from './orchestrator-program.ts'
export {
  createDurablePlugin,
  DURABLE_OPTIONS,
  type DurableOptions,
  type DurablePlugin,
  type OpenDurable,
} from './plugin.ts'
export type { ToolApproval, ToolPolicies } from './policy.ts'
export type { AgentOptions } from './program-options.ts'
export { type AgentRun, type AgentStepOptions, type OfAgent, runOf } from './run-of.ts'
export {
  busy,
  createSessionProgram,
  isIdleSession,
  type Replied,
  ReplyReader,
  sessionProgramName,
} from './session-program.ts'
