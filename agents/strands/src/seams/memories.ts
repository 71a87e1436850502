/** The seams of what an agent remembers beside its messages: the stash of a context manager, the stores of a memory manager. */
import type { Agent, ContentBlock, Message, MessageData } from '@strands-agents/sdk'

/** Where a context manager keeps what it takes out of the conversation. Its class is not exported. */
export interface Stash {
  list(): Promise<string[]>
  /** The names of what `storeMessage` keeps of a block. */
  refsFor(block: ContentBlock, message: Message, index: number): string[]
  /** Writes over what is there. Results of these tool calls it does not keep. */
  storeMessage(message: Message, except: ReadonlySet<string>): Promise<void>
}

/** There once the agent is initialised. Versions before 1.18 have none. */
export function stashOf(agent: Agent): Stash | undefined {
  return (agent as { readonly contextManager?: { readonly stash?: Stash } }).contextManager?.stash
}

/**
 * A stash lies under the agent's `sessionId`, which is random, and made when somebody first asks for it. Called before
 * that; one of a SessionManager goes before.
 */
export function setSessionId(agent: Agent, sessionId: string): void {
  const self = agent as unknown as { _sessionId?: string }
  self._sessionId ??= sessionId
}

/** What a memory manager saves of the conversation. Its class is not exported. */
export interface Extraction {
  /** The number of the next message. */
  _nextSeq: number
  /** Messages that some store does not have yet. */
  _pending: readonly { readonly seq: number }[]
  /** Of each store: the number of the last message that it has, or is being given. */
  readonly _marks: Map<{ readonly name: string }, number>
  /** Called for each message that is added. */
  record(message: MessageData): void
  /** The one way by which messages, or what is extracted of them, get into a store. */
  _write(store: { readonly name: string }, buffered: readonly { readonly seq: number }[]): Promise<number>
}

/** There once an agent is initialised that saves messages. Undefined where this version does so otherwise. */
export function extractionOf(agent: Agent): Extraction | undefined {
  const { _coordinator: found } = (agent.memoryManager ?? {}) as { readonly _coordinator?: Partial<Extraction> }
  const isKnown = typeof found?._nextSeq === 'number' && Array.isArray(found._pending) && found._marks instanceof Map
  return isKnown && typeof found._write === 'function' ? (found as Extraction) : undefined
}
