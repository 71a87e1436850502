/** What a conversation has as JSON: what a file is compared with that keeps it. */
import type { Message } from '@strands-agents/sdk'

/** UTF-8 bytes of all messages together. */
export interface MessageBytes {
  /** As the SDK writes them. */
  readonly whole: number
  /** Without the `trackingId` that the SDK gives to each message: 52 bytes that Selvage computes from the journal and does not keep. */
  readonly untracked: number
}

export function messageBytes(messages: readonly Message[]): MessageBytes {
  let [whole, untracked] = [0, 0]
  for (const message of messages) {
    const { trackingId: _, ...others } = message.toJSON()
    whole += Buffer.byteLength(JSON.stringify(message.toJSON()))
    untracked += Buffer.byteLength(JSON.stringify(others))
  }
  return { whole, untracked }
}
