/** How a turn ends, in words of the journal, and what its conversation must not end with when another one begins. */
import type { Json } from '@selvage/core'
import {
  type Agent,
  type AgentResult,
  Message,
  type MessageData,
  TextBlock,
  ToolResultBlock,
  type ToolUseBlock,
} from '@strands-agents/sdk'
import type { TurnEnd } from '../conversation/fold.ts'
import { recordOf } from '../conversation/record.ts'
import { isSame } from '../conversation/splice.ts'
import type { Scope } from '../gates/scope.ts'
import { messagesOf } from '../watches/messages-taken.ts'

/** What a turn ends with. */
export type Ending = Pick<AgentResult, 'stopReason' | 'lastMessage'> & { readonly structuredOutput?: unknown }

/** What the journal says of the end of a turn. */
export function endOf(result: Ending, { messages }: Agent): TurnEnd {
  const { stopReason, lastMessage, structuredOutput } = result
  const at = lastMessage === messages.at(-1) ? -1 : lastMessage === messages.at(-2) ? -2 : undefined
  return {
    stopReason,
    ...(at === -2 && { last: at }),
    ...(at === undefined && lastMessage !== undefined && { message: messageData(lastMessage) }),
    ...(structuredOutput !== undefined && { structuredOutput: structuredOutput as Json }),
  }
}

/** Which model outcome a result shows: whoever waits for it finds it in the journal. */
export function saidIn({ lastMessage }: Ending, { conversation }: Scope): Pick<TurnEnd, 'answer' | 'message'> {
  const isAnswer = lastMessage !== undefined && recordOf(lastMessage) !== undefined
  if (isAnswer) return { answer: conversation.answers }
  return lastMessage === undefined ? {} : { message: messageData(lastMessage) }
}

/** Middleware around an invocation may answer in its place, and with a message that is no instance of the class. */
function messageData(message: Message): MessageData {
  const { role, content } = message
  return typeof message.toJSON === 'function' ? message.toJSON() : { role, content: content as never }
}

/** Behind a turn that failed. */
export function closeAfter(agent: Agent, error: unknown): void {
  close(agent, `This turn failed: ${error instanceof Error ? error.message : String(error)}`)
}

/**
 * Before a turn with another input, whatever the one before it ended with: a cancel, a limit, structured output. What others
 * have put into the messages since (a goal loop that begins again) is theirs.
 */
export function closeBefore({ agent, conversation }: Scope, input: () => readonly Message[]): void {
  const messages = messagesOf(agent)
  const left = conversation.messages.at(-1)
  const isAsLeft = left !== undefined && isSame(left, messages.at(-1))
  if (isAsLeft && isOpen(messages) && input()[0]?.role === 'user') close(agent, 'This turn ended here.')
}

/**
 * No provider takes a conversation in which two messages of the user follow each other, or in which a tool was asked for and
 * has no result. What is missing for another message of the user is added. An answer that says nothing is no message for many
 * providers, and takes the words itself.
 */
function close(agent: Agent, words: string): void {
  const { messages } = agent
  if (!isOpen(messages)) return
  const silent = isSilent(messages.at(-1)) ? messages.pop() : undefined
  if (silent !== undefined) {
    const kept = silent.content.filter((block) => block.type !== 'textBlock')
    messages.push(new Message({ role: 'assistant', content: [...kept, new TextBlock(words)] }))
    return
  }
  const unmade = asked(messages.at(-1)).map(notMade)
  if (unmade.length > 0) messages.push(new Message({ role: 'user', content: unmade }))
  messages.push(new Message({ role: 'assistant', content: [new TextBlock(words)] }))
}

function isOpen(messages: readonly Message[]): boolean {
  const last = messages.at(-1)
  return last?.role === 'user' || asked(last).length > 0 || isSilent(last)
}

/** An answer without content, or of nothing but blank text and thoughts. */
function isSilent(last: Message | undefined): boolean {
  if (last?.role !== 'assistant') return false
  return last.content.every((block) => (block.type === 'textBlock' ? block.text.trim() === '' : SILENT.has(block.type)))
}

/** Not every provider takes them back. */
const SILENT: ReadonlySet<string> = new Set(['reasoningBlock', 'cachePointBlock'])

/** Calls of tools in the last message: results would stand behind it. */
function asked(last: Message | undefined): readonly ToolUseBlock[] {
  if (last?.role !== 'assistant') return []
  return last.content.filter((block): block is ToolUseBlock => block.type === 'toolUseBlock')
}

function notMade({ toolUseId }: ToolUseBlock): ToolResultBlock {
  const content = [new TextBlock('The turn ended before this call was made.')]
  return new ToolResultBlock({ toolUseId, status: 'error', content })
}
