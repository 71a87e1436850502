/**
 * m of n: one question to several people, each with a seat.
 *
 *   open ──vote──▶ open … ──enough say yes──▶ approved
 *                      └──too few are left for that──▶ rejected, with what was said against it
 *
 * A vote is a signal whose id is made of the question and the seat: a seat votes once, whoever sits on it. The votes are
 * counted where the run is, in the order of its journal; the decision is then sent as the answer of the question, so that
 * whoever comes later is told of it like of any other answer. A vote of somebody who has no seat does not count.
 */
import type { Durable, Json, Question, Signal, WaitResult } from '@selvage/core'
import { voteKey, voteName } from '@selvage/core'
import type { Patience } from './patience.ts'

interface Counted {
  readonly seat: string
  readonly approved: boolean
  readonly reason?: string
  /** What a yes brought along: of an unknown effect its result. */
  readonly value?: Json
  readonly by?: string
  readonly at?: number
}

/** As `wait` for the answer of the question: what it brings is the decision. */
export async function collectVotes(
  durable: Durable,
  key: string,
  question: Question & { readonly quorum: NonNullable<Question['quorum']> },
  patience: Patience,
): Promise<WaitResult<unknown>> {
  const { id, quorum } = question
  const votes = new Map<string, Counted>()
  for (let n = 1; ; n++) {
    const result = await patience.wait<Json>(voteKey(key, n), voteName(id))
    if (!result.ok) {
      if (patience.isStale(result)) continue
      // Closes the question.
      return durable.wait(key, id, result.at)
    }
    const vote = read(result.value, result.signal)
    if (!quorum.of.includes(vote.seat) || votes.has(vote.seat)) continue
    votes.set(vote.seat, vote)
    const decision = decide(quorum, [...votes.values()])
    if (decision === undefined) continue
    const signal = { id, name: id, payload: decision as unknown as Json, by: voters(votes, decision.approved) }
    await durable.step({ key: `${key}/decision`, kind: 'code', name: 'decision' }, async () => {
      await durable.outbound.signal(durable.runId, signal)
    })
    return durable.wait(key, id)
  }
}

interface Decision {
  readonly approved: boolean
  readonly reason?: string
  readonly value?: Json
  readonly votes: readonly Counted[]
}

function decide(quorum: NonNullable<Question['quorum']>, votes: readonly Counted[]): Decision | undefined {
  const yes = votes.filter(({ approved }) => approved)
  const no = votes.filter(({ approved }) => !approved)
  if (yes.length >= quorum.need) {
    const value = yes.find((vote) => vote.value !== undefined)?.value
    return { approved: true, ...(value !== undefined && { value }), votes }
  }
  if (quorum.of.length - no.length >= quorum.need) return undefined
  return { approved: false, reason: reasonOf(no), votes }
}

/** What they all say, or what each of them says. */
function reasonOf(votes: readonly Counted[]): string {
  const reasons = new Set(votes.map(({ reason }) => reason))
  const [first] = reasons
  if (reasons.size === 1 && first !== undefined) return first
  return votes.map(({ seat, reason }) => `${seat}: ${reason ?? 'no'}`).join('; ')
}

function read(value: unknown, { by, at }: Signal): Counted {
  const {
    seat,
    approved,
    reason,
    value: brought,
  }: { seat?: unknown; approved?: unknown; reason?: unknown; value?: Json } = typeof value === 'object' &&
  value !== null
    ? value
    : {}
  return {
    seat: typeof seat === 'string' ? seat : '',
    approved: approved === true,
    ...(typeof reason === 'string' && { reason }),
    ...(brought !== undefined && { value: brought }),
    ...(by !== undefined && { by }),
    ...(at !== undefined && { at }),
  }
}

/** Those whose votes made the decision. */
function voters(votes: ReadonlyMap<string, Counted>, approved: boolean): string {
  return [...votes.values()]
    .filter((vote) => vote.approved === approved)
    .map(({ by, seat }) => by ?? seat)
    .join(', ')
}
