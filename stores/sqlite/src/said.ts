/** What was said of a question beside its answer: who gave it to whom, and what several people have voted. Oldest first. */
import { type Delegation, delegationId, type Vote, voteId } from '@selvage/core'
import type { Database } from './database.ts'
import { signalsOf } from './inbox.ts'
import { read } from './seats.ts'

export function delegationsOf(database: Database, runId: string, n: number, id: string): Delegation[] {
  const signals = signalsOf(database, runId, n, delegationId(id, 1).slice(0, -1))
  return signals
    .sort((one, other) => numberOf(one.id) - numberOf(other.id))
    .map(({ payload, by, at = 0 }) => {
      const { from, to = '', reason, seat } = read(payload)
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

export function votesOf(database: Database, runId: string, n: number, id: string): Vote[] {
  return signalsOf(database, runId, n, voteId(id, '')).map(({ payload, by, via, at = 0 }) => {
    const { seat = '', approved, reason } = read(payload)
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
