/** What 'selvage' and 'selvage/core' have in common. */
export {
  type Blobs,
  CancelledError,
  type Clock,
  ConflictError,
  type Delegation,
  type DiscardOptions,
  type Duration,
  type Effect,
  type Engine,
  EngineError,
  type Entry,
  ERROR_CODES,
  type ErrorCode,
  type Json,
  LeaseLostError,
  type MessageQuery,
  type MessageState,
  NonDeterminismError,
  type NoticeType,
  type OpKind,
  type Outcome,
  type Page,
  type Program,
  type Question,
  type ReconcileContext,
  type Reconciled,
  RetryableError,
  type RunClaim,
  RunError,
  type RunOwner,
  type RunQuery,
  type RunStatus,
  type RunSummary,
  SelvageError,
  type ServeOptions,
  type Signal,
  type SignalReceipt,
  type SqlValue,
  type StepContext,
  StepError,
  type Store,
  TerminalError,
  type Transaction,
  type TransactionDatabase,
  type TransactionStatement,
  UsageError,
  type Vote,
} from '@selvage/core'
export type {
  ApprovalAnswer,
  ApprovalOptions,
  ApprovalPolicy,
  BudgetFacts,
  BudgetOptions,
  ChildOptions,
  ChildProgram,
  CircuitBreakerOptions,
  CircuitReport,
  CircuitState,
  ClassifyRule,
  Context,
  DataAnswer,
  EffectDeclaration,
  Failure,
  FailureClass,
  FailureKind,
  Limits,
  MessageOptions,
  OnUnknown,
  PipelineOptions,
  PipelineStage,
  Price,
  PriceTable,
  ProgramStage,
  Retry,
  RetryPolicies,
  RetryPolicy,
  StageContext,
  StageOptions,
  StandardSchema,
  StepOptions,
  TransactionOptions,
  WorkflowOptions,
} from '@selvage/programs'
export { CircuitBreaker, classify } from '@selvage/programs'
export type { Backup, Inspection } from '@selvage/store-sqlite'
export type { OpenOptions } from './assemble.ts'
export type { ReferenceOptions, Working } from './core-selvage.ts'
export { currentStep } from './current-step.ts'
export { type BackupOptions, backUp, type InspectOptions, inspect } from './database-file.ts'
export type { RunEvent } from './events/event.ts'
export type { EventsOptions } from './events/event-stream.ts'
export type { Logger } from './logger.ts'
export type { Notification, NotificationDelivery, Notify, NotifyTarget } from './notify/notification.ts'
export { type ReceivedWebhook, verifyWebhook, type WebhookOptions, webhook } from './notify/webhook.ts'
export type { Message, MessageDelivery, MessageHandler, OutboxOptions } from './outbox.ts'
export type { FirstAnswer } from './people/answered.ts'
export type { DelegateOptions } from './people/delegate.ts'
export type { Approval, ApprovalQuery } from './people/inbox.ts'
export type { ApprovalLink, LinkAction, LinkAnswer, LinkClaims, LinkOptions } from './people/links.ts'
export type { ProgramHandle, ProgramShape, SessionOptions, StartArguments, StartOptions } from './program-handle.ts'
export type { BulkItem, BulkPage, BulkQuery } from './runs/bulk.ts'
export type { EffectActor, EffectAnswer, EffectRecord } from './runs/effect-ledger.ts'
export type { EffectQuery } from './runs/effects.ts'
export type { ForkOptions } from './runs/fork.ts'
export type { InlineState } from './runs/inline.ts'
export type {
  AnswerOptions,
  ApproveOptions,
  JournalOptions,
  RaiseOptions,
  RejectOptions,
  ResultOptions,
  Run,
  RunState,
  SignalOptions,
  UsageOptions,
} from './runs/run.ts'
export type { LimitState, ModelUsage, PotState, RunUsage } from './runs/run-money.ts'
export type { SendOptions, Session, SessionMessage } from './runs/session.ts'
export type { Period, TenantBudget, TenantOptions } from './treasury.ts'
export type { When } from './when.ts'
