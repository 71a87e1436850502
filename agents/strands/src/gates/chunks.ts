/**
 * What live readers of a run are told while a step is in flight. Never recorded: the step's result says it all.
 *
 *   { type: 'text', text } · { type: 'reasoning', text }       of a model
 *   { type: 'toolUse', name, toolUseId } · { type: 'toolInput', text }
 *   { type: 'progress', data }                                 of a tool
 */
import { encode, type Json } from '@selvage/core'
import type { AgentStreamEvent } from '@strands-agents/sdk'

/** The chunk that an event is to a reader; undefined for those that say nothing new. */
export function chunkOf(event: AgentStreamEvent): Json | undefined {
  if (event.type === 'toolStreamUpdateEvent') return progress(event.event.data)
  if (event.type !== 'modelStreamUpdateEvent') return undefined
  const { event: inner } = event
  if (inner.type === 'modelContentBlockStartEvent' && inner.start !== undefined) {
    return { type: 'toolUse', name: inner.start.name, toolUseId: inner.start.toolUseId }
  }
  if (inner.type !== 'modelContentBlockDeltaEvent') return undefined
  const { delta } = inner
  switch (delta.type) {
    case 'textDelta':
      return { type: 'text', text: delta.text }
    case 'toolUseInputDelta':
      return { type: 'toolInput', text: delta.input }
    case 'reasoningContentDelta':
      return delta.text === undefined ? undefined : { type: 'reasoning', text: delta.text }
    default:
      return undefined
  }
}

function progress(data: unknown): Json | undefined {
  try {
    return { type: 'progress', data: encode(data, 'the progress of a tool') }
  } catch {
    // A tool may yield anything; what cannot be shown is for the consumer of the agent's stream only.
    return undefined
  }
}
