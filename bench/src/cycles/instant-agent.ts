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

/** Told of each call as it begins. */
export interface Watch {
  model(): void
  /** The tool goes on when what it returns resolves. */
  tool(part: number): Promise<void> | undefined
}

/** Without it the SDK estimates the tokens of all messages at each call. */
const USAGE = { inputTokens: 10, outputTokens: 5, totalTokens: 15 }

/** Costs the same at each call, however long the conversation is. */
class InstantModel extends Model<{ modelId: string }> {
  calls = 0
  readonly #cycles: number
  readonly #watch: Watch | undefined
  #config = { modelId: 'instant' }

  constructor(cycles: number, watch: Watch | undefined) {
    super()
    this.#cycles = cycles
    this.#watch = watch
  }

  updateConfig(config: { modelId: string }): void {
    this.#config = { ...this.#config, ...config }
  }

  getConfig(): { modelId: string } {
    return this.#config
  }

  async *stream(messages: Message[]): AsyncGenerator<ModelStreamEvent> {
    this.calls++
    this.#watch?.model()
    // An input that was given twice is one message more.
    const cycle = Math.floor((messages.length + 1) / 2)
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

export interface InstantShape {
  readonly cycles: number
  readonly resultBytes: number
}

export function instantAgent(
  { cycles, resultBytes }: InstantShape,
  watch: Watch | undefined,
  config: AgentConfig = {},
): InstantAgent {
  const result = payloads(resultBytes + 2)
  const model = new InstantModel(cycles, watch)
  let tools = 0
  const read = tool({
    name: 'read',
    description: 'Reads one part of the text.',
    inputSchema: { type: 'object', properties: { part: { type: 'number' } }, required: ['part'] },
    callback: (input) => {
      const { part } = input as { part: number }
      tools++
      return watch?.tool(part)?.then(() => result(part)) ?? result(part)
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
