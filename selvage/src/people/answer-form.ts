/**
 * What an answer must be to be one: the form of its question, arguments that its tool takes, data that its schema takes.
 * Whatever does not fit is refused to its sender, and the question stays open.
 */
import {
  encode,
  type Issue,
  type Json,
  type JsonObject,
  type QuestionRecord,
  RunError,
  UsageError,
} from '@selvage/core'
import { misfits } from './fits.ts'

export interface Approve {
  readonly kind: 'approve'
  /** Replaces the arguments of the tool. For an interrupt or a callback its value (default true), for an unknown effect its result. */
  readonly input?: unknown
  /** The data that the question asks for. */
  readonly value?: unknown
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

export type Answer = Approve | Reject | Respond

/** Approvals and unknown outcomes are said yes or no to; interrupts and callbacks are given a value. */
export function isForm({ kind }: QuestionRecord): boolean {
  return kind !== 'interrupt' && kind !== 'callback'
}

/** The payload of the answer's signal. BAD_INPUT with `details.issues` for what does not fit. */
export async function payloadOf(question: QuestionRecord, answer: Answer): Promise<Json> {
  const label = `the answer to ${question.id}`
  if (!isForm(question)) {
    if (answer.kind === 'respond') return { value: encode(answer.value, label) }
    const { input, value = input ?? true } = answer.kind === 'approve' ? answer : { value: false }
    return { value: encode(value, label) }
  }
  const form = formOf(question, answer)
  await checkForm(question, form)
  return encode(form, label)
}

interface Form {
  readonly approved: boolean
  readonly input?: unknown
  readonly value?: unknown
  readonly reason?: unknown
}

function formOf(question: QuestionRecord, answer: Answer): Form {
  if (answer.kind === 'reject') {
    return { approved: false, ...(answer.reason === undefined ? {} : { reason: answer.reason }) }
  }
  if (answer.kind === 'respond') {
    if (question.schema !== undefined) return { approved: true, value: answer.value }
    if (isFormAnswer(answer.value)) return answer.value
    throw new UsageError('BAD_INPUT', `${question.id} asks for an approval.`, {
      hint: 'Answer with approve(id) or reject(id), or respond(id, { approved: true | false, … }).',
      details: { runId: question.runId, id: question.id },
    })
  }
  // Of an effect whose outcome nobody knew, an approval says that it happened, and what its result was.
  const { input, value } =
    question.kind === 'unknown' ? { input: undefined, value: answer.value ?? answer.input } : answer
  return {
    approved: true,
    ...(input === undefined ? {} : { input }),
    ...(value === undefined ? {} : { value }),
  }
}

function isFormAnswer(value: unknown): value is Form {
  return typeof value === 'object' && value !== null && 'approved' in value && typeof value.approved === 'boolean'
}

async function checkForm(question: QuestionRecord, { approved, input, value }: Form): Promise<void> {
  if (!approved) return
  if (input !== undefined && question.quorum !== undefined) {
    throw refused(question, 'is decided by several people, who cannot each change its arguments', [])
  }
  if (input !== undefined) await checkFit(question, question.inputSchema, input, 'does not take these arguments')
  await checkFit(question, question.schema, value, 'does not take this answer')
}

async function checkFit(
  question: QuestionRecord,
  schema: JsonObject | undefined,
  value: unknown,
  what: string,
): Promise<void> {
  const issues = schema === undefined ? undefined : await misfits(schema, value)
  if (issues !== undefined) throw refused(question, what, issues)
}

function refused({ id, runId, tool }: QuestionRecord, what: string, issues: readonly Issue[]): UsageError {
  const lines = issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  const asked = tool === undefined ? `Question ${id}` : `Question ${id} (tool ${tool})`
  return new UsageError('BAD_INPUT', `${asked} ${what}${lines.length > 0 ? `: ${lines.join('; ')}` : ''}.`, {
    hint: 'Nothing was answered; the question is still open.',
    details: { runId, id, issues },
  })
}

/** An answer that says what it was given to must be about what is asked. */
export function checkHash({ id, runId, inputHash }: QuestionRecord, given: string | undefined): void {
  if (given === undefined || given === inputHash) return
  throw new RunError('INPUT_MISMATCH', `Question ${id} shows other arguments than those that were answered to.`, {
    hint: 'Nothing was answered; look at the question again.',
    details: { runId, id, inputHash, given },
  })
}
