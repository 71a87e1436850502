/** What those are told who come too late, or to the wrong question. */
import { decode, type JsonObject, type QuestionRecord, RunError, type Signal, type Vote } from '@selvage/core'

/** What a second answerer finds in `details` of ALREADY_ANSWERED, beside `runId` and `id`. */
export interface FirstAnswer {
  readonly by: string | undefined
  /** Epoch milliseconds. */
  readonly at: number | undefined
  /** For approvals `{ approved, input?, value?, reason?, votes? }`, else the value itself. */
  readonly value: unknown
  /** `link:…` where it came by a signed link. */
  readonly via: string | undefined
}

export function alreadyAnswered(question: QuestionRecord, first: Signal): RunError {
  const { by, at, via } = first
  const value = answerValue(question, first)
  return new RunError('ALREADY_ANSWERED', `Question ${question.id} was answered before${told(first)}.`, {
    hint: `The first answer stands: ${JSON.stringify(first.payload)}.`,
    details: { runId: question.runId, id: question.id, ...({ by, at, value, via } satisfies FirstAnswer) },
  })
}

/** Of somebody who has voted. */
export function alreadyVoted(
  question: QuestionRecord,
  seat: string,
  { by, at, via, approved, reason }: Vote,
): RunError {
  const value = { approved, ...(reason === undefined ? {} : { reason }) }
  const who = `${told({ at, ...(by === undefined ? {} : { by }) })}`
  return new RunError('ALREADY_ANSWERED', `Question ${question.id} has the vote of ${seat}${who}.`, {
    hint: `Each answers once, and it stands: ${JSON.stringify(value)}.`,
    details: { runId: question.runId, id: question.id, seat, ...({ by, at, value, via } satisfies FirstAnswer) },
  })
}

function told({ by, at }: { readonly by?: string; readonly at?: number }): string {
  const who = by === undefined ? '' : ` by ${by}`
  return at === undefined ? who : `${who} at ${new Date(at).toISOString()}`
}

/** What was answered, without the envelope of the signal. */
export function answerValue(question: { readonly kind: QuestionRecord['kind'] }, first: Signal): unknown {
  const payload = first.payload
  const isEnvelope = typeof payload === 'object' && payload !== null && !Array.isArray(payload)
  if (!isEnvelope) return decode(payload)
  const fields = payload as JsonObject
  if (question.kind === 'interrupt' || question.kind === 'callback') return decode(fields.value ?? null)
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, decode(value)]))
}

/** A question that nobody waits for any more. */
export function over(question: QuestionRecord): RunError {
  const details = { runId: question.runId, id: question.id, status: question.status }
  return question.status === 'expired'
    ? new RunError('WAIT_TIMEOUT', `Question ${question.id} expired before this answer came.`, {
        hint: `Run ${question.runId} went on without it; if it asks somebody else now, that is another question.`,
        details,
      })
    : new RunError('RUN_ENDED', `Question ${question.id} is closed: run ${question.runId} no longer waits for it.`, {
        details,
      })
}
