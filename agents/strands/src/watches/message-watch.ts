/**
 * Notices committed messages that are edited in place: by a tool that pins them, a hook that shortens or redacts them, a
 * strategy that takes results out of them. What the journal says of a message is then told again, as far as it differs.
 *
 * Whenever it is asked, all messages are compared by the objects that they hold (their list of blocks, a lone block, their
 * metadata), and looked into at both ends of the list and in 64 others; in all of them where it is asked to be thorough.
 * Who knows better where edits may be names the places, and only those are looked at, and both ends: behind a model call it
 * is known from the copies that were made for the model (message-copies.ts), which are compared in the same way.
 *
 * Messages that nobody but the SDK's loop has had so far are *trusted*: they say what the journal says, and what they hold is
 * looked at right before others get them (messages-taken.ts). A resume makes thousands for which nobody ever asks. Those near
 * both ends are never trusted: the loop itself writes to them.
 */
import type { ContentBlock, Message, MessageData } from '@strands-agents/sdk'
import { areBlocks, isMarkedAsSeen, type SeenMessage, saysTheSame, see } from './seen-message.ts'

/** What a message says now. `at`: its place in the conversation. */
export interface Edit {
  readonly at: number
  /** Absent: as it was. */
  readonly content?: MessageData['content']
  /** Absent: as it was. */
  readonly metadata?: MessageData['metadata'] | null
}

/** Messages at both ends that are looked into each time, and how many of those between. */
const NEAR_START = 8
const NEAR_END = 56
const BETWEEN = 64

export class MessageWatch {
  // A list for each thing that is compared: what the comparison costs is how much memory it touches.
  readonly #contents: (readonly ContentBlock[])[] = []
  readonly #metadata: Message['metadata'][] = []
  /** The only block of a message. */
  readonly #blocks: (ContentBlock | undefined)[] = []
  /** Those that were far from both ends when they came are not known so well. */
  readonly #seen: (SeenMessage | undefined)[] = []
  #between = NEAR_START
  /** Before it, those are trusted that are not near the start. */
  #trusted = 0

  /** These messages are as the journal says, and nobody has had them. */
  trust(messages: readonly Message[]): void {
    const { length } = messages
    this.#setLength(length)
    this.#trusted = Math.max(NEAR_START, length - NEAR_END)
    this.#holdAll(messages, 0, Math.min(NEAR_START, length))
    this.#holdAll(messages, this.#trusted, length)
  }

  /** Somebody is about to have those that are trusted. */
  doubt(messages: readonly Message[]): void {
    const trusted = this.#trusted
    this.#trusted = 0
    this.#holdAll(messages, NEAR_START, trusted)
  }

  /** The messages from `from` on are as the journal says. */
  hold(messages: readonly Message[], from: number): void {
    this.#setLength(messages.length)
    this.#trusted = Math.min(this.#trusted, from)
    this.#holdAll(messages, from, messages.length)
  }

  #setLength(length: number): void {
    for (const list of [this.#contents, this.#metadata, this.#blocks, this.#seen]) list.length = length
  }

  #holdAll(messages: readonly Message[], from: number, to: number): void {
    const nearEnd = messages.length - NEAR_END
    for (let index = from; index < to; index++)
      this.#hold(index, messages[index] as Message, index < NEAR_START || index >= nearEnd)
  }

  /** The edits since they were held, or since this was asked before. */
  edits(messages: readonly Message[], thorough: boolean): Edit[] {
    const length = this.#lengthOf(messages)
    const from = this.#between
    const to = from + BETWEEN
    const edits: Edit[] = []
    for (let index = 0; index < length; index++) {
      if (index === NEAR_START && this.#trusted > index) index = this.#trusted
      const isNear = index < NEAR_START || index >= length - NEAR_END
      this.#look(index, messages, thorough || isNear || (index >= from && index < to), edits)
    }
    this.#between = to < length - NEAR_END ? to : NEAR_START
    return edits
  }

  /** The same, where nothing was edited but near both ends and at these places. */
  editsAt(messages: readonly Message[], places: Iterable<number>): Edit[] {
    const length = this.#lengthOf(messages)
    const nearEnd = Math.max(NEAR_START, length - NEAR_END)
    const edits: Edit[] = []
    for (let index = 0; index < Math.min(NEAR_START, length); index++) this.#look(index, messages, true, edits)
    for (const index of places) if (index >= NEAR_START && index < nearEnd) this.#look(index, messages, true, edits)
    for (let index = nearEnd; index < length; index++) this.#look(index, messages, true, edits)
    return edits
  }

  #isTrusted(index: number): boolean {
    return index >= NEAR_START && index < this.#trusted
  }

  #lengthOf(messages: readonly Message[]): number {
    return Math.min(messages.length, this.#contents.length)
  }

  #look(index: number, messages: readonly Message[], looksInto: boolean, edits: Edit[]): void {
    if (this.#isTrusted(index)) return
    const message = messages[index] as Message
    if (this.#holdsTheSame(index, message) && !(looksInto && this.#saysAnother(index, message))) return
    const edit = this.#editOf(index, message)
    if (edit !== undefined) edits.push(edit)
    this.#hold(index, message, true)
  }

  #hold(index: number, message: Message, wellKnown: boolean): void {
    const { content, metadata } = message
    this.#contents[index] = content
    this.#metadata[index] = metadata
    this.#blocks[index] = content.length === 1 ? content[0] : undefined
    this.#seen[index] = wellKnown ? see(message) : undefined
  }

  #holdsTheSame(index: number, message: Message): boolean {
    return message.metadata === this.#metadata[index] && this.#holdsContent(index, message)
  }

  #holdsContent(index: number, { content }: Message): boolean {
    if (content !== this.#contents[index]) return false
    const block = this.#blocks[index]
    return block === undefined || (content.length === 1 && content[0] === block)
  }

  #saysAnother(index: number, message: Message): boolean {
    const seen = this.#seen[index]
    return seen !== undefined && !saysTheSame(message, seen)
  }

  /** Undefined: other objects that say the same. */
  #editOf(at: number, message: Message): Edit | undefined {
    const seen = this.#seen[at]
    const isMarked = message.metadata !== this.#metadata[at] || (seen !== undefined && !isMarkedAsSeen(message, seen))
    const saysAnother = seen === undefined ? !this.#holdsContent(at, message) : !areBlocks(message.content, seen.blocks)
    if (!isMarked && !saysAnother) return undefined
    const { content, metadata } = message.toJSON()
    return { at, ...(saysAnother && { content }), ...(isMarked && { metadata: metadata ?? null }) }
  }
}
