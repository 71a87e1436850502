/** One agent for all: a model and a tool that answer at once, one tool call a cycle. */
import {
  Agent,
  type AgentConfig,
  type Message,
  Model,
  type ModelStreamEvent,
  NullConversationManager,
  tool,
} from '@strands-agents/sdk'
import { payloads } from '../payload.ts'

/** Without it the SDK estimates the tokens of all messages at each call. */
const USAGE = { inputTokens: 10, outputTokens: 5, totalTokens: 15 }

/** Costs the same at each call, however long the conversation is. */
class InstantModel extends Model<{ modelId: string }> {
  calls = 0
  readonly #cycles: number
  #config = { modelId: 'instant' }

  constructor(cycles: number) {
    super()
    this.#cycles = cycles
  }

  updateConfig(config: { modelId: string }): void {
    this.#config = { ...this.#config, ...config }
  }

  getConfig(): { modelId: string } {
    return this.#config
  }

  async *stream(messages: Message[]): AsyncGenerator<ModelStreamEvent> {
    this.calls++
    const cycle = (messages.length + 1) / 2
    yield { type: 'modelMessageStartEvent', role: 'assistant' }
    if (cycle > this.#cycles) {
      yield { type: 'modelContentBlockStartEvent' }
      yield { type: 'modelContentBlockDeltaEvent', delta: { type: 'textDelta', text: 'I have read all of it.' } }
      yield { type: 'modelContentBlockStopEvent' }
      yield { type: 'modelMessageStopEvent', stopReason: 'endTurn' }
      yield { type: 'modelMetadataEvent', usage: USAGE }
      return
    }
    yield {
      type: 'modelContentBlockStartEvent',
      start: { type: 'toolUseStart', name: 'read', toolUseId: `read-${cycle}` },
    }
    yield {
      type: 'modelContentBlockDeltaEvent',
      delta: { type: 'toolUseInputDelta', input: JSON.stringify({ part: cycle }) },
    }
    yield { type: 'modelContentBlockStopEvent' }
    yield { type: 'modelMessageStopEvent', stopReason: 'toolUse' }
    yield { type: 'modelMetadataEvent', usage: USAGE }
  }
}

export interface InstantAgent {
  readonly agent: Agent
  calls(): { readonly model: number; readonly tool: number }
}

export function instantAgent(cycles: number, resultBytes: number, config: AgentConfig = {}): InstantAgent {
  const result = payloads(resultBytes + 2)
  const model = new InstantModel(cycles)
  let tools = 0
  const read = tool({
    name: 'read',
    description: 'Reads one part of the text.',
    inputSchema: { type: 'object', properties: { part: { type: 'number' } }, required: ['part'] },
    callback: (input) => {
      tools++
      return result((input as { part: number }).part)
    },
  })
  const agent = new Agent({
    id: 'reader',
    model,
    tools: [read],
    conversationManager: new NullConversationManager(),
    printer: false,
    ...config,
  })
  return { agent, calls: () => ({ model: model.calls, tool: tools }) }
}
