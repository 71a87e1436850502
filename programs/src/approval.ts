/**
 * An approval: a question to a person, kept by the journal, answered by any process.
 *
 *   open ──answer──▶ approved | rejected
 *     └──timeout──▶ onTimeout: (absent) APPROVAL_TIMEOUT · wait: stays open · reject, approve: decided by time
 *                              escalate: a new question to the next assignee, and the old one is closed
 *
 * A question is durable before anybody is told of it. Its answer is the signal whose id and name are the question's id,
 * so the first answer wins and every later one is told who was first. A question that timed out is closed by its `wait`
 * entry: an answer to an earlier level of an escalation no longer counts, and replay decides the same way for ever.
 * Only where APPROVAL_TIMEOUT has ended the run, a retry of that run asks the last question again, with its time anew.
 * What is never true: a denial that nobody decided and no option asked for.
 */
import type { Durable, Duration, Json, Question } from '@selvage/core'
import { encode, StepError, toMs, UsageError } from '@selvage/core'
import { deadlineOf, expiryOf } from './deadline.ts'

export interface ApprovalOptions {
  /** Shown to whoever decides. Anything that can be recorded. */
  details?: unknown
  /** The tool that waits for the decision, if it is one. */
  tool?: string
  /** The arguments that are to be approved; the answer may replace them. */
  input?: Json
  /** Who should decide: a name for lists and notifications, not a permission. */
  assignee?: string
  /** How long to wait for an answer, per level of an escalation. Default: for ever. */
  timeout?: Duration
  /**
   * What happens when nobody answered in time. Default: the promise rejects with APPROVAL_TIMEOUT. `wait`: the question
   * is shown as overdue and stays open. `reject`, `approve`: decided by time, and the answer says so. `escalate`: the
   * next of `escalateTo` is asked; after the last one APPROVAL_TIMEOUT.
   */
  onTimeout?: 'wait' | 'reject' | 'approve' | 'escalate'
  /** The assignees after the first, in order. Only with `onTimeout: 'escalate'`. */
  escalateTo?: readonly string[]
  /** `unknown`: the question is whether an effect `once` happened. Default `approval`. */
  kind?: 'approval' | 'unknown'
}

export type ApprovalAnswer =
  /** `input`: arguments to use in place of those shown. `value`: whatever the answer brought along. `at`: epoch ms. */
  | { approved: true; input?: Json; value?: Json; by?: string; at?: number }
  | { approved: false; reason: string; by?: string; at?: number }

/**
 * Asks for a decision under `key` (unique in the run) and waits for it. Escalated questions have the keys `<key>/2`,
 * `<key>/3`, …
 *
 * Rejects with StepError APPROVAL_TIMEOUT when time is up and `onTimeout` does not say what to do, and with UsageError
 * BAD_INPUT when the options contradict each other.
 */
export async function requestApproval(
  durable: Durable,
  key: string,
  name: string,
  options: ApprovalOptions,
): Promise<ApprovalAnswer> {
  const escalateTo = checkTimeouts(name, options)
  const timeoutMs = options.timeout === undefined ? undefined : toMs(options.timeout, `timeout of approval "${name}"`)
  const assignees = [options.assignee, ...escalateTo]

  let levelKey = key
  for (const [level, assignee] of assignees.entries()) {
    if (level > 0) levelKey = `${key}/${level + 1}`
    const question = questionOf(durable, levelKey, name, { ...options, assignee }, timeoutMs)
    await durable.open(levelKey, question)
    const isLimited = timeoutMs !== undefined && options.onTimeout !== 'wait'
    const until = isLimited ? deadlineOf(durable, levelKey, timeoutMs) : undefined
    const result = await durable.wait(levelKey, question.id, until)
    if (result.ok) return answerOf(result.value, result.signal)
    if (options.onTimeout === 'approve') return { approved: true, by: 'timeout', at: durable.now() }
    if (options.onTimeout === 'reject') {
      const reason = `Nobody answered within ${timeoutMs} ms, and onTimeout is 'reject'.`
      return { approved: false, reason, by: 'timeout', at: durable.now() }
    }
  }

  const asked = assignees.filter((assignee) => assignee !== undefined)
  const error = new StepError(
    'APPROVAL_TIMEOUT',
    `Nobody answered the approval "${name}" of run ${durable.runId} within ${timeoutMs} ms${asked.length > 0 ? ` (asked: ${asked.join(', ')})` : ''}.`,
    {
      hint: 'Nothing was decided: catch this error, or set onTimeout.',
      details: { runId: durable.runId, step: key, attempt: assignees.length },
    },
  )
  durable.blame(error, levelKey)
  throw error
}

function checkTimeouts(name: string, options: ApprovalOptions): readonly string[] {
  const escalateTo = options.escalateTo ?? []
  if (options.onTimeout !== undefined && options.timeout === undefined) {
    throw new UsageError('BAD_INPUT', `Approval "${name}" has onTimeout: '${options.onTimeout}' but no timeout.`, {
      hint: 'Give it a timeout, or leave onTimeout out to wait for ever.',
    })
  }
  if (options.onTimeout === 'escalate' && escalateTo.length === 0) {
    throw new UsageError('BAD_INPUT', `Approval "${name}" has onTimeout: 'escalate' but nobody in escalateTo.`, {
      hint: 'Name at least one assignee in escalateTo.',
    })
  }
  if (options.onTimeout !== 'escalate' && escalateTo.length > 0) {
    throw new UsageError('BAD_INPUT', `Approval "${name}" has escalateTo without onTimeout: 'escalate'.`, {
      hint: "Set onTimeout: 'escalate', or leave escalateTo out.",
    })
  }
  return escalateTo
}

function questionOf(
  durable: Durable,
  key: string,
  name: string,
  options: Omit<ApprovalOptions, 'assignee'> & { assignee: string | undefined },
  timeoutMs: number | undefined,
): Question {
  return {
    id: durable.id('ap_', key),
    kind: options.kind ?? 'approval',
    name,
    ...(options.tool !== undefined && { tool: options.tool }),
    ...(options.input !== undefined && { input: options.input }),
    ...(options.details !== undefined && { reason: encode(options.details, `details of approval "${name}"`) }),
    ...(options.assignee !== undefined && { assignee: options.assignee }),
    ...(timeoutMs !== undefined && { expiresAt: expiryOf(durable, key, timeoutMs) }),
  }
}

function answerOf(value: unknown, signal: { readonly by?: string; readonly at?: number }): ApprovalAnswer {
  const answer: { approved?: unknown; reason?: unknown; input?: Json; value?: Json } =
    typeof value === 'object' && value !== null ? value : {}
  const who = { ...(signal.by !== undefined && { by: signal.by }), ...(signal.at !== undefined && { at: signal.at }) }
  if (answer.approved === true) {
    return {
      approved: true,
      ...(answer.input !== undefined && { input: answer.input }),
      ...(answer.value !== undefined && { value: answer.value }),
      ...who,
    }
  }
  if (answer.approved === false) {
    return {
      approved: false,
      reason: typeof answer.reason === 'string' ? answer.reason : 'No reason was given.',
      ...who,
    }
  }
  return { approved: false, reason: 'The answer says neither approved: true nor approved: false.', ...who }
}
