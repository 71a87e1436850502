export * from './budgets/budget.ts'
export * from './budgets/budget-question.ts'
export * from './budgets/meter.ts'
export * from './budgets/prices.ts'
export type { ChildOptions, ChildProgram } from './child.ts'
export * from './context.ts'
export * from './effects.ts'
export * from './failures/circuit-breaker.ts'
export * from './failures/classify.ts'
export * from './failures/retry.ts'
export { type DryRun, forked, isForkPolicy } from './forked.ts'
export * from './input.ts'
export * from './names.ts'
export * from './people/approval.ts'
export { type ApprovalOptions, type ApprovalPolicy, checkApproval } from './people/approval-options.ts'
export * from './people/interrupt.ts'
export * from './pipelines/pipeline.ts'
export {
  nameStages,
  type PipelineInput,
  type PipelineOptions,
  type PipelineResult,
  type PipelineStage,
  type ProgramStage,
  type StageContext,
  type StageOptions,
} from './pipelines/pipeline-stages.ts'
export type {
  Compensate,
  CompensateBody,
  CompensateOptions,
  CompensateUnknown,
  Compensation,
  Done,
} from './sagas/compensate.ts'
export type { Undo } from './sagas/deeds.ts'
export { Saga, type SagaOptions } from './sagas/saga.ts'
export type { UndoFacts } from './sagas/undo-item.ts'
export { undoKey, undoneBy } from './sagas/undo-key.ts'
export * from './waits/poll.ts'
export type { Callback } from './waits/signals.ts'
export { withParts } from './with-parts.ts'
export * from './workflow.ts'
