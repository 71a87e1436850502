/**
 * Asking whether a tool may be called. What is approved is this call of this tool with these arguments: where a hook that
 * has changed with a deploy makes other arguments of the recorded call, the answer to the old question counts no more,
 * and somebody is asked about the new ones. A call that a hook makes again with the same arguments is decided already.
 */
import { canonical, type Json, type JsonObject, StepError } from '@selvage/core'
import { type ApprovalAnswer, requestApproval } from '@selvage/programs'
import type { ExecuteToolContext } from '@strands-agents/sdk'
import type { EditedInput } from '../conversation/record.ts'
import type { ToolApproval } from '../policies/policy.ts'
import { approveKey } from './questions.ts'
import type { Scope } from './scope.ts'

/**
 * Rejects with what ends the run: nobody decided, and the model must not take that for a no; or a no that is to end it.
 */
export async function approveCall(
  scope: Scope,
  ctx: ExecuteToolContext,
  cycle: number,
  approval: ToolApproval,
): Promise<ApprovalAnswer> {
  const { toolUseId, input } = ctx.toolUse
  const call = `${toolUseId} ${canonical(input as Json)}`
  const answer = scope.approvals.get(call) ?? ask(scope, ctx, cycle, approval)
  scope.approvals.set(call, answer)
  try {
    const decided = await answer
    if (!decided.approved && approval.onReject === 'fail') throw rejection(scope, ctx, cycle, decided)
    return decided
  } catch (error) {
    if (StepError.is(error, 'APPROVAL_TIMEOUT') || StepError.is(error, 'REJECTED')) scope.fail(error)
    throw error
  }
}

async function ask(
  scope: Scope,
  { tool, toolUse }: ExecuteToolContext,
  cycle: number,
  { onReject: _, ...approval }: ToolApproval,
): Promise<ApprovalAnswer> {
  const { toolUseId, name } = toolUse
  const input = toolUse.input as Json
  const inputSchema = tool?.toolSpec?.inputSchema as JsonObject | undefined
  const key = await keyFor(scope, scope.key(approveKey(toolUseId, cycle)), name, input)
  return requestApproval(scope.asking, key, name, {
    ...approval,
    tool: name,
    input,
    ...(inputSchema !== undefined && { inputSchema }),
  })
}

function rejection(
  scope: Scope,
  { toolUse }: ExecuteToolContext,
  cycle: number,
  { reason, by }: ApprovalAnswer & { readonly approved: false },
): StepError {
  const { runId } = scope.durable
  const who = by === undefined ? '' : ` by ${by}`
  return new StepError('REJECTED', `The call of ${toolUse.name} of run ${runId} was rejected${who}: ${reason}`, {
    details: { runId, step: scope.key(approveKey(toolUse.toolUseId, cycle)), attempt: 1, by, reason },
  })
}

/** The key of the question about these very arguments; one about others is closed. */
async function keyFor({ fold, durable }: Scope, key: string, tool: string, input: Json): Promise<string> {
  const asked = fold.questions.get(key)
  if (asked === undefined) return key
  const shown = canonical(input)
  if (asked.tool === tool && canonical(asked.input ?? null) === shown) return key
  if (!fold.waited.has(key)) await durable.wait(key, asked.id, durable.clock())
  return `${key}=${durable.id('', `${tool} ${shown}`).slice(0, 8)}`
}

/** What the record of the call says of an answer that has put other arguments in place of the model's. */
export function editOf(answer: ApprovalAnswer & { readonly approved: true }, input: Json): EditedInput {
  const { by, at } = answer
  return { input, ...(by !== undefined && { by }), ...(at !== undefined && { at }) }
}
