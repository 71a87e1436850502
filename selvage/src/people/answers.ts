/**
 * Answering a question. The answer is a signal whose id and name are the question's id, so the engine's rule "the first
 * writer of an id wins" is what makes k answers one effect (I4); of a question to several people each seat has such an id
 * (votes.ts). Everything here is about refusing what is no answer, and telling the others who was first.
 */
import { type Engine, type QuestionRecord, RunError, UsageError } from '@selvage/core'
import { type Answer, checkHash, isForm, payloadOf } from './answer-form.ts'
import { alreadyAnswered, over } from './answered.ts'
import { type DelegateOptions, delegate } from './delegate.ts'
import { vote } from './votes.ts'

export interface Answering {
  readonly by: string | undefined
  /** How it came: see `Signal`. */
  readonly via?: string | undefined
  /** Of the arguments that were looked at. */
  readonly inputHash?: string | undefined
}

/**
 * Answers question `id` of run `runId`. NOT_FOUND; ALREADY_ANSWERED; RUN_ENDED; WAIT_TIMEOUT (it expired); BAD_INPUT for
 * what its schemas refuse, INPUT_MISMATCH, NOT_ASKED: then it is still open.
 */
export async function answer(
  engine: Engine,
  runId: string,
  id: string,
  what: Answer,
  { by, via, inputHash }: Answering,
): Promise<void> {
  const question = await openQuestion(engine, runId, id)
  checkHash(question, inputHash)
  const payload = await payloadOf(question, what)
  if (question.quorum !== undefined && isForm(question)) return vote(engine, question, payload, { by, via })
  const receipt = await engine.signal(runId, {
    id,
    name: id,
    payload,
    ...(by === undefined ? {} : { by }),
    ...(via === undefined ? {} : { via }),
  })
  if (!receipt.accepted) throw alreadyAnswered(question, receipt.first)
}

/** Gives it to somebody else. Errors as for `answer`. */
export function delegateQuestion(engine: Engine, runId: string, id: string, options: DelegateOptions): Promise<void> {
  return delegate(engine, () => openQuestion(engine, runId, id), options)
}

/** The question, if it can be answered. */
export async function openQuestion(engine: Engine, runId: string, id: string): Promise<QuestionRecord> {
  const question = await find(engine, runId, id)
  if (question.status === 'answered' && question.answer !== undefined) throw alreadyAnswered(question, question.answer)
  if (question.status === 'expired' || question.status === 'closed') throw over(question)
  return question
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
