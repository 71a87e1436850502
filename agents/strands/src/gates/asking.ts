/**
 * The gate as policies use it, which may ask people. Where nobody is waited for, what was asked is asked and journaled
 * all the same, but without an answer the caller is told so at once: the invocation ends with stopReason `interrupt`.
 */
import { type Durable, type Question, questionKey, type WaitResult } from '@selvage/core'
import { withParts } from '@selvage/programs'

/** A question is open, and nobody waits for its answer here. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'
  readonly key: string

  /** `key`: that of the question. */
  constructor(key: string) {
    super(`The question ${key} has no answer yet.`)
    this.key = key
  }
}

export interface Answers {
  /** Else a question without an answer rejects with `Unanswered`. */
  readonly waits: boolean
  isAnswered(key: string, questionId: string): boolean
  /** Resolves when answers that came before this process are known. */
  caughtUp(): Promise<void>
  /** A question was asked. */
  opened(key: string, question: Question): void
}

/** `durable` for what may ask people. */
export function askingGate(durable: Durable, answers: Answers): Durable {
  const wait = async <T>(key: string, signalName: string, until?: number): Promise<WaitResult<T>> => {
    if (answers.waits) return await durable.wait<T>(key, signalName, until)
    if (!answers.isAnswered(key, signalName)) await answers.caughtUp()
    const isOver = answers.isAnswered(key, signalName) || (until !== undefined && until <= durable.clock())
    if (!isOver) throw new Unanswered(questionKey(key))
    return await durable.wait<T>(key, signalName, until)
  }
  return withParts(durable, {
    wait,
    open: (key, question) => {
      answers.opened(key, question)
      return durable.open(key, question)
    },
  })
}
