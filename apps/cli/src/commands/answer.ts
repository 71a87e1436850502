import { userInfo } from 'node:os'
import { UsageError } from '@selvage/core'
import type { Approval } from 'selvage/core'
import type { Session } from '../session.ts'

export interface AnswerOptions {
  readonly input?: string
  readonly value?: string
  readonly inputHash?: string
  readonly reason?: string
  readonly by?: string
}

export interface DelegateOptions {
  readonly from?: string
  readonly reason?: string
  readonly by?: string
}

/** What `approve`, `reject` and `respond` have in common: find the run of a question and say who answered. */
export async function answer(
  { selvage, output }: Session,
  question: Pick<Approval, 'id' | 'runId' | 'quorum'>,
  verb: 'approve' | 'reject' | 'respond',
  options: AnswerOptions,
): Promise<void> {
  const run = selvage.run(question.runId)
  const by = options.by ?? defaultBy()
  const { input, value, inputHash, reason } = options
  if (verb === 'approve') {
    await run.approve(question.id, {
      by,
      ...(input === undefined ? {} : { input: parseJson(input, '--input') }),
      ...(value === undefined ? {} : { value: parseJson(value, '--value') }),
      ...(inputHash === undefined ? {} : { inputHash }),
    })
  } else if (verb === 'reject') {
    await run.reject(question.id, { by, ...(reason === undefined ? {} : { reason }) })
  } else {
    await run.respond(question.id, parseJson(input ?? 'null', 'the value'), { by })
  }
  const told = { approve: 'approved', reject: 'rejected', respond: 'answered' }[verb]
  if (output.json) output.document({ id: question.id, runId: question.runId, answer: told, by })
  else if (question.quorum !== undefined) output.line(`${question.id} ${told} by ${by}, one of several people.`)
  else output.line(`${question.id} ${told} by ${by}: run ${question.runId} goes on.`)
}

export async function delegate(
  { selvage, output }: Session,
  question: Approval,
  to: string,
  { from, reason, by = defaultBy() }: DelegateOptions,
): Promise<void> {
  await selvage.run(question.runId).delegate(question.id, {
    to,
    by,
    ...(from === undefined ? {} : { from }),
    ...(reason === undefined ? {} : { reason }),
  })
  if (output.json) output.document({ id: question.id, runId: question.runId, to, by })
  else output.line(`${question.id} is for ${to} now.`)
}

/** JSON as typed. BAD_INPUT tells where it went wrong and how a text is written. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError('BAD_INPUT', `${what} is not JSON: ${(error as Error).message}.`, {
      hint: `A text is written with its quotes: '"${text.slice(0, 20).replaceAll('"', '')}"'.`,
      cause: error,
    })
  }
}

/** The user of the operating system; in a container that knows no name for it, its number. */
export function defaultBy(): string {
  try {
    return userInfo().username
  } catch {
    return process.env.USER ?? process.env.LOGNAME ?? `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
