/**
 * A model for people without an API key: a function of the conversation, streamed as a provider would stream it.
 *
 * The same conversation gets the same answer, in this process or in the next. It is no script: what it says depends on
 * what the tools really returned.
 */

import type { ModelStreamEvent, ToolResultBlock, ToolUseBlock } from '@strands-agents/sdk'
import { type BaseModelConfig, type JSONValue, type Message, Model, type StreamOptions } from '@strands-agents/sdk'

/** What a model said in one turn, and what came of it. */
export interface ToolCall {
  readonly tool: string
  readonly input: JSONValue
  /** Undefined while there is no result. */
  readonly result?: JSONValue
  readonly failed?: boolean
}

/** A conversation as a mind sees it: the tools it has, what it was asked, and the tool calls of its turns so far. */
export interface Conversation {
  readonly tools: readonly string[]
  readonly prompt: string
  readonly turns: readonly (readonly ToolCall[])[]
}

/** Calls of one answer are made at once. An answer without calls is the last. */
export interface Answer {
  readonly text?: string
  readonly calls?: readonly { readonly tool: string; readonly input: JSONValue }[]
}

export type Mind = (conversation: Conversation) => Answer

export interface Pace {
  /** Milliseconds before the first token. Default 80. */
  readonly thinkMs?: number
  /** Milliseconds between two chunks of text. Default 10. */
  readonly chunkMs?: number
}

const CHUNK_LENGTH = 24

export class OfflineModel extends Model {
  readonly #mind: Mind
  readonly #pace: Required<Pace>
  #config: BaseModelConfig

  constructor(name: string, mind: Mind, pace: Pace = {}) {
    super()
    this.#mind = mind
    this.#pace = { thinkMs: 80, chunkMs: 10, ...pace }
    this.#config = { modelId: name, contextWindowLimit: 200_000 }
  }

  override updateConfig(config: BaseModelConfig): void {
    this.#config = { ...this.#config, ...config }
  }

  override getConfig(): BaseModelConfig {
    return this.#config
  }

  override async *stream(messages: Message[], options: StreamOptions = {}): AsyncGenerator<ModelStreamEvent> {
    const tools = (options.toolSpecs ?? []).map((spec) => spec.name)
    const conversation = { tools, ...read(messages) }
    const { text, calls = [] } = this.#mind(conversation)
    await pause(this.#pace.thinkMs, options.cancelSignal)
    yield { type: 'modelMessageStartEvent', role: 'assistant' }
    if (text !== undefined) {
      yield { type: 'modelContentBlockStartEvent' }
      for (let at = 0; at < text.length; at += CHUNK_LENGTH) {
        yield {
          type: 'modelContentBlockDeltaEvent',
          delta: { type: 'textDelta', text: text.slice(at, at + CHUNK_LENGTH) },
        }
        await pause(this.#pace.chunkMs, options.cancelSignal)
      }
      yield { type: 'modelContentBlockStopEvent' }
    }
    for (const [index, call] of calls.entries()) {
      const toolUseId = `${call.tool}-${conversation.turns.length + 1}-${index + 1}`
      yield { type: 'modelContentBlockStartEvent', start: { type: 'toolUseStart', name: call.tool, toolUseId } }
      yield {
        type: 'modelContentBlockDeltaEvent',
        delta: { type: 'toolUseInputDelta', input: JSON.stringify(call.input) },
      }
      yield { type: 'modelContentBlockStopEvent' }
    }
    yield { type: 'modelMessageStopEvent', stopReason: calls.length === 0 ? 'endTurn' : 'toolUse' }
    const inputTokens = tokens(messages)
    const outputTokens = tokens([text, calls])
    yield { type: 'modelMetadataEvent', usage: { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens } }
  }
}

/** The last question and what has happened since. */
function read(messages: readonly Message[]): Omit<Conversation, 'tools'> {
  let prompt = ''
  let turns: ToolCall[][] = []
  for (const message of messages) {
    if (message.role === 'assistant') {
      const calls = message.content.filter((block): block is ToolUseBlock => block.type === 'toolUseBlock')
      if (calls.length > 0) turns.push(calls.map((call) => resolve(call, messages)))
      continue
    }
    const text = message.content.flatMap((block) => (block.type === 'textBlock' ? [block.text] : []))
    if (text.length === 0) continue
    prompt = text.join('\n')
    turns = []
  }
  return { prompt, turns }
}

function resolve(call: ToolUseBlock, messages: readonly Message[]): ToolCall {
  const isResult = (block: { readonly type: string }): block is ToolResultBlock => block.type === 'toolResultBlock'
  const result = messages
    .flatMap((message) => message.content)
    .filter(isResult)
    .find((block) => block.toolUseId === call.toolUseId)
  const base = { tool: call.name, input: call.input }
  return result === undefined ? base : { ...base, result: contentOf(result), failed: result.status === 'error' }
}

function contentOf(result: ToolResultBlock): JSONValue {
  const [first] = result.content
  if (first?.type === 'jsonBlock') return first.json
  return first?.type === 'textBlock' ? first.text : null
}

/** About four characters a token. */
function tokens(value: unknown): number {
  return Math.ceil(JSON.stringify(value).length / 4)
}

function pause(ms: number, abortSignal: AbortSignal | undefined): Promise<void> {
  abortSignal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(abortSignal?.reason)
    }
    const timer = setTimeout(() => {
      abortSignal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    abortSignal?.addEventListener('abort', stop, { once: true })
  })
}
