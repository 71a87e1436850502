/** What a run is listed by, beside its status: names and values, each run a few. */
import type { Start } from '../journal/entry.ts'
import type { RunQuery } from '../records.ts'

export type Label = readonly [name: string, value: string]

/** Every run has this one. */
export const ANY_RUN: Label = ['run', '']

export function labelsOf(start: Start): Label[] {
  const labels: Label[] = [ANY_RUN, ['program', start.program]]
  if (start.version !== undefined) labels.push(['version', start.version])
  if (start.tenant !== undefined) labels.push(['tenant', start.tenant])
  if (start.parent !== undefined) labels.push(['parent', start.parent.runId])
  for (const [key, value] of Object.entries(start.tags ?? {})) labels.push([`tag ${key}`, value])
  return labels
}

/** The label that fewest runs are likely to share, of those asked for. */
export function rarestLabel(query: RunQuery): Label | undefined {
  if (query.tag !== undefined) return [`tag ${query.tag.key}`, query.tag.value]
  if (query.parent !== undefined) return ['parent', query.parent]
  if (query.tenant !== undefined) return ['tenant', query.tenant]
  if (query.version !== undefined) return ['version', query.version]
  if (query.program !== undefined) return ['program', query.program]
  return undefined
}
