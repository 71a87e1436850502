/**
 * What the context manager of an agent has put aside of its conversation, in a process that goes on with a run.
 *
 * The manager stores each message as it is added, and hands out references to what it then takes out of the conversation.
 * A fold adds nothing, it puts messages in place; so the messages that were added before are stored from the journal, which
 * has them as they were added. What the storage has already, because it outlives the process, is not written again.
 */
import { type Agent, type Message, ToolUseBlock } from '@strands-agents/sdk'
import { type Stash, stashOf } from '../seams/memories.ts'

/** The tool by which a model asks for what was put aside: its results are not put aside again. */
const RETRIEVAL = 'retrieve_context'

export function hasStash(agent: Agent): boolean {
  return stashOf(agent) !== undefined
}

/** `added`: in that order, all that were since this was called before. */
export async function storeAgain(agent: Agent, added: readonly Message[]): Promise<void> {
  const stash = stashOf(agent)
  if (stash === undefined || added.length === 0) return
  const stored = await storedIn(stash)
  const retrieved = new Set<string>()
  for (const message of added) {
    for (const block of message.content)
      if (block instanceof ToolUseBlock && block.name === RETRIEVAL) retrieved.add(block.toolUseId)
    if (!isStored(message, stash, stored)) await stash.storeMessage(message, retrieved)
  }
}

/** What was there when this process came: what has come since may be written again, it is the same. */
const found = new WeakMap<Stash, ReadonlySet<string>>()

async function storedIn(stash: Stash): Promise<ReadonlySet<string>> {
  const before = found.get(stash)
  if (before !== undefined) return before
  const stored = new Set(await stash.list())
  found.set(stash, stored)
  return stored
}

function isStored(message: Message, stash: Stash, stored: ReadonlySet<string>): boolean {
  const kept = message.content.filter((block) => !NOT_KEPT.has(block.type))
  return kept.every((block) =>
    stash.refsFor(block, message, message.content.indexOf(block)).every((reference) => stored.has(reference)),
  )
}

/** Blocks that a stash passes by. */
const NOT_KEPT: ReadonlySet<string> = new Set(['toolUseBlock', 'cachePointBlock', 'reasoningBlock'])
