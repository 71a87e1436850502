/** What an agent is asked, as an invocation takes it and as the journal keeps it. */
import { ConflictError, canonical, encode, type Json } from '@selvage/core'
import {
  type ContentBlock,
  type ContentBlockData,
  contentBlockFromData,
  type InterruptResponseContentData,
  type InvokeArgs,
  Message,
  type MessageData,
  TextBlock,
} from '@strands-agents/sdk'

/** The recorded form: a text, or the messages that the input becomes. Nothing: `[]`. */
export type RecordedInput = string | readonly Pick<MessageData, 'role' | 'content'>[]

type AnyBlock = ContentBlock | ContentBlockData

/** The record of an invocation's input. Tracking ids and metadata are no part of it: they differ from one call to the next. */
export function recordInput(args: InvokeArgs | undefined): Json {
  if (typeof args === 'string') return args
  return encode(messagesOf(args), 'the input of the agent')
}

/** Answers to interrupts, if that is what the invocation brings. */
export function interruptResponses(args: InvokeArgs | undefined): readonly InterruptResponseContentData[] {
  if (!Array.isArray(args)) return []
  return args.filter((item): item is InterruptResponseContentData => 'interruptResponse' in item)
}

export function isSameInput(one: Json, other: Json): boolean {
  return one === other || canonical(one) === canonical(other)
}

/** RUN_CONFLICT where a recorded turn has another input. */
export function checkInput(
  runId: string,
  { n, input, end }: { readonly n: number; readonly input: Json; readonly end: unknown },
  got: Json,
): void {
  if (isSameInput(input, got)) return
  const show = (value: Json): string => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return text.length > 200 ? `${text.slice(0, 199)}…` : text
  }
  throw new ConflictError(
    'RUN_CONFLICT',
    `Turn ${n} of run ${runId} has another input. Recorded: ${show(input)} Got: ${show(got)}`,
    {
      hint:
        end === undefined
          ? 'That turn is not finished: invoke the agent with its input, or use another run id.'
          : 'Invoke the agent with the same inputs in the same order, or use another run id.',
      details: { runId, turn: n, recorded: input, got },
    },
  )
}

/** The messages that an input becomes in the conversation. `name`: their ids, in place of random ones. */
export function inputMessages(input: RecordedInput, name?: (index: number) => string | undefined): Message[] {
  if (typeof input === 'string') {
    const trackingId = name?.(0)
    const content = [new TextBlock(input)]
    return [new Message(trackingId === undefined ? { role: 'user', content } : { role: 'user', content, trackingId })]
  }
  return input.map((data, index) => {
    const trackingId = name?.(index)
    return Message.fromMessageData(trackingId === undefined ? data : { ...data, trackingId })
  })
}

/**
 * What a run's input is to the agent: text and everything else that `invoke` takes as it is; any other value as its
 * JSON text.
 */
export function argsOf(input: unknown): InvokeArgs {
  if (typeof input === 'string') return input
  if (input === null || input === undefined) return []
  if (Array.isArray(input) && input.length > 0 && input.every(isMessageOrBlock)) return input as InvokeArgs
  return JSON.stringify(input)
}

const BLOCK_KEYS = [
  'text',
  'toolUse',
  'toolResult',
  'reasoning',
  'cachePoint',
  'guardContent',
  'image',
  'video',
  'document',
  'audio',
  'citations',
]

function isMessageOrBlock(item: unknown): boolean {
  if (typeof item !== 'object' || item === null) return false
  if ('role' in item) return 'content' in item && Array.isArray(item.content)
  const keys = Object.keys(item)
  return keys.length === 1 && BLOCK_KEYS.includes(keys[0] as string)
}

/** As the SDK makes messages of an input: a text or blocks are one message of the user. */
function messagesOf(args: Exclude<InvokeArgs, string> | undefined): readonly Pick<MessageData, 'role' | 'content'>[] {
  if (!Array.isArray(args) || args.length === 0) return []
  const items: readonly unknown[] = args
  if (items.every(isMessage)) {
    return items.map((item) => {
      const { role, content } = item instanceof Message ? item.toJSON() : item
      return { role, content: content.map(blockData) }
    })
  }
  return [{ role: 'user', content: (items as readonly AnyBlock[]).map(blockData) }]
}

function isMessage(item: unknown): item is Message | MessageData {
  return typeof item === 'object' && item !== null && 'role' in item
}

/** Through the SDK's classes, so that bytes and optional fields have one form. */
function blockData(block: AnyBlock): ContentBlockData {
  const instance =
    'type' in block && typeof block.type === 'string'
      ? (block as ContentBlock)
      : contentBlockFromData(block as ContentBlockData)
  return instance.toJSON() as ContentBlockData
}
