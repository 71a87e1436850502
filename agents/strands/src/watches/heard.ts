/**
 * What an agent has added to its messages since agent and journal last agreed. Kept where somebody hears of each message once,
 * as it is added (a stash, a memory manager): if that is not what the steps imply, the next sync says it.
 */
import type { Message, MessageData } from '@strands-agents/sdk'
import type { Conversation } from '../conversation/conversation.ts'

export class Heard {
  readonly #conversation: Conversation
  #added: MessageData[] = []
  #areImplied = true

  constructor(conversation: Conversation) {
    this.#conversation = conversation
  }

  add(message: Message): void {
    this.#areImplied &&= this.#conversation.implies(message, this.#added.length)
    this.#added.push(message.toJSON())
  }

  /** All of it, unless the steps imply just that. */
  unimplied(): readonly MessageData[] | undefined {
    const areImplied = this.#areImplied && this.#conversation.impliesAll(this.#added.length)
    return areImplied ? undefined : this.#added
  }

  /** Agent and journal agree. */
  forget(): void {
    this.#added = []
    this.#areImplied = true
  }
}
