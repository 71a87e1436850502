/**
 * What the journal keeps of a model answer and of a tool result, and the SDK's objects made from it again.
 *
 * An answer is kept once: its content as the SDK's own data, and beside it only what the message does not say (stop
 * reason, usage, redaction, the state of a stateful model). The role is always `assistant` and tracking ids are derived,
 * so a recorded cycle is smaller than the JSON of its two messages (I6). Both passes get the object that is made from the
 * record (I12).
 */
import type { Json, JsonObject } from '@selvage/core'
import {
  ContextWindowOverflowError,
  type InvokeModelResult,
  MaxTokensError,
  Message,
  type MessageData,
  ModelMetadataEvent,
  type StateStore,
  ToolResultBlock,
  type Usage,
} from '@strands-agents/sdk'

import type { Edit } from '../watches/message-watch.ts'
import type { Splice } from './splice.ts'

type ModelResult = InvokeModelResult['result']
type Metadata = Omit<ModelMetadataEvent, 'type'>
type RecordedMetadata = Omit<Metadata, 'usage'> & { readonly usage?: Omit<Usage, 'totalTokens'> & Partial<Usage> }

/** The recorded outcome of a model step. */
export interface AnswerRecord {
  readonly content: MessageData['content']
  readonly stopReason: ModelResult['stopReason']
  /** Usage, metrics and trace as the model told them, without a total that is the sum. */
  readonly metadata?: RecordedMetadata
  /** Only where the message says something else about itself than the model told. */
  readonly messageMetadata?: MessageData['metadata'] | null
  /** A guardrail's text in place of the user's message. */
  readonly redaction?: string
  /** The model that answered, where it is not the one of the step: see metering.ts and model-attempts.ts. */
  readonly model?: string
  /** What a stateful model wants to be given the next time, all of it, where the call has changed it. */
  readonly modelState?: Json
}

/** `state`: where the model of the call keeps what it wants to be given again; `before`: what that was. */
export function recordAnswer(
  { message, stopReason, metadata, redaction }: ModelResult,
  state?: StateStore,
  before?: Json,
): AnswerRecord {
  const { content } = message.toJSON()
  const modelState = stateNow(state)
  const told = metadata === undefined ? undefined : metadataOf(metadata)
  const own = message.metadata
  return {
    content,
    stopReason,
    ...(told !== undefined && { metadata: withoutSum(told) }),
    ...(!isSameJson(own, impliedMetadata(told)) && { messageMetadata: own ?? null }),
    ...(redaction?.userMessage !== undefined && { redaction: redaction.userMessage }),
    ...(!isSameJson(modelState, before) && { modelState: modelState ?? {} }),
  }
}

/** As it will be read from the journal; undefined: empty. */
export function stateNow(state: StateStore | undefined): Json | undefined {
  if (state === undefined || state.keys().length === 0) return undefined
  return JSON.parse(JSON.stringify(state.getAll())) as Json
}

/** What a recorded call wrote. */
export function takeState(state: StateStore | undefined, { modelState }: AnswerRecord): void {
  if (state === undefined || modelState === undefined) return
  state.clear()
  for (const [key, value] of Object.entries(modelState as JsonObject)) state.set(key, value as never)
}

export function answerMessage(record: AnswerRecord, trackingId: string | undefined): Message {
  const implied = impliedMetadata(toldBy(record))
  const metadata = record.messageMetadata === undefined ? implied : (record.messageMetadata ?? undefined)
  const message = Message.fromMessageData({
    role: 'assistant',
    content: record.content,
    ...(trackingId !== undefined && { trackingId }),
    ...(metadata !== undefined && { metadata }),
  })
  keepRecord(message, record)
  return message
}

const records = new WeakMap<Message, AnswerRecord>()

/** Of which record a message was made. */
export function keepRecord(message: Message, record: AnswerRecord): void {
  records.set(message, record)
}

/** The record of which a message was made. */
export function recordOf(message: Message): AnswerRecord | undefined {
  return records.get(message)
}

export function answerResult(record: AnswerRecord, message: Message): ModelResult {
  const told = toldBy(record)
  return {
    message,
    stopReason: record.stopReason,
    ...(told !== undefined && { metadata: new ModelMetadataEvent({ type: 'modelMetadataEvent', ...told }) }),
    ...(record.redaction !== undefined && { redaction: { userMessage: record.redaction } }),
  }
}

export function usageOf(record: AnswerRecord): Usage | undefined {
  return toldBy(record)?.usage ?? record.messageMetadata?.usage
}

/** What a failed call has cost, where the model said so; also of an error from the journal. */
export function usageOfError(error: unknown): Usage | undefined {
  const { usage, partialMessage } = (error ?? {}) as { usage?: Usage; partialMessage?: Pick<MessageData, 'metadata'> }
  return usage ?? partialMessage?.metadata?.usage
}

function metadataOf({ usage, metrics, trace }: Metadata): Metadata {
  return {
    ...(usage !== undefined && { usage }),
    ...(metrics !== undefined && { metrics }),
    ...(trace !== undefined && { trace }),
  }
}

/** Most models count a total that is the sum: then it is not worth its bytes in every answer. */
function withoutSum({ usage, ...rest }: Metadata): RecordedMetadata {
  if (usage === undefined) return rest
  const { totalTokens, ...parts } = usage
  return { ...rest, usage: totalTokens === parts.inputTokens + parts.outputTokens ? parts : usage }
}

/** Usage, metrics and trace as the model told them. */
export function toldBy({ metadata }: AnswerRecord): Metadata | undefined {
  if (metadata?.usage === undefined) return metadata as Metadata | undefined
  return { ...metadata, usage: wholeUsage(metadata.usage) }
}

/** A total that is not recorded is the sum. */
export function wholeUsage(usage: Omit<Usage, 'totalTokens'>): Usage {
  return { totalTokens: usage.inputTokens + usage.outputTokens, ...usage }
}

/** What `Model.streamAggregated` writes into the message. */
export function impliedMetadata(told: Metadata | undefined): MessageData['metadata'] {
  if (told?.usage === undefined && told?.metrics === undefined) return undefined
  const { usage, metrics } = told
  return { ...(usage !== undefined && { usage }), ...(metrics !== undefined && { metrics }) }
}

/** Errors of a model that are its answer: asked again, it would say the same. Everything else may pass. */
export function isModelOutcome(error: unknown): error is ContextWindowOverflowError | MaxTokensError {
  return error instanceof ContextWindowOverflowError || error instanceof MaxTokensError
}

/**
 * The error again, of its class: `instanceof` drives the SDK's recovery. Undefined for errors that are no outcome. `partial`:
 * the message of a MaxTokensError that was recorded without it (partial-message.ts).
 */
export function modelOutcomeError(
  recorded: unknown,
  partial: () => MessageData | undefined = () => undefined,
): Error | undefined {
  if (!(recorded instanceof Error)) return undefined
  if (recorded.name === 'ContextWindowOverflowError') return new ContextWindowOverflowError(recorded.message)
  if (recorded.name !== 'MaxTokensError') return undefined
  const { partialMessage } = recorded as Error & { partialMessage?: MessageData }
  return new MaxTokensError(recorded.message, Message.fromMessageData(partialMessage ?? partial() ?? NOT_RECORDED))
}

/** In journals of before, and behind an invocation that was over. */
const NOT_RECORDED: MessageData = {
  role: 'assistant',
  content: [{ text: '[The partial message was too long to be recorded.]' }],
}

// ── tools ───────────────────────────────────────────────────────────────────────────────────────────────────────────

type ToolContent = ReturnType<ToolResultBlock['toJSON']>['toolResult']['content']

/** The recorded outcome of a tool step. The tool use id is in its key. */
export interface ToolRecord {
  readonly content: ToolContent
  /** Absent: success. */
  readonly status?: 'error'
  /** Of the error behind an error result: only what the content does not say. */
  readonly error?: { readonly name?: string; readonly message?: string; readonly code?: string | number }
  /** What the body wrote to the agent's appState. */
  readonly state?: StatePatch
  /** What the body wrote to the invocationState, values as the codec writes them. */
  readonly invocation?: StatePatch
  /** Messages that the body edited in place, and then how it changed the agent's list of them. */
  readonly edits?: readonly Edit[]
  readonly messages?: Splice
  /** The body gave the agent this system prompt; `null`: none. */
  readonly systemPrompt?: Json
  /** The body cancelled the agent. */
  readonly cancelled?: true
  /** A person has put these arguments in place of the model's. */
  readonly edited?: EditedInput
}

export interface EditedInput {
  readonly input: Json
  readonly by?: string
  /** Epoch milliseconds. */
  readonly at?: number
}

/** Keys of a StateStore that were set (to absolute values) and deleted. */
export interface StatePatch {
  readonly set?: { readonly [key: string]: unknown }
  readonly remove?: readonly string[]
}

export function recordResult(block: ToolResultBlock): ToolRecord {
  const { content } = block.toJSON().toolResult
  if (block.status !== 'error') return { content }
  return { content, status: 'error', ...(block.error !== undefined && { error: recordError(block.error, content) }) }
}

export function resultBlock(record: ToolRecord, toolUseId: string): ToolResultBlock {
  const { content, error } = record
  const status = record.status ?? 'success'
  const block = ToolResultBlock.fromJSON({ toolResult: { toolUseId, status, content } })
  if (error === undefined) return block
  return new ToolResultBlock({ toolUseId, status, content: block.content, error: rebuildError(error, content) })
}

/** What a tool returns, as the SDK would put it into a result: for outcomes that a person or `reconcile` supplies. */
export function suppliedRecord(value: unknown): ToolRecord {
  if (isToolRecord(value)) return value
  if (value === null || value === undefined) return { content: [{ text: 'null' }] }
  if (typeof value === 'object') {
    const json = (Array.isArray(value) ? { $value: value } : value) as Extract<
      ToolContent[number],
      { json: unknown }
    >['json']
    return { content: [{ json }] }
  }
  return { content: [{ text: String(value) }] }
}

/** An error that the model is told. */
export function errorRecord(text: string): ToolRecord {
  return { status: 'error', content: [{ text }] }
}

const RECORD_KEYS = [
  'content',
  'status',
  'error',
  'state',
  'invocation',
  'edits',
  'messages',
  'systemPrompt',
  'cancelled',
  'edited',
]

function isToolRecord(value: unknown): value is ToolRecord {
  if (typeof value !== 'object' || value === null || !('content' in value) || !Array.isArray(value.content))
    return false
  return Object.keys(value).every((key) => RECORD_KEYS.includes(key))
}

/** The SDK writes the error's message into the result, as it is or behind `Error: `. */
function isTold(message: string, content: ToolContent): boolean {
  const told = textOf(content)
  return told === message || told === `Error: ${message}`
}

function recordError(error: Error, content: ToolContent): NonNullable<ToolRecord['error']> {
  const { code } = error as { code?: unknown }
  return {
    ...(error.name !== 'Error' && { name: error.name }),
    ...(!isTold(error.message, content) && { message: error.message }),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
  }
}

function rebuildError(record: NonNullable<ToolRecord['error']>, content: ToolContent): Error {
  const error = new Error(record.message ?? textOf(content).replace(/^Error: /, ''))
  if (record.name !== undefined)
    Object.defineProperty(error, 'name', { value: record.name, configurable: true, writable: true })
  return record.code === undefined ? error : Object.assign(error, { code: record.code })
}

function textOf(content: ToolContent): string {
  const [first] = content
  return first !== undefined && 'text' in first ? first.text : ''
}

function isSameJson(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other)
}
