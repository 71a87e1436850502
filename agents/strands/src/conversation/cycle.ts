/**
 * One cycle of a conversation while it is pending: a model answer, the results of the tools that it asks for, and what their
 * bodies did to the agent. It says which messages the agent will add for it, and whether those that it has added still say
 * what the gates gave out.
 */
import { Message, type ToolResultBlock } from '@strands-agents/sdk'
import { isBlockAsSeen, type SeenBlock, type SeenMessage, saysTheSame, see, seeBlock } from '../watches/seen-message.ts'
import type { ToolRecord } from './record.ts'

/** What the body of a tool did to its agent. */
export type Deeds = Pick<ToolRecord, 'state' | 'invocation' | 'edits' | 'messages' | 'systemPrompt'>

const NOTHING: readonly never[] = []

export class Cycle {
  readonly n: number
  /** Absent: the model answered with an error. */
  readonly message: Message | undefined
  did: readonly Deeds[] = NOTHING
  /** The tool uses that have a result, and these. */
  readonly #resulted: string[] = []
  readonly #results: ToolResultBlock[] = []
  /** While the agent is live: what was said when it was given out. */
  readonly #seen: SeenMessage | undefined
  readonly #seenResults: Map<string, SeenBlock> | undefined

  constructor(n: number, message: Message | undefined, isLive: boolean) {
    this.n = n
    this.message = message
    this.#seen = message === undefined || !isLive ? undefined : see(message)
    this.#seenResults = isLive ? new Map() : undefined
  }

  /** A tool has a result. */
  take(toolUseId: string, block: ToolResultBlock): void {
    const before = this.#resulted.indexOf(toolUseId)
    if (before < 0) this.#resulted.push(toolUseId)
    this.#results[before < 0 ? this.#results.length : before] = block
    this.#seenResults?.set(toolUseId, seeBlock(block))
  }

  deed(did: Deeds): void {
    this.did = [...this.did, did]
  }

  resultOf(toolUseId: string): ToolResultBlock | undefined {
    return this.#results[this.#resulted.indexOf(toolUseId)]
  }

  /** Whether that is the result of a tool, and says what it said when it was given out. */
  gave(result: ToolResultBlock): boolean {
    const given = this.#seenResults?.get(result.toolUseId)
    return given?.block === result && isBlockAsSeen(result, given)
  }

  /** All tools have their results. */
  get isComplete(): boolean {
    const { content } = this.message ?? { content: NOTHING }
    return content.every((block) => block.type !== 'toolUseBlock' || this.resultOf(block.toolUseId) !== undefined)
  }

  /**
   * The answer, and the message of the results that there are; `trackingId`: its name. Some results are no step's (a hook
   * cancelled the call, a person supplied it): then the agent's messages will differ.
   */
  messages(trackingId: string | undefined): Message[] {
    const { message } = this
    if (message === undefined) return []
    let isCalling = false
    const content: ToolResultBlock[] = []
    for (let index = 0; index < message.content.length; index++) {
      const block = message.content[index]
      if (block?.type !== 'toolUseBlock') continue
      isCalling = true
      const result = this.resultOf(block.toolUseId)
      if (result !== undefined) content.push(result)
    }
    if (!isCalling) return [message]
    const reply =
      trackingId === undefined
        ? new Message({ role: 'user', content })
        : new Message({ role: 'user', content, trackingId })
    return [message, reply]
  }

  /** Whether a message that the agent has added still says what the gates gave out. */
  isAsGiven(message: Message): boolean {
    if (message === this.message) return this.#seen === undefined || saysTheSame(message, this.#seen)
    if (message.metadata?.custom !== undefined) return false
    return message.content.every((block) => {
      const given = block.type === 'toolResultBlock' ? this.#seenResults?.get(block.toolUseId) : undefined
      return given?.block !== block || isBlockAsSeen(block, given)
    })
  }
}
