/** What was said of a question beside its answer: who gave it to whom, and what several people have voted. Oldest first. */
import { type Delegation, delegationId, type Vote, voteId } from '@selvage/core'
import { delegationsIn, votesIn } from '@selvage/core/stores'
import type { Database } from '../database.ts'
import { signalsOf } from './inbox.ts'

export function delegationsOf(database: Database, runId: string, n: number, id: string): Delegation[] {
  return delegationsIn(signalsOf(database, runId, n, delegationId(id, 1).slice(0, -1)))
}

export function votesOf(database: Database, runId: string, n: number, id: string): Vote[] {
  return votesIn(signalsOf(database, runId, n, voteId(id, '')))
}
