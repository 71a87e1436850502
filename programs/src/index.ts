export * from './approval.ts'
export { type ApprovalOptions, type ApprovalPolicy, checkApproval } from './approval-options.ts'
export * from './budget.ts'
export * from './budget-question.ts'
export type { ChildOptions, ChildProgram } from './child.ts'
export * from './classify.ts'
export * from './context.ts'
export * from './effects.ts'
export * from './input.ts'
export * from './interrupt.ts'
export * from './meter.ts'
export * from './names.ts'
export * from './pipeline.ts'
export {
  nameStages,
  type PipelineInput,
  type PipelineOptions,
  type PipelineResult,
  type PipelineStage,
  type ProgramStage,
  type StageContext,
  type StageOptions,
} from './pipeline-stages.ts'
export * from './poll.ts'
export * from './prices.ts'
export * from './retry.ts'
export type { Callback } from './signals.ts'
export { withParts } from './with-parts.ts'
export * from './workflow.ts'
