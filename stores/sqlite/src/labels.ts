/** What a run is listed by, beside its status: names and values of the table `label`. */
import type { RunQuery, Start } from '@selvage/core'

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

/** The labels that a query asks for, those that fewest runs are likely to share first. */
export function labelsIn({ tag, parent, tenant, version, program }: RunQuery): Label[] {
  const labels: Label[] = tag === undefined ? [] : [[`tag ${tag.key}`, tag.value]]
  for (const [name, value] of Object.entries({ parent, tenant, version, program })) {
    if (value !== undefined) labels.push([name, value])
  }
  return labels
}
