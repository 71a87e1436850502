import { userInfo } from 'node:os'
import { UsageError } from '@selvage/core'
import type { Session } from './session.ts'

export interface AnswerOptions {
  readonly input?: string
  readonly reason?: string
  readonly by?: string
}

/** What `approve`, `reject` and `respond` have in common: find the run of a question and say who answered. */
export async function answer(
  { selvage, output }: Session,
  question: { readonly id: string; readonly runId: string },
  verb: 'approve' | 'reject' | 'respond',
  options: AnswerOptions,
): Promise<void> {
  const run = selvage.run(question.runId)
  const by = options.by ?? defaultBy()
  const { input, reason } = options
  if (verb === 'approve') {
    await run.approve(question.id, { by, ...(input === undefined ? {} : { input: parseJson(input, '--input') }) })
  } else if (verb === 'reject') {
    await run.reject(question.id, { by, ...(reason === undefined ? {} : { reason }) })
  } else {
    await run.respond(question.id, parseJson(input ?? 'null', 'the value'), { by })
  }
  const told = { approve: 'approved', reject: 'rejected', respond: 'answered' }[verb]
  if (output.json) output.document({ id: question.id, runId: question.runId, answer: told, by })
  else output.line(`${question.id} ${told} by ${by}: run ${question.runId} goes on.`)
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
