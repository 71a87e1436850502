/**
 * The body of a tool, as the step that it is: what it does to its agent beside its result is recorded with that, and done again
 * where the body is not.
 *
 *   appState · invocationState · messages, edited in place or in number · system prompt · cancel
 *
 * Tools and models that it gives its agent are code: of those one line tells.
 */
import { encode, InterruptedError, type StepContext, UnrecordedError } from '@selvage/core'
import type {
  AgentStreamEvent,
  ExecuteToolContext,
  ExecuteToolStage,
  MiddlewareNextOf,
  ToolResultBlock,
} from '@strands-agents/sdk'
import { markReplayed } from '../conversation/events.ts'
import { type EditedInput, recordResult, type ToolRecord } from '../conversation/record.ts'
import { interruptJson, isInterruptError } from '../seams/interrupts.ts'
import { endAtStop, STOP_MARK } from '../seams/tools.ts'
import { type Code, codeChanges, codeOf } from '../turns/code-change.ts'
import { applyInvocation, watchInvocation } from '../watches/invocation-watch.ts'
import { messagesOf, replaceMessages } from '../watches/messages-taken.ts'
import { chunkOf } from './chunks.ts'
import { ConsumerLeft, pump, type Send } from './relay.ts'
import type { Scope } from './scope.ts'
import { abortedBy, agentTakenBy, telling } from './tool-attempts.ts'

/** A call of a tool by its agent's model. */
export interface Call {
  readonly scope: Scope
  readonly ctx: ExecuteToolContext
  readonly next: MiddlewareNextOf<typeof ExecuteToolStage>
  /** The model answer that asked for it. */
  readonly cycle: number
  /** Ids of interrupts whose answers lie ready for the body. */
  readonly answered: Set<string>
  /** A person has changed the arguments. */
  readonly edited?: EditedInput
}

/**
 * So many are looked through behind every body, for some 20 microseconds. Of more, only where the body has taken its agent:
 * what else has changed them far from both ends is recorded with the next model call.
 */
const FEW_MESSAGES = 1_000

/** Runs the tool, and what is wrapped around it inside of us. */
export async function runBody(
  call: Call,
  at: StepContext,
  send: Send<AgentStreamEvent>,
): Promise<{ readonly record: () => ToolRecord; readonly block: ToolResultBlock }> {
  const { scope, ctx, next } = call
  const { timeoutMs, heartbeatMs } = scope.policy.failures.limitsOf(ctx.toolUse.name)
  const sendOn: Send<AgentStreamEvent> = (event) => {
    if (scope.hasGivenUp(at)) return Promise.reject(new ConsumerLeft())
    const chunk = chunkOf(event)
    if (chunk !== undefined) at.emit(chunk)
    return send(event)
  }
  const invocation = watchInvocation(ctx.invocationState)
  const code = codeOf(scope.agent)
  let hasAgent = scope.conversation.messages.length <= FEW_MESSAGES
  const taken = (): void => {
    hasAgent = true
  }
  const watched = hasAgent ? ctx.tool : agentTakenBy(ctx.tool, taken)
  const tool = (timeoutMs ?? heartbeatMs) === undefined ? watched : abortedBy(watched, at.abortSignal)
  const context = { ...ctx, tool, invocationState: invocation.state }
  const given = hasAgent ? context : telling(context, taken)
  try {
    const { result: block } = await pump(next(given), sendOn)
    if (scope.hasGivenUp(at)) throw new ConsumerLeft()
    return { record: () => recordOf(block), block }
  } catch (error) {
    if (error instanceof ConsumerLeft) throw new UnrecordedError(error)
    if (!isInterruptError(error)) throw error
    throw new InterruptedError(
      error.interrupts.map((interrupt) => encode(interruptJson(interrupt), `interrupt ${interrupt.name}`)),
    )
  }

  /** What the body has done to the agent, with its result. */
  function recordOf(block: ToolResultBlock): ToolRecord {
    const state = scope.watch.take(at.key)
    const written = invocation.take((keys) => tellLost(call, keys))
    const systemPrompt = scope.prompt.changed()
    tellCode(call, code)
    const changes = scope.conversation.changedByTool(messagesOf(scope.agent), hasAgent)
    // By the body, or by somebody who meant the agent; not by the end of the run.
    const cancelled = ctx.cancelSignal.aborted && !scope.durable.abortSignal.aborted && scope.fatal === undefined
    return {
      ...recordResult(block),
      ...(state !== undefined && { state }),
      ...(written !== undefined && { invocation: written }),
      ...changes,
      ...(systemPrompt !== undefined && { systemPrompt }),
      ...(cancelled && { cancelled: true as const }),
      ...(call.edited !== undefined && { edited: call.edited }),
    }
  }
}

/** What the recorded body did to the agent is done again. */
export function redo({ scope, ctx }: Call, record: ToolRecord, block: ToolResultBlock): void {
  markReplayed(block)
  if (record.invocation !== undefined) applyInvocation(ctx.invocationState, record.invocation)
  if (STOP_MARK in (record.invocation?.set ?? {})) endAtStop(scope.agent)
  if (record.edits !== undefined || record.messages !== undefined) {
    scope.conversation.changeAgain(record)
    replaceMessages(scope.agent, scope.conversation.messages)
  }
  if (record.state !== undefined) scope.watch.apply(record.state)
  if (record.systemPrompt !== undefined) scope.prompt.apply(record.systemPrompt)
  if (record.cancelled) scope.agent.cancel()
}

export function tellLost({ scope, ctx }: Call, keys: string): void {
  scope.nest.tellLost(`Tool ${ctx.toolUse.name}`, keys)
}

/** Tools and models are code, which the next process has from where the agent is made. */
function tellCode({ scope, ctx }: Call, before: Code): void {
  const changes = codeChanges(scope.agent, before)
  if (changes.length === 0) return
  scope.nest.log(
    `While tool ${ctx.toolUse.name} of run ${scope.durable.runId} ran, agent "${scope.agent.name}" ${changes.join(' and ')}, which is code and cannot be recorded: it is undone when the run goes on in another process. Do it where the agent is made.`,
  )
}
