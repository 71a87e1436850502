import { QUESTION_KINDS, UsageError } from '@selvage/core'
import type { Approval, ApprovalQuery } from 'selvage/core'
import { quote, type Session } from '../session.ts'
import { table } from '../table.ts'
import { ago, brief } from '../words.ts'
import { tagOf } from './list.ts'
import { quorumWords } from './show.ts'

export interface ApprovalsOptions {
  readonly status?: string
  readonly assignee?: string
  readonly run?: string
  readonly tag?: string
  readonly kind?: string
  readonly limit?: number
  readonly after?: string
}

const STATUSES = ['open', 'answered', 'expired', 'closed', 'any'] as const

/** `selvage approvals`: one page of what people are asked, newest first. */
export async function approvals({ selvage, output, again }: Session, options: ApprovalsOptions): Promise<void> {
  const page = await selvage.approvals(queryOf(options))
  if (output.json) return output.document(page)
  if (page.items.length === 0) return output.note(`No such questions in ${selvage.location}.`)
  const now = Date.now()
  const head = ['QUESTION', 'STATUS', 'ASKS', 'FOR', 'RUN', 'ASKED', 'UNTIL'].map((name) => output.style('dim', name))
  const rows = page.items.map((item) => [
    item.id,
    item.status,
    `${brief(item.name, 40)}${item.input === undefined ? '' : ` ${output.style('dim', brief(item.input, 80))}`}`,
    whom(item),
    brief(item.runId, 200),
    ago(item.openedAt, now),
    item.expiresAt === undefined ? '' : ago(item.expiresAt, now),
  ])
  for (const line of table([head, ...rows], output.width)) output.line(line)
  if (page.next !== undefined) output.note(`More: selvage${again} approvals --after ${quote(page.next)}`)
}

function whom(item: Approval): string {
  return item.quorum === undefined ? brief(item.assignee ?? '', 40) : quorumWords(item)
}

function queryOf({ status, assignee, run, tag, kind, limit, after }: ApprovalsOptions): ApprovalQuery {
  return {
    ...(status === undefined ? {} : { status: oneOf('--status', STATUSES, status) }),
    ...(kind === undefined ? {} : { kind: oneOf('--kind', QUESTION_KINDS, kind) }),
    ...(assignee === undefined ? {} : { assignee }),
    ...(run === undefined ? {} : { runId: run }),
    ...(tag === undefined ? {} : { tag: tagOf(tag) }),
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after }),
  }
}

function oneOf<Name extends string>(option: string, names: readonly Name[], given: string): Name {
  const found = names.find((name) => name === given)
  if (found !== undefined) return found
  throw new UsageError('BAD_INPUT', `${option} is not '${given}'.`, { hint: `It is one of ${names.join(', ')}.` })
}
