/**
 * Answering a question. The answer is a signal whose id and name are the question's id, so the engine's rule "the first
 * writer of an id wins" is what makes k answers one effect (I4); everything here is about telling the others.
 */
import type { Engine, Json, QuestionRecord, Signal } from '@selvage/core'
import { decode, encode, type JsonObject, RunError, UsageError } from '@selvage/core'

/** What a second answerer finds in `details` of ALREADY_ANSWERED, beside `runId` and `id`. */
export interface FirstAnswer {
  readonly by: string | undefined
  /** Epoch milliseconds. */
  readonly at: number | undefined
  /** For approvals `{ approved, input?, reason? }`, else the value itself. */
  readonly value: unknown
}

export interface Approve {
  readonly kind: 'approve'
  /** Replaces the arguments of the tool. For an interrupt or a callback its value (default true), for an unknown effect its result. */
  readonly input?: unknown
}

export interface Reject {
  readonly kind: 'reject'
  /** Shown to the model, or to the workflow. */
  readonly reason?: string
}

export interface Respond {
  readonly kind: 'respond'
  readonly value: unknown
}

/** Answers question `id` of run `runId`. NOT_FOUND, ALREADY_ANSWERED, RUN_ENDED, WAIT_TIMEOUT (it expired). */
export async function answer(
  engine: Engine,
  runId: string,
  id: string,
  what: Approve | Reject | Respond,
  by: string | undefined,
): Promise<void> {
  const question = await find(engine, runId, id)
  if (question.status === 'answered' && question.answer !== undefined) throw alreadyAnswered(question, question.answer)
  if (question.status === 'expired' || question.status === 'closed') throw over(question)
  const receipt = await engine.signal(runId, {
    id,
    name: id,
    payload: payloadOf(question, what),
    ...(by === undefined ? {} : { by }),
  })
  if (!receipt.accepted) throw alreadyAnswered(question, receipt.first)
}

async function find(engine: Engine, runId: string, id: string): Promise<QuestionRecord> {
  if (engine.question === undefined) {
    throw new UsageError('UNSUPPORTED', `Engine '${engine.manifest.name}' keeps no questions.`, {
      hint: `Answer with run.signal('${id}', answer, { id: '${id}' }).`,
    })
  }
  const question = await engine.question(id)
  if (question.runId === runId) return question
  throw new RunError('NOT_FOUND', `Run ${runId} has no question ${id}.`, {
    hint: `It belongs to run ${question.runId}.`,
    details: { runId, id, belongsTo: question.runId },
  })
}

function payloadOf(question: QuestionRecord, what: Approve | Reject | Respond): Json {
  const isForm = question.kind === 'approval' || question.kind === 'unknown'
  const label = `the answer to ${question.id}`
  if (what.kind === 'respond') {
    if (isForm && !isFormAnswer(what.value)) {
      throw new UsageError('BAD_INPUT', `${question.id} asks for an approval.`, {
        hint: 'Answer with approve(id) or reject(id), or respond(id, { approved: true | false, … }).',
        details: { runId: question.runId, id: question.id },
      })
    }
    return isForm ? encode(what.value, label) : { value: encode(what.value, label) }
  }
  if (!isForm) return { value: encode(what.kind === 'approve' ? (what.input ?? true) : false, label) }
  const form: { [key: string]: Json } = { approved: what.kind === 'approve' }
  // Of an effect whose outcome nobody knew, an approval says that it happened, and what its result was.
  const field = question.kind === 'unknown' ? 'value' : 'input'
  if (what.kind === 'approve' && what.input !== undefined) form[field] = encode(what.input, label)
  if (what.kind === 'reject' && what.reason !== undefined) form.reason = what.reason
  return form
}

function isFormAnswer(value: unknown): value is { readonly approved: boolean } {
  return typeof value === 'object' && value !== null && 'approved' in value && typeof value.approved === 'boolean'
}

function alreadyAnswered(question: QuestionRecord, first: Signal): RunError {
  const who = first.by === undefined ? '' : ` by ${first.by}`
  const when = first.at === undefined ? '' : ` at ${new Date(first.at).toISOString()}`
  const value = answerValue(question, first)
  return new RunError('ALREADY_ANSWERED', `Question ${question.id} was answered before${who}${when}.`, {
    hint: `The first answer stands: ${JSON.stringify(first.payload)}.`,
    details: { runId: question.runId, id: question.id, by: first.by, at: first.at, value } satisfies FirstAnswer & {
      readonly runId: string
      readonly id: string
    },
  })
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

function over(question: QuestionRecord): RunError {
  const details = { runId: question.runId, id: question.id, status: question.status }
  return question.status === 'expired'
    ? new RunError('WAIT_TIMEOUT', `Question ${question.id} expired before this answer came.`, {
        hint: `Run ${question.runId} went on without it.`,
        details,
      })
    : new RunError('RUN_ENDED', `Question ${question.id} is closed: run ${question.runId} no longer waits for it.`, {
        details,
      })
}
