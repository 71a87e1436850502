/** What can be said about an approval, and what of it makes no sense together. */
import type { Duration, Json, JsonObject } from '@selvage/core'
import { type OptionNames, refuseUnknown, toMs, UsageError } from '@selvage/core'
import type { StandardSchema } from '../input.ts'

/** Who is asked, and what happens while nobody answers. */
export interface ApprovalPolicy {
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
  /** The assignees after the first, in order. Only with `onTimeout: 'escalate'`. Each of them decides alone. */
  escalateTo?: readonly string[]
  /**
   * When to remind while the question is open: `'4h'` is every four hours, a list is so long after it was asked, each
   * once. A reminder is a notification. Those that fall due while no worker runs are one reminder afterwards.
   */
  reminders?: Duration | readonly Duration[]
  /** So many of the people in `of` must say yes. As soon as too few are left for that it is rejected. */
  quorum?: number
  /** The people of the quorum: each answers once, as `by`. */
  of?: readonly string[]
}

export interface ApprovalOptions<Value = Json> extends ApprovalPolicy {
  /** Shown to whoever decides. Anything that can be recorded. */
  details?: unknown
  /** The tool that waits for the decision, if it is one. */
  tool?: string
  /** The arguments that are to be approved; the answer may replace them. */
  input?: Json
  /** JSON Schema of those arguments: an answer that puts others in their place is refused where they do not fit. */
  inputSchema?: JsonObject
  /**
   * A yes must bring data that fit: a Standard Schema (zod, valibot, arktype …) or a JSON Schema. What can be said as a
   * JSON Schema is recorded with the question, so that every process refuses what does not fit, and the question stays
   * open. What only the program can tell (a refinement) it tells afterwards: then the question is asked anew.
   */
  schema?: StandardSchema<unknown, Value> | JsonObject
  /** `unknown`: whether an effect `once` happened. `budget`: whether a run gets more. Default `approval`. */
  kind?: 'approval' | 'unknown' | 'budget'
}

/** Options of an approval that make sense, in one form. */
export interface NormalPolicy {
  readonly timeoutMs: number | undefined
  readonly onTimeout: ApprovalPolicy['onTimeout']
  /** One for each level; the first may be nobody in particular. */
  readonly assignees: readonly (string | undefined)[]
  readonly reminders: { readonly everyMs: number } | { readonly afterMs: readonly number[] } | undefined
  readonly quorum: { readonly need: number; readonly of: readonly string[] } | undefined
}

/** `kind` is for what asks by itself. */
export const APPROVAL: OptionNames<ApprovalOptions> = {
  assignee: true,
  timeout: true,
  onTimeout: true,
  escalateTo: true,
  reminders: true,
  quorum: true,
  of: true,
  details: true,
  tool: true,
  input: true,
  inputSchema: true,
  schema: true,
  kind: false,
}
const ON_TIMEOUT: readonly unknown[] = [undefined, 'wait', 'reject', 'approve', 'escalate']
/** Nobody reads more often than that; a shorter one is a mistake in the unit. */
const SHORTEST_REMINDER_MS = 1_000

/** BAD_INPUT for what is unknown or contradicts itself. Called as early as the options are known. */
export function checkApproval(name: string, options: ApprovalOptions<unknown>): NormalPolicy {
  refuseUnknown(`Approval "${name}"`, options, APPROVAL)
  const { timeout, onTimeout, assignee } = options
  const timeoutMs = timeout === undefined ? undefined : toMs(timeout, `timeout of approval "${name}"`)
  if (!ON_TIMEOUT.includes(onTimeout)) {
    throw bad(name, `has onTimeout: ${JSON.stringify(onTimeout)}`, 'Use wait, reject, approve or escalate.')
  }
  if (onTimeout !== undefined && timeoutMs === undefined) {
    throw bad(
      name,
      `has onTimeout: '${onTimeout}' but no timeout`,
      'Give it one, or leave onTimeout out to wait for ever.',
    )
  }
  if (onTimeout === 'approve' && options.schema !== undefined) {
    throw bad(name, "has onTimeout: 'approve' and a schema", 'Time brings no data: reject, escalate or wait instead.')
  }
  const quorum = checkQuorum(name, options)
  return {
    timeoutMs,
    onTimeout,
    assignees: [assignee === undefined ? undefined : person(name, 'assignee', assignee), ...checkChain(name, options)],
    reminders: checkReminders(name, options.reminders),
    quorum,
  }
}

function checkChain(name: string, { onTimeout, escalateTo = [] }: ApprovalPolicy): readonly string[] {
  if (onTimeout === 'escalate' && escalateTo.length === 0) {
    throw bad(name, "has onTimeout: 'escalate' but nobody in escalateTo", 'Name at least one assignee in escalateTo.')
  }
  if (onTimeout !== 'escalate' && escalateTo.length > 0) {
    throw bad(name, "has escalateTo without onTimeout: 'escalate'", 'Set that, or leave escalateTo out.')
  }
  return escalateTo.map((one) => person(name, 'escalateTo', one))
}

function checkReminders(name: string, reminders: ApprovalPolicy['reminders']): NormalPolicy['reminders'] {
  if (reminders === undefined) return undefined
  const ms = (duration: Duration): number => {
    const length = toMs(duration, `reminders of approval "${name}"`)
    if (length >= SHORTEST_REMINDER_MS) return length
    throw bad(name, `has a reminder after ${length} ms`, 'A reminder comes after a second at the earliest.')
  }
  if (!isList(reminders)) return { everyMs: ms(reminders) }
  return { afterMs: reminders.map(ms).sort((one, other) => one - other) }
}

function isList(reminders: Duration | readonly Duration[]): reminders is readonly Duration[] {
  return Array.isArray(reminders)
}

function checkQuorum(name: string, options: ApprovalOptions<unknown>): NormalPolicy['quorum'] {
  const { quorum: need, of, assignee, schema } = options
  if (need === undefined && of === undefined) return undefined
  if (need === undefined || of === undefined) {
    throw bad(name, need === undefined ? 'has of without quorum' : 'has quorum without of', 'A quorum needs both.')
  }
  if (!Array.isArray(of)) throw bad(name, 'has an of that is no list', "Write of: ['ann', 'bob'].")
  const people = of.map((one) => person(name, 'of', one))
  if (new Set(people).size < people.length) throw bad(name, 'names somebody twice in of', 'Each person answers once.')
  if (!Number.isInteger(need) || need < 1 || need > people.length) {
    throw bad(name, `wants ${need} of ${people.length} people`, 'quorum is a whole number from 1 to the length of of.')
  }
  if (assignee !== undefined) throw bad(name, 'has an assignee and a quorum', 'The people of a quorum are those in of.')
  if (schema !== undefined)
    throw bad(name, 'has a schema and a quorum', 'Ask one person for data, and several for a yes.')
  return { need, of: people }
}

/** Names are parts of ids. */
function person(approval: string, option: string, name: string): string {
  if (typeof name === 'string' && name !== '' && name.length <= 320 && (name as Wellformed).isWellFormed()) return name
  throw bad(approval, `has ${JSON.stringify(name)} in ${option}`, 'A person is a text of 1 to 320 characters.')
}

/** In ES2024, which the types of this project lag behind. */
type Wellformed = string & { isWellFormed(): boolean }

function bad(name: string, what: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', `Approval "${name}" ${what}.`, { hint })
}
