/**
 * One copy of each message, made once and kept as long as the message stays as it is.
 *
 *   new ─▶ copied as the SDK copies, and frozen ─▶ lent as it is, or copied again from the frozen copy
 *               ▲                                        │
 *               └────────── edited in place ◀────────────┘
 *
 * Anybody may edit a message in place at any time (an offload strategy writes `content[i]`, a pin writes `metadata`), and
 * nothing tells. So what the message was is kept beside its copy, down to the values inside of tool inputs and JSON
 * results. Whenever copies are asked for, each message is compared by what it holds (its content, its blocks, its
 * metadata: which object each is), and looked into where edits are likely: at both ends of the list, everywhere after
 * `doubt()`, and in 64 others each time, so that a long list is gone through by and by. Not looked into: bytes, which are
 * compared by reference and never lent, and the numbers of `usage` and `metrics`. A message with anything unknown in it
 * is copied each time, as the SDK does.
 */
import {
  AudioBlock,
  CachePointBlock,
  CitationsBlock,
  type ContentBlock,
  DocumentBlock,
  GuardContentBlock,
  ImageBlock,
  JsonBlock,
  Message,
  ReasoningBlock,
  S3Location,
  TextBlock,
  ToolResultBlock,
  type ToolResultContent,
  ToolUseBlock,
  VideoBlock,
} from '@strands-agents/sdk'
import { type Block, isAsSeen, type SeenMessage, see } from './seen-message.ts'

/** How the SDK copies a message. */
export type CopyMessage = (message: Message) => Message

/** Messages at both ends that are looked into each time, and how many of those between. */
const NEAR_START = 8
const NEAR_END = 56
const BETWEEN = 64

interface Kept {
  readonly message: Message
  readonly seen: SeenMessage
  readonly frozen: Message
  readonly hasBytes: boolean
}

export class MessageCopies {
  /** In the order of the last conversation, where a message is looked for first. */
  readonly #last = new Places()
  readonly #kept = new WeakMap<Message, Kept>()
  #between = NEAR_START
  #doubts = true
  #changed = new Set<number>()
  /** The first place of the last list where another copy stands than in the one before it. */
  changedFrom = 0

  /** Code that may have edited anything has run: all are looked into the next time. */
  doubt(): void {
    this.#doubts = true
  }

  /** Places at which a message was edited, exchanged or added since this was asked before. */
  takeChanged(): ReadonlySet<number> {
    const changed = this.#changed
    this.#changed = new Set()
    return changed
  }

  /** A new list of copies. `lend`: of frozen ones, the same each time; else of new ones that the caller may write to. */
  of(messages: readonly Message[], copy: CopyMessage, lend: boolean): Message[] {
    const last = this.#last
    const { length } = messages
    const nearEnd = this.#doubts ? 0 : length - NEAR_END
    const from = this.#between
    const to = from + BETWEEN
    const list = new Array<Message>(length)
    this.changedFrom = Math.min(length, last.length)
    last.cut(length)
    for (let index = 0; index < length; index++) {
      const message = messages[index] as Message
      const looksInto = index < NEAR_START || index >= nearEnd || (index >= from && index < to)
      if (!last.holds(index, message) || (looksInto && !isAsSeen(message, last.at(index)?.seen))) {
        last.put(index, message, this.#keep(message, copy))
        this.#changed.add(index)
        if (index < this.changedFrom) this.changedFrom = index
      }
      const lent = lend ? last.lendable(index) : undefined
      list[index] = lent ?? this.#copy(message, last.at(index), copy)
    }
    this.#between = to < nearEnd ? to : NEAR_START
    this.#doubts = false
    return list
  }

  #copy(message: Message, one: Kept | undefined, copy: CopyMessage): Message {
    return one === undefined ? copy(message) : copyMessage(one.frozen)
  }

  #keep(message: Message, copy: CopyMessage): Kept | undefined {
    const before = this.#kept.get(message)
    if (before !== undefined && isAsSeen(message, before.seen)) return before
    const isCommon = isCommonMessage(message)
    if (!isCommon && !isKnown(message)) return undefined
    const frozen = isCommon ? copyMessage(message) : copy(message)
    const one = { message, seen: see(message), frozen, hasBytes: freeze(frozen) }
    this.#kept.set(message, one)
    return one
  }
}

/**
 * What stands at each place of a conversation, a list for each thing that is compared: the whole of it is compared at every
 * model call, and what that costs is how much memory it touches.
 */
class Places {
  readonly #kept: (Kept | undefined)[] = []
  readonly #messages: Message[] = []
  readonly #contents: (readonly ContentBlock[])[] = []
  readonly #metadata: Message['metadata'][] = []
  /** The only block of a message; undefined where there are more, or none. */
  readonly #blocks: (ContentBlock | undefined)[] = []
  readonly #lendable: (Message | undefined)[] = []

  get length(): number {
    return this.#kept.length
  }

  at(index: number): Kept | undefined {
    return this.#kept[index]
  }

  /** The frozen copy, if it may be lent. */
  lendable(index: number): Message | undefined {
    return this.#lendable[index]
  }

  /** Whether that message stands there and holds the very objects that it held. */
  holds(index: number, message: Message): boolean {
    if (message !== this.#messages[index]) return false
    const { content } = message
    if (content !== this.#contents[index] || message.metadata !== this.#metadata[index]) return false
    const block = this.#blocks[index]
    if (block !== undefined) return content.length === 1 && content[0] === block
    const blocks = this.#kept[index]?.seen.blocks
    return blocks?.length === content.length && blocks.every((each, at) => each.block === content[at])
  }

  put(index: number, message: Message, kept: Kept | undefined): void {
    const { content, metadata } = message
    this.#kept[index] = kept
    this.#messages[index] = message
    this.#contents[index] = content
    this.#metadata[index] = metadata
    this.#blocks[index] = kept !== undefined && content.length === 1 ? content[0] : undefined
    this.#lendable[index] = kept?.hasBytes === false ? kept.frozen : undefined
  }

  cut(length: number): void {
    if (length >= this.length) return
    for (const list of [this.#kept, this.#messages, this.#contents, this.#metadata, this.#blocks, this.#lendable])
      list.length = length
  }
}

// ── copies ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function copyMessage({ role, content, trackingId, metadata }: Message): Message {
  const copies = content.map(copyBlock)
  if (metadata === undefined) return new Message({ role, content: copies, trackingId })
  return new Message({ role, content: copies, trackingId, metadata: copyOf(metadata) as NonNullable<typeof metadata> })
}

/** Common ones by their constructors, which is several times faster. */
function copyBlock<B extends Block>(block: B): B {
  if (block instanceof TextBlock) return new TextBlock(block.text) as B
  if (block instanceof ToolResultBlock) {
    const { toolUseId, status, content } = block
    return new ToolResultBlock({ toolUseId, status, content: content.map(copyBlock) }) as B
  }
  return copyOf(block) as B
}

/** Of JSON and of the SDK's blocks, whose fields are all that they have. */
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copyOf)
  if (value instanceof Uint8Array) return Uint8Array.prototype.slice.call(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  // By spreading, a key `__proto__` that a model made up stays a key.
  return copyFields(
    isPlain(prototype) ? { ...value } : Object.assign(Object.create(prototype as object), value),
    copyOf,
  )
}

function copyFields(copy: { [key: string]: unknown }, copied: (value: unknown) => unknown): object {
  for (const key of Object.keys(copy)) if (typeof copy[key] === 'object') copy[key] = copied(copy[key])
  return copy
}

/** Freezes it throughout. Says whether there are bytes in it, which cannot be frozen. */
function freeze(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (value instanceof Uint8Array) return true
  Object.freeze(value)
  let hasBytes = false
  for (const key in value) if (freeze(value[key as never])) hasBytes = true
  return hasBytes
}

// ── what is known ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Nothing that nests deeper is looked through. */
const MAX_DEPTH = 100

/** Whether a message is one of most: texts, tool calls and their results, of which a copy by field is a copy by JSON. */
function isCommonMessage(message: Message): boolean {
  const { role, content, trackingId, metadata } = message
  if (!isOwn(message) || typeof role !== 'string' || typeof trackingId !== 'string' || trackingId === '') return false
  return Array.isArray(content) && content.every(isCommon) && (metadata === undefined || isJson(metadata, 0))
}

function isCommon(block: Block): boolean {
  switch (Object.getPrototypeOf(block)) {
    case TextBlock.prototype:
      return typeof (block as TextBlock).text === 'string'
    case ToolUseBlock.prototype: {
      const { toolUseId, name, input, reasoningSignature } = block as ToolUseBlock
      if (typeof toolUseId !== 'string' || typeof name !== 'string' || reasoningSignature !== undefined) return false
      return isJson(input, 0)
    }
    case ToolResultBlock.prototype: {
      const { toolUseId, status, content } = block as ToolResultBlock
      return typeof toolUseId === 'string' && typeof status === 'string' && content.every(isCommonContent)
    }
    default:
      return false
  }
}

function isCommonContent(block: ToolResultContent): boolean {
  if (Object.getPrototypeOf(block) === JsonBlock.prototype) return isJson((block as JsonBlock).json, 0)
  return Object.getPrototypeOf(block) === TextBlock.prototype && typeof (block as TextBlock).text === 'string'
}

/** Whether JSON text would say all of it. */
function isJson(value: unknown, depth: number): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  if (typeof value !== 'object' || depth > MAX_DEPTH) return false
  const isArray = Array.isArray(value)
  if (!isArray && !isPlain(Object.getPrototypeOf(value))) return false
  // A plain object has no keys but its own.
  for (const key in value) if (!isJson(value[key as never], depth + 1)) return false
  return !isArray || Object.keys(value).length === value.length
}

const CLASSES = new Set<unknown>([
  ...[Array, TextBlock, ToolUseBlock, ToolResultBlock, JsonBlock, ReasoningBlock, CachePointBlock, GuardContentBlock],
  ...[CitationsBlock, ImageBlock, VideoBlock, DocumentBlock, AudioBlock, S3Location],
])

/** Whether a message is of the SDK's own classes and plain objects throughout, so that its fields say all there is. */
function isKnown(message: Message): boolean {
  const { usage, metrics, custom, ...others } = message.metadata ?? {}
  if (!isOwn(message) || Object.keys(others).length > 0) return false
  return isKnownValue(custom, 0) && isKnownValue(message.content, 0)
}

function isKnownValue(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function' && typeof value !== 'symbol'
  if (value instanceof Uint8Array) return true
  const prototype = Object.getPrototypeOf(value)
  if (depth > MAX_DEPTH || !(isPlain(prototype) || CLASSES.has(prototype.constructor))) return false
  // The error of a result is in no copy.
  const inside: object = value instanceof ToolResultBlock ? value.content : value
  return Object.values(inside).every((one) => isKnownValue(one, depth + 1))
}

/** Of the SDK's class, and copied by its method. */
function isOwn(message: Message): boolean {
  return Object.getPrototypeOf(message) === Message.prototype && !Object.hasOwn(message, 'clone')
}

function isPlain(prototype: unknown): boolean {
  return prototype === Object.prototype || prototype === null
}
