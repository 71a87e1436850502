/** How one list of messages becomes another. */
import type { Message, MessageData } from '@strands-agents/sdk'

/** At `at` of what is implied, `remove` messages are replaced by `add`. */
export interface Splice {
  readonly at: number
  readonly remove: number
  readonly add: readonly MessageData[]
}

/** Messages without what differs from run to run: ids, latency. */
export function bare(part: unknown): unknown {
  if (!Array.isArray(part)) return part
  return part.map((message: Message) => ({ role: message.role, content: message.content }))
}

export function isSame(one: Message, other: Message | undefined): boolean {
  if (one === other) return true
  if (other === undefined || one.role !== other.role || one.content.length !== other.content.length) return false
  if (one.content.every((block, index) => block === other.content[index])) return true
  return JSON.stringify(one.content) === JSON.stringify(other.content)
}

/**
 * The smallest range that differs. Behind `known` lie implied messages: of them only the content counts. Before it lie
 * messages that were recorded as they are, and whose copies (a snapshot was loaded, say) are no difference.
 */
export function findSplice(
  before: readonly Message[],
  after: readonly Message[],
  known: number,
  isAsImplied: (actual: Message, implied: Message | undefined) => boolean = isSame,
): Splice {
  const shorter = Math.min(before.length, after.length)
  const isUnchanged = (one: number, other: number): boolean => {
    if (one >= known) return isAsImplied(after[other] as Message, before[one])
    return before[one] === after[other] || isCopy(before[one], after[other])
  }
  let start = 0
  while (start < shorter && isUnchanged(start, start)) start++
  let end = 0
  while (end < shorter - start && isUnchanged(before.length - 1 - end, after.length - 1 - end)) end++
  return {
    at: start,
    remove: before.length - start - end,
    add: after.slice(start, after.length - end).map((message) => message.toJSON()),
  }
}

export function isEmpty({ remove, add }: Splice): boolean {
  return remove === 0 && add.length === 0
}

function isCopy(one: Message | undefined, other: Message | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
