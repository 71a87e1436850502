/**
 * Giving a question to somebody else. Each delegation is a signal with the next number, and the first writer of a number
 * wins: they come one after the other, and the journal says who gave it to whom and when.
 */
import {
  delegateName,
  delegationId,
  type Engine,
  type OptionNames,
  type QuestionRecord,
  RunError,
  UsageError,
} from '@selvage/core'
import { alreadyVoted } from './answered.ts'
import { seatOf, seats } from './votes.ts'

export interface DelegateOptions {
  /** Who is to answer: a name for lists and notifications. */
  readonly to: string
  /** Who gives it away. Of a question to several people: whose place it is, if that is not `by`. */
  readonly from?: string
  /** Who says so. */
  readonly by?: string
  readonly reason?: string
}

export const DELEGATE: OptionNames<DelegateOptions> = { to: true, from: true, by: true, reason: true }

/** So many others may delegate the same question in the same moment. */
const RIVALS = 100

/** `read`: the question as it is now; what it rejects with is the end of it. */
export async function delegate(
  engine: Engine,
  read: () => Promise<QuestionRecord>,
  { to, from, by, reason }: DelegateOptions,
): Promise<void> {
  if (typeof to !== 'string' || to === '' || to.length > 320) {
    throw new UsageError('BAD_INPUT', 'A question is delegated to somebody.', {
      hint: 'Give { to }, 1 to 320 characters.',
    })
  }
  for (let rival = 0; rival < RIVALS; rival++) {
    const question = await read()
    const place = question.quorum === undefined ? whole(question, to, from) : onSeat(question, to, from ?? by)
    const { accepted } = await engine.signal(question.runId, {
      id: delegationId(question.id, (question.delegations ?? []).length + 1),
      name: delegateName(question.id),
      payload: { ...place, to, ...(reason === undefined ? {} : { reason }) },
      ...(by === undefined ? {} : { by }),
    })
    if (accepted) return
  }
  throw new RunError('NOT_ASKED', 'Others delegate the same question all the time.', { hint: 'Try it again.' })
}

function whole({ id, runId, assignee }: QuestionRecord, to: string, from: string | undefined): { from?: string } {
  if (from !== undefined && from !== assignee) {
    const has = assignee === undefined ? 'nobody in particular has it' : `${assignee} has it`
    throw new RunError('NOT_ASKED', `Question ${id} is not for ${from} to give away: ${has}.`, {
      details: { runId, id, from, assignee },
    })
  }
  if (assignee === to) throw has(runId, id, to)
  return assignee === undefined ? {} : { from: assignee }
}

function onSeat(question: QuestionRecord, to: string, from: string | undefined): { from: string; seat: string } {
  const { id, runId, votes = [] } = question
  const seat = seatOf(question, from)
  const voted = votes.find((vote) => vote.seat === seat)
  if (voted !== undefined) throw alreadyVoted(question, seat, voted)
  // Nobody has two voices.
  if ([...seats(question).values()].includes(to)) throw has(runId, id, to)
  return { from: from as string, seat }
}

function has(runId: string, id: string, to: string): UsageError {
  return new UsageError('BAD_INPUT', `Question ${id} is asked of ${to} already.`, { details: { runId, id, to } })
}
