/**
 * For engines that read what they list: filters, pages, and the questions of a journal. Newest first; a page begins behind
 * the last item of the one before.
 */
import { UsageError } from '../errors.ts'
import { AskedQuestions } from '../journal/asked-questions.ts'
import type { Entry } from '../journal/entry.ts'
import type { Page, QuestionQuery, QuestionRecord, RunQuery, RunSummary } from '../records.ts'
import { limitOf, pageTo } from '../stores/pages.ts'
import { fromBase64url } from '../values/base64.ts'
import { decodeText, encodeText } from '../values/text.ts'

export function runMatches(run: RunSummary, query: RunQuery): boolean {
  const { status, program, version, parent, tenant, tag, createdFrom, createdBefore } = query
  const statuses = status === undefined || typeof status === 'string' ? status : new Set(status)
  if (typeof statuses === 'string' ? run.status !== statuses : statuses?.has(run.status) === false) return false
  if (program !== undefined && run.program !== program) return false
  if (version !== undefined && run.version !== version) return false
  if (parent !== undefined && run.parent !== parent) return false
  if (tenant !== undefined && run.tenant !== tenant) return false
  if (tag !== undefined && run.tags[tag.key] !== tag.value) return false
  return run.createdAt >= (createdFrom ?? 0) && run.createdAt < (createdBefore ?? Number.POSITIVE_INFINITY)
}

export function questionMatches(record: QuestionRecord, query: QuestionQuery, tags: RunSummary['tags'] = {}): boolean {
  const { status, runId, assignee, kind, tag } = query
  if (status !== undefined && record.status !== status) return false
  if (runId !== undefined && record.runId !== runId) return false
  if (assignee !== undefined && record.assignee !== assignee) return false
  if (kind !== undefined && record.kind !== kind) return false
  return tag === undefined || tags[tag.key] === tag.value
}

/** The questions that a journal holds, in the order in which they were asked. Answers that no entry tells of are not in it. */
export function questionsIn(runId: string, entries: readonly Entry[]): readonly QuestionRecord[] {
  const questions = new AskedQuestions(runId)
  for (const entry of entries) questions.take(entry)
  return questions.all
}

type Place = readonly [at: number, id: string]

export function pageOf<Item>(
  items: readonly Item[],
  placeOf: (item: Item) => Place,
  { limit, after }: { readonly limit?: number; readonly after?: string },
): Page<Item> {
  const most = limitOf(limit)
  const from = after === undefined ? undefined : placeIn(after)
  const sorted = items
    .map((item) => ({ item, place: placeOf(item) }))
    .filter(({ place }) => from === undefined || compare(place, from) > 0)
    .sort((one, other) => compare(one.place, other.place))
  return pageTo(
    sorted,
    most,
    ({ item }) => item,
    ({ place }) => JSON.stringify(place),
  )
}

/** Newest first. */
function compare([oneAt, oneId]: Place, [otherAt, otherId]: Place): number {
  if (oneAt !== otherAt) return otherAt - oneAt
  return oneId === otherId ? 0 : oneId < otherId ? 1 : -1
}

/** Where a page begins, for engines that look it up. BAD_INPUT. */
export function placeIn(after: string): Place {
  try {
    const place = JSON.parse(decodeText(fromBase64url(after) ?? encodeText('null'))) as unknown
    if (Array.isArray(place) && typeof place[0] === 'number' && typeof place[1] === 'string') {
      return [place[0], place[1]]
    }
  } catch {
    // Said below.
  }
  throw new UsageError('BAD_INPUT', `'${after}' is no page of this list.`, { hint: 'Give `next` of the page before.' })
}
