/** An agent that answers each message at once, with as many bytes, and tells how many messages it was shown. */
import { Agent, type Message, Model, type ModelStreamEvent, NullConversationManager } from '@strands-agents/sdk'

/** Without it the SDK estimates the tokens of all messages. */
const USAGE = { inputTokens: 10, outputTokens: 5, totalTokens: 15 }

class ChatModel extends Model<{ modelId: string }> {
  readonly #answer: (messages: number) => string
  #config = { modelId: 'chat' }

  constructor(answer: (messages: number) => string) {
    super()
    this.#answer = answer
  }

  updateConfig(config: { modelId: string }): void {
    this.#config = { ...this.#config, ...config }
  }

  getConfig(): { modelId: string } {
    return this.#config
  }

  async *stream(messages: Message[]): AsyncGenerator<ModelStreamEvent> {
    const text = this.#answer(messages.length)
    yield { type: 'modelMessageStartEvent', role: 'assistant' }
    yield { type: 'modelContentBlockStartEvent' }
    yield { type: 'modelContentBlockDeltaEvent', delta: { type: 'textDelta', text } }
    yield { type: 'modelContentBlockStopEvent' }
    yield { type: 'modelMessageStopEvent', stopReason: 'endTurn' }
    yield { type: 'modelMetadataEvent', usage: USAGE }
  }
}

/** `answer` is called first of all when the model is asked. */
export function chatAgent(answer: (messages: number) => string): Agent {
  return new Agent({
    id: 'chat',
    model: new ChatModel(answer),
    conversationManager: new NullConversationManager(),
    printer: false,
  })
}
