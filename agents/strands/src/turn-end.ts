/** How a turn ends, in words of the journal. */
import type { Json } from '@selvage/core'
import { type Agent, type AgentResult, Message, type MessageData, TextBlock } from '@strands-agents/sdk'
import type { TurnEnd } from './fold.ts'
import { recordOf } from './record.ts'
import type { Scope } from './scope.ts'

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

/** No provider takes a conversation in which two messages of the user follow each other. */
export function closeAfter({ messages }: Agent, error: unknown): void {
  if (messages.at(-1)?.role !== 'user') return
  const why = error instanceof Error ? error.message : String(error)
  messages.push(new Message({ role: 'assistant', content: [new TextBlock(`This turn failed: ${why}`)] }))
}
