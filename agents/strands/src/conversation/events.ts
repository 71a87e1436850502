/**
 * The SDK's own events, made again from recorded messages: what a consumer of `agent.stream()` sees of the part of a
 * turn that is not done again. Deltas are not recorded; each block comes as one.
 */
import {
  type Agent,
  type AgentStreamEvent,
  type ContentBlock,
  type ContentBlockDelta,
  ContentBlockEvent,
  type InvocationState,
  type Message,
  MessageAddedEvent,
  ModelContentBlockDeltaEvent,
  ModelContentBlockStartEvent,
  ModelContentBlockStopEvent,
  ModelMessageEvent,
  ModelMessageStartEvent,
  ModelMessageStopEvent,
  ModelMetadataEvent,
  type ModelStreamEvent,
  ModelStreamUpdateEvent,
  ToolResultEvent,
} from '@strands-agents/sdk'
import { recordOf, toldBy } from './record.ts'

/** The property by which one knows it: not enumerable. */
const REPLAYED = { value: true, configurable: true }

/** Whether an event, message or result of an agent comes from the journal instead of from a model or tool. */
export function isReplayed(value: object): boolean {
  return (value as { readonly replayed?: unknown }).replayed === true && Object.hasOwn(value, 'replayed')
}

/** Marks it for `isReplayed`. */
export function markReplayed<T extends object>(value: T): T {
  return isReplayed(value) ? value : Object.defineProperty(value, 'replayed', REPLAYED)
}

/** Marks events that the SDK makes of what was replayed. */
export function markIfReplayed(event: AgentStreamEvent): void {
  switch (event.type) {
    case 'modelMessageEvent':
      if (isReplayed(event.message)) markReplayed(event)
      break
    case 'toolResultEvent':
      if (isReplayed(event.result)) markReplayed(event)
      break
    case 'messageAddedEvent':
      if (isReplayed(event.message) || areReplayedResults(event.message)) markReplayed(event)
      break
    case 'agentResultEvent':
      if (isReplayed(event.result)) markReplayed(event)
      break
    default:
      break
  }
}

function areReplayedResults({ content }: Message): boolean {
  return content.length > 0 && content.every((block) => block.type === 'toolResultBlock' && isReplayed(block))
}

/** What the model stage yields for an answer. */
export function* answerEvents(
  agent: Agent,
  message: Message,
  invocationState: InvocationState,
): Generator<AgentStreamEvent> {
  for (const event of modelEvents(message)) {
    if (isBlock(event)) yield markReplayed(new ContentBlockEvent({ agent, contentBlock: event, invocationState }))
    else yield markReplayed(new ModelStreamUpdateEvent({ agent, event, invocationState }))
  }
}

/** What `streamAggregated` of a model yields for an answer. */
export function* modelEvents(message: Message): Generator<ModelStreamEvent | ContentBlock> {
  const record = recordOf(message)
  yield markReplayed(new ModelMessageStartEvent({ type: 'modelMessageStartEvent', role: message.role }))
  for (const contentBlock of message.content) {
    for (const event of blockEvents(contentBlock)) yield markReplayed(event)
    yield contentBlock
  }
  const stopReason = stopReasonOf(message)
  yield markReplayed(new ModelMessageStopEvent({ type: 'modelMessageStopEvent', stopReason }))
  const told = record === undefined ? undefined : toldBy(record)
  if (told !== undefined) yield markReplayed(new ModelMetadataEvent({ type: 'modelMetadataEvent', ...told }))
}

function isBlock(event: ModelStreamEvent | ContentBlock): event is ContentBlock {
  return event.type.endsWith('Block')
}

/** The part of a turn that was committed: its input, answers and results. */
export function* turnEvents(
  agent: Agent,
  messages: readonly Message[],
  invocationState: InvocationState,
): Generator<AgentStreamEvent> {
  const added = (message: Message): AgentStreamEvent =>
    markReplayed(new MessageAddedEvent({ agent, message, invocationState }))
  let asked: Message | undefined
  for (const message of messages) {
    markReplayed(message)
    if (message.role === 'assistant') {
      yield* answerEvents(agent, message, invocationState)
      yield markReplayed(new ModelMessageEvent({ agent, message, stopReason: stopReasonOf(message), invocationState }))
      // Both messages of a cycle are added once its tools are done.
      if (message.content.some((block) => block.type === 'toolUseBlock')) asked = message
      else yield added(message)
      continue
    }
    for (const result of message.content) {
      if (result.type === 'toolResultBlock') yield markReplayed(new ToolResultEvent({ agent, result, invocationState }))
    }
    if (asked !== undefined) yield added(asked)
    asked = undefined
    yield added(message)
  }
}

function stopReasonOf(message: Message): ModelMessageEvent['stopReason'] {
  const implied = message.content.some((block) => block.type === 'toolUseBlock') ? 'toolUse' : 'endTurn'
  return recordOf(message)?.stopReason ?? implied
}

function* blockEvents(block: Message['content'][number]): Generator<ModelStreamEvent> {
  const delta = deltaOf(block)
  if (delta === undefined) return
  yield new ModelContentBlockStartEvent({
    type: 'modelContentBlockStartEvent',
    ...(block.type === 'toolUseBlock' && {
      start: { type: 'toolUseStart', name: block.name, toolUseId: block.toolUseId },
    }),
  })
  yield new ModelContentBlockDeltaEvent({ type: 'modelContentBlockDeltaEvent', delta })
  yield new ModelContentBlockStopEvent({ type: 'modelContentBlockStopEvent' })
}

function deltaOf(block: Message['content'][number]): ContentBlockDelta | undefined {
  switch (block.type) {
    case 'textBlock':
      return { type: 'textDelta', text: block.text }
    case 'toolUseBlock':
      return { type: 'toolUseInputDelta', input: JSON.stringify(block.input) }
    case 'reasoningBlock': {
      const { text, signature, redactedContent } = block
      return {
        type: 'reasoningContentDelta',
        ...(text !== undefined && { text }),
        ...(signature !== undefined && { signature }),
        ...(redactedContent !== undefined && { redactedContent }),
      }
    }
    case 'citationsBlock':
      return { type: 'citationsDelta', citations: block.citations, content: block.content }
    default:
      return undefined
  }
}
