/**
 * What a model call may use, before it is made. The prompt: that of the last call, as its provider counted it, and the
 * text that has come since; so no step looks at the whole conversation. The first call of a process that knows no last
 * one counts system prompt and tools once. The output: what the model may say at most.
 *
 * One token for 3 characters is more than most texts need (English about 4, source code about 3). Images, documents and
 * videos count 2,000 tokens each, whatever their size.
 */
import type { Model, Usage } from '@strands-agents/sdk'
import type { Scope } from './scope.ts'

const CHARACTERS_PER_TOKEN = 3
const TOKENS_OF_MEDIA = 2_000
const MEDIA = /"bytes":"[^"]*"/g
/** Where neither the budget nor the model says. */
const OUTPUT_TOKENS = 4_096

/** Usage as a provider might tell it. */
export type Estimate = Usage

export function tokensIn(text: string): number {
  let media = 0
  const rest = text.replace(MEDIA, () => {
    media++
    return ''
  })
  return Math.ceil(rest.length / CHARACTERS_PER_TOKEN) + media * TOKENS_OF_MEDIA
}

export function estimateLoopCall(scope: Scope, model: Model): Estimate {
  const { conversation } = scope
  const since = tokensIn(conversation.sinceLastAnswer())
  const last = conversation.lastUsage
  const output = outputOf(scope, model)
  if (last === undefined) return usage(headerTokens(scope) + since, output)
  const prompt = last.totalTokens - last.outputTokens + since
  const { cacheReadInputTokens, cacheWriteInputTokens } = last
  return {
    inputTokens: last.inputTokens + since,
    outputTokens: output,
    totalTokens: prompt + output,
    ...(cacheReadInputTokens !== undefined && { cacheReadInputTokens }),
    ...(cacheWriteInputTokens !== undefined && { cacheWriteInputTokens }),
  }
}

/** Of a call past the loop: what it sends is what it says. */
export function estimateOtherCall(scope: Scope, model: Model, request: readonly unknown[]): Estimate {
  return usage(tokensIn(JSON.stringify(request) ?? ''), outputOf(scope, model))
}

function usage(inputTokens: number, outputTokens: number): Estimate {
  return { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }
}

function outputOf({ policy }: Scope, model: Model): number {
  const { maxTokens } = model.getConfig()
  return policy.money.outputTokens ?? maxTokens ?? OUTPUT_TOKENS
}

const headers = new WeakMap<Scope, number>()

/** System prompt and tools, once. */
function headerTokens(scope: Scope): number {
  const known = headers.get(scope)
  if (known !== undefined) return known
  const { systemPrompt, toolRegistry } = scope.agent
  const specs = toolRegistry.list().map(({ toolSpec }) => toolSpec)
  const tokens = tokensIn(JSON.stringify([systemPrompt, specs]))
  headers.set(scope, tokens)
  return tokens
}
