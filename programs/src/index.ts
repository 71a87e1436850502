export * from './approval.ts'
export { type ApprovalOptions, type ApprovalPolicy, checkApproval } from './approval-options.ts'
export * from './budget.ts'
export * from './budget-question.ts'
export type { ChildOptions, ChildProgram } from './child.ts'
export * from './circuit-breaker.ts'
export * from './classify.ts'
export type {
  Compensate,
  CompensateBody,
  CompensateOptions,
  CompensateUnknown,
  Compensation,
  Done,
} from './compensate.ts'
export * from './context.ts'
export type { Undo } from './deeds.ts'
export * from './effects.ts'
export { type DryRun, forked, isForkPolicy } from './forked.ts'
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
export { Saga, type SagaOptions } from './saga.ts'
export type { Callback } from './signals.ts'
export type { UndoFacts } from './undo-item.ts'
export { undoKey, undoneBy } from './undo-key.ts'
export { withParts } from './with-parts.ts'
export * from './workflow.ts'
