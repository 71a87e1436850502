/**
 * One copy of each message, made once and kept as long as the message stays as it is.
 *
 *   new ─▶ copied as the SDK copies, and frozen ─▶ lent as it is, or copied again from the frozen copy
 *               ▲                                        │
 *               └────────── edited in place ◀────────────┘
 *
 * Anybody may edit a message in place at any time (an offload strategy writes `content[i]`, a pin writes `metadata`), and
 * nothing tells. So each message is compared with its copy, down to the values inside of tool inputs and JSON results; of
 * a message that is not of the common kinds what it was made of is kept beside the copy, and compared.
 *
 * Whenever copies are asked for, each message is compared by what it holds (its content, its blocks, its metadata: which
 * object each is), and looked into where edits are likely: at both ends of the list, everywhere after `doubt()`, and in 64
 * others each time, so that a long list is gone through by and by. Of a long list that nobody may have edited, as is known
 * (messages-taken.ts), only these are compared.
 *
 * Not looked into: bytes, which are compared by reference and never lent. A message with anything unknown in it is copied
 * each time, as the SDK does.
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
  ToolUseBlock,
  VideoBlock,
} from '@strands-agents/sdk'
import { type Block, isAsSeen, type SeenMessage, see } from '../watches/seen-message.ts'
import { copyCommon, isOwn, isPlain, MAX_DEPTH, saysWhat } from './common-message.ts'

/** How the SDK copies a message. */
export type CopyMessage = (message: Message) => Message

/** Messages at both ends that are looked into each time, and how many of those between. */
const NEAR_START = 8
const NEAR_END = 56
const BETWEEN = 64
/** So many are compared each time, whoever may have edited them. */
const FEW_MESSAGES = 1_000

/** What a copy is compared by. */
interface Kept {
  readonly frozen: Message
  /** Of a message that is not common: what it was made of. */
  readonly seen: SeenMessage | undefined
  readonly hasBytes: boolean
}

export class MessageCopies {
  /** In the order of the last conversation, where a message is looked for first. */
  readonly #last = new Places()
  #between = NEAR_START
  #doubts = true
  /** Undefined: anywhere. */
  #changed: Set<number> | undefined
  /** The first place of the last list where another copy stands than in the one before it. */
  changedFrom = 0

  /** Code that may have edited anything has run: all are looked into the next time. */
  doubt(): void {
    this.#doubts = true
  }

  /** Places at which a message was edited, exchanged or added since this was asked before. Undefined: anywhere. */
  takeChanged(): ReadonlySet<number> | undefined {
    const changed = this.#changed
    this.#changed = new Set()
    return changed
  }

  /**
   * A new list of copies. `lend`: of frozen ones, the same each time; else of new ones that the caller may write to.
   * `all`: anybody may have edited any message. If not, those far from both ends of a long list are as they were.
   */
  of(messages: readonly Message[], copy: CopyMessage, lend: boolean, all: boolean): Message[] {
    const last = this.#last
    const { length } = messages
    const nearEnd = this.#doubts ? 0 : length - NEAR_END
    const from = this.#between
    const to = from + BETWEEN
    const known = last.length
    this.changedFrom = Math.min(length, known)
    /** Where messages stood, once one of them is not where it was. */
    let moved: ReadonlyMap<Message, Kept> | undefined
    const look = (begin: number, end: number, looksInto: boolean): void => {
      for (let index = begin; index < end; index++) {
        const message = messages[index] as Message
        if (last.holds(index, message) && !(looksInto && !last.isAsKept(index, message))) continue
        if (index < known) moved ??= last.all()
        const before = moved?.get(message)
        last.put(index, message, before !== undefined && isAsKept(message, before) ? before : keep(message, copy))
        this.#changed?.add(index)
        if (index < this.changedFrom) this.changedFrom = index
      }
    }
    const near = Math.min(NEAR_START, length)
    const far = Math.max(near, Math.min(known, nearEnd))
    look(0, near, true)
    if (all || length <= FEW_MESSAGES) look(near, far, false)
    look(from, Math.min(to, far), true)
    look(far, length, true)
    last.cut(length)
    this.#between = to < nearEnd ? to : NEAR_START
    this.#doubts = false
    if (lend && last.areLendable) return last.lend()
    const lent = (index: number): Message | undefined => (lend ? last.lendable(index) : undefined)
    return messages.map((message, index) => lent(index) ?? this.#copy(message, last.at(index), copy))
  }

  #copy(message: Message, one: Kept | undefined, copy: CopyMessage): Message {
    return one === undefined ? copy(message) : copyMessage(one.frozen)
  }
}

function keep(message: Message, copy: CopyMessage): Kept | undefined {
  const common = copyCommon(message)
  if (common !== undefined) return { frozen: common, seen: undefined, hasBytes: false }
  if (!isKnown(message)) return undefined
  const frozen = copy(message)
  return { frozen, seen: see(message), hasBytes: freeze(frozen) }
}

function isAsKept(message: Message, { frozen, seen }: Kept): boolean {
  return seen === undefined ? saysWhat(message, frozen) : isAsSeen(message, seen)
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
  /** The only block of a message, or a list of them; undefined of one that is copied each time. */
  readonly #blocks: (ContentBlock | readonly ContentBlock[] | undefined)[] = []
  readonly #lendable: (Message | undefined)[] = []
  /** How many of those there are that may not be lent. */
  #unlendable = 0

  get length(): number {
    return this.#kept.length
  }

  at(index: number): Kept | undefined {
    return this.#kept[index]
  }

  /** What is kept of each message. */
  all(): ReadonlyMap<Message, Kept> {
    const all = new Map<Message, Kept>()
    for (const [index, kept] of this.#kept.entries())
      if (kept !== undefined) all.set(this.#messages[index] as Message, kept)
    return all
  }

  /** The frozen copy, if it may be lent. */
  lendable(index: number): Message | undefined {
    return this.#lendable[index]
  }

  get areLendable(): boolean {
    return this.#unlendable === 0
  }

  /** All frozen copies, in a list of the caller's. */
  lend(): Message[] {
    return this.#lendable.slice() as Message[]
  }

  /** Whether that message stands there and holds the very objects that it held. */
  holds(index: number, message: Message): boolean {
    if (message !== this.#messages[index]) return false
    const { content } = message
    if (content !== this.#contents[index] || message.metadata !== this.#metadata[index]) return false
    const held = this.#blocks[index]
    if (held === undefined) return false
    if (!isList(held)) return content.length === 1 && content[0] === held
    return held.length === content.length && held.every((block, at) => block === content[at])
  }

  isAsKept(index: number, message: Message): boolean {
    const kept = this.#kept[index]
    return kept !== undefined && isAsKept(message, kept)
  }

  put(index: number, message: Message, kept: Kept | undefined): void {
    const { content, metadata } = message
    this.#kept[index] = kept
    this.#messages[index] = message
    this.#contents[index] = content
    this.#metadata[index] = metadata
    this.#blocks[index] = kept === undefined ? undefined : content.length === 1 ? content[0] : [...content]
    if (index < this.#lendable.length && this.#lendable[index] === undefined) this.#unlendable--
    this.#lendable[index] = kept?.hasBytes === false ? kept.frozen : undefined
    if (this.#lendable[index] === undefined) this.#unlendable++
  }

  cut(length: number): void {
    if (length >= this.length) return
    for (let index = length; index < this.length; index++) if (this.#lendable[index] === undefined) this.#unlendable--
    for (const list of [this.#kept, this.#messages, this.#contents, this.#metadata, this.#blocks, this.#lendable])
      list.length = length
  }
}

function isList(held: ContentBlock | readonly ContentBlock[]): held is readonly ContentBlock[] {
  return Array.isArray(held)
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
