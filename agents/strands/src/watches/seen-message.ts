/**
 * What a message said when it was looked at, down to the values inside of tool inputs and JSON results, and whether it
 * still says so: anybody may edit a message in place at any time, and nothing tells. Bytes are compared by reference, and
 * the numbers of `usage` and `metrics` are not looked into.
 */
import {
  type ContentBlock,
  type Message,
  TextBlock,
  ToolResultBlock,
  type ToolResultContent,
  ToolUseBlock,
} from '@strands-agents/sdk'

/** Flat, and with the fields in fixed places: it is compared for each message at each model call. */
export interface SeenMessage {
  readonly role: Message['role']
  readonly trackingId: string
  readonly content: readonly ContentBlock[]
  readonly blocks: readonly SeenBlock[]
  readonly metadata: Message['metadata']
  readonly usage: unknown
  readonly metrics: unknown
  readonly custom: unknown
}

export interface SeenBlock {
  readonly block: Block
  readonly kind: 'text' | 'use' | 'result' | 'other'
  /** Of a tool use: its id; of a result: the tool use's. */
  readonly id: string | undefined
  /** Text, name of the tool, status. */
  readonly text: string | undefined
  /** What is inside, of everything else. */
  readonly json: unknown
  readonly content: readonly ToolResultContent[] | undefined
  readonly blocks: readonly SeenBlock[]
}

export type Block = ContentBlock | ToolResultContent

export function see({ role, trackingId, content, metadata }: Message): SeenMessage {
  const { usage, metrics, custom } = metadata ?? {}
  return {
    role,
    trackingId,
    content,
    blocks: content.map(seeBlock),
    metadata,
    usage,
    metrics,
    custom: snapshotOf(custom),
  }
}

export function seeBlock(block: Block): SeenBlock {
  if (block instanceof TextBlock) return seen(block, 'text', undefined, block.text, undefined, undefined)
  if (block instanceof ToolUseBlock && block.reasoningSignature === undefined) {
    return seen(block, 'use', block.toolUseId, block.name, snapshotOf(block.input), undefined)
  }
  if (block instanceof ToolResultBlock)
    return seen(block, 'result', block.toolUseId, block.status, undefined, block.content)
  return seen(block, 'other', undefined, undefined, snapshotOf(block), undefined)
}

function seen(
  block: Block,
  kind: SeenBlock['kind'],
  id: string | undefined,
  text: string | undefined,
  json: unknown,
  content: readonly ToolResultContent[] | undefined,
): SeenBlock {
  return { block, kind, id, text, json, content, blocks: content?.map(seeBlock) ?? [] }
}

export function isAsSeen(message: Message, seen: SeenMessage | undefined): boolean {
  if (seen === undefined) return false
  if (message.content !== seen.content || message.metadata !== seen.metadata) return false
  if (message.role !== seen.role || message.trackingId !== seen.trackingId) return false
  if (!areBlocks(message.content, seen.blocks)) return false
  const { metadata } = message
  if (metadata === undefined) return true
  if (metadata.usage !== seen.usage || metadata.metrics !== seen.metrics) return false
  return isSame(metadata.custom, seen.custom)
}

/** Whether it says the same to a model and to its author, in whatever objects. */
export function saysTheSame(message: Message, seen: SeenMessage): boolean {
  return message.role === seen.role && areBlocks(message.content, seen.blocks) && isMarkedAsSeen(message, seen)
}

export function isMarkedAsSeen({ metadata }: Message, seen: SeenMessage): boolean {
  return isSame(metadata?.custom, seen.custom)
}

export function areBlocks(blocks: readonly Block[], seen: readonly SeenBlock[]): boolean {
  if (blocks.length !== seen.length) return false
  for (let index = 0; index < seen.length; index++)
    if (!isBlockAsSeen(blocks[index] as Block, seen[index] as SeenBlock)) return false
  return true
}

export function isBlockAsSeen(block: Block, seen: SeenBlock): boolean {
  if (block !== seen.block) return false
  switch (seen.kind) {
    case 'text':
      return (block as TextBlock).text === seen.text
    case 'use': {
      const { toolUseId, name, input, reasoningSignature } = block as ToolUseBlock
      if (toolUseId !== seen.id || name !== seen.text || reasoningSignature !== undefined) return false
      return isSame(input, seen.json)
    }
    case 'result': {
      const { toolUseId, status, content } = block as ToolResultBlock
      if (toolUseId !== seen.id || status !== seen.text || content !== seen.content) return false
      return areBlocks(content, seen.blocks)
    }
    default:
      return isSame(block, seen.json)
  }
}

/** A copy with the very bytes, of nothing but plain objects. */
function snapshotOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map(snapshotOf)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, snapshotOf(each)]))
}

/** Whether a value still says what its snapshot says. */
function isSame(now: unknown, was: unknown): boolean {
  if (now === was) return true
  if (typeof now !== 'object' || typeof was !== 'object' || now === null || was === null) return false
  if (Array.isArray(was)) {
    if (!Array.isArray(now) || now.length !== was.length) return false
    for (let index = 0; index < was.length; index++) if (!isSame(now[index], was[index])) return false
    return true
  }
  if (Array.isArray(now) || now instanceof Uint8Array) return false
  const keys = Object.keys(now)
  if (keys.length !== Object.keys(was).length) return false
  for (const key of keys) if (!isSame(now[key as never], was[key as never])) return false
  return true
}
