/**
 * A model whose provider is a server in another process, which counts what it sells: `tokens` for each answer, whoever is
 * alive to hear it. Each answer calls the tool `look`; there is no last one.
 */
import { type BaseModelConfig, type Message, Model, type ModelStreamEvent } from '@strands-agents/sdk'

export class SoldModel extends Model<BaseModelConfig> {
  readonly #url: string

  constructor(url: string) {
    super()
    this.#url = url
  }

  updateConfig(): void {}

  getConfig(): BaseModelConfig {
    return { modelId: 'sold', maxTokens: 20 }
  }

  async *stream(messages: Message[]): AsyncGenerator<ModelStreamEvent> {
    const answer = 1 + messages.filter(({ role }) => role === 'assistant').length
    const reply = await fetch(this.#url, { method: 'POST', body: JSON.stringify({ pid: process.pid, answer }) })
    const { inputTokens, outputTokens } = (await reply.json()) as { inputTokens: number; outputTokens: number }
    yield { type: 'modelMessageStartEvent', role: 'assistant' }
    const toolUseId = `look_${answer}`
    yield { type: 'modelContentBlockStartEvent', start: { type: 'toolUseStart', name: 'look', toolUseId } }
    yield { type: 'modelContentBlockDeltaEvent', delta: { type: 'toolUseInputDelta', input: `{"at":${answer}}` } }
    yield { type: 'modelContentBlockStopEvent' }
    yield { type: 'modelMessageStopEvent', stopReason: 'toolUse' }
    const usage = { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }
    yield { type: 'modelMetadataEvent', usage, metrics: { latencyMs: 0 } }
  }
}
