/** What stores know of the names and payloads of signals. */
import type { Signal } from '../journal/entry.ts'
import type { Delegation, Vote } from '../records.ts'
import type { Json } from '../values/json.ts'

export interface Waits {
  readonly signals: readonly string[]
  readonly until?: number
}

/** Whether a signal of that name is for a run that waits so: `$`-names always are. */
export function isWaitedFor(name: string, waits: Waits): boolean {
  return name.startsWith('$') || waits.signals.includes(name)
}

/** What the payloads of delegations and votes say. */
export interface Moved {
  readonly from?: string
  readonly to?: string
  readonly seat?: string
  readonly reason?: string
  readonly approved?: boolean
}

/** What our own senders write; a stranger's signal of that name moves nothing. */
export function movedBy(payload: Json): Moved {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return {}
  const texts = (['from', 'to', 'seat', 'reason'] as const).flatMap((name) => {
    const text = (payload as { readonly [name: string]: Json })[name]
    return typeof text === 'string' ? [[name, text] as const] : []
  })
  const { approved } = payload as { readonly approved?: Json }
  return { ...Object.fromEntries(texts), ...(typeof approved === 'boolean' ? { approved } : {}) }
}

/** Of the signals by which a question was given to others, in the order of their numbers. */
export function delegationsIn(signals: readonly Signal[]): Delegation[] {
  return [...signals]
    .sort((one, other) => numberOf(one.id) - numberOf(other.id))
    .map(({ payload, by, at = 0 }) => {
      const { from, to = '', reason, seat } = movedBy(payload)
      return {
        ...(seat === undefined ? {} : { seat }),
        ...(from === undefined ? {} : { from }),
        to,
        ...(by === undefined ? {} : { by }),
        ...(reason === undefined ? {} : { reason }),
        at,
      }
    })
}

export function votesIn(signals: readonly Signal[]): Vote[] {
  return signals.map(({ payload, by, via, at = 0 }) => {
    const { seat = '', approved, reason } = movedBy(payload)
    return {
      seat,
      approved: approved === true,
      ...(reason === undefined ? {} : { reason }),
      ...(by === undefined ? {} : { by }),
      ...(via === undefined ? {} : { via }),
      at,
    }
  })
}

function numberOf(signalId: string): number {
  return Number(signalId.slice(signalId.lastIndexOf('#') + 1))
}
