/**
 * Answers that are failures: the model declined, or did not give the structured output that it was asked for. They are
 * recorded as answers if nothing else is to be tried.
 */
import { FailedResult } from '@selvage/core'
import type { InvokeModelContext, InvokeModelResult, Usage } from '@strands-agents/sdk'
import type { AnswerRecord } from '../conversation/record.ts'
import { structuredOutputTool } from '../seams/tools.ts'

/** The model, or a filter in front of it, declined. */
export class ModelRefusalError extends Error {
  override readonly name = 'ModelRefusalError'
  readonly stopReason: string
  /** What the refusal cost. */
  readonly usage: Usage | undefined

  constructor(stopReason: string, usage: Usage | undefined) {
    super(`The model did not answer: ${stopReason}.`)
    this.stopReason = stopReason
    this.usage = usage
  }
}

/** The structured output is not there, or is not what its schema says. */
export class MalformedOutputError extends Error {
  override readonly name = 'StructuredOutputError'
  readonly usage: Usage | undefined

  constructor(message: string, usage: Usage | undefined, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.usage = usage
  }
}

const REFUSALS: readonly string[] = ['contentFiltered', 'guardrailIntervened', 'refusal']

/** Throws where an answer is a failure; `record`: what is kept of it if it stands. */
export function throwIfFailure(ctx: InvokeModelContext, { result }: InvokeModelResult, record: AnswerRecord): void {
  const usage = result.metadata?.usage
  if (REFUSALS.includes(result.stopReason))
    throw new FailedResult(new ModelRefusalError(result.stopReason, usage), () => record)
  const fault = outputFault(ctx, result.message.content)
  if (fault !== undefined)
    throw new FailedResult(new MalformedOutputError(fault.message, usage, fault.cause), () => record)
}

type Content = InvokeModelResult['result']['message']['content']

function outputFault(
  { agent, toolChoice }: InvokeModelContext,
  content: Content,
): { readonly message: string; readonly cause?: unknown } | undefined {
  const tool = structuredOutputTool(agent)
  if (tool === undefined) return undefined
  const uses = content.flatMap((block) => (block.type === 'toolUseBlock' && block.name === tool.name ? [block] : []))
  const isForced = toolChoice !== undefined && 'tool' in toolChoice && toolChoice.tool.name === tool.name
  if (uses.length === 0)
    return isForced ? { message: 'The model did not give the structured output that it had to give.' } : undefined
  for (const { input } of uses) {
    const cause = tool.fault(input)
    if (cause !== undefined)
      return { message: 'The structured output of the model is not what its schema says.', cause }
  }
  return undefined
}
