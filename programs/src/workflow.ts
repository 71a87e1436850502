/**
 * Workflows: functions that replay.
 *
 *   running ──returns──▶ unfinished children are cancelled ──▶ completed
 *      ├──throws──▶ failed: children go on, a retry of this run finds what they did
 *      │               └─(it did what can be undone)─▶ children are cancelled, it is undone (saga.ts) ──▶ failed
 *      └──cancel──▶ every call of ctx rejects ──▶ children are cancelled, onCancel handlers run, and what can be is
 *                   undone ──▶ cancelled
 *
 * A cancelled run ends as cancelled whatever its function does; the host sees to that, and to the grace.
 */
import type { Durable, Duration, Op, Program, Undoing } from '@selvage/core'
import {
  decode,
  type OptionNames,
  refuseNoFunction,
  refuseNoText,
  refuseUnknown,
  StepError,
  toMs,
  UsageError,
} from '@selvage/core'
import { type BudgetOptions, readBudget } from './budgets/budget.ts'
import { metered } from './budgets/metered.ts'
import { isCancelled, whenCancelled } from './cancellation.ts'
import type { ChildProgram } from './child.ts'
import type { Context } from './context.ts'
import { type Retry, retryBehaviour } from './failures/retry.ts'
import { forked } from './forked.ts'
import { refuseNoSchema, type StandardSchema } from './input.ts'
import { Saga } from './sagas/saga.ts'
import { sleepUntil } from './waits/sleep.ts'
import { type Print, printToConsole, WorkflowContext } from './workflow-context.ts'

export interface WorkflowOptions<Input = unknown> {
  /** Runs go on with the version that they were started with: an edit that is not guarded by `ctx.changed` needs a new one. */
  version?: string
  /** Any Standard Schema: validates the input before a run starts. */
  input?: StandardSchema<unknown, Input>
  /** For steps that have no policy of their own, effects `once` excepted. Default: only RetryableError is tried again. */
  retry?: Retry
  /** What the run and all runs below it may use together: see docs/budgets.md. */
  budget?: BudgetOptions
  /** How long a run may take, waits included, from when a worker begins with it. Then it is cancelled: RUN_TIMEOUT. */
  timeout?: Duration
  /** Where `ctx.log` prints. Default: the console, with the run's id in front. */
  log?: Print
}

const OPTIONS: OptionNames<WorkflowOptions> = {
  version: true,
  input: true,
  retry: true,
  budget: true,
  timeout: true,
  log: true,
}

/** A workflow as a program that engines run and as a child that workflows start. */
export type Workflow<Input = unknown, Result = unknown> = Program & ChildProgram<Input, Result>

/**
 * Makes a program of a function. `fn` must do the same between two calls of `ctx` each time that it runs: see Context.
 * UsageError BAD_INPUT for an empty name, and for options that are unknown or make no sense.
 */
export function createWorkflow<Input = unknown, Result = unknown>(
  name: string,
  fn: (ctx: Context, input: Input) => Promise<Result> | Result,
  options: WorkflowOptions<Input> = {},
): Workflow<Input, Result> {
  refuseNoText('The name of a workflow', name)
  if (typeof fn !== 'function') {
    throw new UsageError('BAD_INPUT', `Workflow "${name}" was given no function.`, {
      hint: 'What it does is a function of its context and its input, behind the name.',
    })
  }
  if (name === '') throw new UsageError('BAD_INPUT', 'A workflow needs a name.', { hint: 'Name it by what it does.' })
  refuseUnknown(`Workflow "${name}"`, options, OPTIONS)
  if (options.version !== undefined) refuseNoText(`The version of workflow "${name}"`, options.version)
  refuseNoSchema(`input of workflow "${name}"`, options.input)
  refuseNoFunction(`log of workflow "${name}"`, options.log)
  if (options.retry !== undefined) retryBehaviour(options.retry, () => 0)
  const budget = options.budget === undefined ? undefined : readBudget(`workflow "${name}"`, options.budget)
  return {
    name,
    ...(options.version !== undefined && { version: options.version }),
    ...(options.input !== undefined && { input: options.input }),
    resume: 'replay',
    ...(options.timeout !== undefined && { timeoutMs: toMs(options.timeout, `timeout of workflow "${name}"`) }),
    async run(gate) {
      const durable = metered(forked(gate), budget)
      const input = decode(durable.start.input) as Input
      const saga = new Saga(durable)
      const ctx = new WorkflowContext(durable, { retry: options.retry, print: options.log ?? printToConsole, saga })
      const hasHandlers = whenCancelled(durable).then(() => ctx.hasCancelHandlers)
      let concluded: Promise<void> | undefined
      const body = async (): Promise<Result> => {
        const running = (async () => fn(ctx, input))()
        concluded = conclude(durable, ctx, running)
        await concluded
        return await running
      }
      return await saga.around(body, { aside: (undoing) => conclusion(undoing, ctx, concluded, hasHandlers) })
    },
  }
}

/** What a run does before it is undone: handlers of a cancel have the grace of the run, children of a failed one are told. */
async function conclusion(
  { outcome, gate, graceUntil }: Undoing,
  ctx: WorkflowContext,
  concluded: Promise<void> | undefined,
  hasHandlers: Promise<boolean>,
): Promise<void> {
  if (!('cancelled' in outcome)) return await ctx.endChildren()
  if (!(await hasHandlers)) return await concluded
  const timeoutMs = Math.max(1, graceUntil - gate.clock())
  const op: Op = { key: 'undo/handlers', kind: 'code', name: 'onCancel handlers', effect: 'read', timeoutMs }
  await gate
    .step(op, () => concluded)
    .catch((error: unknown) => {
      if (!StepError.is(error)) throw error
    })
}

async function conclude(durable: Durable, ctx: WorkflowContext, running: Promise<unknown>): Promise<void> {
  const ended = running.then(
    () => true,
    () => false,
  )
  const completed = await Promise.race([ended, whenCancelled(durable)])
  if (!isCancelled(durable)) {
    if (completed) await ctx.endChildren()
    return
  }
  const children = ctx.endChildren()
  if (ctx.hasCancelHandlers) {
    const patience = sleepUntil(durable.shielded(), 'patience', durable.now() + PATIENCE_MS)
    await Promise.race([ended, patience])
    await ctx.runCancelHandlers()
  }
  await children
}

/** How long `onCancel` handlers wait for a function that does not heed the cancel. */
const PATIENCE_MS = 1_000
