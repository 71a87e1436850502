/**
 * Names of messages. The SDK gives each a random one; those of a run follow from the run, so that a message has one name in all
 * processes: a UUID of one hash, and a number for each message.
 */
import type { Durable } from '@selvage/core'

/** Ids of messages that the SDK would name at random. */
export type NameMessage = (of: 'answer' | 'results' | 'input', n: number, index: number) => string

const KINDS = { answer: 0, results: 1, input: 2 } as const
const ZEROS = '00000000'

/** Of the agent with that prefix. */
export function naming(durable: Durable, prefix: string): NameMessage {
  let base: string | undefined
  const begun: string[] = []
  return (of, n, index) => {
    base ??= uuidBase(durable.id('', `${prefix}messages`))
    const kind = KINDS[of]
    if (index > 0 || n >= 2 ** 32)
      return `${base}${(kind * 2 ** 44 + n * 2 ** 12 + index).toString(16).padStart(12, '0')}`
    // The same, in small numbers, the end of it first: a resume names thousands, and V8 keeps each piece of a long text.
    begun[kind] ??= `${base}${kind}`
    const hex = n.toString(16)
    const end = `${ZEROS.slice(hex.length)}${hex}000`
    return begun[kind] + end
  }
}

/** The first four groups of a UUID of version 4. */
function uuidBase(id: string): string {
  const hex = Array.from(id, (character) => (character.charCodeAt(0) % 16).toString(16)).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-8${hex.slice(15, 18)}-`
}
