/**
 * A model that needs no network: it answers from a script, and says how often it was asked. For tests, demos and
 * benchmarks, offline and the same each time.
 *
 * Which answer is next follows from the conversation (one behind each answer of the model that it holds), not from a
 * counter: a process that goes on with a run gets the answer that comes next in the run.
 */
import {
  type BaseModelConfig,
  type JSONValue,
  type Message,
  Model,
  type ModelStreamEvent,
  ModelThrottledError,
  type StopReason,
  type StreamOptions,
} from '@strands-agents/sdk'

export interface ScriptedToolUse {
  readonly name: string
  readonly input?: JSONValue
  /** Default: `call_<answer>_<index>`. */
  readonly id?: string
}

/** A text, or what the model says and calls. */
export type ScriptedAnswer =
  | string
  | {
      readonly text?: string
      readonly reasoning?: string
      readonly tools?: readonly ScriptedToolUse[]
      /** Default: `toolUse` with tools, else `endTurn`. */
      readonly stopReason?: StopReason
      /** Thrown in place of an answer. */
      readonly error?: Error
      /** Awaited before the first event: for tests that stop a model in its tracks. */
      readonly before?: () => Promise<void> | void
    }

/** What a function that answers is told. */
export interface ScriptedCall {
  /** 1 for the first answer of the conversation, 2 for the next, … */
  readonly answer: number
  /** 1, 2, … for every call of this model object. */
  readonly call: number
  readonly options: StreamOptions | undefined
}

export type Script =
  | readonly ScriptedAnswer[]
  | ((messages: readonly Message[], call: ScriptedCall) => ScriptedAnswer | Promise<ScriptedAnswer>)

export interface ScriptedModelOptions {
  /** Default `scripted`. */
  readonly modelId?: string
}

export class ScriptedModel extends Model<BaseModelConfig> {
  /** How often the model was asked, failed attempts included. */
  calls = 0
  readonly #script: Script
  #config: BaseModelConfig

  constructor(script: Script, { modelId = 'scripted' }: ScriptedModelOptions = {}) {
    super()
    this.#script = script
    this.#config = { modelId }
  }

  updateConfig(config: BaseModelConfig): void {
    this.#config = { ...this.#config, ...config }
  }

  getConfig(): BaseModelConfig {
    return this.#config
  }

  async *stream(messages: Message[], options?: StreamOptions): AsyncGenerator<ModelStreamEvent> {
    const call = ++this.calls
    const answer = 1 + messages.filter(({ role }) => role === 'assistant').length
    const scripted = await this.#answer(messages, { answer, call, options })
    const spoken = typeof scripted === 'string' ? { text: scripted } : scripted
    await spoken.before?.()
    if (spoken.error !== undefined) throw spoken.error
    yield { type: 'modelMessageStartEvent', role: 'assistant' }
    if (spoken.reasoning !== undefined) {
      yield* block([{ type: 'reasoningContentDelta', text: spoken.reasoning }])
    }
    if (spoken.text !== undefined) {
      yield* block(words(spoken.text).map((text) => ({ type: 'textDelta', text })))
    }
    for (const [index, { name, input = {}, id }] of (spoken.tools ?? []).entries()) {
      const toolUseId = id ?? `call_${answer}_${index + 1}`
      yield { type: 'modelContentBlockStartEvent', start: { type: 'toolUseStart', name, toolUseId } }
      yield* delta({ type: 'toolUseInputDelta', input: JSON.stringify(input) })
      yield { type: 'modelContentBlockStopEvent' }
    }
    const calls = (spoken.tools ?? []).length
    yield { type: 'modelMessageStopEvent', stopReason: spoken.stopReason ?? (calls > 0 ? 'toolUse' : 'endTurn') }
    yield { type: 'modelMetadataEvent', usage: usageOf(messages, spoken), metrics: { latencyMs: 0 } }
  }

  async #answer(messages: readonly Message[], call: ScriptedCall): Promise<ScriptedAnswer> {
    if (typeof this.#script === 'function') return await this.#script(messages, call)
    const answer = this.#script[call.answer - 1]
    if (answer === undefined) throw new Error(`The script has no answer ${call.answer}; it has ${this.#script.length}.`)
    return answer
  }
}

/** A model that gives these answers, one behind the other, or what a function makes of the conversation. */
export function scriptedModel(script: Script, options?: ScriptedModelOptions): ScriptedModel {
  return new ScriptedModel(script, options)
}

/** An error that the SDK's retry strategy tries again. */
export function throttled(): Error {
  return new ModelThrottledError('Too many requests.')
}

type Delta = Extract<ModelStreamEvent, { type: 'modelContentBlockDeltaEvent' }>['delta']

function* block(deltas: readonly Delta[]): Generator<ModelStreamEvent> {
  yield { type: 'modelContentBlockStartEvent' }
  for (const one of deltas) yield* delta(one)
  yield { type: 'modelContentBlockStopEvent' }
}

function* delta(one: Delta): Generator<ModelStreamEvent> {
  yield { type: 'modelContentBlockDeltaEvent', delta: one }
}

function words(text: string): string[] {
  return text.match(/\s*\S+\s*$|\s*\S+/g) ?? [text]
}

/** About as many tokens as a real tokenizer counts: four characters each. */
function usageOf(
  messages: readonly Message[],
  spoken: Exclude<ScriptedAnswer, string>,
): { inputTokens: number; outputTokens: number; totalTokens: number } {
  const last = messages.at(-1)
  const inputTokens = Math.ceil(JSON.stringify(last?.content ?? []).length / 4)
  const outputTokens = Math.ceil(JSON.stringify([spoken.text, spoken.tools]).length / 4)
  return { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }
}
