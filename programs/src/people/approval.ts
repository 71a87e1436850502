/**
 * An approval: a question to a person, kept by the journal, answered by any process.
 *
 *   open ──answer──▶ approved | rejected
 *     ├──data that only the program finds wrong──▶ the same question anew, saying what was wrong
 *     └──timeout──▶ onTimeout: (absent) APPROVAL_TIMEOUT · wait: stays open · reject, approve: decided by time
 *                              escalate: a new question to the next assignee, and the old one is closed
 *
 * A question is durable before anybody is told of it. Its answer is the signal whose id and name are the question's id,
 * so the first answer wins and every later one is told who was first. A question that timed out is closed by its `wait`
 * entry: an answer to an earlier level of an escalation no longer counts, and replay decides the same way for ever.
 * Only where APPROVAL_TIMEOUT has ended the run, a retry of that run asks the last question again, with its time anew.
 * What is never true: a denial that nobody decided and no option asked for.
 *
 * While it is open: patience.ts (reminders), quorum.ts (several people). Its options: approval-options.ts.
 */
import type { Durable, Json, JsonObject, Question, WaitResult } from '@selvage/core'
import { encode, StepError } from '@selvage/core'
import { type Checked, checkData, isStandard, jsonSchemaOf } from './answer-schema.ts'
import { type ApprovalOptions, checkApproval, type NormalPolicy } from './approval-options.ts'
import { deadlineOf, expiryOf } from './deadline.ts'
import { Patience } from './patience.ts'
import { collectVotes } from './quorum.ts'

/** `at`: epoch ms. `votes`: of a quorum, in the order in which they were counted. */
interface Decided {
  by?: string
  at?: number
  votes?: readonly { seat: string; approved: boolean; reason?: string; by?: string; at?: number }[]
}

export type ApprovalAnswer<Value = Json> =
  /** `input`: arguments to use in place of those shown. `value`: the data that the answer brought along. */
  ({ approved: true; input?: Json; value?: Value } & Decided) | ({ approved: false; reason: string } & Decided)

/** Where the question has a schema: a yes has data that fit it. */
export type DataAnswer<Value> =
  | ({ approved: true; value: Value } & Decided)
  | ({ approved: false; reason: string } & Decided)

/**
 * Asks for a decision under `key` (unique in the run) and waits for it. Escalated questions have the keys `<key>/2`,
 * `<key>/3`, …; one whose answer the program's schema has refused is asked again as `<key>/again#1`, …
 *
 * Rejects with StepError APPROVAL_TIMEOUT when time is up and `onTimeout` does not say what to do, and with UsageError
 * BAD_INPUT when the options contradict each other.
 */
export async function requestApproval<Value = Json>(
  durable: Durable,
  key: string,
  name: string,
  options: ApprovalOptions<Value>,
): Promise<ApprovalAnswer<Value>> {
  const policy = checkApproval(name, options)
  const { timeoutMs, assignees, onTimeout } = policy
  const schema = options.schema === undefined ? undefined : jsonSchemaOf(name, options.schema)
  let levelKey = key
  for (const [index, assignee] of assignees.entries()) {
    const level = index + 1
    if (level > 1) levelKey = `${key}/${level}`
    const ask: Ask = {
      name,
      options,
      policy: level === 1 ? policy : { ...policy, quorum: undefined },
      schema,
      assignee,
      level,
    }
    const { answer, at } = await askLevel(durable, levelKey, ask)
    if (answer !== undefined) return answer as ApprovalAnswer<Value>
    if (onTimeout === 'approve') return { approved: true, by: 'timeout', at }
    if (onTimeout === 'reject') {
      const reason = `Nobody answered within ${timeoutMs} ms, and onTimeout is 'reject'.`
      return { approved: false, reason, by: 'timeout', at }
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

/** One level of an escalation. */
interface Ask {
  readonly name: string
  readonly options: ApprovalOptions<unknown>
  readonly policy: NormalPolicy
  readonly schema: JsonObject | undefined
  readonly assignee: string | undefined
  readonly level: number
}

type Ended =
  | { readonly answer: ApprovalAnswer; readonly at?: undefined }
  | { readonly answer?: undefined; readonly at: number }

/** The answer, or when time was up. All that is asked here has the time of one question. */
async function askLevel(durable: Durable, key: string, ask: Ask): Promise<Ended> {
  const { options, policy } = ask
  let refused: Question['refused']
  let until: number | undefined
  for (let again = 0; ; again++) {
    const askKey = again === 0 ? key : `${key}/again#${again}`
    const question = questionOf(durable, askKey, ask, refused, until)
    const askedAt = await durable.open(askKey, question)
    until ??= untilOf(durable, askKey, policy)
    const patience = new Patience(durable, askKey, { askedAt, until }, policy.reminders)
    const result = await answerTo(durable, askKey, question, patience)
    if (!result.ok) return { answer: undefined, at: result.at }
    const answer = answerOf(result.value, result.signal)
    if (!answer.approved || options.schema === undefined || !isStandard(options.schema)) return { answer }
    const checked = await check(durable, askKey, options.schema, answer.value)
    if ('value' in checked) return { answer: { ...answer, value: checked.value as Json } }
    refused = { question: question.id, ...(answer.by !== undefined && { by: answer.by }), issues: checked.issues }
  }
}

function answerTo(durable: Durable, key: string, question: Question, patience: Patience): Promise<WaitResult<unknown>> {
  const { quorum } = question
  if (quorum === undefined) return patience.wait(key, question.id)
  return collectVotes(durable, key, { ...question, quorum }, patience)
}

function untilOf(durable: Durable, key: string, { timeoutMs, onTimeout }: NormalPolicy): number | undefined {
  return timeoutMs === undefined || onTimeout === 'wait' ? undefined : deadlineOf(durable, key, timeoutMs)
}

/** Recorded: code that is deployed later would perhaps see it otherwise. */
function check(
  durable: Durable,
  key: string,
  schema: Parameters<typeof checkData>[0],
  value: unknown,
): Promise<Checked> {
  return durable.step({ key: `${key}/check`, kind: 'code', name: 'check of the answer', effect: 'read' }, () =>
    checkData(schema, value),
  )
}

function questionOf(
  durable: Durable,
  key: string,
  { name, options, policy, schema, assignee, level }: Ask,
  refused: Question['refused'],
  until: number | undefined,
): Question {
  const { tool, input, inputSchema, details } = options
  const { timeoutMs, quorum } = policy
  const expiresAt = until ?? (timeoutMs === undefined ? undefined : expiryOf(durable, key, timeoutMs))
  return {
    id: durable.id('ap_', key),
    kind: options.kind ?? 'approval',
    name,
    ...(tool !== undefined && { tool }),
    ...(input !== undefined && { input }),
    ...(inputSchema !== undefined && { inputSchema }),
    ...(details !== undefined && { reason: encode(details, `details of approval "${name}"`) }),
    ...(assignee !== undefined && { assignee }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(schema !== undefined && { schema }),
    ...(quorum !== undefined && { quorum }),
    ...(level > 1 && { level }),
    ...(refused !== undefined && { refused }),
  }
}

function answerOf(value: unknown, signal: { readonly by?: string; readonly at?: number }): ApprovalAnswer {
  const answer: { approved?: unknown; reason?: unknown; input?: Json; value?: Json; votes?: Decided['votes'] } =
    typeof value === 'object' && value !== null ? value : {}
  const decided: Decided = {
    ...(signal.by !== undefined && { by: signal.by }),
    ...(signal.at !== undefined && { at: signal.at }),
    ...(answer.votes !== undefined && { votes: answer.votes }),
  }
  if (answer.approved === true) {
    return {
      approved: true,
      ...(answer.input !== undefined && { input: answer.input }),
      ...(answer.value !== undefined && { value: answer.value }),
      ...decided,
    }
  }
  if (answer.approved === false) {
    const reason = typeof answer.reason === 'string' ? answer.reason : 'No reason was given.'
    return { approved: false, reason, ...decided }
  }
  return { approved: false, reason: 'The answer says neither approved: true nor approved: false.', ...decided }
}
