import {
  type BaseModelConfig,
  type Message,
  Model,
  type ModelStreamEvent,
  type StreamOptions,
} from '@strands-agents/sdk'
import type { CallLog } from './call-log.ts'

/** Any model, with each of its calls written down outside. */
export class CountedModel extends Model {
  readonly #inner: Model
  readonly #calls: CallLog

  constructor(inner: Model, calls: CallLog) {
    super()
    this.#inner = inner
    this.#calls = calls
  }

  override get stateful(): boolean {
    return this.#inner.stateful
  }

  override updateConfig(config: BaseModelConfig): void {
    this.#inner.updateConfig(config)
  }

  override getConfig(): BaseModelConfig {
    return this.#inner.getConfig()
  }

  override async *stream(messages: Message[], options?: StreamOptions): AsyncGenerator<ModelStreamEvent> {
    const call = this.#calls.begin('model', this.modelId ?? 'model', '')
    const tools: string[] = []
    let characters = 0
    try {
      for await (const event of this.#inner.stream(messages, options)) {
        if (event.type === 'modelContentBlockStartEvent' && event.start !== undefined) tools.push(event.start.name)
        if (event.type === 'modelContentBlockDeltaEvent' && event.delta.type === 'textDelta') {
          if (characters === 0) call.progress()
          characters += event.delta.text.length
        }
        yield event
      }
      call.end(tools.length === 0 ? `wrote ${characters} characters` : `asked for ${counted(tools)}`)
    } catch (error) {
      call.fail(error)
      throw error
    }
  }
}

/** `['a', 'b', 'b']` → `a, b ×2` */
function counted(names: readonly string[]): string {
  return [...new Set(names)]
    .map((name) => {
      const count = names.filter((other) => other === name).length
      return count === 1 ? name : `${name} ×${count}`
    })
    .join(', ')
}
