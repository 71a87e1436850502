/** Messages of the kinds that most are: texts, tool calls and their results. They are copied and compared by field. */
import {
  type ContentBlock,
  JsonBlock,
  Message,
  TextBlock,
  ToolResultBlock,
  type ToolResultContent,
  ToolUseBlock,
} from '@strands-agents/sdk'

/** Nothing that nests deeper is looked through. */
export const MAX_DEPTH = 100

/**
 * A frozen copy of a message that is one of most: texts, tool calls and their results, of which a copy by field is a copy by
 * JSON. Undefined for any other.
 */
export function copyCommon(message: Message): Message | undefined {
  const { role, content, trackingId, metadata } = message
  if (!isOwn(message) || typeof role !== 'string' || typeof trackingId !== 'string' || trackingId === '')
    return undefined
  if (!Array.isArray(content)) return undefined
  const blocks: ContentBlock[] = []
  // By index: a session that goes on copies thousands, and in code this young an iterator makes an object for each.
  for (let index = 0; index < content.length; index++) {
    const copy = copyCommonBlock(content[index] as ContentBlock)
    if (copy === undefined) return undefined
    blocks.push(copy)
  }
  Object.freeze(blocks)
  if (metadata === undefined) return Object.freeze(new Message({ role, content: blocks, trackingId }))
  const copy = copyJson(metadata, 0)
  if (copy === undefined) return undefined
  return Object.freeze(new Message({ role, content: blocks, trackingId, metadata: copy as typeof metadata }))
}

function copyCommonBlock(block: ContentBlock): ContentBlock | undefined {
  switch (Object.getPrototypeOf(block)) {
    case TextBlock.prototype:
      return copyText(block as TextBlock)
    case ToolUseBlock.prototype: {
      const { toolUseId, name, input, reasoningSignature } = block as ToolUseBlock
      if (typeof toolUseId !== 'string' || typeof name !== 'string' || reasoningSignature !== undefined)
        return undefined
      const copy = copyJson(input, 0)
      return copy === undefined
        ? undefined
        : Object.freeze(new ToolUseBlock({ toolUseId, name, input: copy as typeof input }))
    }
    case ToolResultBlock.prototype: {
      const { toolUseId, status, content } = block as ToolResultBlock
      if (typeof toolUseId !== 'string' || typeof status !== 'string') return undefined
      const inside: ToolResultContent[] = []
      for (let index = 0; index < content.length; index++) {
        const copy = copyCommonContent(content[index] as ToolResultContent)
        if (copy === undefined) return undefined
        inside.push(copy)
      }
      Object.freeze(inside)
      return Object.freeze(new ToolResultBlock({ toolUseId, status, content: inside }))
    }
    default:
      return undefined
  }
}

function copyCommonContent(block: ToolResultContent): ToolResultContent | undefined {
  switch (Object.getPrototypeOf(block)) {
    case TextBlock.prototype:
      return copyText(block as TextBlock)
    case JsonBlock.prototype: {
      const { json } = block as JsonBlock
      const copy = copyJson(json, 0)
      return copy === undefined ? undefined : Object.freeze(new JsonBlock({ json: copy as typeof json }))
    }
    default:
      return undefined
  }
}

function copyText({ text }: TextBlock): TextBlock | undefined {
  return typeof text === 'string' ? Object.freeze(new TextBlock(text)) : undefined
}

/** A frozen copy of a value of which JSON text would say all. Undefined for any other. */
function copyJson(value: unknown, depth: number): unknown {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : undefined
  if (typeof value !== 'object' || depth > MAX_DEPTH) return undefined
  if (Array.isArray(value)) return copyJsonArray(value, depth)
  if (!isPlain(Object.getPrototypeOf(value))) return undefined
  // By spreading, a key `__proto__` that a model made up stays a key.
  const copy: { [key: string]: unknown } = { ...value }
  // A plain object has no keys but its own.
  for (const key in copy) {
    const part = copy[key]
    const same = copyJson(part, depth + 1)
    if (same === undefined) return undefined
    if (same !== part) copy[key] = same
  }
  return Object.freeze(copy)
}

function copyJsonArray(values: readonly unknown[], depth: number): unknown {
  const copy: unknown[] = []
  for (let index = 0; index < values.length; index++) {
    const same = copyJson(values[index], depth + 1)
    if (same === undefined) return undefined
    copy.push(same)
  }
  return Object.keys(values).length === values.length ? Object.freeze(copy) : undefined
}

/** Whether a message still says what its copy says, of which it is known that it is common. */
export function saysWhat(message: Message, copy: Message): boolean {
  if (message.role !== copy.role || message.trackingId !== copy.trackingId) return false
  return saysSame(message.content, copy.content) && saysSame(message.metadata, copy.metadata)
}

/** By what is in it, whatever objects it is of. */
function saysSame(now: unknown, was: unknown): boolean {
  if (now === was) return true
  if (typeof now !== 'object' || typeof was !== 'object' || now === null || was === null) return false
  if (Array.isArray(now) !== Array.isArray(was) || !isSameKind(now, was)) return false
  // The error of a result is in no copy.
  if (now instanceof ToolResultBlock && was instanceof ToolResultBlock)
    return now.toolUseId === was.toolUseId && now.status === was.status && saysSame(now.content, was.content)
  const keys = Object.keys(now)
  if (keys.length !== Object.keys(was).length) return false
  for (const key of keys) if (!Object.hasOwn(was, key) || !saysSame(now[key as never], was[key as never])) return false
  return true
}

function isSameKind(now: object, was: object): boolean {
  const kind: unknown = Object.getPrototypeOf(now)
  return kind === Object.getPrototypeOf(was) || (isPlain(kind) && isPlain(Object.getPrototypeOf(was)))
}

/** Of the SDK's class, and copied by its method. */
export function isOwn(message: Message): boolean {
  return Object.getPrototypeOf(message) === Message.prototype && !Object.hasOwn(message, 'clone')
}

export function isPlain(prototype: unknown): boolean {
  return prototype === Object.prototype || prototype === null
}
