/**
 * The SDK's messages made of records as they stand in the journal. A resume makes thousands of them in a process that has
 * run nothing yet, so what most of them are (texts, calls of tools, their results) is read without a decoded copy in
 * between; everything else goes through the codec. Nothing that is handed out shares an object with an entry.
 */
import { decode, type Json, type JsonObject } from '@selvage/core'
import {
  type ContentBlock,
  type ContentBlockData,
  contentBlockFromData,
  JsonBlock,
  Message,
  TextBlock,
  ToolResultBlock,
  type ToolResultContent,
  ToolUseBlock,
  type Usage,
} from '@strands-agents/sdk'
import {
  type AnswerRecord,
  answerMessage,
  keepRecord,
  resultBlock,
  type ToolRecord,
  toldBy,
  wholeUsage,
} from './record.ts'

export interface Answered {
  readonly message: Message
  readonly usage: Usage | undefined
  readonly modelState: Json | undefined
}

/** `record`: the value of a model step, as it stands in its entry. */
export function readAnswer(record: Json, trackingId: string | undefined): Answered {
  if (isCommonAnswer(record)) {
    const { content, metadata } = record
    const usage = metadata === undefined ? undefined : wholeUsage(metadata.usage)
    const message = answerOf(readBlocks(content), trackingId, usage)
    keepRecord(message, record as unknown as AnswerRecord)
    return { message, usage, modelState: undefined }
  }
  const decoded = decode(record) as AnswerRecord
  const message = answerMessage(decoded, trackingId)
  const usage = toldBy(decoded)?.usage ?? decoded.messageMetadata?.usage
  return { message, usage, modelState: decoded.modelState }
}

function answerOf(content: ContentBlock[], trackingId: string | undefined, usage: Usage | undefined): Message {
  const role = 'assistant'
  if (trackingId !== undefined && usage !== undefined)
    return new Message({ role, content, trackingId, metadata: { usage } })
  const named = trackingId !== undefined && { trackingId }
  return new Message({ role, content, ...named, ...(usage !== undefined && { metadata: { usage } }) })
}

export interface Resulted {
  readonly block: ToolResultBlock
  /** Undefined: the body did nothing but answer. */
  readonly record: ToolRecord | undefined
}

/** `record`: the value of a tool step, as it stands in its entry. */
export function readResult(record: Json, toolUseId: string): Resulted {
  const content = commonContent(record)
  if (content !== undefined)
    return { block: new ToolResultBlock({ toolUseId, status: 'success', content }), record: undefined }
  const decoded = decode(record) as ToolRecord
  return { block: resultBlock(decoded, toolUseId), record: decoded }
}

/** An answer that is nothing but its content and what it cost. */
interface CommonAnswer {
  readonly content: readonly JsonObject[]
  readonly metadata?: { readonly usage: Omit<Usage, 'totalTokens'> }
}

function isCommonAnswer(record: Json): record is JsonObject & CommonAnswer {
  if (!isObject(record)) return false
  const { content, stopReason, metadata, messageMetadata, redaction, model, modelState } = record
  if (!Array.isArray(content) || typeof stopReason !== 'string') return false
  const isPlain = messageMetadata === undefined && redaction === undefined && model === undefined
  return isPlain && modelState === undefined && (metadata === undefined || isUsageOnly(metadata))
}

function isUsageOnly(metadata: Json): boolean {
  if (!isObject(metadata)) return false
  const { usage, metrics, trace } = metadata
  if (metrics !== undefined || trace !== undefined || usage === undefined || !isObject(usage)) return false
  for (const key in usage) if (typeof usage[key] !== 'number') return false
  return true
}

function readBlocks(content: readonly JsonObject[]): ContentBlock[] {
  const blocks: ContentBlock[] = []
  for (let index = 0; index < content.length; index++) blocks.push(readBlock(content[index] as JsonObject))
  return blocks
}

function readBlock(data: JsonObject): ContentBlock {
  const { text, toolUse } = data
  if (typeof text === 'string') return new TextBlock(text)
  if (toolUse !== undefined && isObject(toolUse)) {
    const { name, toolUseId, input, reasoningSignature } = toolUse
    if (
      typeof name === 'string' &&
      typeof toolUseId === 'string' &&
      input !== undefined &&
      reasoningSignature === undefined
    )
      return new ToolUseBlock({ name, toolUseId, input: decode(input) as never })
  }
  return contentBlockFromData(decode(data) as ContentBlockData)
}

/** Of a result that is nothing but that. */
function commonContent(record: Json): ToolResultContent[] | undefined {
  if (!isObject(record)) return undefined
  for (const key in record) if (key !== 'content') return undefined
  const { content } = record
  if (!Array.isArray(content)) return undefined
  const blocks: ToolResultContent[] = []
  for (let index = 0; index < content.length; index++) {
    const data = content[index] as JsonObject
    const { text, json } = data
    if (typeof text === 'string') blocks.push(new TextBlock(text))
    else if (json !== undefined && !('text' in data)) blocks.push(new JsonBlock({ json: decode(json) as never }))
    else return undefined
  }
  return blocks
}

function isObject(json: Json): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
