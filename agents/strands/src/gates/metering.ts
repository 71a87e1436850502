/**
 * Spending at the gates. A model call is reserved inside of its step, so that one that was recorded costs nothing, and
 * its attempts are counted one by one; a refusal records nothing and is answered outside of it, where people can be
 * asked. A tool call is reserved before its step, because an effect `once` must not have been intended by then.
 *
 *   reserve ─▶ granted ─▶ call ─▶ settled by the usage that the provider tells
 *      │                    ├─ failed before the first word ─▶ settled: a call, no tokens
 *      │                    └─ failed behind it, or the process died ─▶ as reserved, until an attempt succeeds
 *      └─ refused ─▶ (downgrade) reserved for the cheaper model ─▶ granted …
 *             └─ ask: a question; stop: the run ends with BUDGET_EXCEEDED
 */
import {
  NOTHING_SPENT,
  type Op,
  RunError,
  SelvageError,
  type Spend,
  TerminalError,
  UnrecordedError,
} from '@selvage/core'
import {
  askForMore,
  exceeded,
  factsOf,
  isRefusal,
  type Meter,
  ONE_TOOL_CALL,
  type Refusal,
  type Ticket,
} from '@selvage/programs'
import type { Model } from '@strands-agents/sdk'
import { type AnswerRecord, isModelOutcome, usageOf, usageOfError } from '../conversation/record.ts'
import { Unanswered } from './asking.ts'
import type { Estimate } from './estimate.ts'
import type { Scope } from './scope.ts'

/** A model call that no pot grants. */
export class BudgetRefusal extends Error {
  override readonly name = 'BudgetRefusal'
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(`Pot ${refusal.pot.id} refused a call.`)
    this.refusal = refusal
  }
}

export interface MeteredCall {
  readonly scope: Scope
  /** Of the step. */
  readonly key: string
  readonly model: Model
  readonly estimate: (model: Model) => Estimate
  /** Makes the call. `begun` is called with the first thing that the provider says. */
  readonly make: (model: Model, begun: () => void) => Promise<AnswerRecord>
}

/** Inside of the step. Rejects with UnrecordedError of a `BudgetRefusal`. */
export async function metered(call: MeteredCall): Promise<AnswerRecord> {
  const { scope, model, make } = call
  const { meter } = scope.nest
  if (meter === undefined) return await make(model, () => {})
  const { ticket, chosen, reserved } = await reserve(meter, call)
  ticket.begin()
  let hasBegun = false
  try {
    const record = await make(chosen, () => {
      hasBegun = true
    })
    ticket.settle(await worthOf(meter, chosen, record, reserved), true)
    return chosen === model ? record : { ...record, model: nameOf(chosen) }
  } catch (error) {
    const usage = isModelOutcome(error) ? usageOfError(error) : undefined
    if (usage !== undefined) ticket.settle(await spendOf(meter, chosen, usage), true)
    else if (isModelOutcome(error) && hasBegun) ticket.settle(reserved, true)
    else if (hasBegun) ticket.leave()
    else ticket.settle({ ...NOTHING_SPENT, modelCalls: 1 })
    throw error
  }
}

export function nameOf(model: Model): string {
  return model.modelId ?? 'model'
}

interface Reserved {
  readonly ticket: Ticket
  readonly chosen: Model
  readonly reserved: Spend
}

async function reserve(meter: Meter, { scope, key, model, estimate }: MeteredCall): Promise<Reserved> {
  const { downgradeTo } = scope.policy.money
  const attempt = async (chosen: Model, hasCheaper: boolean): Promise<Reserved | Refusal> => {
    const reserved = await spendOf(meter, chosen, estimate(chosen))
    const ticket = await meter.reserve(key, reserved, hasCheaper)
    return isRefusal(ticket) ? ticket : { ticket, chosen, reserved }
  }
  let answer: Reserved | Refusal
  try {
    answer = await attempt(model, downgradeTo !== undefined)
    if (isRefused(answer) && answer.pot.onExceeded === 'downgrade' && downgradeTo !== undefined) {
      answer = await attempt(downgradeTo, false)
    }
  } catch (error) {
    throw new UnrecordedError(error)
  }
  if (isRefused(answer)) throw new UnrecordedError(new BudgetRefusal(answer))
  return answer
}

function isRefused(answer: Reserved | Refusal): answer is Refusal {
  return 'granted' in answer
}

async function spendOf(meter: Meter, model: Model, usage: Estimate): Promise<Spend> {
  const nanoUsd = await meter.costOf(nameOf(model), usage)
  return { ...NOTHING_SPENT, tokens: usage.totalTokens, nanoUsd, modelCalls: 1 }
}

/** A provider that tells no usage is not free: the call was worth what it was reserved for. */
async function worthOf(meter: Meter, model: Model, record: AnswerRecord, reserved: Spend): Promise<Spend> {
  const usage = usageOf(record)
  return usage === undefined ? reserved : await spendOf(meter, model, usage)
}

/** What the gate throws when a model call failed before it was made; undefined: it is to be made again. */
export async function afterRefusal(scope: Scope, local: string, error: unknown): Promise<unknown> {
  if (error instanceof BudgetRefusal) return await granted(scope, local, error.refusal)
  // Without a price nothing may be spent: no model and no manager makes anything of that.
  if (scope.nest.meter !== undefined && SelvageError.is(error, 'BAD_INPUT')) scope.fail(error)
  return error
}

/** Before the step of a tool. Undefined: no pot concerns it, or it is recorded. */
export async function toolTicket(scope: Scope, op: Op, local: string): Promise<Ticket | undefined> {
  const { meter } = scope.nest
  if (meter === undefined || scope.hasStep(op.key)) return undefined
  if (!(await meter.limits('toolCalls')) && !(await meter.limits('workMs'))) return undefined
  while (true) {
    const answer = await meter.reserve(op.key, ONE_TOOL_CALL)
    if (!isRefusal(answer)) return answer
    const error = await granted(scope, local, answer)
    if (error !== undefined) throw error
  }
}

/** Around the body of a tool. An attempt behind one that failed in this process is another call. */
export async function toolCall<T>(
  scope: Scope,
  op: Op,
  ticket: Ticket | undefined,
  body: () => Promise<T>,
): Promise<T> {
  if (ticket === undefined) return await body()
  const own = ticket.isOver ? await anotherTicket(scope, op) : ticket
  own.begin()
  try {
    return await body()
  } finally {
    own.settle(ONE_TOOL_CALL)
  }
}

/** Inside of a step nobody can be asked. */
async function anotherTicket(scope: Scope, op: Op): Promise<Ticket> {
  const answer = await (scope.nest.meter as Meter).reserve(op.key, ONE_TOOL_CALL)
  if (!isRefusal(answer)) return answer
  const error = exceeded(scope.durable.runId, op.key, factsOf(answer.pot, answer.lacks, answer.amount[answer.lacks]))
  scope.fail(error)
  throw new TerminalError(error.message)
}

/** Undefined: somebody has raised the cap. Else the error that ends the run. */
async function granted(scope: Scope, local: string, refusal: Refusal): Promise<unknown> {
  const { pot, lacks, amount } = refusal
  const { runId } = scope.durable
  const facts = factsOf(pot, lacks, amount[lacks])
  const step = scope.key(local)
  let error: unknown = exceeded(runId, step, facts)
  if (pot.onExceeded === 'ask') {
    try {
      return await askForMore(scope.asking, scope.key(`budget:${local}`), step, refusal)
    } catch (thrown) {
      if (scope.durable.abortSignal.aborted) return thrown
      error = thrown instanceof Unanswered ? openQuestion(scope, step, thrown, facts) : thrown
    }
  }
  scope.fail(error)
  return error
}

function openQuestion(scope: Scope, step: string, { key }: Unanswered, facts: object): RunError {
  const { runId } = scope.durable
  const questionId = scope.fold.questions.get(key)?.id ?? scope.durable.id('ap_', key)
  return new RunError(
    'BUDGET_EXCEEDED',
    `Run ${runId} is at the end of its budget, and asks for more: ${questionId}.`,
    {
      hint: `Answer it with \`selvage approve ${questionId}\`, then run the program again.`,
      details: { runId, step, question: questionId, ...facts },
    },
  )
}
