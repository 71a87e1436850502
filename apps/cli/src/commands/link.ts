import type { Duration } from '@selvage/core'
import type { Approval, LinkAction } from 'selvage/core'
import type { Session } from '../session.ts'
import { moment } from '../words.ts'

export interface LinkOptions {
  readonly action: string
  readonly assignee?: string
  readonly expiresIn?: string
  readonly page?: string
}

/** `selvage link`: the token alone on its line, so that a script can take it. */
export async function link(
  { selvage, output }: Session,
  question: Approval,
  { action, assignee, expiresIn, page }: LinkOptions,
): Promise<void> {
  const made = await selvage.approvalLink(question.id, {
    action: action as LinkAction,
    ...(assignee === undefined ? {} : { assignee }),
    ...(expiresIn === undefined ? {} : { expiresIn: expiresIn as Duration }),
    ...(page === undefined ? {} : { url: page }),
  })
  if (output.json) return output.document({ id: question.id, runId: question.runId, ...made })
  output.line(made.url ?? made.token)
  output.note(`Good until ${moment(made.expiresAt, Date.now())}, for one answer.`)
}
