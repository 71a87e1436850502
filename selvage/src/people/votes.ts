/**
 * One voice among several. Who sits on a seat votes for it: the one whom the question names, or whoever it was delegated
 * to. The vote is a signal with an id made of the seat, so that it counts once (programs/src/people/quorum.ts counts).
 */
import { type Engine, type Json, type QuestionRecord, RunError, UsageError, voteId, voteName } from '@selvage/core'
import { alreadyVoted } from './answered.ts'

/** Who sits where now. */
export function seats({ quorum, delegations = [] }: QuestionRecord): ReadonlyMap<string, string> {
  const holders = new Map((quorum?.of ?? []).map((seat) => [seat, seat]))
  for (const { seat, to } of delegations) if (seat !== undefined && holders.has(seat)) holders.set(seat, to)
  return holders
}

/** The seat of somebody. BAD_INPUT without a name, NOT_ASKED for who has no seat. */
export function seatOf(question: QuestionRecord, by: string | undefined): string {
  const { id, runId } = question
  const holders = seats(question)
  const people = [...holders.values()].join(', ')
  if (by === undefined) {
    throw new UsageError(
      'BAD_INPUT',
      `Question ${id} goes to several people, and this answer does not say whose it is.`,
      {
        hint: `Answer with { by }, one of ${people}.`,
        details: { runId, id },
      },
    )
  }
  for (const [seat, holder] of holders) if (holder === by) return seat
  throw new RunError('NOT_ASKED', `Question ${id} goes to others than ${by}.`, {
    hint: `It goes to ${people}.`,
    details: { runId, id, by },
  })
}

/** ALREADY_ANSWERED with the vote of that seat, if it has one. */
export async function vote(
  engine: Engine,
  question: QuestionRecord,
  form: Json,
  { by, via }: { readonly by?: string | undefined; readonly via?: string | undefined },
): Promise<void> {
  const { id, runId } = question
  const seat = seatOf(question, by)
  const receipt = await engine.signal(runId, {
    id: voteId(id, seat),
    name: voteName(id),
    payload: { ...(form as { readonly [field: string]: Json }), seat },
    ...(by === undefined ? {} : { by }),
    ...(via === undefined ? {} : { via }),
  })
  if (receipt.accepted) return
  const { payload, by: voter, via: how, at = 0 } = receipt.first
  const { approved, reason } = payload as { readonly approved?: Json; readonly reason?: Json }
  throw alreadyVoted(question, seat, {
    seat,
    approved: approved === true,
    ...(typeof reason === 'string' ? { reason } : {}),
    ...(voter === undefined ? {} : { by: voter }),
    ...(how === undefined ? {} : { via: how }),
    at,
  })
}
