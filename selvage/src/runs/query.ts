/**
 * What lists are asked for, looked at before an engine sees it. A database compares a number with a text without a word: the
 * runs that were made before `'2026-01-01'` are all of them, and `discardAll` would take them away.
 */
import type { RunQuery } from '@selvage/core'
import { refuseNoText, UsageError } from '@selvage/core'

/** Filters of any list, of which each has some. */
interface Filters extends Omit<RunQuery, 'status' | 'limit'> {
  readonly runId?: string
  readonly assignee?: string
  readonly topic?: string
  readonly name?: string
}

const TEXTS = ['program', 'version', 'parent', 'tenant', 'runId', 'assignee', 'topic', 'name', 'after'] as const
const TIMES = ['createdFrom', 'createdBefore'] as const

/** UsageError BAD_INPUT for a filter that is of another kind than it must be. `what`: the list, as it is called. */
export function checkFilters(what: string, query: Filters): void {
  for (const name of TEXTS) if (query[name] !== undefined) refuseNoText(`${name} of ${what}`, query[name])
  for (const name of TIMES) if (query[name] !== undefined) checkTime(`${name} of ${what}`, query[name])
  const { tag } = query
  if (tag === undefined) return
  if (typeof tag !== 'object' || tag === null || !('key' in tag && 'value' in tag)) {
    throw bad(`tag of ${what} has no key and value.`, "Write it as tag: { key: 'team', value: 'a' }.")
  }
  refuseNoText(`The key of the tag of ${what}`, tag.key)
  refuseNoText(`The value of the tag of ${what}`, tag.value)
}

function checkTime(what: string, given: unknown): void {
  if (typeof given === 'number' && !Number.isNaN(given)) return
  throw bad(`${what} is no time in milliseconds.`, 'Of a Date: date.getTime().')
}

function bad(message: string, hint: string): UsageError {
  return new UsageError('BAD_INPUT', message, { hint })
}
