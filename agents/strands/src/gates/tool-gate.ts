/**
 * The gate of the tool stage: approval before the body, the body once, its interrupts asked where any process can answer.
 *
 *   (approve) ─▶ body ─▶ result recorded
 *      │          ├─ interrupts recorded ─▶ asked ─▶ answered ─▶ body again, as a step of its own
 *      │          └─ nobody knows (effect once) ─▶ asked | told to the model | run fails
 *      └─ rejected ─▶ error result with the reason
 *
 * While a call waits its siblings go on, and nothing of it runs. A tool that fails has a result like any other: the model
 * is told the tool's own words, from the journal as well.
 */
import {
  InterruptedError,
  type Json,
  NOTHING_SPENT,
  type Op,
  SelvageError,
  type StepContext,
  StepError,
} from '@selvage/core'
import { askInterrupt, effectStep, withParts } from '@selvage/programs'
import {
  type AgentStreamEvent,
  type ExecuteToolContext,
  type ExecuteToolStage,
  type MiddlewareHandlerOf,
  type Tool,
  ToolResultBlock,
} from '@strands-agents/sdk'
import { errorRecord, recordResult, resultBlock, suppliedRecord, type ToolRecord } from '../conversation/record.ts'
import {
  forgetInterrupt,
  type InterruptJson,
  interruptJson,
  isInterruptError,
  raiseInterrupts,
  respond,
} from '../seams/interrupts.ts'
import { agentOfTool } from '../seams/tools.ts'
import { Frame, inFrame, segment } from '../turns/frames.ts'
import { placeOfTool } from '../turns/places.ts'
import { watchInvocation } from '../watches/invocation-watch.ts'
import { approveCall, editOf } from './approve-call.ts'
import { Unanswered } from './asking.ts'
import { toolCall, toolTicket } from './metering.ts'
import { interruptKey, policyInterrupt } from './questions.ts'
import { ConsumerLeft, relay, type Send } from './relay.ts'
import type { Scope } from './scope.ts'
import { enterCircuit, streamKept, throwIfError, toolBehaviour } from './tool-attempts.ts'
import { type Call, redo, runBody, tellLost } from './tool-body.ts'

type Handler = MiddlewareHandlerOf<typeof ExecuteToolStage>
type Events = AsyncGenerator<AgentStreamEvent, ToolResultBlock, undefined>

/** A Wrap handler of ExecuteToolStage. Outside of a durable run (no scope) it is not there. */
export function toolGate(scopeNow: () => Scope | undefined): Handler {
  return async function* gate(ctx, next) {
    const scope = scopeNow()
    if (scope === undefined) return yield* next(ctx)
    if (scope.hasLeft) throw new ConsumerLeft()
    const call: Call = { scope, ctx, next, cycle: scope.conversation.cycle, answered: new Set() }
    try {
      return { result: yield* decided(call) }
    } catch (error) {
      if (error instanceof Unanswered) return raise(call, [policyInterrupt(scope, error)])
      throw error
    }
  }
}

// ── before the body ─────────────────────────────────────────────────────────────────────────────────────────────────

async function* decided(call: Call): Events {
  const { toolUseId, name } = call.ctx.toolUse
  const instead = await insteadOfLoop(call)
  if (instead !== undefined) return resultBlock(instead, toolUseId)
  const approval = call.scope.policy.approvalOf(name)
  if (approval === undefined) return yield* made(call)
  const answer = await approveCall(call.scope, call.ctx, call.cycle, approval)
  if (!answer.approved) return resultBlock(errorRecord(`The call of ${name} was rejected: ${answer.reason}`), toolUseId)
  if (answer.input === undefined) return yield* made(call)
  const toolUse = { ...call.ctx.toolUse, input: answer.input as ExecuteToolContext['toolUse']['input'] }
  return yield* made({ ...call, ctx: { ...call.ctx, toolUse }, edited: editOf(answer, answer.input) })
}

// ── the body, until it has a result ─────────────────────────────────────────────────────────────────────────────────

async function* made(call: Call): Events {
  while (true) {
    const ask = call.scope.nextAsk(call.ctx.toolUse.toolUseId)
    try {
      const result = yield* madeOnce(call, ask)
      for (const id of call.answered) forgetInterrupt(call.scope.agent, id)
      return result
    } catch (error) {
      if (!(error instanceof InterruptedError)) throw error
      await answerInterrupts(call, error.interrupts as unknown as readonly InterruptJson[], ask)
    }
  }
}

async function* madeOnce(call: Call, ask: string): Events {
  const { scope, ctx, cycle } = call
  const { toolUseId, name, input } = ctx.toolUse
  const local = `tool:${toolUseId}@${cycle}${ask}`
  const limits = scope.policy.failures.limitsOf(name)
  const op: Op = {
    key: scope.key(local),
    kind: 'tool',
    name,
    ...(limits.timeoutMs !== undefined && { timeoutMs: limits.timeoutMs }),
    check: checkOf(call),
    input: input as Json,
  }
  refuseLive(call, op)
  const inner = agentOfTool(ctx.tool)
  if (inner !== undefined && !scope.hasStep(op.key) && scope.nest.adopt(inner.agent, placeOfTool(scope.agent, name)))
    return yield* madeByAgent(call, op, inner.keepsContext)
  // A result that the journal tells of this step, and not a person of an unknown outcome.
  let isRecorded = false
  let live: ToolResultBlock | undefined
  let threw: unknown
  const declared = scope.policy.effectOf(name, ctx.tool)
  const gate = withParts(scope.asking, {
    step: async (step, run, behaviour) => {
      const value = await scope.durable.step(step, run, { ...behaviour, ...toolBehaviour(scope, step, declared) })
      isRecorded = true
      return value
    },
  })
  const make = (send: Send<AgentStreamEvent>): Promise<ToolRecord> => {
    const body = async (at: StepContext): Promise<ToolRecord> => {
      live = undefined
      enterCircuit(scope, op)
      const run = (): ReturnType<typeof runBody> =>
        runBody(call, at, send).catch((error) => {
          threw = error
          throw error
        })
      const { record, block } = await toolCall(scope, op, ticket, run)
      const stands = (): ToolRecord => {
        live = block
        return record()
      }
      throwIfError(scope, name, block, stands)
      return stands()
    }
    return effectStep<ToolRecord>(gate, op, body, declared, undefined, scope.nest.saga)
  }

  const ticket = await toolTicket(scope, op, local)
  let record: ToolRecord
  try {
    record = suppliedRecord(yield* relay(make, () => scope.isLost))
  } catch (error) {
    const inside = thrownInside(error)
    if (inside !== undefined) {
      const thrown = threw ?? inside
      scope.outcomes.set(thrown as object, error)
      throw thrown
    }
    const block = resultBlock(refusal(call, error), toolUseId)
    return StepError.is(error) && error.cause instanceof Error ? withError(block, error.cause) : block
  } finally {
    // Where the body has not run: somebody knew the result.
    ticket?.settle(NOTHING_SPENT)
  }
  scope.loops?.saw(op.key, op.check ?? '', record)
  const recorded = resultBlock(record, toolUseId)
  const block = live?.error === undefined ? recorded : withError(recorded, live.error)
  // What was done to the messages the body has done, or it is done again below.
  const { edits: _, messages: __, ...did } = record
  if (isRecorded) scope.conversation.result(cycle, toolUseId, block, did)
  if (isRecorded && did.systemPrompt !== undefined) scope.prompt.knows(did.systemPrompt)
  if (isRecorded && live === undefined) redo(call, record, block)
  return block
}

/** What has come during the run was not seen when it began. */
function refuseLive({ scope, ctx }: Call, { key }: Op): void {
  if (ctx.tool === undefined || scope.hasStep(key)) return
  try {
    scope.policy.refuseLive(scope.agent.name, [ctx.tool])
  } catch (error) {
    scope.fail(error)
    throw error
  }
}

function checkOf({ scope, ctx }: Call): string {
  const { name, input } = ctx.toolUse
  return scope.durable.id('', JSON.stringify([name, input])).slice(0, 16)
}

/** What the model is told in place of a call that has given the same too often. */
async function insteadOfLoop(call: Call): Promise<ToolRecord | undefined> {
  const { scope, ctx, cycle } = call
  if (scope.loops === undefined) return undefined
  const { toolUseId, name: tool, input } = ctx.toolUse
  const key = scope.key(`tool:${toolUseId}@${cycle}`)
  return await scope.loops.instead({ key, tool, input, check: checkOf(call) })
}

/**
 * A tool that is an agent: what it does are steps of its own, in a frame of its own, so the call is no step before it is
 * over. Then its result is recorded, and nobody asks for what is inside of it again.
 */
async function* madeByAgent(call: Call, op: Op, keepsContext: boolean): Events {
  const { scope, ctx, next, cycle } = call
  const { toolUseId, name } = ctx.toolUse
  const id = op.key.slice(scope.key('tool:').length)
  const frame = keepsContext
    ? new Frame(scope.nest, scope.key(`agent:${segment(name)}/`), id)
    : new Frame(scope.nest, scope.key(`call:${segment(id)}/`))
  const watched = watchInvocation(ctx.invocationState)
  let events: ReturnType<Tool['stream']> | undefined
  const tool = streamKept(ctx.tool, (kept) => {
    events = kept
  })
  let block: ToolResultBlock
  try {
    const { result } = yield* inFrame(frame, () => next({ ...ctx, tool, invocationState: watched.state }))
    block = result
  } catch (error) {
    if (isInterruptError(error)) return raise(call, error.interrupts.map(interruptJson))
    throw error
  } finally {
    await frame.leave()
    await events?.return(undefined as never)
  }
  if (frame.fatal !== undefined) {
    scope.fail(frame.fatal.error)
    throw frame.fatal.error
  }
  if (frame.interrupts.length > 0) return raise(call, frame.interrupts)
  const invocation = watched.take((keys) => tellLost(call, keys))
  // What it did are steps of their own.
  const record = await scope.durable.step<ToolRecord>({ ...op, effect: 'read' }, () => ({
    ...recordResult(block),
    ...(invocation !== undefined && { invocation }),
    ...(call.edited !== undefined && { edited: call.edited }),
  }))
  scope.loops?.saw(op.key, op.check ?? '', record)
  const recorded = resultBlock(record, toolUseId)
  scope.conversation.result(cycle, toolUseId, recorded, record)
  return block.error === undefined ? recorded : withError(recorded, block.error)
}

/**
 * What middleware inside of us has thrown. The SDK leaves it to its executor what follows: one that makes calls at once tells
 * the model, one that makes them in turn ends the invocation.
 */
function thrownInside(error: unknown): Error | undefined {
  if (!StepError.is(error, 'STEP_FAILED') || !(error.cause instanceof Error)) return undefined
  const isOurs = SelvageError.is(error.cause) || error.cause.name === 'CircuitOpenError'
  return isOurs ? undefined : error.cause
}

/** The result of a call that has none of its own, or the error that ends it. */
function refusal({ scope, ctx }: Call, error: unknown): ToolRecord {
  const { name } = ctx.toolUse
  if (StepError.is(error, 'OUTCOME_UNKNOWN')) {
    if (scope.policy.effectOf(name, ctx.tool).onUnknown !== 'tell-model') {
      scope.fail(error)
      throw error
    }
    return errorRecord(`The outcome of ${name} is unknown: it may or may not have happened. Verify before retrying.`)
  }
  // It took too long, its circuit is open, or a person looked and gave up: the model is told such errors by their text.
  if (StepError.is(error, 'STEP_FAILED'))
    return errorRecord(error.cause instanceof Error ? error.cause.message : error.message)
  throw error
}

function withError(block: ToolResultBlock, error: Error): ToolResultBlock {
  const { toolUseId, status, content } = block
  return new ToolResultBlock({ toolUseId, status, content, error })
}

// ── interrupts ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Asks what the body asked, and lays the answers where it looks for them when it runs again. */
async function answerInterrupts(call: Call, raised: readonly InterruptJson[], ask: string): Promise<void> {
  const { scope, ctx, cycle } = call
  const { name: tool, input } = ctx.toolUse
  const asked = await Promise.all(
    raised.map(async (interrupt) => {
      const { id, name, reason } = interrupt
      const key = scope.key(interruptKey(id, cycle, ask))
      const question = await askInterrupt(scope.asking, key, {
        name,
        tool,
        input: input as Json,
        ...(reason !== undefined && { reason: reason as Json }),
      })
      return { interrupt, key, question }
    }),
  )
  if (!scope.waits) {
    const isOpen = ({ key, question }: (typeof asked)[number]): boolean => !scope.isAnswered(key, question.question.id)
    if (asked.some(isOpen)) await scope.caughtUp()
    const open = asked.filter(isOpen)
    if (open.length > 0)
      raise(
        call,
        open.map(({ interrupt }) => interrupt),
      )
  }
  const answers = await Promise.all(asked.map(({ question }) => question.wait()))
  for (const [index, { interrupt }] of asked.entries()) {
    respond(scope.agent, interrupt, answers[index] as Parameters<typeof respond>[2])
    call.answered.add(interrupt.id)
  }
}

/** Ends this pass of the invocation with stopReason `interrupt`, once the siblings are done. */
function raise({ scope, ctx }: Call, interrupts: readonly InterruptJson[]): never {
  for (const { id } of interrupts) scope.raised.add(id)
  return raiseInterrupts(ctx, scope.agent, interrupts)
}
